# SPDX-License-Identifier: Apache-2.0
"""``miniport/adapter.pyi``: it is the generated one, it holds every routine, and type checkers use it."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from miniport.adapter import Adapter
from miniport.adapter_state import AdapterState
from miniport.routine import TABLE

ROOT = Path(__file__).resolve().parents[2]
STUB = ROOT / "miniport" / "adapter.pyi"
USE = """\
from miniport.adapter import Adapter
from miniport.miniport import Miniport


class Mine(Miniport):
    def halt(self, adapter: Adapter) -> None:
        {line}
"""


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_stub", ROOT / "docs" / "make_stub.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checked(*files: str, folder: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """mypy --strict over *files* and nothing else, with the settings of the project."""
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file", str(ROOT / "pyproject.toml"),
         "--cache-dir", str(cache), *files],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "MYPYPATH": str(ROOT)})


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


def methods() -> dict[str, ast.FunctionDef]:
    body = next(node for node in ast.parse(STUB.read_text("utf-8")).body if isinstance(node, ast.ClassDef)).body
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def test_the_stub_is_the_generated_one() -> None:
    assert STUB.read_text("utf-8") == generator().stub(), "run: python docs/make_stub.py"


def test_the_stub_holds_every_member_of_the_class() -> None:
    shown = {name for name in vars(Adapter) if not name.startswith("__")}
    assert set(methods()) == shown
    assert {row.python for row in TABLE.values()} < shown


@pytest.mark.parametrize("name", ["allocate_shared_memory", "read_register_ulong", "write_register_uchar", "allocate_memory"])
def test_parameters_are_those_of_the_class(name: str) -> None:
    arguments = methods()[name].args
    parameters = inspect.signature(getattr(Adapter, name)).parameters
    assert [argument.arg for argument in arguments.args][1:] == list(parameters)[1:]
    assert len(arguments.defaults) == sum(p.default is not p.empty for p in parameters.values())


def test_the_stub_stands_on_the_state_of_the_adapter() -> None:
    source = STUB.read_text("utf-8")
    assert f"class Adapter({AdapterState.__name__}):" in source
    assert "__getattr__" not in source, "a misspelled routine has to be an error of types"


@pytest.mark.parametrize("folder", ["clean", "flawed"])
def test_examples_are_typed(folder: str, cache: Path) -> None:
    here = ROOT / "examples" / folder
    result = checked(*sorted(path.name for path in here.glob("*.py")), folder=here, cache=cache)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("line, error", [
    ("adapter.unmap_io_space(adapter.context, 16)", None),
    ("adapter.unmap_io_spaces(adapter.context, 16)", "attr-defined"),
    ("adapter.unmap_io_space(16, 16)", "arg-type"),
    ("adapter.unmap_io_space(adapter.context)", "call-arg"),
    ("adapter.write_register_ulong(adapter.context, 0, b'')", "arg-type"),
    ("status: int = adapter.allocate_shared_memory(16, False)", "assignment"),
    ("print(adapter.number + 1, adapter.serialized, adapter.registered_version[0])", None),
])
def test_a_wrong_call_is_an_error_of_types(line: str, error: str | None, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "mine.py").write_text(USE.format(line=line), encoding="utf-8")
    result = checked("mine.py", folder=tmp_path, cache=cache)
    assert result.returncode == (0 if error is None else 1), result.stdout
    assert error is None or f"[{error}]" in result.stdout
