# SPDX-License-Identifier: Apache-2.0
"""Imports between the six packages go down only, and nothing else is imported but the declared libraries."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {"dmabed": 6, "miniport": 5, "allocator": 4, "hw": 3, "firmware": 2, "verifier": 1}
LIBRARIES = {"construct", "elftools", "cffi", "pytest", "rich", "click", "jinja2", "markupsafe"}
"""Declared in pyproject.toml; markupsafe is what jinja2 marks safe text with, and comes with it."""
OPTIONAL = {"dmabed": {"hypothesis", "distributed"}, "hw": {"unicorn"}}
"""Declared in pyproject.toml as extras: what a package may import where it is asked for."""
IMPORTING_CALLS = {"import_module", "__import__"}


def imports(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Line and top-level name of each import in *source*: in functions, under TYPE_CHECKING, by literal call, too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, package if node.level else (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in IMPORTING_CALLS:
                yield node.lineno, str(node.args[0].value).partition(".")[0] or package


def complaints(source: str, package: str) -> list[str]:
    """One line for each import of *source*, a module of *package*, that goes up or that nobody declared."""
    found = []
    for line, target in imports(source, package):
        if target in FLOORS:
            if FLOORS[target] > FLOORS[package]:
                found.append(
                    f"line {line}: {package} (floor {FLOORS[package]}) imports {target} (floor {FLOORS[target]})"
                )
        elif target not in LIBRARIES | OPTIONAL.get(package, set()) and target not in sys.stdlib_module_names:
            found.append(f"line {line}: {package} imports {target}, which is no declared library")
    return found


def modules() -> list[tuple[str, Path]]:
    return [(package, path) for package in FLOORS for path in sorted((ROOT / package).rglob("*.py"))]


@pytest.mark.parametrize("package", FLOORS)
def test_imports_go_down_only(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)} {complaint}"
        for owner, path in modules()
        if owner == package
        for complaint in complaints(path.read_text(encoding="utf-8"), package)
    ]
    assert not found, "\n".join(found)


def test_every_package_was_looked_at() -> None:
    assert {package for package, _ in modules()} == set(FLOORS)


def test_every_top_level_package_has_a_floor() -> None:
    with_init = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert with_init - {"tests", "bench", "examples"} == set(FLOORS)


@pytest.mark.parametrize(
    "source",
    [
        "import hw",
        "import os, hw.nic as nic",
        "from hw import nic",
        "from hw.nic import Reference",
        "def late():\n    from dmabed.cli import main",
        "if TYPE_CHECKING:\n    from miniport import adapter",
        "importlib.import_module('allocator.frames')",
        "__import__('hw')",
    ],
)
def test_an_import_that_goes_up_is_refused(source: str) -> None:
    assert complaints(source, "firmware")


@pytest.mark.parametrize("source", ["import numpy", "from unicorn import Uc", "import tests.helpers", "import bench"])
def test_an_import_that_nobody_declared_is_refused(source: str) -> None:
    assert complaints(source, "dmabed")


@pytest.mark.parametrize(
    "source",
    [
        "import json, os.path",
        "from verifier.address import Span",
        "from firmware import engine",
        "from . import image",
        "from .. import firmware",
        "importlib.import_module('.image', 'firmware')",
        "import construct",
    ],
)
def test_an_import_that_goes_down_or_stays_is_allowed(source: str) -> None:
    assert complaints(source, "firmware") == []
