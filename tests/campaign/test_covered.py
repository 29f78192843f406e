# SPDX-License-Identifier: Apache-2.0
"""Which statements of the miniport no traced world of a campaign ran."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from dmabed.campaign import Case, Record
from dmabed.campaign.covered import IN_A_SWEEP, traced_cases
from dmabed.campaign.model import UNREACHABLE
from dmabed.campaign.plan import SERIES
from dmabed.cli import main
from dmabed.spec import WorldSpec

from .conftest import Write, campaign

ERROR_PATHS = """def initialize(self, adapter):
    memory = adapter.allocate_memory_with_tag(64, "one")[1]
    if memory is None:
        return s.NDIS_STATUS_RESOURCES
    if memory == 17:
        return (
            s.NDIS_STATUS_FAILURE)
    adapter.free_memory(memory, 64)
    return super().initialize(adapter)"""


def own(missed: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(one["line"], one["source"]) for one in missed if one["file"] == "mine.py"]


def test_an_error_path_that_a_fault_reaches_is_covered_and_another_is_listed(write: Write) -> None:
    words = ["faults", write(ERROR_PATHS), "--only", "NdisAllocateMemory*", "--frames", "1", "--workers", "1"]
    result = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    assert result["coverage"]["worlds"] == 3
    assert own(result["coverage"]["missed"]) == [(13, "return (")]
    without = json.loads(CliRunner().invoke(main, [*words[:2], "--skip", "*", *words[4:], "--json"]).stdout)
    assert own(without["coverage"]["missed"]) == [(11, "return s.NDIS_STATUS_RESOURCES"), (13, "return (")]
    text = CliRunner().invoke(main, [*words, "--report", "out"]).stdout
    assert "ran in none of 3 traced worlds" in text
    page = Path("out/index.html").read_text("utf-8")
    assert 'id="never-run"' in page and "mine.py:13" in page


def test_it_is_the_same_over_processes_and_can_be_switched_off(write: Write) -> None:
    name = write(ERROR_PATHS)
    here, there = (campaign(name, "NdisAllocateMemory*", frames=1, coverage=True, workers=workers) for workers in (1, 2))
    assert here.coverage == there.coverage and here.coverage is not None
    assert campaign(name, "NdisAllocateMemory*", frames=1).coverage is None
    result = CliRunner().invoke(main, ["faults", name, "--only", "NdisAllocateMemory*", "--frames", "1", "--workers", "1", "--json",
                                       "--no-coverage"])
    assert json.loads(result.stdout)["coverage"] is None


def record(fault: str, outcome: str = "recovered", condition: str = "") -> Record:
    return Record(Case(tuple(fault.split(",")) if fault else (), condition), outcome)


def test_the_ends_of_a_series_and_an_even_choice_of_a_sweep_are_traced() -> None:
    records = [record(""), record("", condition="placement=low"), record("NdisMMapIoSpace#1", "hang"),
               record("NdisMMapIoSpace#2", UNREACHABLE), record("NdisMMapIoSpace#3", condition="placement=low")]
    assert [case.id for case in traced_cases(records, WorldSpec())] == ["no-fault", "no-fault@placement=low"]
    for count, many in ((2 * SERIES - 1, 2 * SERIES - 1), (2 * SERIES, 2 * SERIES), (2 * SERIES + 1, 2 * SERIES)):
        chosen = traced_cases([record(f"NdisAllocatePacket#{n}") for n in range(1, count + 1)], WorldSpec())
        assert len(chosen) == many and {chosen[0].id, chosen[-1].id} == {"NdisAllocatePacket#1", f"NdisAllocatePacket#{count}"}
    sweep = traced_cases([record(f"preempt#{n}=interrupt") for n in range(1, 20 * IN_A_SWEEP + 1)], WorldSpec())
    assert len(sweep) == IN_A_SWEEP
