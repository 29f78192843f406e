# SPDX-License-Identifier: Apache-2.0
"""Device faults: what the card and the wire do, exactly, and how the reference miniports come through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dmabed.world import World
from hw.nic.reference import LINK_LATE_NS
from hw.wire import BURST_FRAMES, LINK_DOWN_NS
from miniport.reference import ReferenceMiniport
from miniport.reference.serialized import SerializedReferenceMiniport
from miniport.status import NDIS_STATUS_DEVICE_FAILED
from verifier.events import Kind

Lived = Callable[..., World]
BOTH = pytest.mark.parametrize("miniport", [ReferenceMiniport, SerializedReferenceMiniport])


def events(world: World, kind: Kind) -> list[tuple[Any, ...]]:
    return [tuple(event) for event in world.machine.events.events if event[1] == kind]


def clean(world: World) -> bool:
    return world.outcome == "ran" and not world.machine.findings.errors and not world.not_fired


# Frames that arrive


@pytest.mark.parametrize("effect, size", [("bad-crc", None), ("runt", 40), ("overlong", 1600)])
@BOTH
def test_broken_frame_takes_a_descriptor_and_is_not_indicated(lived: Lived, miniport: Any, effect: str, size: int | None) -> None:
    world = lived(f"frame-in#2={effect}", miniport=miniport)
    assert clean(world)
    nic = world.nic
    frames = nic.wire.sent
    # What comes behind the four frames is the probe of the bed.
    assert world.ndis.protocol.received_frames[:3] == [frames[0], frames[2], frames[3]]
    assert (world.sent, world.lost) == (4, 1)
    dropped = [event for event in events(world, Kind.FRAME_DROPPED) if event[5] == effect]
    assert [event[4] for event in dropped] == [size or len(frames[1])]


@BOTH
def test_frame_that_is_lost_on_the_wire_reaches_nothing(lived: Lived, miniport: Any) -> None:
    world = lived("frame-in#4=lost", miniport=miniport)
    assert clean(world)
    assert world.ndis.protocol.received_frames[:3] == world.nic.wire.sent[:3]
    assert world.lost == 1


@BOTH
def test_burst_overruns_the_ring_and_what_fits_is_indicated(lived: Lived, miniport: Any) -> None:
    world = lived("frame-in#1=burst", miniport=miniport, frames=1)
    assert clean(world)
    missed, got = world.nic.lost_for_want_of_descriptors, len(world.ndis.protocol.received_frames)
    assert missed > 0
    assert missed + got == world.nic.wire.arrived - 1 >= BURST_FRAMES, "the last frame is the bed's own, after halt"


# Frames that go out


@BOTH
def test_frame_that_underruns_comes_back_as_a_failure_and_the_next_ones_go(lived: Lived, miniport: Any) -> None:
    world = lived("frame-out#2=underrun", miniport=miniport)
    assert clean(world)
    protocol = world.ndis.protocol
    assert protocol.failed == [world.frames[1]]
    assert protocol.sent[:3] == [world.frames[0], *world.frames[2:]]


@BOTH
@pytest.mark.parametrize("count", [1, 4])
def test_transmitter_that_hangs_is_noticed_and_reset_and_all_frames_go(lived: Lived, miniport: Any, count: int,
                                                                       calls: Callable[[World, str], int]) -> None:
    world = lived(f"frame-out#{count}=never", miniport=miniport)
    assert clean(world)
    assert (calls(world, "reset"), world.ndis.protocol.hang.resets) == (1, 1)
    assert calls(world, "check_for_hang") >= 2
    assert sorted(world.ndis.protocol.sent[:4]) == sorted(world.frames)


@BOTH
def test_transmitter_that_hangs_again_and_again_is_given_up_at_last(lived: Lived, miniport: Any) -> None:
    world = lived("frame-out#1+=never", miniport=miniport)
    assert clean(world)
    assert world.ndis.protocol.sent == []
    assert not world.ndis.adapter.claims


@pytest.mark.parametrize("life", ["halt", "suspend", "rebalance"])
@pytest.mark.parametrize("count", [1, 4, 6, 8])
def test_transmitter_that_hangs_beside_three_others_is_noticed(lived: Lived, life: str, count: int) -> None:
    """The checks of adapters that wait for nothing do not end the wait of the one that does."""
    world = lived(f"frame-out#{count}=never", adapters=4, frames=2, life=life)
    assert clean(world)
    assert sum(seat.ndis.protocol.hang.resets for seat in world.seats) == 1


# Link and address


@BOTH
@pytest.mark.parametrize("point", ["frame-in#2=link-down", "frame-out#2=link-down"])
def test_link_that_goes_down_comes_back_and_both_are_indicated(lived: Lived, miniport: Any, point: str) -> None:
    world = lived(point, miniport=miniport)
    assert clean(world)
    link = events(world, Kind.LINK)
    assert [event[4] for event in link[:2]] == [False, True]
    assert link[1][0] - link[0][0] == LINK_DOWN_NS
    assert world.ndis.protocol.link_up


@BOTH
def test_link_that_flaps_is_down_for_no_time(lived: Lived, miniport: Any) -> None:
    world = lived("frame-out#1=link-flap", miniport=miniport)
    assert clean(world)
    assert [event[4] for event in events(world, Kind.LINK)] == [False, True]
    assert world.lost == 0


@BOTH
@pytest.mark.parametrize("effect, up", [("down", True), ("dead", False)])
def test_card_without_a_link_at_its_reset_initializes(lived: Lived, miniport: Any, effect: str, up: bool) -> None:
    world = lived(f"link#1={effect}", miniport=miniport)
    assert clean(world)
    assert not world.refused
    link = events(world, Kind.LINK)
    assert [event[4] for event in link] == ([False, True] if up else [False])
    assert not up or link[1][0] - link[0][0] == LINK_LATE_NS


@BOTH
@pytest.mark.parametrize("effect", ["multicast", "zero", "ones"])
def test_card_with_a_bad_address_is_refused(lived: Lived, miniport: Any, effect: str) -> None:
    world = lived(f"mac#1={effect}", miniport=miniport)
    assert clean(world)
    assert world.status == NDIS_STATUS_DEVICE_FAILED
    mac = world.nic.mac
    assert mac == {"multicast": b"\x03" + mac[1:], "zero": bytes(6), "ones": b"\xff" * 6}[effect]


# Registers


def reads(world: World, register: str) -> list[int]:
    return [event[6] for event in events(world, Kind.REGISTER_READ) if event[4] == register]


def test_bit_that_is_slow_stays_for_as_many_reads_as_asked(lived: Lived) -> None:
    plain = reads(lived(), "STATUS")
    assert [value >> 1 & 1 for value in plain[:2]] == [1, 0], "RESETTING falls between the first two reads"
    for reads_asked in (1, 2, 3):
        world = lived(f"register-read:STATUS#2=slow-{reads_asked}")
        assert clean(world)
        assert [value >> 1 & 1 for value in reads(world, "STATUS")[:2 + reads_asked]] == [1] * (1 + reads_asked) + [0]


@BOTH
def test_reset_that_never_ends_is_given_up(lived: Lived, miniport: Any) -> None:
    world = lived("register-read:STATUS#1=never", miniport=miniport)
    assert clean(world)
    assert world.status == NDIS_STATUS_DEVICE_FAILED
    assert len(reads(world, "STATUS")) == 100


def test_slow_bit_that_was_not_set_or_does_not_fall_has_not_fired(lived: Lived) -> None:
    world = lived("register-read:STATUS#1000=never")
    assert world.not_fired == ["register-read:STATUS#1000=never"]


# Interrupts


@BOTH
@pytest.mark.parametrize("effect", ["delayed", "coalesced", "shared"])
@pytest.mark.parametrize("count", [1, 2])
def test_interrupt_that_is_late_or_shared_loses_nothing(lived: Lived, miniport: Any, effect: str, count: int) -> None:
    world = lived(f"interrupt#{count}={effect}", miniport=miniport)
    assert clean(world)
    assert world.lost == 0


def test_delayed_interrupt_comes_a_hundred_microseconds_later(lived: Lived) -> None:
    def first_pull(world: World) -> int:
        return next(event[0] for event in events(world, Kind.INTERRUPT) if event[4])
    assert first_pull(lived("interrupt#1=delayed")) - first_pull(lived()) == 100_000


def test_another_device_that_pulls_the_line_lets_go_when_its_service_ran(lived: Lived) -> None:
    world = lived("interrupt#1=shared")
    foreign = [event[4] for event in events(world, Kind.INTERRUPT) if event[3] == "another device"]
    assert foreign == [True, False]


# Data that are late


@BOTH
def test_data_that_stay_on_their_way_until_a_register_is_read_are_waited_for(lived: Lived, miniport: Any) -> None:
    recording = lived(record=True, miniport=miniport).machine.injector
    assert recording is not None
    for count in range(1, recording.counts["dma-write"] + 1):
        world = lived(f"dma-write#{count}=late", miniport=miniport)
        assert (clean(world), world.lost) == (True, 0)


class NoReadBack(ReferenceMiniport):
    """Takes the interrupt without reading a register of the card: data may be behind."""

    def isr(self, adapter: Any) -> tuple[bool, bool]:
        return True, True

    def handle_interrupt(self, adapter: Any) -> None:
        adapter.write_register_ulong(adapter.context.registers, 0x0C, 0x3F)
        self._serve(adapter, adapter.context)


def test_miniport_that_reads_no_register_does_not_see_the_data(lived: Lived) -> None:
    """The reads of `NoReadBack` are those of initialize, requests and halt: frames are lost while data are late."""
    world = lived("dma-write#1+=late", miniport=NoReadBack)
    assert world.lost or world.ndis.protocol.hang.resets or world.machine.findings.errors
