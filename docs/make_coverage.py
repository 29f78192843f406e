# SPDX-License-Identifier: Apache-2.0
"""Writes ``docs/coverage.md``: ``python docs/make_coverage.py``. What NDIS 5 offers, what the bed offers, and which tests name it.

The list of NDIS 5 is ``tests/data/ndis5_routines.txt``, the faces come from the table of routines, the reasons from
``docs/routines-left.md``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from miniport import library
from miniport.routine import TABLE

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tests" / "data" / "ndis5_routines.txt"
LEFT = ROOT / "docs" / "routines-left.md"
PAGE = ROOT / "docs" / "coverage.md"
BESIDES = "Besides"
"""The group of routines that the bed models and the list does not hold."""
SHOWN = 3
"""How many test files a row names."""
OWN_TESTS = ("test_coverage.py", "test_stub.py")
"""Tests of generated files: that they name a routine says nothing of it."""

HEAD = """\
# Coverage

What `ndis.h` offers to connectionless Ethernet miniports of NDIS 5 ([the list](../tests/data/ndis5_routines.txt)), and what this version
does with it: {faces} of {total} have a Python face. `docs/make_coverage.py` writes this page; tests hold it together with the table of
routines and with [routines-left.md](routines-left.md), which gives the reasons.

The last column names up to {shown} test files that name the routine or its face, in alphabetic order; `…` stands for more. A name in a
test proves no quality: it says where to begin to read.
"""
COLUMNS = "| NDIS name | Python face | without a face: what does instead, or why | tests |\n|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One routine of the list. Exactly one of *face* and *reason* is empty."""

    name: str
    face: str
    reason: str
    tests: tuple[str, ...]


def groups() -> dict[str, list[str]]:
    """The names of the list by group; at the end what the bed models besides."""
    assert library.__all__, "importing the library fills the table"
    found: dict[str, list[str]] = {}
    group: list[str] = []
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("= "):
            group = found.setdefault(line[2:], [])
        elif line and not line.startswith("#"):
            group.append(line)
    listed = {name for names in found.values() for name in names}
    besides = sorted(TABLE.keys() - listed)
    return {**found, **({BESIDES: besides} if besides else {})}


def reasons() -> dict[str, str]:
    """By name, or pattern with ``*``: what the page of routines without a face says."""
    found = {}
    for line in LEFT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ", 1)]
        if line.startswith("| ") and len(cells) == 2 and cells[0] != "NDIS name":
            found.update(dict.fromkeys(cells[0].split(", "), cells[1]))
    return found


def reason_of(name: str, known: dict[str, str]) -> str:
    """The reason that names it most exactly; empty where none does."""
    patterns = [pattern for pattern in known if fnmatchcase(name, pattern)]
    return known[max(patterns, key=len)] if patterns else ""


def rows() -> dict[str, list[Row]]:
    """All rows by group."""
    known, words = reasons(), _words()
    result: dict[str, list[Row]] = {}
    for group, names in groups().items():
        for name in names:
            row = TABLE.get(name)
            face = row.python if row is not None else ""
            tests = tuple(file for file, named in words.items() if name in named or (face and f".{face}" in named))
            result.setdefault(group, []).append(Row(name, face, "" if face else reason_of(name, known), tests))
    return result


def page() -> str:
    """The whole page."""
    all_rows = rows()
    listed = [row for group, found in all_rows.items() if group != BESIDES for row in found]
    text = HEAD.format(faces=sum(bool(row.face) for row in listed), total=len(listed), shown=SHOWN)
    return text + "".join(
        f"\n## {group}\n\n{COLUMNS}{''.join(map(_line, found))}" for group, found in all_rows.items())


def _line(row: Row) -> str:
    face = f"`{row.face}`" if row.face else "no face"
    shown = ", ".join((*row.tests[:SHOWN], *(["…"] if row.tests[SHOWN:] else [])))
    return f"| {row.name} | {face} | {row.reason or '–'} | {shown or '–'} |\n"


def _words() -> dict[str, set[str]]:
    """By test file, in alphabetic order: its words, and its words with the dot before them."""
    tests = ROOT / "tests"
    return {file.relative_to(tests).as_posix(): set(re.findall(r"\.?\b\w+", file.read_text(encoding="utf-8")))
            | set(re.findall(r"\b\w+", file.read_text(encoding="utf-8")))
            for file in sorted(tests.rglob("test_*.py")) if file.name not in OWN_TESTS}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
