# SPDX-License-Identifier: Apache-2.0
"""Registers and ports by the names of the HAL, copies inside device memory, and what the slot knows."""

from __future__ import annotations

from typing import Any

import pytest

from miniport.adapter import Adapter
from miniport.routine import TABLE
from miniport.status import NDIS_STATUS_FAILURE

ID, MASK, HASH_LO, HASH_HI = 0x00, 0x10, 0x24, 0x28
ID_VALUE = 0x0DBE0001
SECOND_NAMES = {
    "READ_REGISTER_UCHAR": "NdisReadRegisterUchar",
    "READ_REGISTER_USHORT": "NdisReadRegisterUshort",
    "READ_REGISTER_ULONG": "NdisReadRegisterUlong",
    "WRITE_REGISTER_UCHAR": "NdisWriteRegisterUchar",
    "WRITE_REGISTER_USHORT": "NdisWriteRegisterUshort",
    "WRITE_REGISTER_ULONG": "NdisWriteRegisterUlong",
    "READ_PORT_UCHAR": "NdisRawReadPortUchar",
    "READ_PORT_USHORT": "NdisRawReadPortUshort",
    "READ_PORT_ULONG": "NdisRawReadPortUlong",
    "WRITE_PORT_UCHAR": "NdisRawWritePortUchar",
    "WRITE_PORT_USHORT": "NdisRawWritePortUshort",
    "WRITE_PORT_ULONG": "NdisRawWritePortUlong",
    "READ_PORT_BUFFER_UCHAR": "NdisRawReadPortBufferUchar",
    "READ_PORT_BUFFER_USHORT": "NdisRawReadPortBufferUshort",
    "READ_PORT_BUFFER_ULONG": "NdisRawReadPortBufferUlong",
    "WRITE_PORT_BUFFER_UCHAR": "NdisRawWritePortBufferUchar",
    "WRITE_PORT_BUFFER_USHORT": "NdisRawWritePortBufferUshort",
    "WRITE_PORT_BUFFER_ULONG": "NdisRawWritePortBufferUlong",
}


def windows(adapter: Any, kind: str) -> Any:
    found = next(r for r in adapter.query_adapter_resources()[1] if r.kind == kind)
    claim = adapter.register_io_port_range if kind == "port" else adapter.map_io_space
    return claim(found.start, found.length)[1]


def give_back(adapter: Any, window: Any) -> None:
    if window.ports:
        adapter.deregister_io_port_range(window.start, window.length, window)
    else:
        adapter.unmap_io_space(window, window.length)


def with_window(live: Any, bare: Any, kind: str, step: Any) -> Any:
    """Run *step(adapter, window, memory)* in initialize of a small miniport."""
    def initialize(adapter: Any) -> None:
        window = windows(adapter, kind)
        memory = adapter.allocate_memory_with_tag(64, "Bed0")[1]
        step(adapter, window, memory)
        adapter.free_memory(memory, 64)
        give_back(adapter, window)

    return live(bare(initialize))


def findings(broken: Any, world: Any) -> list[str]:
    """What is wrong, but for handlers that the small miniport lacks."""
    return [rule for rule in broken(world) if rule != "miniport-characteristics"]


@pytest.mark.parametrize("name, of", SECOND_NAMES.items())
def test_names_of_the_hal_are_the_accesses_of_ndis(name: str, of: str) -> None:
    row = TABLE[name]
    assert row.implementation is TABLE[of].implementation
    assert row.python == name.lower()
    assert getattr(Adapter, row.python).__name__ == row.python


def test_ports_are_read_and_written(live: Any, bare: Any, broken: Any) -> None:
    def step(adapter: Any, window: Any, memory: Any) -> None:
        assert adapter.read_port_ulong(window, ID) == ID_VALUE
        adapter.write_port_ulong(window, MASK, 0x3F)
        assert adapter.read_port_ulong(window, MASK) == 0x3F
        adapter.read_port_buffer_ulong(window, ID, memory, 2)
        assert memory.read_ulong(0) == memory.read_ulong(4) == ID_VALUE
        memory.write_ulong(0, 0x2A)
        memory.write_ulong(4, 0x15)
        adapter.write_port_buffer_ulong(window, MASK, memory, 2)
        assert adapter.read_port_ulong(window, MASK) == 0x15

    assert findings(broken, with_window(live, bare, "port", step)) == []


def test_a_buffer_of_registers_goes_on_from_one_to_the_next(live: Any, bare: Any, broken: Any) -> None:
    def step(adapter: Any, window: Any, memory: Any) -> None:
        memory.write_ulong(0, 0x11111111)
        memory.write_ulong(4, 0x22222222)
        adapter.write_register_buffer_ulong(window, HASH_LO, memory, 2)
        assert adapter.read_register_ulong(window, HASH_LO) == 0x11111111
        assert adapter.read_register_ulong(window, HASH_HI) == 0x22222222
        adapter.read_register_buffer_ulong(window, HASH_LO, memory + 8, 2)
        assert memory.read(8, 8) == memory.read(0, 8)
        adapter.read_register_buffer_ulong(window, HASH_LO, memory + 16, 0)

    assert findings(broken, with_window(live, bare, "memory", step)) == []


@pytest.mark.parametrize("name", ["READ_REGISTER_BUFFER_UCHAR", "READ_REGISTER_BUFFER_USHORT", "WRITE_REGISTER_BUFFER_UCHAR",
                                  "WRITE_REGISTER_BUFFER_USHORT"])
def test_a_buffer_of_registers_of_the_wrong_size_is_told(live: Any, bare: Any, broken: Any, name: str) -> None:
    def step(adapter: Any, window: Any, memory: Any) -> None:
        memory.fill(0, 8)
        getattr(adapter, TABLE[name].python)(window, HASH_LO, memory, 1)

    assert findings(broken, with_window(live, bare, "memory", step)) == ["register-size"]


def test_a_buffer_of_registers_ends_with_the_mapping(live: Any, bare: Any, broken: Any) -> None:
    def step(adapter: Any, window: Any, memory: Any) -> None:
        memory.fill(0, 8)
        adapter.read_register_buffer_ulong(window, window.length - 4, memory, 2)

    assert "iomap-unmap-exact" in findings(broken, with_window(live, bare, "memory", step))


def test_device_memory_is_moved_inside_a_mapping(live: Any, bare: Any, broken: Any) -> None:
    def step(adapter: Any, window: Any, memory: Any) -> None:
        adapter.write_register_ulong(window, HASH_LO, 0x12345678)
        adapter.move_mapped_memory(window, HASH_HI, window, HASH_LO, 4)
        assert adapter.read_register_ulong(window, HASH_HI) == 0x12345678
        adapter.move_mapped_memory(window, HASH_HI, window, HASH_LO, 0)

    assert findings(broken, with_window(live, bare, "memory", step)) == []


# Slots


@pytest.mark.keeps("init-no-bus-config-after-claim")
def test_configuration_space_is_read_and_written_before_hardware_is_claimed(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        assert adapter.immediate_read_pci_slot_information(0, 0, 4).hex() == "be0d0100"
        assert adapter.immediate_write_pci_slot_information(0, 0x3C, b"\x0b") == 1
        assert adapter.immediate_read_pci_slot_information(0, 0x3C, 1) == b"\x0b"

    assert findings(broken, live(bare(initialize))) == []


@pytest.mark.breaks("init-no-bus-config-after-claim")
@pytest.mark.parametrize("kind", ["port", "memory"])
@pytest.mark.parametrize("call", [lambda a: a.immediate_read_pci_slot_information(0, 0, 4),
                                  lambda a: a.immediate_write_pci_slot_information(0, 0x3C, b"\x0b")])
def test_configuration_space_is_closed_to_immediate_calls_once_hardware_is_claimed(
        live: Any, bare: Any, broken: Any, kind: str, call: Any) -> None:
    world = with_window(live, bare, kind, lambda adapter, window, memory: call(adapter))
    assert findings(broken, world) == ["init-no-bus-config-after-claim"]


def test_there_is_no_eisa_and_no_pcmcia_bus(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        assert adapter.read_eisa_slot_information() == (NDIS_STATUS_FAILURE, None, None)
        assert adapter.read_pcmcia_attribute_memory(0, 16) == b""

    assert findings(broken, live(bare(initialize))) == []
