# SPDX-License-Identifier: Apache-2.0
"""Which statements of the miniport no world of a campaign ran."""

from __future__ import annotations

import json
import linecache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dmabed.campaign.covered import Notes
from dmabed.campaign.probes import Probes, place_of
from dmabed.cli import main
from dmabed.coverage import LineTrace
from dmabed.load import find_miniport
from dmabed.result import as_json
from dmabed.spec import WorldSpec
from dmabed.world import run_world
from miniport.reference import ReferenceMiniport, SerializedReferenceMiniport
from miniport.slave import SlaveMiniport

from .conftest import Write, campaign

HERE = Path(__file__).parent
ERROR_PATHS = """def initialize(self, adapter):
    memory = adapter.allocate_memory_with_tag(64, "one")[1]
    if memory is None:
        return s.NDIS_STATUS_RESOURCES
    if memory == 17:
        return (
            s.NDIS_STATUS_FAILURE)
    adapter.free_memory(memory, 64)
    return super().initialize(adapter)"""
EVERYTHING = '''def initialize(self, adapter):
    """A docstring."""
    def inner(n):
        nonlocal seen
        seen += n
        return seen
    seen = 0
    for n in (1, 2):
        inner(n)
    else:
        seen += 1
    while seen < 6: seen += 1
    try:
        raise ValueError(
            "x")
    except ZeroDivisionError:
        seen = 99
    except ValueError as problem:
        assert str(problem) == "x"
    finally:
        seen += 0
    match seen:
        case 6: total = [n for n in range(3)]
        case _: total = None
    if total is None: return 1
    elif total == 5:
        pass
    "no statement"
    both = lambda: (
        seen)
    with open(__file__): total = both()
    return super().initialize(adapter)'''


def own(missed: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(one["line"], one["source"]) for one in missed if one["file"] == "mine.py"]


def test_an_error_path_that_a_fault_reaches_is_covered_and_another_is_listed(write: Write) -> None:
    words = ["faults", write(ERROR_PATHS), "--only", "NdisAllocateMemory*", "--frames", "1", "--workers", "1"]
    result = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    assert (result["coverage"]["worlds"], result["coverage"]["unknown"]) == (3, [])
    assert own(result["coverage"]["missed"]) == [(13, "return (")]
    without = json.loads(CliRunner().invoke(main, [*words[:2], "--kinds", "async", *words[4:], "--json"]).stdout)
    assert own(without["coverage"]["missed"]) == [(11, "return s.NDIS_STATUS_RESOURCES"), (13, "return (")]
    text = CliRunner().invoke(main, [*words, "--report", "out"]).stdout
    assert "statements of the miniport, in any of 3 worlds" in text
    page = Path("out/index.html").read_text("utf-8")
    assert 'id="never-run"' in page and "mine.py:13" in page


def test_it_is_the_same_over_processes_and_can_be_switched_off(write: Write) -> None:
    name = write(ERROR_PATHS)
    here, there = (campaign(name, frames=1, coverage=True, workers=workers) for workers in (1, 2))
    assert here.coverage == there.coverage and here.coverage is not None
    assert here.coverage.worlds >= len(here.records) > 32
    assert campaign(name, "NdisAllocateMemory*", frames=1).coverage is None
    result = CliRunner().invoke(main, ["faults", name, "--only", "NdisAllocateMemory*", "--frames", "1", "--workers", "1", "--json",
                                       "--no-coverage"])
    assert json.loads(result.stdout)["coverage"] is None


def test_a_campaign_that_goes_on_knows_what_ran_before(write: Write, tmp_path: Path) -> None:
    name = write(ERROR_PATHS)
    whole = campaign(name, frames=1, coverage=True).coverage
    kept = tmp_path / "kept"
    campaign(name, frames=1, coverage=True, resume=kept)
    file, = kept.iterdir()
    lines = file.read_text("utf-8").splitlines()
    file.write_text("\n".join(lines[:len(lines) // 2]) + "\n", "utf-8")
    assert campaign(name, frames=1, coverage=True, resume=kept).coverage == whole
    assert campaign(name, frames=1, coverage=True, resume=kept).coverage == whole


def test_what_runs_in_one_world_of_many_is_covered(write: Write) -> None:
    """The first frame is sent in every world; that the eleventh allocation fails, in one."""
    body = "def initialize(self, adapter):\n    for n in range(40):\n        memory = adapter.allocate_memory_with_tag(64, 'one')[1]\n" \
        "        if memory is None:\n            if n == 10:\n                return s.NDIS_STATUS_RESOURCES\n" \
        "            return s.NDIS_STATUS_RESOURCES\n        adapter.free_memory(memory, 64)\n    return super().initialize(adapter)"
    name = write(body)
    for only, missed in (("NdisAllocateMemoryWithTag#11", [14]), ("NdisAllocateMemoryWithTag#12", [13]), ("NdisAllocateMemory*", [])):
        done = campaign(name, only, frames=1, coverage=True).coverage
        assert done is not None and [one.line for one in done.missed if one.file == "mine.py"] == missed


@pytest.mark.parametrize("miniport", [ReferenceMiniport, SerializedReferenceMiniport, SlaveMiniport])
def test_notes_and_a_trace_of_the_lines_say_the_same_and_a_noted_life_gives_the_same_record(miniport: Any) -> None:
    spec = WorldSpec(frames=2, nic="isa-slave" if miniport is SlaveMiniport else "reference")
    probes = Probes(miniport)
    assert not probes.unknown
    plain = as_json(run_world(spec, miniport, HERE))
    before = {method: method.__code__ for method, *_ in probes._code}
    with probes.planted():
        assert as_json(run_world(spec, miniport, HERE)) == plain
    assert {method: method.__code__ for method in before} == before
    ran = {path: {place >> 12 for place in places} for path, places in probes.ran.items()}
    trace = run_world(spec, miniport, HERE, trace_lines=True).lines
    assert isinstance(trace, LineTrace)
    traced: dict[str, set[int]] = {}
    for code, lines in trace.ran.items():
        traced.setdefault(code.co_filename, set()).update(lines)
    for one in probes.statements:
        assert (one.line in ran[one.path]) == (one.line in traced.get(one.path, ())), one
    assert len(probes.statements) > 100


def test_each_kind_of_statement_is_noted_and_does_what_it_did(write: Write) -> None:
    miniport, _ = find_miniport(write(EVERYTHING), "reference")
    probes = Probes(miniport)
    with probes.planted():
        assert run_world(WorldSpec(frames=1), miniport, Path.cwd()).machine.findings.errors == []
    path = str(Path("mine.py").resolve())
    mine = [one for one in probes.statements if one.path == path]
    missed = [(one.line - 7, one.source) for one in mine if one.place not in probes.ran[path]]
    assert missed == [(17, "seen = 99"), (24, "total = None"), (25, "return 1"), (27, "pass")]
    assert {one.function for one in mine} == {"Mine.initialize"}
    assert len(mine) == 25


def test_of_a_method_whose_source_is_another_by_now_nothing_is_known(write: Write) -> None:
    name = write(ERROR_PATHS)
    miniport, _ = find_miniport(name, "reference")
    write(ERROR_PATHS.replace("64", "65"))
    linecache.checkcache()
    probes = Probes(miniport)
    assert probes.unknown == ["Mine.initialize"]
    assert not any(one.path.endswith("mine.py") for one in probes.statements)
    with probes.planted():
        assert not run_world(WorldSpec(frames=1), miniport, Path.cwd()).machine.findings.errors


def test_what_a_world_ran_that_the_host_ended_counts_for_none() -> None:
    probes = Probes(ReferenceMiniport)
    notes = Notes(probes, HERE)
    path = next(iter(probes.ran))
    probes.ran[path].add(place_of(7, 1))
    notes.forget()
    assert notes.take() == {}
    probes.ran[path].update((place_of(7, 1), place_of(8, 1)))
    (name, places), = notes.take().items()
    assert (name, places) == (name, [place_of(7, 1), place_of(8, 1)]) and notes.take() == {}
