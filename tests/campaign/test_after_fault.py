# SPDX-License-Identifier: Apache-2.0
"""What a fault excuses: not the traffic after it, not bytes that nobody sent, and an interrupt excuses nothing."""

from __future__ import annotations

import pytest

from dmabed import judge
from dmabed.after_fault import PROBES, effect_of, excuse_of
from dmabed.bed import Bed
from dmabed.spec import WorldSpec
from hw.inject import parse_fault

from .conftest import Write, campaign, outcomes

SENDS = """gone = []

def initialize(self, adapter):
    self.gone.clear()
    return super().initialize(adapter)

def send(self, adapter, packet, flags):
    {test}
    memory = adapter.allocate_memory_with_tag(64, "send")[1]
    if memory is None:
        self.gone.append(1)
        return s.NDIS_STATUS_FAILURE
    adapter.free_memory(memory, 64)
    return super().send(adapter, packet, flags)"""
NEVER_AGAIN = SENDS.format(test="if self.gone:\n        return s.NDIS_STATUS_FAILURE")
AGAIN = SENDS.format(test="pass")


@pytest.mark.breaks("traffic-after-fault")
def test_a_miniport_that_never_sends_again_after_one_failure_is_found(write: Write) -> None:
    done = campaign(write(NEVER_AGAIN), "NdisAllocateMemoryWithTag#2")
    record, = done.failing
    finding, = record.findings
    assert finding["rule"] == "traffic-after-fault"
    assert finding["message"].startswith(f"{PROBES} of {PROBES} frames that were sent after the fault never reached the wire")


@pytest.mark.keeps("traffic-after-fault")
def test_a_miniport_that_loses_the_one_frame_goes_on_with_less(write: Write) -> None:
    assert outcomes(campaign(write(AGAIN), "NdisAllocateMemoryWithTag#2")) == {
        "no-fault": "recovered", "NdisAllocateMemoryWithTag#2": "degraded"}


def test_a_persistent_fault_may_stop_all_traffic(write: Write) -> None:
    done = campaign(write(AGAIN), "NdisAllocateMemoryWithTag#2", persistent=True)
    assert outcomes(done)["NdisAllocateMemoryWithTag#2+"] == "degraded"


def test_frames_after_the_fault_use_no_fault_point() -> None:
    bed = Bed(frames=2)
    bed.inject("frame-out#1=underrun")
    world = bed.world()
    injector = world.machine.injector
    assert injector is not None and injector.fired
    assert len(world.nic.wire.sent) > PROBES
    assert injector.counts["frame-out"] <= 3


def test_an_interrupt_at_a_bad_moment_excuses_no_lost_frame(write: Write) -> None:
    bed = Bed(frames=2)
    bed.inject("preempt#40=interrupt")
    world = bed.world()
    injector = world.machine.injector
    assert injector is not None and injector.fired
    excuse = excuse_of(injector, world.spec)
    assert excuse is not None and not excuse.loses and not excuse.chaos


@pytest.mark.parametrize(("text", "kind"), [
    ("NdisMMapIoSpace#1", "routine"), ("NdisMMapIoSpace#1=FAILURE", "routine"), ("preempt#3=interrupt", "interrupt")])
def test_the_effect_of_a_fault_is_found_by_its_spelling(text: str, kind: str) -> None:
    effect = effect_of(parse_fault(text), WorldSpec())
    assert effect is not None and effect.kind == kind


def test_a_value_that_a_register_shows_is_no_listed_effect() -> None:
    assert effect_of(parse_fault("register-read:STATUS#1=0x1234"), WorldSpec()) is None


@pytest.mark.parametrize(("indicated", "rules"), [("one of the wire", []), ("another one", ["frame-changed-without-fault"])])
def test_whatever_got_lost_no_frame_is_indicated_that_was_not_on_the_wire(indicated: str, rules: list[str]) -> None:
    bed = Bed(frames=2)
    bed.inject("frame-out#1=underrun")
    seat = bed.world().seats[0]
    frames = seat.ndis.protocol.received_frames
    frames.append(frames[0] if indicated == "one of the wire" else bytes(60))
    judge._indicated_as_sent(seat)
    assert [finding.rule.id for finding in seat.ndis.findings.errors] == rules
