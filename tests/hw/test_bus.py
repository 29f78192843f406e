# SPDX-License-Identifier: Apache-2.0
"""The bus: posted writes and what drains them, data that a register read brings in, faults and removal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.bus import PORT_NS, POSTED_NS, READ_NS, WRITE_NS
from hw.dma import DATA_BEHIND_NS
from hw.inject import parse_fault
from hw.limits import PRESETS
from hw.machine import Machine
from hw.register import Field, Register, RegisterFile, RegisterMap, Slot
from verifier.address import MIB
from verifier.where import Where, line_of


class Plain(Register):
    """All bits read and write."""
    BITS = Field(31, 0)


class Doorbell(Plain):
    """Lets the device reach memory."""
    BITS = Field(31, 0)
    arms = True


class Counter(Register):
    """Counts reads."""
    COUNT = Field(7, 0, mode="ro")


class Map(RegisterMap):
    """Four registers."""
    A = 0x00, Plain
    B = 0x04, Plain
    BELL = 0x08, Doorbell
    COUNT = 0x0C, Counter


class Device(RegisterFile):
    """A device that remembers what reached it and when."""

    registers = Map

    def __init__(self, machine: Machine, name: str = "dev") -> None:
        self.machine = machine
        self.name = name
        self.present = True
        self.armed_by: Where | None = None
        self.dma = machine.dma_port(name, 0, PRESETS["reference"])
        self.dma.bus_master = True
        self.seen: list[tuple[str, int]] = []
        self.times: list[int] = []
        self.unknown: list[tuple[int, int, int | None]] = []
        self.reads = 0
        self.reset_registers()

    def decode(self, bar: int, offset: int, size: int, value: int | None) -> Slot | None:
        slot = self.slots.get(offset)
        if slot is None or slot.width != size:
            self.unknown.append((offset, size, value))
            return None
        return slot

    @property
    def answers(self) -> tuple[bool, bool]:
        return self.present, self.present

    def flush(self) -> None:
        self.dma.flush()

    def remove(self) -> None:
        self.present = False

    def on_write_A(self, old: int, new: int) -> None:
        self._saw("A", new)

    def on_write_B(self, old: int, new: int) -> None:
        self._saw("B", new)

    def on_write_BELL(self, old: int, new: int) -> None:
        self._saw("BELL", new)

    def on_read_COUNT(self, value: int) -> int:
        self.reads += 1
        return self.reads

    def _saw(self, name: str, value: int) -> None:
        self.seen.append((name, value))
        self.times.append(self.machine.clock.now)


class Bench:
    """A machine with one device."""

    def __init__(self, build: Callable[..., Machine], *faults: str, **options: Any) -> None:
        self.machine = build(faults=tuple(map(parse_fault, faults)), **options)
        self.bus, self.clock = self.machine.bus, self.machine.clock
        self.device = Device(self.machine)

    def read(self, offset: int, size: int = 4, *, port: bool = False) -> int:
        return self.bus.read(self.device, 0, offset, size, port=port)

    def write(self, offset: int, value: int, size: int = 4, *, port: bool = False) -> None:
        self.bus.write(self.device, 0, offset, size, value, port=port)

    def events(self) -> list[dict[str, Any]]:
        return self.machine.events.as_dicts()


@pytest.fixture
def bench(build: Callable[..., Machine]) -> Bench:
    return Bench(build)


# Posted writes


def test_a_posted_write_waits_and_the_processor_goes_on(bench: Bench) -> None:
    bench.write(0, 7)
    assert bench.device.seen == []
    assert bench.clock.now == WRITE_NS


def test_posted_writes_reach_the_device_in_order(bench: Bench) -> None:
    for number in range(5):
        bench.write(4 * (number % 2), number)
    bench.bus.drain()
    assert bench.device.seen == [("A", 0), ("B", 1), ("A", 2), ("B", 3), ("A", 4)]


def test_a_read_of_another_register_drains_what_was_posted_before_it_reads(bench: Bench) -> None:
    bench.write(0, 7)
    assert bench.read(0) == 7
    bench.write(4, 8)
    assert bench.read(0x0C) == 1
    assert bench.device.seen == [("A", 7), ("B", 8)]


def test_a_read_of_another_device_drains_as_well(bench: Bench) -> None:
    other = Device(bench.machine, "other")
    bench.write(0, 7)
    bench.bus.read(other, 0, 0, 4)
    assert bench.device.seen == [("A", 7)]


def test_a_port_access_is_not_posted_and_drains_what_was(bench: Bench) -> None:
    bench.write(0, 1)
    bench.write(4, 2, port=True)
    assert bench.device.seen == [("A", 1), ("B", 2)]
    bench.write(0, 3)
    bench.read(0x0C, port=True)
    assert bench.device.seen[-1] == ("A", 3)


@pytest.mark.parametrize("passed, seen", [(POSTED_NS - 1, []), (POSTED_NS, [("A", 7)]), (POSTED_NS + 1, [("A", 7)])])
def test_time_drains_posted_writes(bench: Bench, passed: int, seen: list[tuple[str, int]]) -> None:
    bench.write(0, 7)
    bench.clock.advance(passed)
    assert bench.device.seen == seen


def test_the_oldest_posted_write_sets_the_time_for_all(bench: Bench) -> None:
    bench.write(0, 1)
    bench.clock.advance(POSTED_NS - 2 * WRITE_NS)
    bench.write(4, 2)
    assert bench.device.seen == []
    bench.clock.advance(WRITE_NS)
    assert bench.device.seen == [("A", 1), ("B", 2)]


def test_after_a_drain_the_next_posted_write_has_its_full_time(bench: Bench) -> None:
    bench.write(0, 1)
    bench.clock.advance(POSTED_NS - 100)
    bench.bus.drain()
    bench.write(4, 2)
    bench.clock.advance(POSTED_NS - 1)
    assert bench.device.seen == [("A", 1)]
    bench.clock.advance(1)
    assert bench.device.seen == [("A", 1), ("B", 2)]
    assert bench.device.times[1] - bench.device.times[0] == WRITE_NS + POSTED_NS


@pytest.mark.parametrize("port, cost", [(False, READ_NS), (True, PORT_NS)])
def test_a_read_takes_its_time(bench: Bench, port: bool, cost: int) -> None:
    bench.read(0, port=port)
    assert bench.clock.now == cost


def test_accesses_beyond_the_time_limit_of_a_handler_are_told_for_reads_writes_and_ports(bench: Bench) -> None:
    for access in (lambda: bench.read(0), lambda: bench.write(0, 1), lambda: bench.write(0, 1, port=True),
                   lambda: bench.read(0, port=True)):
        told: list[int] = []
        bench.clock.limit, bench.clock.on_limit = bench.clock.now + 5_000, lambda told=told: told.append(1)
        for _ in range(200):
            access()
        assert told


# Where


def test_a_doorbell_carries_the_line_that_wrote_it_once_it_reaches_the_device(bench: Bench) -> None:
    bus, device, where = bench.bus, bench.device, bench.machine.where
    where.depth = 1
    before = where.capture()
    bus.write(device, 0, 8, 4, 1)
    assert device.armed_by is None
    bus.drain()
    assert before is not None
    assert device.armed_by is not None
    assert device.armed_by[0] is before[0]
    assert line_of(device.armed_by) == line_of(before) + 1


def test_two_doorbells_in_the_queue_keep_their_own_lines(bench: Bench) -> None:
    bus, device = bench.bus, bench.device
    bench.machine.where.depth = 1
    bus.write(device, 0, 8, 4, 1)
    bus.write(device, 0, 8, 4, 2)
    first, second = (where for *_, where in bus.posted)
    assert first is not None
    assert second is not None
    assert line_of(second) - line_of(first) == 1


def test_other_registers_arm_nothing(bench: Bench) -> None:
    bench.machine.where.depth = 1
    bench.write(0, 1, port=True)
    assert bench.device.armed_by is None


# Data on their way to memory


def test_an_interrupt_overtakes_data_until_a_register_read_brings_them_in(
        build: Callable[..., Machine], enter: Callable[..., Any]) -> None:
    bench = Bench(build)
    enter(bench.machine, "buffer", 0x1000, 0x100)
    assert bench.device.dma.write(0x1000, b"data", "status")
    bench.machine.scheduler.assert_line(bench.machine.interrupt_line(), "dev")
    assert bench.machine.ram.read(0x1000, 4) == b"\xa5" * 4
    bench.read(0x0C)
    assert bench.machine.ram.read(0x1000, 4) == b"data"


def test_reading_another_device_does_not_bring_them_in(build: Callable[..., Machine], enter: Callable[..., Any]) -> None:
    bench = Bench(build)
    enter(bench.machine, "buffer", 0x1000, 0x100)
    bench.device.dma.write(0x1000, b"data", "status")
    bench.bus.read(Device(bench.machine, "other"), 0, 0, 4)
    assert bench.machine.ram.read(0x1000, 4) == b"\xa5" * 4


def test_a_posted_write_does_not_bring_them_in(build: Callable[..., Machine], enter: Callable[..., Any]) -> None:
    bench = Bench(build)
    enter(bench.machine, "buffer", 0x1000, 0x100)
    bench.device.dma.write(0x1000, b"data", "status")
    bench.write(0, 1)
    bench.bus.drain()
    assert bench.machine.ram.read(0x1000, 4) == b"\xa5" * 4


@pytest.mark.parametrize("passed, arrived", [(DATA_BEHIND_NS - 1, False), (DATA_BEHIND_NS, True), (DATA_BEHIND_NS + 1, True)])
def test_time_brings_them_in(build: Callable[..., Machine], enter: Callable[..., Any], passed: int, arrived: bool) -> None:
    bench = Bench(build)
    enter(bench.machine, "buffer", 0x1000, 0x100)
    bench.device.dma.write(0x1000, b"data", "status")
    bench.clock.advance(passed)
    assert (bench.machine.ram.read(0x1000, 4) == b"data") is arrived


# What is not there


@pytest.mark.parametrize("offset, size, ones", [(0x10, 4, 0xFFFF_FFFF), (0x10, 2, 0xFFFF), (0, 1, 0xFF), (2, 2, 0xFFFF)])
def test_where_nothing_answers_a_read_gives_ones_and_a_write_vanishes(bench: Bench, offset: int, size: int, ones: int) -> None:
    assert bench.read(offset, size) == ones
    bench.write(offset, 1, size)
    bench.bus.drain()
    assert bench.device.unknown == [(offset, size, None), (offset, size, 1)]
    assert bench.device.seen == []
    assert [row["register"] for row in bench.events()] == [offset, offset]


def test_a_device_that_is_gone_reads_as_ones_and_swallows_writes(bench: Bench) -> None:
    bench.write(0, 1)
    bench.device.remove()
    assert bench.read(0x0C) == 0xFFFF_FFFF
    bench.write(4, 2)
    bench.bus.drain()
    assert bench.device.seen == []
    assert bench.device.reads == 0


# Faults


def test_the_nth_read_of_a_register_gives_what_the_fault_says(build: Callable[..., Machine]) -> None:
    bench = Bench(build, "register-read:COUNT#2=all-ones", "register-read:COUNT#4=0x12")
    assert [bench.read(0x0C) for _ in range(5)] == [1, 0xFFFF_FFFF, 2, 0x12, 3]
    assert bench.device.reads == 3
    assert [row["value"] for row in bench.events() if row["kind"] == "register_read"] == [1, 0xFFFF_FFFF, 2, 0x12, 3]


def test_reads_of_each_register_are_counted_apart(build: Callable[..., Machine]) -> None:
    bench = Bench(build, "register-read:COUNT#2=all-ones")
    bench.read(0)
    assert bench.read(0x0C) == 1
    bench.read(4)
    assert bench.read(0x0C) == 0xFFFF_FFFF


def test_a_value_wider_than_the_access_is_cut(build: Callable[..., Machine]) -> None:
    assert Bench(build, "register-read:COUNT#1=0x1ffffffff").read(0x0C) == 0xFFFF_FFFF


def test_the_nth_write_of_a_register_is_lost(build: Callable[..., Machine]) -> None:
    bench = Bench(build, "register-write:A#2=lost")
    for value in (1, 2, 3):
        bench.write(0, value)
    bench.bus.drain()
    assert bench.device.seen == [("A", 1), ("A", 3)]


def test_removal_at_a_read_gives_ones_from_that_read_on(build: Callable[..., Machine]) -> None:
    bench = Bench(build, "register-read:COUNT#2=remove")
    assert [bench.read(0x0C) for _ in range(3)] == [1, 0xFFFF_FFFF, 0xFFFF_FFFF]
    assert not bench.device.present


def test_removal_at_a_write_loses_that_write_and_all_that_wait(build: Callable[..., Machine]) -> None:
    bench = Bench(build, "register-write:B#1=remove")
    bench.write(0, 1)
    bench.write(4, 2)
    bench.write(0, 3)
    bench.bus.drain()
    assert bench.device.seen == []


def test_an_access_that_meets_no_register_is_no_fault_point(build: Callable[..., Machine]) -> None:
    bench = Bench(build, "register-read:COUNT#1=0x5")
    bench.read(0x10)
    bench.read(0x0C, 2)
    assert bench.read(0x0C) == 5


def test_a_recording_machine_counts_every_access(build: Callable[..., Machine]) -> None:
    bench = Bench(build, recording=True)
    bench.read(0)
    bench.read(0)
    bench.write(8, 1)
    assert bench.machine.injector is not None
    assert bench.machine.injector.counts == {"register-access": 3, "register-read:A": 2, "register-write:BELL": 1}


# The record, the switching points, the address translation


def test_each_access_stands_in_the_record_with_time_register_and_value(bench: Bench) -> None:
    bench.write(0, 7)
    bench.read(0)
    assert bench.events() == [
        {"time_ns": WRITE_NS, "kind": "register_write", "processor": 0, "device": "dev", "register": "A", "size": 4, "value": 7},
        {"time_ns": WRITE_NS + READ_NS, "kind": "register_read", "processor": 0, "device": "dev", "register": "A", "size": 4,
         "value": 7}]


@pytest.mark.parametrize("access", ["read", "write", "unknown"])
def test_every_register_access_is_a_switching_point(bench: Bench, access: str) -> None:
    ran: list[int] = []
    bench.machine.scheduler.queue_dpc(lambda: ran.append(1))
    if access == "write":
        bench.write(0, 1)
    else:
        bench.read(0 if access == "read" else 0x40)
    assert ran == [1]


@pytest.mark.parametrize("offset", [0, 0x4000_0000, -0x10_0000])
def test_logical_and_physical_addresses_differ_by_the_offset_of_the_bus(build: Callable[..., Machine], offset: int) -> None:
    bus = build(bus_offset=offset).bus
    assert bus.to_logical(16 * MIB) == 16 * MIB + offset
    assert bus.to_physical(bus.to_logical(16 * MIB)) == 16 * MIB


@given(st.lists(st.tuples(st.sampled_from(["write", "port write", "read", "port read", "time"]), st.integers(0, 1_500))))
def test_any_history_agrees_with_a_queue_that_every_read_port_access_and_microsecond_drains(
        build: Callable[..., Machine], history: list[tuple[str, int]]) -> None:
    bench = Bench(build)
    now, queue, seen, deadline = 0, [], [], None
    for number, (what, amount) in enumerate(history):
        now += {"write": WRITE_NS, "read": READ_NS, "time": amount}.get(what, PORT_NS)
        if deadline is not None and deadline <= now:
            seen, queue, deadline = seen + queue, [], None
        if what == "time":
            bench.clock.advance(amount)
        elif what.endswith("read"):
            bench.read(0x0C, port=what.startswith("port"))
            seen, queue, deadline = seen + queue, [], None
        else:
            bench.write(4 * (number % 2), number, port=what.startswith("port"))
            queue.append(("AB"[number % 2], number))
            if what.startswith("port"):
                seen, queue, deadline = seen + queue, [], None
            elif deadline is None:
                deadline = now + POSTED_NS
        assert bench.device.seen == seen
        assert bench.clock.now == now
