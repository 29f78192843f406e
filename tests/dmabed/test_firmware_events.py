# SPDX-License-Identifier: Apache-2.0
"""How far a card with firmware got stands in the record of events, and in what is made of it."""

from __future__ import annotations

from dmabed.bed import Bed
from dmabed.result import timeline
from dmabed.trace import trace_json
from verifier.events import Kind


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
