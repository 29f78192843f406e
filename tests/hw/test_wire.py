# SPDX-License-Identifier: Apache-2.0
"""The wire: which frames get on it, when they arrive, and what a cut cable does."""

from __future__ import annotations

import pytest

from hw.clock import Clock
from hw.wire import MAXIMUM_FRAME, MINIMUM_FRAME, Wire, loopback
from verifier.events import EventRecord


class Station:
    """Takes frames and remembers when."""

    name = "nic0"

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.frames: list[tuple[int, bytes]] = []
        self.links: list[bool] = []

    def receive_frame(self, frame: bytes) -> None:
        self.frames.append((self.clock.now, frame))

    def link_changed(self, up: bool) -> None:
        self.links.append(up)


class Bench:
    """A wire with a station on it."""

    def __init__(self) -> None:
        self.clock, self.events = Clock(), EventRecord()
        self.wire = Wire(self.clock, self.events)
        self.station = Station(self.clock)
        self.wire.station = self.station

    def kinds(self) -> list[str]:
        return [row["kind"] for row in self.events.as_dicts()]


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("length, sent", [
    (0, False), (MINIMUM_FRAME - 2, False), (MINIMUM_FRAME - 1, False), (MINIMUM_FRAME, True), (MINIMUM_FRAME + 1, True),
    (MAXIMUM_FRAME - 1, True), (MAXIMUM_FRAME, True), (MAXIMUM_FRAME + 1, False), (MAXIMUM_FRAME + 2, False)])
def test_only_ethernet_frames_get_on_the_wire(bench: Bench, length: int, sent: bool) -> None:
    assert bench.wire.transmit(bytes(length)) is sent
    assert bench.wire.sent == ([bytes(length)] if sent else [])
    row = bench.events.as_dicts()[0]
    if sent:
        assert (row["kind"], row["length"]) == ("frame_out", length)
    else:
        assert (row["kind"], row["reason"]) == ("frame_dropped", "runt" if length < MINIMUM_FRAME else "overlong")


def test_the_limits_are_those_of_ieee_802_3_without_the_check_sequence() -> None:
    assert (MINIMUM_FRAME, MAXIMUM_FRAME) == (60, 1514)


@pytest.mark.parametrize("length", [60, 64, 1514])
def test_a_frame_arrives_when_its_last_bit_has_passed(bench: Bench, length: int) -> None:
    bench.wire.deliver(bytes(length))
    wire_time = (8 + length + 4 + 12) * 8 * 10
    bench.clock.advance(wire_time - 1)
    assert bench.station.frames == []
    assert bench.wire.in_flight == 1
    bench.clock.advance(1)
    assert bench.station.frames == [(wire_time, bytes(length))]
    assert (bench.wire.in_flight, bench.wire.arrived) == (0, 1)


def test_frames_follow_one_another_in_order_and_share_no_wire_time(bench: Bench) -> None:
    for number in range(3):
        bench.wire.deliver(bytes([number]) * 60)
    bench.clock.advance(1_000_000)
    assert [frame[0] for _, frame in bench.station.frames] == [0, 1, 2]
    assert [when for when, _ in bench.station.frames] == [6_720, 13_440, 20_160]


def test_a_wire_that_was_idle_starts_at_once(bench: Bench) -> None:
    bench.clock.advance(1_000_000)
    bench.wire.deliver(bytes(60))
    bench.clock.advance(6_720)
    assert bench.station.frames == [(1_006_720, bytes(60))]


def test_a_loopback_returns_every_frame_unchanged_one_wire_time_later(bench: Bench) -> None:
    bench.wire.far_end = loopback
    frame = bytes(range(64))
    bench.clock.advance(50)
    assert bench.wire.transmit(frame)
    bench.clock.advance(1_000_000)
    assert bench.station.frames == [(50 + (64 + 24) * 80, frame)]
    assert bench.kinds() == ["frame_out", "frame_in"]


def test_without_a_far_end_nothing_comes_back(bench: Bench) -> None:
    assert bench.wire.transmit(bytes(60))
    bench.clock.advance(1_000_000)
    assert bench.station.frames == []


def test_a_frame_for_a_link_that_is_down_is_dropped_and_told(bench: Bench) -> None:
    bench.wire.far_end = loopback
    bench.wire.set_link(False)
    assert bench.wire.transmit(bytes(60)) is False
    assert bench.wire.sent == []
    assert bench.events.as_dicts()[-1]["reason"] == "link down"


def test_a_frame_that_is_under_way_when_the_cable_goes_never_arrives(bench: Bench) -> None:
    bench.wire.deliver(bytes(60))
    bench.wire.set_link(False)
    bench.clock.advance(1_000_000)
    assert bench.station.frames == []
    assert (bench.wire.in_flight, bench.wire.arrived) == (0, 0)


def test_the_station_is_told_of_each_change_of_the_link(bench: Bench) -> None:
    bench.wire.set_link(False)
    bench.wire.set_link(True)
    assert bench.station.links == [False, True]
    assert [row["up"] for row in bench.events.as_dicts()] == [False, True]
    assert bench.wire.transmit(bytes(60))


def test_a_wire_without_a_station_loses_what_arrives() -> None:
    clock, events = Clock(), EventRecord()
    wire = Wire(clock, events)
    wire.set_link(True)
    wire.deliver(bytes(60))
    clock.advance(1_000_000)
    assert wire.arrived == 0
    assert [row["kind"] for row in events.as_dicts()] == ["link"]


def test_the_tap_sees_each_frame_of_both_directions_with_its_time_and_comments(bench: Bench) -> None:
    seen: list[tuple[int, bytes, bool, tuple[str, ...]]] = []
    bench.wire.tap = lambda time, frame, inbound, comments: seen.append((time, frame, inbound, tuple(comments)))
    bench.wire.far_end = loopback
    bench.wire.transmit(bytes(60), ("descriptor 3",))
    bench.wire.transmit(bytes(59))
    bench.clock.advance(1_000_000)
    assert seen == [(0, bytes(60), False, ("descriptor 3",)), (6_720, bytes(60), True, ())]
