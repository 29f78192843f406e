# SPDX-License-Identifier: Apache-2.0
"""Immediate ports, buffers through one port, and device memory in bulk."""

from __future__ import annotations

from typing import Any

import pytest

from miniport.adapter import Adapter
from miniport.library.bus_access import _pieces

ID, MASK, HASH_LO, HASH_HI = 0x00, 0x10, 0x24, 0x28
ID_VALUE = 0x0DBE0001
SIZES = [("uchar", 1), ("ushort", 2), ("ulong", 4)]


def resource(adapter: Any, kind: str) -> Any:
    return next(r for r in adapter.query_adapter_resources()[1] if r.kind == kind)


def ports(adapter: Any) -> Any:
    found = resource(adapter, "port")
    return adapter.register_io_port_range(found.start, found.length)[1]


def registers(adapter: Any) -> Any:
    found = resource(adapter, "memory")
    return adapter.map_io_space(found.start, found.length)[1]


def give_back(adapter: Any, window: Any) -> None:
    if window.ports:
        adapter.deregister_io_port_range(window.start, window.length, window)
    else:
        adapter.unmap_io_space(window, window.length)


# Immediate ports


@pytest.mark.keeps("ioport-no-immediate-after")
def test_immediate_ports_reach_the_card_by_their_numbers(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        base = resource(adapter, "port").start
        assert adapter.immediate_read_port_ulong(base + ID) == ID_VALUE
        adapter.immediate_write_port_ulong(base + MASK, 0x3F)
        assert adapter.immediate_read_port_ulong(base + MASK) == 0x3F

    assert broken(live(bare(initialize))) == []


@pytest.mark.parametrize("name, size", SIZES)
def test_a_port_where_nothing_answers_reads_all_ones(live: Any, bare: Any, broken: Any, name: str, size: int) -> None:
    def initialize(adapter: Adapter) -> None:
        found = resource(adapter, "port")
        for port in (found.start - 1, found.start + found.length - size + 1, found.start + found.length):
            assert getattr(adapter, f"immediate_read_port_{name}")(port) == (1 << size * 8) - 1
            getattr(adapter, f"immediate_write_port_{name}")(port, 0)

    assert broken(live(bare(initialize))) == []


@pytest.mark.parametrize("name", ["uchar", "ushort"])
def test_an_immediate_access_of_the_wrong_size_is_one_of_the_wrong_size(live: Any, bare: Any, broken: Any, name: str) -> None:
    def initialize(adapter: Adapter) -> None:
        getattr(adapter, f"immediate_read_port_{name}")(resource(adapter, "port").start)

    assert broken(live(bare(initialize))) == ["register-size"]


@pytest.mark.breaks("ioport-no-immediate-after")
@pytest.mark.parametrize("verb", ["read", "write"])
@pytest.mark.parametrize("name, size", SIZES)
def test_immediate_ports_end_where_ports_are_registered(live: Any, bare: Any, all_broken: Any, verb: str, name: str, size: int) -> None:
    def initialize(adapter: Adapter) -> None:
        window = ports(adapter)
        getattr(adapter, f"immediate_{verb}_port_{name}")(1, *((0,) if verb == "write" else ()))
        give_back(adapter, window)
        getattr(adapter, f"immediate_{verb}_port_{name}")(1, *((0,) if verb == "write" else ()))

    world = live(bare(initialize))
    assert all_broken(world) == ["ioport-no-immediate-after"]
    [finding] = world.machine.findings.errors
    assert finding.message.startswith(f"NdisImmediate{verb.title()}Port{name.title()} of port 0x1 after")
    assert [what for what, _ in finding.related] == ["ports registered"]


# Buffers through a port


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_buffer_is_read_through_one_port(live: Any, bare: Any, broken: Any, count: int) -> None:
    def initialize(adapter: Adapter) -> None:
        window = ports(adapter)
        memory = adapter.allocate_memory_with_tag(64, "Buff")[1]
        memory.fill(0, 64)
        adapter.raw_read_port_buffer_ulong(window, ID, memory, count)
        assert memory.read(0, 64) == (ID_VALUE.to_bytes(4, "little") * count).ljust(64, b"\0")
        adapter.free_memory(memory, 64)
        give_back(adapter, window)

    assert broken(live(bare(initialize))) == []


def test_a_buffer_is_written_through_one_port_item_by_item(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        window = ports(adapter)
        memory = adapter.allocate_memory_with_tag(12, "Buff")[1]
        for item in range(3):
            memory.write_ulong(4 * item, item + 1)
        adapter.raw_write_port_buffer_ulong(window, MASK, memory, 3)
        assert adapter.raw_read_port_ulong(window, MASK) == 3
        adapter.free_memory(memory, 12)
        give_back(adapter, window)

    world = live(bare(initialize))
    assert broken(world) == []
    writes = [event["value"] for event in world.machine.events.as_dicts() if event["kind"] == "register_write"]
    assert writes == [1, 2, 3]


@pytest.mark.keeps("shared-bounds")
@pytest.mark.parametrize("verb", ["read", "write"])
@pytest.mark.parametrize("name, size", SIZES)
def test_the_buffer_holds_every_item(live: Any, bare: Any, broken: Any, verb: str, name: str, size: int) -> None:
    """Two items fit; a third is out of bounds."""
    def initialize(adapter: Adapter) -> None:
        window = ports(adapter)
        memory = adapter.allocate_memory_with_tag(2 * size, "Buff")[1]
        memory.fill(0, 2 * size)
        move = getattr(adapter, f"raw_{verb}_port_buffer_{name}")
        move(window, 0x100, memory, 0)  # no item: the port does not matter
        if size == 4:
            move(window, HASH_LO, memory, 2)
            move(window, HASH_LO, memory, 3)
        adapter.free_memory(memory, 2 * size)
        give_back(adapter, window)

    assert broken(live(bare(initialize))) == (["shared-bounds"] if size == 4 else [])


@pytest.mark.breaks("ioport-deregister-exact", "register-unknown")
@pytest.mark.keeps("ioport-deregister-exact", "register-unknown")
@pytest.mark.parametrize("verb", ["read", "write"])
@pytest.mark.parametrize("name, size", SIZES)
@pytest.mark.parametrize("beyond, rules", [(0, None), (1, ["ioport-deregister-exact"])])
def test_the_port_lies_inside_the_range(
        live: Any, bare: Any, broken: Any, verb: str, name: str, size: int, beyond: int, rules: list[str] | None) -> None:
    def initialize(adapter: Adapter) -> None:
        window = ports(adapter)
        memory = adapter.allocate_memory_with_tag(4, "Buff")[1]
        memory.fill(0, 4)
        getattr(adapter, f"raw_{verb}_port_buffer_{name}")(window, window.length - size + beyond, memory, 1)
        adapter.free_memory(memory, 4)
        give_back(adapter, window)

    assert broken(live(bare(initialize))) == (rules or ["register-unknown"])


# Device memory


@pytest.mark.parametrize("offset, length, pieces", [
    (0, 0, []), (0, 1, [(0, 1)]), (0, 3, [(0, 1), (1, 1), (2, 1)]), (0, 4, [(0, 4)]), (0, 5, [(0, 4), (4, 1)]), (3, 2, [(3, 1), (4, 1)]),
    (3, 5, [(3, 1), (4, 4)]), (4, 8, [(4, 4), (8, 4)]), (2, 7, [(2, 1), (3, 1), (4, 4), (8, 1)])])
def test_a_copy_takes_longs_where_it_can_and_bytes_at_its_ends(offset: int, length: int, pieces: list[tuple[int, int]]) -> None:
    assert list(_pieces(offset, length)) == pieces


def test_device_memory_is_copied_in_both_directions_and_cleared(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        window = registers(adapter)
        memory = adapter.allocate_memory_with_tag(16, "Move")[1]
        memory.fill(0, 16)
        memory.write_ulong(0, 0x11223344)
        memory.write_ulong(4, 0x55667788)
        adapter.move_to_mapped_memory(window, HASH_LO, memory, 8)
        assert adapter.read_register_ulong(window, HASH_HI) == 0x55667788
        adapter.move_from_mapped_memory(memory + 8, window, HASH_LO, 8)
        assert memory.read(8, 8) == memory.read(0, 8)
        adapter.zero_mapped_memory(window, HASH_LO, 8)
        assert [adapter.read_register_ulong(window, at) for at in (HASH_LO, HASH_HI)] == [0, 0]
        adapter.free_memory(memory, 16)
        give_back(adapter, window)

    assert broken(live(bare(initialize))) == []


@pytest.mark.breaks("iomap-unmap-exact", "register-unknown")
@pytest.mark.keeps("iomap-unmap-exact", "register-unknown")
@pytest.mark.parametrize("move", ["from", "to", "zero"])
@pytest.mark.parametrize("beyond, rules", [(0, None), (4, ["iomap-unmap-exact"])])
def test_device_memory_ends_with_its_mapping(live: Any, bare: Any, broken: Any, move: str, beyond: int, rules: list[str] | None) -> None:
    def initialize(adapter: Adapter) -> None:
        window = registers(adapter)
        memory = adapter.allocate_memory_with_tag(4, "Move")[1]
        memory.fill(0, 4)
        at = window.length - 4 + beyond
        if move == "from":
            adapter.move_from_mapped_memory(memory, window, at, 4)
        elif move == "to":
            adapter.move_to_mapped_memory(window, at, memory, 4)
        else:
            adapter.zero_mapped_memory(window, at, 4)
        adapter.free_memory(memory, 4)
        give_back(adapter, window)

    assert broken(live(bare(initialize))) == (rules or ["register-unknown"])


@pytest.mark.breaks("iomap-no-access-after")
def test_device_memory_is_not_used_after_it_was_unmapped(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        window = registers(adapter)
        give_back(adapter, window)
        adapter.zero_mapped_memory(window, HASH_LO, 4)

    assert broken(live(bare(initialize))) == ["iomap-no-access-after"]
