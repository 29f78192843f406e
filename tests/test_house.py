# SPDX-License-Identifier: Apache-2.0
"""House rules that hold for every file: licence lines, no path of one machine, no swallowed exception, types."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("hw", "miniport", "allocator", "verifier", "firmware", "dmabed")
FOLDERS = (*PACKAGES, "tests", "bench", "examples")
TEXTS = {".py", ".json", ".toml", ".md", ".c", ".h", ".s", ".S", ".ld", ".j2", ".html", ".css", ".js", ".txt", ".yml"}
ROOT_TEXTS = ("pyproject.toml", "Makefile", ".ci/run", "README.md", "CHANGELOG.md")

SPDX = "# SPDX-License-Identifier: Apache-2.0"
# Written so that this file does not match itself.
FOREIGN_PATH = re.compile(r"\.\./(?:shared)\b|(?<![\w.])/(?:work|home|Users|root)/\w|[A-Z]:\\{1,2}(?:Users)\b")
LINT_SWITCH = re.compile(r"#\s*(?:noqa)\b", re.IGNORECASE)
BROAD = {"Exception", "BaseException"}


def licence_complaints(source: str) -> list[str]:
    """*source* starts with the SPDX line and has no other."""
    lines = source.splitlines()
    found = [] if lines[:1] == [SPDX] else ["line 1: is not the SPDX line"]
    again = [number for number, line in enumerate(lines[1:], 2) if line.lstrip().startswith(SPDX.partition(":")[0])]
    return found + [f"line {number}: a second SPDX line" for number in again]


def path_complaints(text: str) -> list[str]:
    """*text* names no folder that exists on one machine only."""
    return [
        f"line {number}: names {match.group()}, a path of one machine"
        for number, line in enumerate(text.splitlines(), 1)
        for match in FOREIGN_PATH.finditer(line)
    ]


def exception_complaints(source: str) -> list[str]:
    """*source* swallows no broad exception, raises no bare one, and switches no lint rule off in place."""
    found = [f"line {n}: noqa" for n, line in enumerate(source.splitlines(), 1) if LINT_SWITCH.search(line)]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and all(map(_does_nothing, node.body)):
            found.append(f"line {node.lineno}: a broad except that does nothing")
        elif isinstance(node, ast.Call) and _name(node.func) == "suppress" and any(map(_is_broad, node.args)):
            found.append(f"line {node.lineno}: a broad suppress")
        elif isinstance(node, ast.Raise) and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if _name(raised) in BROAD:
                found.append(f"line {node.lineno}: a bare exception; raise one of verifier.errors")
    return found


def _is_broad(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(map(_is_broad, kind.elts))
    return kind is None or _name(kind) in BROAD


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass | ast.Continue) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def texts() -> Iterator[Path]:
    for folder in (*FOLDERS, "docs"):
        yield from sorted(path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix in TEXTS)
    yield from (ROOT / name for name in ROOT_TEXTS if (ROOT / name).exists())


def gather(check: Callable[[str], list[str]], paths: Iterator[Path]) -> str:
    return "\n".join(
        f"{path.relative_to(ROOT)} {complaint}" for path in paths for complaint in check(path.read_text("utf-8"))
    )


def test_every_source_starts_with_its_one_licence_line() -> None:
    assert gather(licence_complaints, sources()) == ""


def test_no_text_names_a_path_of_one_machine() -> None:
    assert gather(path_complaints, texts()) == ""


def test_no_source_swallows_or_raises_a_bare_exception() -> None:
    assert gather(exception_complaints, sources()) == ""


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed_and_described(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text("utf-8")))


def test_the_scan_sees_this_file() -> None:
    here = Path(__file__).resolve()
    assert here in set(sources())
    assert here in set(texts())


@pytest.mark.parametrize(
    "source",
    ["", '"""None."""\n', "\n" + SPDX, SPDX.replace("Apache-2.0", "MIT"), f"{SPDX}\n{SPDX}\n", f"{SPDX}\n  {SPDX}"],
)
def test_a_missing_wrong_late_or_second_licence_line_is_refused(source: str) -> None:
    assert licence_complaints(source)


@pytest.mark.parametrize(
    "head, tail", [("../", "shared/x"), ("see /", "work/main"), ("'/", "home/me"), ("C:\\", "Users"), ("/", "root/x")]
)
def test_a_path_of_one_machine_is_refused(head: str, tail: str) -> None:
    assert path_complaints(head + tail)


@pytest.mark.parametrize("text", ["docs:network/work/x", "the work/ folder", "../sharedmemory.py", "https://x.org/home"])
def test_a_path_that_only_resembles_one_is_allowed(text: str) -> None:
    assert path_complaints(text) == []


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    f()\nexcept Exception:\n    pass",
        "try:\n    f()\nexcept:\n    ...",
        "try:\n    f()\nexcept (ValueError, BaseException) as e:\n    pass",
        "for x in y:\n    try:\n        f()\n    except Exception:\n        continue",
        "with contextlib.suppress(Exception):\n    f()",
        "raise Exception",
        "raise Exception('what')",
        "raise builtins.BaseException('what')",
        "import os  # " + "noqa",
    ],
)
def test_a_swallowed_or_bare_exception_is_refused(source: str) -> None:
    assert exception_complaints(source)


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    f()\nexcept OSError:\n    pass",
        "try:\n    f()\nexcept Exception as e:\n    keep(e)",
        "try:\n    f()\nexcept ValueError:\n    raise",
        "raise UsageError('what', 'do this')",
        "with suppress(FileNotFoundError):\n    f()",
    ],
)
def test_a_narrow_or_handled_exception_is_allowed(source: str) -> None:
    assert exception_complaints(source) == []
