# SPDX-License-Identifier: Apache-2.0
"""The miniport's line: which code is the miniport's, which line was running, and how a place is written."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

import hw.clock
import verifier.where
from hw.clock import Clock
from verifier.where import WhereCell, display_path, is_miniport, line_of, place, where_of_function

HOUSE = Path(verifier.where.__file__).resolve().parent.parent


def code_of(path: str | Path, source: str = "def f(call):\n\n    return call()\n") -> dict[str, Any]:
    """The names that *source* defines, compiled as if it stood in *path*."""
    names: dict[str, Any] = {}
    exec(compile(source, str(path), "exec"), names)
    return names


@pytest.fixture
def cell() -> WhereCell:
    cell = WhereCell()
    cell.depth = 1
    return cell


def test_a_method_that_the_bed_supplies_stands_at_the_miniports_first_function() -> None:
    base = code_of(HOUSE / "miniport" / "miniport.py", "class Base:\n    def halt(self):\n        pass\n")["Base"]
    names: dict[str, Any] = {"Base": base}
    exec(compile("class Mine(Base):\n    limit = 1\n    def start(self):\n        pass\n", str(Path("mine.py")), "exec"), names)
    where = where_of_function(names["Mine"]().halt)
    assert where is not None and (where[0].co_name, where[0].co_filename) == ("start", "mine.py")
    bare = where_of_function(base().halt)
    assert bare is not None and bare[0].co_name == "halt"


def test_nothing_is_captured_while_no_handler_runs() -> None:
    assert WhereCell().capture() is None


def test_the_running_line_is_captured(cell: WhereCell) -> None:
    where = cell.capture()
    assert where is not None
    assert where[0].co_name == "test_the_running_line_is_captured"
    assert line_of(where) == where[0].co_firstlineno + 1


def test_each_line_of_one_function_is_another_place(cell: WhereCell) -> None:
    first = cell.capture()
    second = cell.capture()
    assert first is not None
    assert second is not None
    assert first != second
    assert line_of(second) - line_of(first) == 1


def test_the_same_line_is_the_same_place(cell: WhereCell) -> None:
    assert len({cell.capture() for _ in range(3)}) == 1


def test_frames_of_the_bed_are_passed_over(cell: WhereCell) -> None:
    clock, seen = Clock(), []
    clock.at(1, lambda: None)
    bed = code_of(HOUSE / "hw" / "device.py")
    seen.append(bed["f"](cell.capture))
    assert seen[0] is not None
    assert seen[0][0].co_name == "test_frames_of_the_bed_are_passed_over"


def test_the_innermost_frame_of_the_miniport_is_taken(cell: WhereCell, tmp_path: Path) -> None:
    miniport = code_of(tmp_path / "mynic.py")
    where = miniport["f"](cell.capture)
    assert where is not None
    assert (Path(where[0].co_filename).name, line_of(where)) == ("mynic.py", 3)


def test_frames_of_the_standard_library_are_passed_over(cell: WhereCell) -> None:
    class Calls(json.JSONEncoder):
        def default(self, o: Callable[[], object]) -> str:
            places.append(bed["f"](o))
            return ""

    bed = code_of(HOUSE / "hw" / "device.py")
    library = code_of(Path(json.__file__).parent / "other.py")
    places: list[Any] = [library["f"](cell.capture)]
    json.dumps(cell.capture, cls=Calls)
    assert [where[0].co_name for where in places] == ["test_frames_of_the_standard_library_are_passed_over", "default"]


@pytest.mark.parametrize("path, own", [
    (HOUSE / "miniport" / "reference" / "driver.py", True),
    (HOUSE / "miniport" / "ndis.py", False),
    (HOUSE / "hw" / "nic" / "base.py", False),
    (HOUSE / "verifier" / "where.py", False),
    (HOUSE / "dmabed" / "world.py", False),
    (HOUSE / "hwmon" / "driver.py", True),
    (HOUSE / "examples" / "clean" / "driver.py", True),
    (Path(json.__file__), False),
    ("<string>", False),
    ("<frozen importlib._bootstrap>", False),
    ("driver.py", True),
])
def test_whose_code_it_is_follows_from_the_file(path: str | Path, own: bool) -> None:
    code: CodeType = code_of(path)["f"].__code__
    assert is_miniport(code) is own
    assert is_miniport(code) is own


def test_a_function_is_a_place_and_other_things_are_none() -> None:
    where = where_of_function(code_of)
    assert where is not None
    assert line_of(where) == code_of.__code__.co_firstlineno
    assert where_of_function(test_a_function_is_a_place_and_other_things_are_none) is not None
    assert where_of_function(len) is None
    assert where_of_function(None) is None


def test_a_bound_method_is_the_place_of_its_function() -> None:
    where = where_of_function(Clock().advance)
    assert where == (Clock.advance.__code__, 0)


def test_a_place_outside_any_line_is_that_of_the_function() -> None:
    assert line_of((code_of.__code__, 1 << 20)) == code_of.__code__.co_firstlineno


def test_no_place_is_written_as_none() -> None:
    assert place(None) is None


def test_a_place_is_written_relative_to_the_bed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    line = hw.clock.Clock.advance.__code__.co_firstlineno
    assert place(where_of_function(hw.clock.Clock.advance)) == f"hw/clock.py:{line}"


def test_a_place_is_written_relative_to_the_folder_that_the_user_stands_in(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    function = code_of(tmp_path / "drivers" / "mynic.py")["f"]
    assert place(where_of_function(function)) == "drivers/mynic.py:1"


def test_a_place_elsewhere_is_written_relative_to_the_base_or_by_its_name_alone(tmp_path: Path) -> None:
    name = str(tmp_path / "drivers" / "mynic.py")
    assert display_path(name, tmp_path) == "drivers/mynic.py"
    assert display_path(name) == "mynic.py"


def test_capturing_does_not_depend_on_the_depth_of_the_bed(cell: WhereCell) -> None:
    bed = code_of(HOUSE / "hw" / "device.py", "def f(call, n):\n    return f(call, n - 1) if n else call()\n")
    depth = sys.getrecursionlimit() // 4
    assert bed["f"](cell.capture, depth) == bed["f"](cell.capture, 0) or line_of(bed["f"](cell.capture, depth)) > 0
