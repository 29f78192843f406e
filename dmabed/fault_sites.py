# SPDX-License-Identifier: Apache-2.0
"""Sites files: the fault points of the tests of one module, committed beside it, so that a change of them is a visible diff.

::

    ["test_survives_every_fault"."no condition"]
    "NdisMAllocateSharedMemory" = 3
    "register-read:STATUS" = 4

By test, by condition, by name: how often the life without a fault uses the points of that name.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from dmabed.sweep import Uses, point_text
from verifier.errors import UsageError
from verifier.where import display_path

UPDATE = "--dmabed-update-sites"
_BARE = "no condition"
_HEAD = f"# Fault points of the tests that are marked every_fault. Written by pytest {UPDATE}\n"


def sites_file(test: Path) -> Path:
    """``test_x.faults.toml`` beside ``test_x.py``."""
    return test.with_suffix(".faults.toml")


def read_sites(path: Path) -> dict[str, Uses] | None:
    """By test its fault points; None where there is no file. `UsageError` for a file of another form."""
    try:
        tests = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise UsageError(f"{display_path(str(path))} cannot be read: {problem}", f"write it again: pytest {UPDATE}") from None
    for conditions in tests.values():
        tables = list(conditions.values()) if isinstance(conditions, dict) else [None]
        if not all(isinstance(names, dict) and all(type(n) is int and n > 0 for n in names.values()) for names in tables):
            raise UsageError(f"{display_path(str(path))} is no sites file", f"write it again: pytest {UPDATE}")
    return {test: {"" if condition == _BARE else condition: names for condition, names in conditions.items()}
            for test, conditions in tests.items()}


def write_sites(path: Path, tests: Mapping[str, Uses]) -> None:
    """Write the file at once: a reader sees the one before or this one."""
    parts = [_HEAD]
    for test, conditions in tests.items():
        for condition, names in conditions.items():
            parts.append(f"\n[{_quoted(test)}.{_quoted(condition or _BARE)}]\n"
                         + "".join(f"{_quoted(name)} = {count}\n" for name, count in names.items()))
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        beside.write_text("".join(parts), encoding="utf-8", newline="\n")
        beside.replace(path)
    except OSError as problem:
        raise UsageError(f"{display_path(str(path))} cannot be written: {problem.strerror or problem}",
                         "make the folder writable") from None


def difference(committed: Uses, recorded: Uses) -> list[str]:
    """What *recorded* has more and less than *committed*, one line each; empty where both are the same."""
    return [*(f"+ {line}" for line in _more(recorded, committed)), *(f"- {line}" for line in _more(committed, recorded))]


def _more(one: Uses, other: Uses) -> Iterator[str]:
    for condition, names in one.items():
        there = other.get(condition, {})
        for name, count in names.items():
            if count > there.get(name, 0):
                yield point_text(name, there.get(name, 0) + 1, count) + (f"@{condition}" if condition else "")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
