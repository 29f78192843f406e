# SPDX-License-Identifier: Apache-2.0
"""Accesses of one and two bytes, by every way to the card: the registers of the reference NIC take whole ULONGs only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from miniport.adapter import Adapter
from miniport.view import RegisterWindow

MASK = 0x10
MAPPED: dict[str, Callable[[Adapter, RegisterWindow], object]] = {
    "NdisReadRegisterUchar": lambda adapter, window: adapter.read_register_uchar(window, MASK),
    "NdisReadRegisterUshort": lambda adapter, window: adapter.read_register_ushort(window, MASK),
    "NdisWriteRegisterUchar": lambda adapter, window: adapter.write_register_uchar(window, MASK, 1),
    "NdisWriteRegisterUshort": lambda adapter, window: adapter.write_register_ushort(window, MASK, 1),
}
PORTS: dict[str, Callable[[Adapter, RegisterWindow], object]] = {
    "NdisRawReadPortUchar": lambda adapter, window: adapter.raw_read_port_uchar(window, MASK),
    "NdisRawReadPortUshort": lambda adapter, window: adapter.raw_read_port_ushort(window, MASK),
    "NdisRawWritePortUchar": lambda adapter, window: adapter.raw_write_port_uchar(window, MASK, 1),
    "NdisRawWritePortUshort": lambda adapter, window: adapter.raw_write_port_ushort(window, MASK, 1),
}
IMMEDIATE: dict[str, Callable[[Adapter, int], object]] = {
    "NdisImmediateReadPortUchar": lambda adapter, base: adapter.immediate_read_port_uchar(base + MASK),
    "NdisImmediateReadPortUshort": lambda adapter, base: adapter.immediate_read_port_ushort(base + MASK),
    "NdisImmediateWritePortUchar": lambda adapter, base: adapter.immediate_write_port_uchar(base + MASK, 1),
    "NdisImmediateWritePortUshort": lambda adapter, base: adapter.immediate_write_port_ushort(base + MASK, 1),
}


def resource(adapter: Adapter, kind: str) -> Any:
    return next(r for r in adapter.query_adapter_resources()[1] if r.kind == kind)


@pytest.mark.breaks("register-size")
@pytest.mark.parametrize("access", MAPPED.values(), ids=MAPPED)
def test_mapped_register_accessed_in_part_is_found(live: Any, bare: Any, broken: Any, access: Callable[..., object]) -> None:
    def initialize(adapter: Adapter) -> None:
        found = resource(adapter, "memory")
        window = adapter.map_io_space(found.start, found.length)[1]
        assert window is not None
        access(adapter, window)
        assert adapter.read_register_ulong(window, MASK) == 0
        adapter.unmap_io_space(window, window.length)

    assert broken(live(bare(initialize))) == ["register-size"]


@pytest.mark.parametrize("access", PORTS.values(), ids=PORTS)
def test_port_accessed_in_part_is_found(live: Any, bare: Any, broken: Any, access: Callable[..., object]) -> None:
    def initialize(adapter: Adapter) -> None:
        found = resource(adapter, "port")
        window = adapter.register_io_port_range(found.start, found.length)[1]
        assert window is not None
        access(adapter, window)
        assert adapter.raw_read_port_ulong(window, MASK) == 0
        adapter.deregister_io_port_range(window.start, window.length, window)

    assert broken(live(bare(initialize))) == ["register-size"]


@pytest.mark.breaks("register-size")
@pytest.mark.parametrize("access", IMMEDIATE.values(), ids=IMMEDIATE)
def test_immediate_port_accessed_in_part_is_found(live: Any, bare: Any, broken: Any, access: Callable[..., object]) -> None:
    def initialize(adapter: Adapter) -> None:
        access(adapter, resource(adapter, "port").start)

    assert broken(live(bare(initialize))) == ["register-size"]


@pytest.mark.parametrize("values, shown", [
    ((), "error log: code 0xc0001389"), ((0,), "error log: code 0xc0001389 0x0"),
    ((1, 0xFFFFFFFF), "error log: code 0xc0001389 0x1 0xffffffff")])
def test_error_log_entry_stands_in_the_log_of_the_run(
        live: Any, hooked: Any, broken: Any, values: tuple[int, ...], shown: str) -> None:
    world = live(hooked(halt=lambda adapter: adapter.write_error_log_entry(0xC0001389, values)))
    assert (world.ndis.error_log, broken(world)) == ([shown], [])
