# SPDX-License-Identifier: Apache-2.0
"""Write verifier/rule_tests.json: which test breaks and which keeps a rule, from the marks in tests/."""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
TARGET = HOUSE / "verifier" / "rule_tests.json"
KINDS = ("breaks", "keeps")


def scan() -> dict[str, dict[str, list[str]]]:
    """For each id that a mark names: the test functions, in the order of their files and lines."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: {kind: [] for kind in KINDS})
    for path in sorted((HOUSE / "tests").rglob("test_*.py")):
        name = path.relative_to(HOUSE).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")):
            for kind, id in sorted(set(_marks(function, name))):
                found[id][kind].append(f"{name}::{function.name}")
    return {id: found[id] for id in sorted(found)}


def text() -> str:
    """The file: one rule on each line."""
    rows = [f"{json.dumps(id)}: {json.dumps(tests)}" for id, tests in scan().items()]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _marks(function: ast.FunctionDef, name: str) -> Iterator[tuple[str, str]]:
    """(kind, id) of each mark in the decorators, those of single parameters included."""
    for decorator in function.decorator_list:
        for node in ast.walk(decorator):
            if (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in KINDS
                    and ast.unparse(node.func.value) == "pytest.mark"):
                for argument in node.args:
                    if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                        raise SystemExit(f"{name}:{argument.lineno}: write the ids of pytest.mark.{node.func.attr} as strings")
                    yield node.func.attr, argument.value


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
