# SPDX-License-Identifier: Apache-2.0
"""Whole campaigns on small miniports: outcomes, proof, pairs, shards, processes, time, interruption, resumption."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dmabed import campaign as package
from dmabed.bed import Bed
from dmabed.campaign import Case, Plan, Selection, worker
from dmabed.campaign.dispatch import Processes
from dmabed.campaign.worker import Job
from verifier.errors import BedError, UsageError

from .conftest import Write, campaign, outcomes

SHARED = "NdisMAllocateSharedMemory"
LEAKS_ON_THE_SECOND = """def initialize(self, adapter):
    first = adapter.allocate_memory_with_tag(64, "one")[1]
    if first is None:
        return s.NDIS_STATUS_RESOURCES
    second = adapter.allocate_memory_with_tag(64, "two")[1]
    if second is None:
        return s.NDIS_STATUS_RESOURCES
    adapter.free_memory(second, 64)
    adapter.free_memory(first, 64)
    return super().initialize(adapter)"""


def test_the_reference_miniport_takes_every_failure_of_its_allocations() -> None:
    done = campaign(None, f"{SHARED}*", "NdisAllocate*")
    assert done.verdict == "clean"
    assert done.armed == done.fired > 10
    assert set(done.outcomes) <= {"recovered", "degraded", "refused"}
    assert done.outcomes["refused"] and outcomes(done)["no-fault"] == "recovered"


def test_a_leak_on_the_second_failure_is_found_and_named(write: Write) -> None:
    done = campaign(write(LEAKS_ON_THE_SECOND), "NdisAllocateMemory*")
    assert {id: outcome for id, outcome in outcomes(done).items() if outcome != "refused"} == {
        "no-fault": "recovered", "NdisAllocateMemoryWithTag#2": "findings"}
    record, = done.failing
    assert record.findings[0]["where"].startswith("mine.py:")
    assert record.findings[0]["rule"] == "init-fail-release-all"
    assert "--fault 'NdisAllocateMemoryWithTag#2'" in record.replay
    assert done.verdict == "findings"


def test_a_poll_without_bound_is_a_hang_that_names_the_register(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miniport.ndis.BUSY_LIMIT_NS", 2_000_000)
    name = write("""def _claim_more(self, adapter, context, undo):
    memory = adapter.allocate_memory_with_tag(64, "more")[1]
    while memory is None and adapter.read_register_ulong(context.registers, 0x08) != 0xFFFF:
        pass
    adapter.free_memory(memory, 64)
    super()._claim_more(adapter, context, undo)""")
    record, = campaign(name, "NdisAllocateMemoryWithTag#2").failing
    assert (record.outcome, record.detail) == ("hang", "polls register STATUS")


def test_a_handler_that_raises_is_a_crash_at_its_line(write: Write) -> None:
    name = write("""def initialize(self, adapter):
    status = super().initialize(adapter)
    if status != s.NDIS_STATUS_SUCCESS:
        raise ValueError("unexpected")
    return status""")
    done = campaign(name, "NdisMMapIoSpace#1")
    record = done.failing[0]
    assert (record.outcome, record.detail) == ("crash", "at mine.py:11")


def test_a_life_that_fails_without_a_fault_is_shown_and_its_faults_are_not_tried(write: Write) -> None:
    done = campaign(write("def halt(self, adapter):\n    self._quiet(adapter, adapter.context)"))
    assert outcomes(done) == {"no-fault": "findings"}
    assert done.verdict == "findings"


def test_a_miniport_that_refuses_everything_is_no_clean_one(write: Write) -> None:
    done = campaign(write("def initialize(self, adapter):\n    return s.NDIS_STATUS_FAILURE"))
    assert done.verdict != "clean"


def test_a_fault_that_does_not_fire_is_not_proven(write: Write) -> None:
    # What depends on more than its world has another life each time.
    name = write("""calls = []

def initialize(self, adapter):
    self.calls.append(1)
    if len(self.calls) == 1:
        memory = adapter.allocate_memory_with_tag(64, "one")[1]
        adapter.free_memory(memory, 64)
    return super().initialize(adapter)""")
    done = campaign(name, "NdisAllocateMemoryWithTag#2")
    assert outcomes(done)["NdisAllocateMemoryWithTag#2"] == "not-proven"
    assert done.verdict == "not-proven" and done.failing[0].detail.endswith("its point was not reached")


RETRIES = """def initialize(self, adapter):
    for _ in range(3):
        memory = adapter.allocate_memory_with_tag(64, "try")[1]
        if memory is not None:
            adapter.free_memory(memory, 64)
            return super().initialize(adapter)
    return s.NDIS_STATUS_RESOURCES"""


def test_points_that_only_a_fault_brings_about_are_tried_behind_it(write: Write) -> None:
    done = campaign(write(RETRIES), "NdisAllocateMemoryWithTag*")
    assert outcomes(done) == {
        "no-fault": "recovered", "NdisAllocateMemoryWithTag#1": "recovered", "NdisAllocateMemoryWithTag#2": "refused",
        "NdisAllocateMemoryWithTag#1,NdisAllocateMemoryWithTag#3": "refused"}
    assert (done.points, done.behind_faults) == (3, 1)
    assert done.verdict == "clean" and done.armed == done.fired


def test_a_persistent_fault_beats_every_retry(write: Write) -> None:
    done = campaign(write(RETRIES), "NdisAllocateMemoryWithTag#1", persistent=True)
    assert outcomes(done) == {"no-fault": "recovered", "NdisAllocateMemoryWithTag#1+": "refused"}


FAILS_IN_PAIRS = """def initialize(self, adapter):
    one = adapter.allocate_memory_with_tag(64, "one")[1]
    two = adapter.allocate_memory_with_tag(64, "two")[1]
    if one is None and two is None:
        adapter.allocate_memory_with_tag(64, "lost")
        return s.NDIS_STATUS_RESOURCES
    for memory in (one, two):
        if memory is not None:
            adapter.free_memory(memory, 64)
    return super().initialize(adapter)"""


def test_a_defect_behind_two_failures_is_found_by_pairs_alone(write: Write) -> None:
    name = write(FAILS_IN_PAIRS)
    assert campaign(name, "NdisAllocateMemoryWithTag*").verdict == "clean"
    done = campaign(name, "NdisAllocateMemoryWithTag*", plan={"pairs": True})
    assert [record.case.id for record in done.failing] == ["NdisAllocateMemoryWithTag#1,NdisAllocateMemoryWithTag#2"]
    assert done.failing[0].minimal == ""


def test_a_failing_random_set_is_shrunk_to_what_it_needs(write: Write) -> None:
    done = campaign(write(FAILS_IN_PAIRS), "NdisAllocateMemoryWithTag#[12]*", "NdisMMapIoSpace#1", plan={"random": 40, "seed": 3})
    assert done.failing
    assert {record.minimal or record.case.id for record in done.failing} == {
        "NdisAllocateMemoryWithTag#1,NdisAllocateMemoryWithTag#2"}
    assert any(record.minimal for record in done.failing)


def test_faults_of_a_set_that_an_earlier_one_forestalls_are_unreachable_with_the_reason() -> None:
    done = campaign(None, "NdisMMapIoSpace#1", "NdisMRegisterInterrupt#1", plan={"random": 20})
    assert done.verdict == "clean"
    assert any("not reached behind NdisMMapIoSpace#1" in reason and "initialize returned" in reason
               for _, reason in done.unreachable)


def test_each_single_is_lived_again_under_each_condition() -> None:
    done = campaign(None, f"{SHARED}*", plan={"conditions": ("placement=low", "processors=1")})
    found = outcomes(done)
    for fault in ("no-fault", f"{SHARED}#1", f"{SHARED}#3"):
        assert {fault, f"{fault}@placement=low", f"{fault}@processors=1"} <= set(found)
    assert done.verdict == "clean"


def same(one: package.Campaign, other: package.Campaign) -> bool:
    return [r.to_json() for r in one.records] == [r.to_json() for r in other.records] and one.points == other.points


def test_the_campaign_is_the_same_whatever_lives_it(write: Write) -> None:
    name = write(LEAKS_ON_THE_SECOND)
    here = campaign(name)
    assert same(here, campaign(name, workers=2))
    with ThreadPoolExecutor(1) as executor:
        assert same(here, campaign(name, executor=executor))


def test_shards_together_are_the_whole() -> None:
    whole = outcomes(campaign(None, "NdisM*"))
    parts: dict[str, str] = {}
    for number in (1, 2, 3):
        part = outcomes(campaign(None, "NdisM*", plan={"shard": (number, 3)}))
        assert set(part) & set(parts) <= {"no-fault"}
        parts.update(part)
    assert parts == whole


def test_a_world_that_kills_its_process_is_told_from_the_others(write: Write) -> None:
    name = write("""def initialize(self, adapter):
    status = super().initialize(adapter)
    if status == s.NDIS_STATUS_RESOURCE_CONFLICT:
        os._exit(3)
    return status""")
    done = campaign(name, "NdisMRegisterInterrupt*", workers=2)
    found = outcomes(done)
    killers = [id for id, outcome in found.items() if outcome == "not-proven"]
    assert killers and all("died" in record.detail for record in done.failing)
    assert len(found) == 4 and list(found.values()).count("refused") == 3 - len(killers)
    assert done.verdict == "not-proven"


def test_an_executor_of_the_caller_that_breaks_is_said_to_be_broken(write: Write) -> None:
    spec = Bed(write("def initialize(self, adapter):\n    os._exit(3)")).spec
    with Processes(1) as pool, pytest.raises(BedError, match="executor broke"):
        package.run(Plan(spec), executor=pool._executor)


def test_what_the_time_does_not_allow_is_counted_and_the_verdict_is_incomplete() -> None:
    done = campaign(None, max_time=0)
    assert (done.verdict, done.incomplete, done.not_covered) == ("incomplete", "the time is over", 1)


def test_ctrl_c_keeps_what_is_done() -> None:
    def interrupt(done: int, known: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    done = campaign(None, progress=interrupt)
    assert (done.verdict, done.incomplete) == ("incomplete", "interrupted")
    assert len(done.records) == 4


def test_a_campaign_that_was_cut_short_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(done: int, known: int) -> None:
        if done == 9:
            raise KeyboardInterrupt

    campaign(None, f"{SHARED}*", "NdisM*", resume=tmp_path, progress=interrupt)
    lived: list[str] = []
    plain = worker.one_world

    def one_world(job: Job, miniport: Any, base: Path, case: Case) -> Any:
        lived.append(case.id)
        return plain(job, miniport, base, case)

    monkeypatch.setattr(worker, "one_world", one_world)
    again = campaign(None, f"{SHARED}*", "NdisM*", resume=tmp_path)
    monkeypatch.undo()
    whole = campaign(None, f"{SHARED}*", "NdisM*")
    assert same(again, whole)
    assert 0 < len(lived) < len(whole.records) - 4


def test_a_changed_miniport_is_lived_anew(write: Write, tmp_path: Path) -> None:
    name = write(RETRIES)
    assert campaign(name, "NdisAllocateMemory*", resume=tmp_path / "kept").verdict == "clean"
    write(LEAKS_ON_THE_SECOND)
    assert campaign(name, "NdisAllocateMemory*", resume=tmp_path / "kept").verdict == "findings"


@pytest.mark.parametrize("workers", [0, -1, 513])
def test_a_number_of_processes_that_cannot_be_is_refused(workers: int) -> None:
    with pytest.raises(UsageError):
        Processes(workers)


def test_chaos_is_judged_by_what_a_miniport_can_help() -> None:
    done = package.run(Plan(Bed(frames=2).spec, Selection(chaos=True, only=("dma-*#[1-6]*",))))
    assert done.verdict == "clean" and len(done.records) > 4
