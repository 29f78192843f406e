# SPDX-License-Identifier: Apache-2.0
"""What the protocol does when a fault asks for it by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dmabed.world import World
from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.protocol.requests import FILTER_BACK_NS, STORM
from miniport.protocol.upper_edge import BURST, EXTRA_FRAME, IN_FLIGHT
from miniport.reference import ReferenceMiniport
from miniport.reference.core import RX_SLOTS
from miniport.reference.serialized import SerializedReferenceMiniport
from verifier.address import MIB
from verifier.events import Kind

Lived = Callable[..., World]
BOTH = pytest.mark.parametrize("miniport", [ReferenceMiniport, SerializedReferenceMiniport])


def clean(world: World) -> bool:
    return world.outcome == "ran" and not world.machine.findings.errors and not world.not_fired


def returned_at(world: World) -> list[int]:
    return [event[0] for event in world.machine.events.events if event[1] == Kind.ENTER and event[3] == "return_packet"]


@BOTH
@pytest.mark.parametrize("fault", ["indicate#1=hold", "indicate#1=late", "indicate#1=out-of-order", "indicate#4=out-of-order",
                                   "indicate#1+=late", "indicate#1+=out-of-order"])
def test_packet_that_comes_back_late_or_behind_another_one_comes_back(lived: Lived, miniport: Any, fault: str) -> None:
    world = lived(fault, miniport=miniport)
    assert clean(world)
    assert not world.ndis.adapter.outstanding_receives
    assert world.ndis.protocol.returned == len(world.ndis.protocol.received_frames) >= 4


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_packets_that_come_back_before_the_adapter_is_stopped_bring_those_behind_them(lived: Lived, number: int) -> None:
    world = lived(f"indicate#{number}=out-of-order", life="rebalance")
    assert clean(world)
    assert not world.ndis.adapter.outstanding_receives


@BOTH
def test_packets_that_are_all_held_starve_the_ring_until_nothing_moves(lived: Lived, miniport: Any) -> None:
    world = lived("indicate#1+=hold", miniport=miniport, frames=3 * RX_SLOTS)
    assert clean(world)
    assert world.nic.lost_for_want_of_descriptors > 0
    assert not world.ndis.adapter.outstanding_receives


class Order(ReferenceMiniport):
    """Notes which slots come back, in the log."""

    def return_packet(self, adapter: Any, packet: Any) -> None:
        adapter.dbg_print(str(packet.reserved))
        super().return_packet(adapter, packet)


def test_out_of_order_means_behind_the_next_one(lived: Lived) -> None:
    quick = lived("indicate#1=out-of-order", "indicate#2=hold", miniport=Order)
    assert clean(quick)
    order = quick.ndis.log
    assert order.index("0") < order.index("1")
    assert order[0] != "0"


@BOTH
def test_burst_hands_down_forty_more_however_many_are_out(lived: Lived, miniport: Any) -> None:
    world = lived("send#2=burst", miniport=miniport)
    assert clean(world)
    assert world.ndis.protocol.sent.count(world.frames[1]) == BURST + 1


def test_concurrent_send_runs_inside_the_other_one(lived: Lived) -> None:
    world = lived("send#1=concurrent")
    assert clean(world)
    depth = deepest = 0
    for event in world.machine.events.events:
        if event[1] in (Kind.ENTER, Kind.LEAVE) and event[3] == "send":
            depth += 1 if event[1] == Kind.ENTER else -1
            deepest = max(deepest, depth)
    assert deepest == 2


def test_serialized_miniport_is_not_entered_twice(lived: Lived) -> None:
    world = lived("send#1=concurrent", miniport=SerializedReferenceMiniport)
    assert world.not_fired == ["send#1=concurrent"]
    assert world.machine.injector is not None
    assert "serialized" in world.machine.injector.idle["send#1=concurrent"]


@BOTH
def test_request_storm_is_answered(lived: Lived, miniport: Any) -> None:
    plain, stormed = lived(miniport=miniport), lived("request#5=storm", miniport=miniport)
    assert clean(stormed)
    extra = stormed.ndis.calls["query_information"] - plain.ndis.calls["query_information"]
    assert extra >= STORM


@BOTH
def test_filter_of_nothing_comes_and_goes(lived: Lived, miniport: Any) -> None:
    recording = lived(record=True, miniport=miniport).machine.injector
    assert recording is not None
    last = recording.counts["request"]
    world = lived(f"request#{last}=filter-0", miniport=miniport)
    assert clean(world)
    writes = [(event[0], event[6]) for event in world.machine.events.events
              if event[1] == Kind.REGISTER_WRITE and event[4] == "FILTER"]
    zero = next(time for time, value in writes if value == 0)
    back = next(time for time, value in writes if time > zero and value)
    assert back - zero >= FILTER_BACK_NS // 2


def test_filter_before_there_is_one_has_no_effect(lived: Lived) -> None:
    assert lived("request#1=filter-0").not_fired == ["request#1=filter-0"]


@BOTH
def test_packet_that_is_handed_down_before_halt_is_completed_in_it(lived: Lived, miniport: Any) -> None:
    world = lived("halt#1=send", miniport=miniport)
    assert clean(world)
    protocol = world.ndis.protocol
    assert EXTRA_FRAME in (*protocol.sent, *protocol.failed)
    assert not protocol.accepted


@BOTH
def test_frame_that_arrives_before_halt_hurts_nobody(lived: Lived, miniport: Any) -> None:
    assert clean(lived("halt#1=receive", miniport=miniport))


@pytest.mark.breaks("send-complete-once")
def test_miniport_that_forgets_what_is_out_at_halt_is_found(lived: Lived) -> None:
    class Forgets(ReferenceMiniport):
        def _fail_all_sends(self, adapter: Any, context: Any) -> None:
            pass

    assert not lived(miniport=Forgets).machine.findings.errors
    rules = {id for f in lived("halt#1=send", miniport=Forgets).machine.findings.errors for id in (f.rule.id, *f.also)}
    assert "send-complete-once" in rules


def test_packet_while_reset_runs_is_sent_or_failed_once(lived: Lived) -> None:
    world = lived("frame-out#1=never", "reset#1=send")
    assert clean(world)
    assert not world.ndis.protocol.accepted


def test_protocol_without_memory_for_more_packets_waits_until_some_are_back(lived: Lived) -> None:
    out: list[int] = []

    class Counts(ReferenceMiniport):
        def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
            out.append(len(adapter.outstanding_sends))
            return super().send(adapter, packet, flags)

    tight = {"windows": "2008", "aged": "adversary", "ram": 64 * MIB, "iommu": True, "incoherent": True, "seed": 3, "frames": 1}
    world = lived("send#1=burst", "frame-out#2=never", miniport=Counts, **tight)
    assert clean(world)
    assert (world.sent, world.lost) == (BURST + 1, 0)
    assert IN_FLIGHT < max(out) < BURST



@BOTH
def test_frame_that_arrives_at_a_request_is_dropped_by_the_card_or_indicated(lived: Lived, miniport: Any) -> None:
    recording = lived(record=True, miniport=miniport, frames=40).machine.injector
    assert recording is not None
    seen = []
    for number in range(1, recording.counts["request"] + 1):
        world = lived(f"request#{number}=frame", miniport=miniport, frames=40)
        assert clean(world)
        got = world.ndis.protocol.received_frames.count(EXTRA_FRAME)
        dropped = [event[5] for event in world.machine.events.events if event[1] == Kind.FRAME_DROPPED and event[4] == len(EXTRA_FRAME)]
        seen.append("indicated" if got else dropped[0])
    assert seen[0] == "receiver off" and seen[-1] == "indicated" and "filtered" in seen
