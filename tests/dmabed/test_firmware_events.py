# SPDX-License-Identifier: Apache-2.0
"""How far a card with firmware got stands in the record of events, and in what is made of it."""

from __future__ import annotations

import pytest

from dmabed.bed import Bed
from dmabed.result import timeline, verdict_of
from dmabed.trace import trace_json
from miniport.smart import SmartMiniport
from miniport.smart.boot import IMAGE_FILE
from tests.hw.nic.smart_rig import ASSERT, FOREVER, program, put
from tests.hw.rv32.assembler import asm
from verifier.events import Kind
from verifier.where import place


def test_the_record_tells_how_the_program_came_up_and_ended() -> None:
    world = Bed(nic="smart", frames=1).world()
    states = [event[4] for event in world.machine.events.events if event[1] == Kind.FIRMWARE]
    assert states == ["FETCHING", "STARTING", "READY", "STOPPED"]


def test_a_program_that_died_is_told_with_its_reason() -> None:
    world = Bed(nic="smart", frames=4, faults=("firmware#2=assertion",)).world()
    states = [event[4] for event in world.machine.events.events if event[1] == Kind.FIRMWARE]
    assert states[3:5] == ["DEAD, ASSERTION", "FETCHING"]


def test_trace_and_timeline_have_the_states() -> None:
    world = Bed(nic="smart", frames=1).world()
    assert "nic0 firmware: READY" in trace_json(world)
    rows = [row["text"] for row in timeline(world) if row["kind"] == "firmware"]
    assert "nic0 firmware: STOPPED" in rows


@pytest.mark.breaks("firmware-trap", "firmware-hang", "firmware-assert")
@pytest.mark.parametrize("words, rule", [
    ([asm("ebreak")], "firmware-trap"), (FOREVER, "firmware-hang"), (put(ASSERT, 1 << 16 | 5), "firmware-assert")])
def test_a_program_that_goes_wrong_at_boot_is_a_finding_and_the_miniport_refuses_to_start(words: list[int], rule: str) -> None:
    miniport = type("Wrong", (SmartMiniport,), {"files": {IMAGE_FILE: program(*words)}})
    world = Bed(miniport, nic="smart", frames=1).world()
    assert [(finding.rule.id, finding.times, place(finding.where)) for finding in world.machine.findings.errors] == [
        (rule, 3, f"mini.c:{len(words)}")]
    assert verdict_of(world) == "findings" and world.refused
