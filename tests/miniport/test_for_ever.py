# SPDX-License-Identifier: Apache-2.0
"""A handler that polls for ever ends with time-limit, whatever it polls: a register that is not there, memory that was freed, or a
routine that takes no virtual time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from miniport import ndis
from miniport.status import NDIS_DMA_24BITS


def window(adapter: Any) -> Any:
    memory = next(resource for resource in adapter.query_adapter_resources()[1] if resource.kind == "memory")
    return adapter.map_io_space(memory.start, memory.length)[1]


def unmapped(adapter: Any) -> Callable[[], Any]:
    registers = window(adapter)
    adapter.unmap_io_space(registers, registers.length)
    return lambda: adapter.read_register_ulong(registers, 4)


def unmapped_write(adapter: Any) -> Callable[[], Any]:
    registers = window(adapter)
    adapter.unmap_io_space(registers, registers.length)
    return lambda: adapter.write_register_ulong(registers, 4, 0)


def outside(adapter: Any) -> Callable[[], Any]:
    registers = window(adapter)
    return lambda: adapter.read_register_ulong(registers, registers.length)


def memory_for_a_port(adapter: Any) -> Callable[[], Any]:
    registers = window(adapter)
    return lambda: adapter.raw_read_port_uchar(registers, 4)


def unknown(adapter: Any) -> Callable[[], Any]:
    registers = window(adapter)
    return lambda: adapter.read_register_ulong(registers, registers.length - 4)


def long_copy(adapter: Any) -> Callable[[], Any]:
    registers = window(adapter)
    return lambda: adapter.zero_mapped_memory(registers, registers.length, 0xFFFFFFFF)


def freed_memory(adapter: Any) -> Callable[[], Any]:
    adapter.allocate_map_registers(0, NDIS_DMA_24BITS, 1, 1514)
    virtual, physical = adapter.allocate_shared_memory(4096, False)
    adapter.free_shared_memory(4096, False, virtual, physical)
    return lambda: virtual.read_ulong(0)


def outside_of_memory(adapter: Any) -> Callable[[], Any]:
    view = adapter.allocate_memory_with_tag(64, 0x41414141)[1]
    return lambda: view.read_ulong(1 << 20)


@pytest.mark.breaks("time-limit")
@pytest.mark.parametrize("polled", [unmapped, unmapped_write, outside, memory_for_a_port, unknown, long_copy,
                                    freed_memory, outside_of_memory])
def test_polling_what_is_not_there_takes_time(live: Any, bare: Any, all_broken: Any, monkeypatch: pytest.MonkeyPatch,
                                              polled: Callable[[Any], Callable[[], Any]]) -> None:
    monkeypatch.setattr(ndis, "BUSY_LIMIT_NS", 1_000_000)

    def initialize(adapter: Any) -> None:
        poll = polled(adapter)
        while True:
            poll()

    world = live(bare(initialize))
    assert world.outcome == "hang"
    assert "time-limit" in all_broken(world)


def locks(adapter: Any) -> Callable[[], Any]:
    lock = adapter.allocate_spin_lock()

    def once() -> None:
        adapter.acquire_spin_lock(lock)
        adapter.release_spin_lock(lock)

    return once


def timers(adapter: Any) -> Callable[[], Any]:
    timer = adapter.initialize_timer(lambda adapter, context: None)

    def once() -> None:
        adapter.set_timer(timer, 1)
        adapter.cancel_timer(timer)

    return once


@pytest.mark.breaks("time-limit")
@pytest.mark.parametrize("called", [
    pytest.param(lambda adapter: adapter.get_current_system_time, id="system time"),
    pytest.param(lambda adapter: adapter.get_system_up_time, id="up time"),
    pytest.param(lambda adapter: lambda: adapter.stall_execution(1), id="a microsecond"),
    pytest.param(lambda adapter: lambda: adapter.stall_execution(0), id="no time"),
    locks, timers])
def test_routines_that_are_called_for_ever_end_the_handler(live: Any, bare: Any, broken: Any, monkeypatch: pytest.MonkeyPatch,
                                                           called: Callable[[Any], Callable[[], Any]]) -> None:
    monkeypatch.setattr(ndis, "CALL_LIMIT", 1_000)

    def initialize(adapter: Any) -> None:
        call = called(adapter)
        while True:
            call()

    world = live(bare(initialize))
    assert world.outcome == "hang"
    assert broken(world) == ["time-limit"]
    assert "called routines of NDIS more than 1000 times" in world.machine.findings.errors[0].message


def test_a_miniport_that_catches_what_unwinds_it_ends_all_the_same(live: Any, bare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndis, "CALL_LIMIT", 1_000)

    def initialize(adapter: Any) -> None:
        for _ in range(3):
            with suppress(ndis.WorldEnds):
                while True:
                    adapter.get_system_up_time()
        while True:
            adapter.get_system_up_time()

    assert live(bare(initialize)).outcome == "hang"


def test_a_call_within_a_call_counts_for_the_outer_handler(live: Any, bare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndis, "CALL_LIMIT", 1_000)

    def initialize(adapter: Any) -> None:
        resources = adapter.query_adapter_resources()[1]
        vector = next(resource.start for resource in resources if resource.kind == "interrupt")
        interrupt = adapter.register_interrupt(vector, adapter.nic.interrupt_line.irql, True, True, 0)[1]
        while True:
            adapter.synchronize_with_interrupt(interrupt, lambda context: adapter.get_system_up_time(), None)

    assert live(bare(initialize, isr=lambda adapter: (False, False))).outcome == "hang"


@pytest.mark.parametrize(("calls", "outcome"), [(997, "ran"), (998, "ran"), (999, "hang")])
def test_the_limit_holds_for_the_calls_of_one_handler(live: Any, bare: Any, monkeypatch: pytest.MonkeyPatch, calls: int, outcome: str,
                                                      ) -> None:
    """NdisMSetAttributesEx is the first of them."""
    monkeypatch.setattr(ndis, "CALL_LIMIT", 1_000)

    def many(adapter: Any) -> None:
        for _ in range(calls):
            adapter.get_system_up_time()

    assert live(bare(many, halt=many)).outcome == outcome
