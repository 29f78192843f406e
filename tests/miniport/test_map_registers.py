# SPDX-License-Identifier: Apache-2.0
"""Map registers, bounce pages and the scatter/gather set-up."""

from __future__ import annotations

from typing import Any

import pytest

from miniport import status as s
from miniport.packet import NdisBuffer

PAGE, MIB, GIB = 4096, 1 << 20, 1 << 30
W24, W32, W64 = s.NDIS_DMA_24BITS, s.NDIS_DMA_32BITS, s.NDIS_DMA_64BITS
ABOVE = {"ram_ranges": ((MIB, 4 * MIB), (4 * GIB, 64 * MIB)), "placement": "high", "limits": "pci32-16m"}
"""A machine on which pool memory lies above 4 GiB, out of reach of 32 bits: its buffers bounce."""


def mapped(adapter: Any, count: int = 1, maximum: int = 1514, width: int = W32) -> int:
    status: int = adapter.allocate_map_registers(0, width, count, maximum)
    return status


def buffer_of(adapter: Any, length: int, offset: int = 0) -> NdisBuffer:
    """A buffer in pool memory, filled with its own offsets."""
    _, memory = adapter.allocate_memory_with_tag(offset + length, "Test")
    memory.write(0, bytes(n & 0xFF for n in range(offset + length)))
    buffer: NdisBuffer = adapter.allocate_buffer(None, memory + offset, length)[1]
    return buffer


def drop(adapter: Any, buffer: NdisBuffer) -> None:
    view = buffer.view
    adapter.free_buffer(buffer)
    adapter.free_memory(view + -view.offset, view.block.size)


# Allocation and free


@pytest.mark.keeps("mapreg-free-after-success")
@pytest.mark.parametrize("count, maximum, given", [
    (31, 1514, True), (32, 1514, True), (33, 1514, False),
    (64, 1, True), (65, 1, False),
    (1, 63 * PAGE, True), (1, 63 * PAGE + 1, False),
    (1, 1, True), (1, 0, False), (1, -1, False)])
def test_64_registers_are_the_most_and_a_buffer_may_begin_anywhere_in_a_page(live: Any, bare: Any, broken: Any, count: int,
                                                                              maximum: int, given: bool) -> None:
    got = []

    def initialize(adapter: Any) -> None:
        got.append(mapped(adapter, count, maximum))
        if got[0] == s.NDIS_STATUS_SUCCESS:
            adapter.free_map_registers()

    world = live(bare(initialize))
    assert got == [s.NDIS_STATUS_SUCCESS if given else s.NDIS_STATUS_RESOURCES]
    assert broken(world) == []
    assert ("NdisMAllocateMapRegisters" in world.ndis.failed_routines) != given


def test_a_second_allocation_is_refused(live: Any, bare: Any, broken: Any) -> None:
    got = []

    def initialize(adapter: Any) -> None:
        got.extend([mapped(adapter), mapped(adapter)])
        adapter.free_map_registers()

    world = live(bare(initialize))
    assert got == [s.NDIS_STATUS_SUCCESS, s.NDIS_STATUS_RESOURCES] and broken(world) == []


@pytest.mark.breaks("mapreg-width-enum")
@pytest.mark.keeps("mapreg-width-enum")
@pytest.mark.parametrize("width, fine", [(-1, False), (W24, True), (W32, True), (W64, True), (3, False)])
def test_a_width_is_one_of_three(live: Any, bare: Any, broken: Any, width: int, fine: bool) -> None:
    def initialize(adapter: Any) -> None:
        if mapped(adapter, width=width) == s.NDIS_STATUS_SUCCESS:
            assert adapter.dma_bits == {W24: 24, W32: 32, W64: 64}[width]
            adapter.free_map_registers()

    assert broken(live(bare(initialize))) == ([] if fine else ["mapreg-width-enum"])


@pytest.mark.breaks("mapreg-alloc-busmaster")
@pytest.mark.keeps("mapreg-alloc-busmaster")
@pytest.mark.parametrize("attributes, rules", [(0, ["mapreg-alloc-busmaster"]), (s.NDIS_ATTRIBUTE_BUS_MASTER, []),
                                               (None, ["attr5-first", "mapreg-alloc-busmaster"])])
def test_only_a_bus_master_has_map_registers(live: Any, bare: Any, all_broken: Any, attributes: int | None, rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        if mapped(adapter) == s.NDIS_STATUS_SUCCESS:
            adapter.free_map_registers()

    assert [r for r in all_broken(live(bare(initialize, attributes=attributes))) if r != "attr5-first"] == [
        r for r in rules if r != "attr5-first"]


@pytest.mark.breaks("mapreg-dmachannel-zero")
@pytest.mark.keeps("mapreg-dmachannel-zero")
@pytest.mark.parametrize("channel, rules", [(0, []), (1, ["mapreg-dmachannel-zero"])])
def test_a_pci_nic_has_no_dma_channel(live: Any, bare: Any, broken: Any, channel: int, rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        adapter.allocate_map_registers(channel, W32, 1, 1514)
        adapter.free_map_registers()

    assert broken(live(bare(initialize))) == rules


@pytest.mark.breaks("mapreg-free-after-success")
def test_a_free_without_registers_is_a_finding(live: Any, bare: Any, broken: Any) -> None:
    assert broken(live(bare(lambda adapter: adapter.free_map_registers()))) == ["mapreg-free-after-success"]


@pytest.mark.breaks("mapreg-free-after-success")
def test_a_second_free_is_a_finding(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        mapped(adapter)
        adapter.free_map_registers()
        adapter.free_map_registers()

    assert broken(live(bare(initialize))) == ["mapreg-free-after-success"]


def test_registers_that_are_never_freed_are_a_leak(live: Any, bare: Any, broken: Any) -> None:
    world = live(bare(lambda adapter: mapped(adapter) and None))
    assert broken(world) == ["halt-undo-all"]
    assert world.machine.findings.errors[0].also == ("mapreg-free-required",)


@pytest.mark.breaks("mapreg-free-no-mapping")
def test_an_open_mapping_at_the_free_is_a_finding(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        mapped(adapter)
        buffer = buffer_of(adapter, 100)
        adapter.start_buffer_physical_mapping(buffer, 0, True)
        adapter.free_map_registers()
        drop(adapter, buffer)

    assert "mapreg-free-no-mapping" in broken(live(bare(initialize)))


@pytest.mark.parametrize("windows, count", [("nt4", 64), ("2000", 0x10000), ("7", 0x10000)])
def test_the_count_that_is_asked_for_means_nothing_from_windows_2000_on(live: Any, bare: Any, windows: str, count: int) -> None:
    got = []
    live(bare(lambda adapter: got.append(adapter.query_map_register_count(s.NDIS_INTERFACE_PCI)), versions=((4, 0),)),
         windows=windows)
    assert got == [(s.NDIS_STATUS_SUCCESS, count)]


# Mapping


@pytest.mark.keeps("mapreg-start-after-alloc")
@pytest.mark.parametrize("offset, length, sizes", [
    (0, 1, [1]), (0, PAGE, [PAGE]), (0, PAGE + 1, [PAGE + 1]), (4095, 2, [2]), (100, 3 * PAGE, [3 * PAGE]), (1, 0, [])])
def test_contiguous_pages_in_reach_are_one_piece(live: Any, bare: Any, broken: Any, offset: int, length: int,
                                                 sizes: list[int]) -> None:
    def initialize(adapter: Any) -> None:
        mapped(adapter, 1, 8 * PAGE)
        buffer = buffer_of(adapter, length, offset)
        pieces = adapter.start_buffer_physical_mapping(buffer, 0, True)
        assert [size for _, size in pieces] == sizes
        for address, _ in pieces:
            assert address == buffer.view.block.physical + offset + 0x100000
        assert adapter.get_buffer_physical_array_size(buffer) == -(-(offset % PAGE + length) // PAGE)
        adapter.complete_buffer_physical_mapping(buffer, 0)
        drop(adapter, buffer)
        adapter.free_map_registers()

    assert broken(live(bare(initialize), bus_offset=0x100000)) == []


@pytest.mark.parametrize("offset, length", [(0, 1), (0, PAGE), (4095, 2), (100, 2 * PAGE), (0, 2 * PAGE + 1)])
@pytest.mark.parametrize("bus_offset", [0, MIB])
def test_a_buffer_out_of_reach_is_copied_out_when_the_device_reads(live: Any, bare: Any, broken: Any, offset: int, length: int,
                                                                    bus_offset: int) -> None:
    got = []

    def initialize(adapter: Any) -> None:
        assert mapped(adapter, 1, 3 * PAGE) == s.NDIS_STATUS_SUCCESS
        buffer = buffer_of(adapter, length, offset)
        assert buffer.view.block.physical >= 4 * GIB
        pieces = adapter.start_buffer_physical_mapping(buffer, 0, True)
        assert len(pieces) <= adapter.get_buffer_physical_array_size(buffer)
        assert all(address + size <= 4 * GIB for address, size in pieces)
        assert all(adapter.nic.dma.read(address, size, "test") is not None for address, size in pieces)
        ram = adapter._ndis.ram
        got.append(b"".join(ram.read(address - bus_offset, size) for address, size in pieces))
        assert got[0] == buffer.view.read(0, length)
        adapter.complete_buffer_physical_mapping(buffer, 0)
        drop(adapter, buffer)
        adapter.free_map_registers()

    world = live(bare(initialize), **ABOVE, bus_offset=bus_offset)
    assert broken(world) == [] and world.outcome == "ran"
    assert len(got[0]) == length


@pytest.mark.breaks("mapreg-complete-before-cpu-read")
@pytest.mark.keeps("mapreg-complete-before-cpu-read")
@pytest.mark.parametrize("complete", [False, True])
def test_what_the_device_wrote_is_copied_in_at_complete_and_not_before(live: Any, bare: Any, broken: Any, complete: bool) -> None:
    seen = []

    def initialize(adapter: Any) -> None:
        mapped(adapter, 1, 1514)
        buffer = buffer_of(adapter, 16)
        [(address, size)] = adapter.start_buffer_physical_mapping(buffer, 0, False)
        assert adapter.nic.dma.write(address, b"from the device!"[:size], "test")
        adapter.nic.dma.flush()
        if complete:
            adapter.complete_buffer_physical_mapping(buffer, 0)
        seen.append(buffer.view.read(0, 16))
        if not complete:
            adapter.complete_buffer_physical_mapping(buffer, 0)
        drop(adapter, buffer)
        adapter.free_map_registers()

    world = live(bare(initialize), **ABOVE)
    assert seen == [b"from the device!" if complete else bytes(range(16))]
    assert broken(world) == ([] if complete else ["mapreg-complete-before-cpu-read"])


def test_what_the_device_wrote_is_not_copied_back_where_it_was_mapped_for_reading(live: Any, bare: Any) -> None:
    seen = []

    def initialize(adapter: Any) -> None:
        mapped(adapter, 1, 1514)
        buffer = buffer_of(adapter, 16)
        [(address, _)] = adapter.start_buffer_physical_mapping(buffer, 0, True)
        adapter.nic.dma.write(address, b"from the device!", "test")
        adapter.nic.dma.flush()
        adapter.complete_buffer_physical_mapping(buffer, 0)
        seen.append(buffer.view.read(0, 16))
        drop(adapter, buffer)
        adapter.free_map_registers()

    live(bare(initialize), **ABOVE)
    assert seen == [bytes(range(16))]


@pytest.mark.parametrize("options", [{}, ABOVE], ids=["in reach", "bounced"])
@pytest.mark.parametrize("write_to_device", [False, True])
def test_a_transfer_against_the_direction_of_the_mapping_is_a_finding(live: Any, bare: Any, broken: Any, write_to_device: bool,
                                                                      options: dict[str, Any]) -> None:
    def initialize(adapter: Any) -> None:
        mapped(adapter)
        buffer = buffer_of(adapter, 16)
        [(address, _)] = adapter.start_buffer_physical_mapping(buffer, 0, write_to_device)
        if write_to_device:
            adapter.nic.dma.write(address, bytes(16), "test")
        else:
            adapter.nic.dma.read(address, 16, "test")
        adapter.complete_buffer_physical_mapping(buffer, 0)
        drop(adapter, buffer)
        adapter.free_map_registers()

    assert broken(live(bare(initialize), **{"limits": "pci32-16m", **options})) == ["mapreg-direction"]


def test_many_buffers_mapped_in_the_wrong_direction_are_one_finding(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        mapped(adapter, 2)
        for index in range(2):
            buffer = buffer_of(adapter, 16)
            [(address, _)] = adapter.start_buffer_physical_mapping(buffer, index, False)
            adapter.nic.dma.read(address, 16, "test")
            adapter.complete_buffer_physical_mapping(buffer, index)
            drop(adapter, buffer)
        adapter.free_map_registers()

    assert broken(live(bare(initialize), limits="pci32-16m")) == ["mapreg-direction"]


def test_after_complete_the_device_addresses_are_valid_no_more(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        mapped(adapter)
        buffer = buffer_of(adapter, 16)
        [(address, _)] = adapter.start_buffer_physical_mapping(buffer, 0, True)
        adapter.complete_buffer_physical_mapping(buffer, 0)
        adapter.nic.dma.read(address, 16, "test")
        drop(adapter, buffer)
        adapter.free_map_registers()

    assert broken(live(bare(initialize))) != []


@pytest.mark.keeps("mapreg-free-no-mapping", "mapreg-reuse-after-complete")
def test_every_page_of_the_pool_comes_back_at_complete(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        mapped(adapter, 4, 1514)
        buffers = [buffer_of(adapter, 1514, 4000) for _ in range(4)]
        for _ in range(5):
            for index, buffer in enumerate(buffers):
                assert len(adapter.start_buffer_physical_mapping(buffer, index, True)) >= 1
            for index, buffer in enumerate(buffers):
                adapter.complete_buffer_physical_mapping(buffer, index)
        for buffer in buffers:
            drop(adapter, buffer)
        adapter.free_map_registers()

    world = live(bare(initialize), **ABOVE)
    assert broken(world) == [] and world.outcome == "ran"


# Wrong uses


@pytest.mark.breaks("mapreg-index-range")
@pytest.mark.keeps("mapreg-index-range")
@pytest.mark.parametrize("index, rule", [(-1, "mapreg-index-range"), (0, None), (1, None), (2, "mapreg-index-range")])
def test_registers_are_numbered_from_zero(live: Any, bare: Any, broken: Any, index: int, rule: str | None) -> None:
    def initialize(adapter: Any) -> None:
        mapped(adapter, 2)
        buffer = buffer_of(adapter, 16)
        if adapter.start_buffer_physical_mapping(buffer, index, True):
            adapter.complete_buffer_physical_mapping(buffer, index)
        drop(adapter, buffer)
        adapter.free_map_registers()

    assert broken(live(bare(initialize))) == ([rule] if rule else [])


@pytest.mark.breaks("mapreg-reuse-after-complete")
def test_a_busy_register_is_not_used_again(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        mapped(adapter, 1)
        buffer = buffer_of(adapter, 16)
        adapter.start_buffer_physical_mapping(buffer, 0, True)
        assert adapter.start_buffer_physical_mapping(buffer, 0, True) == ()
        adapter.complete_buffer_physical_mapping(buffer, 0)
        drop(adapter, buffer)
        adapter.free_map_registers()

    assert broken(live(bare(initialize))) == ["mapreg-reuse-after-complete"]


@pytest.mark.breaks("mapreg-max-buffer")
@pytest.mark.keeps("mapreg-max-buffer")
@pytest.mark.parametrize("options", [{}, ABOVE], ids=["in reach", "bounced"])
@pytest.mark.parametrize("length, rule", [(1513, None), (1514, None), (1515, "mapreg-max-buffer"), (5 * PAGE, "mapreg-max-buffer")])
def test_a_buffer_is_no_longer_than_was_said(live: Any, bare: Any, broken: Any, length: int, rule: str | None,
                                             options: dict[str, Any]) -> None:
    def initialize(adapter: Any) -> None:
        mapped(adapter, 1, 1514)
        buffer = buffer_of(adapter, length)
        if adapter.start_buffer_physical_mapping(buffer, 0, True):
            adapter.complete_buffer_physical_mapping(buffer, 0)
        drop(adapter, buffer)
        adapter.free_map_registers()

    assert broken(live(bare(initialize), **options)) == ([rule] if rule else [])


@pytest.mark.breaks("mapreg-complete-match")
@pytest.mark.keeps("mapreg-complete-match")
@pytest.mark.parametrize("index, own", [(0, True), (1, True), (0, False)])
def test_complete_repeats_buffer_and_index(live: Any, bare: Any, broken: Any, index: int, own: bool) -> None:
    def initialize(adapter: Any) -> None:
        mapped(adapter, 2)
        buffer, other = buffer_of(adapter, 16), buffer_of(adapter, 16)
        adapter.start_buffer_physical_mapping(buffer, 0, True)
        adapter.complete_buffer_physical_mapping(buffer if own else other, index)
        if (index, own) != (0, True):
            adapter.complete_buffer_physical_mapping(buffer, 0)
        drop(adapter, buffer)
        drop(adapter, other)
        adapter.free_map_registers()

    assert broken(live(bare(initialize))) == ([] if (index, own) == (0, True) else ["mapreg-complete-match"])


@pytest.mark.breaks("mapreg-complete-once")
def test_a_second_complete_is_a_finding(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        mapped(adapter)
        buffer = buffer_of(adapter, 16)
        adapter.start_buffer_physical_mapping(buffer, 0, True)
        adapter.complete_buffer_physical_mapping(buffer, 0)
        adapter.complete_buffer_physical_mapping(buffer, 0)
        drop(adapter, buffer)
        adapter.free_map_registers()

    assert broken(live(bare(initialize))) == ["mapreg-complete-once"]


@pytest.mark.breaks("mapreg-start-after-alloc")
def test_nothing_is_mapped_without_registers(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        buffer = buffer_of(adapter, 16)
        assert adapter.start_buffer_physical_mapping(buffer, 0, True) == ()
        drop(adapter, buffer)

    assert broken(live(bare(initialize))) == ["mapreg-start-after-alloc"]


# Reach


@pytest.mark.parametrize("width, ram, bounce", [
    (W24, ((0, 16 * MIB),), 0), (W24, ((0, 16 * MIB + PAGE),), 2 * PAGE),
    (W32, ((0, MIB), (4 * GIB - PAGE, PAGE)), 0), (W32, ((0, MIB), (4 * GIB - PAGE, 2 * PAGE)), 2 * PAGE),
    (W64, ((0, MIB), (4 * GIB - PAGE, 2 * PAGE)), 0)])
def test_bounce_pages_are_kept_exactly_where_memory_is_out_of_reach(live: Any, bare: Any, broken: Any, width: int, ram: Any,
                                                                    bounce: int) -> None:
    def initialize(adapter: Any) -> None:
        assert mapped(adapter, width=width) == s.NDIS_STATUS_SUCCESS
        adapter.free_map_registers()

    world = live(bare(initialize), ram_ranges=ram)
    assert sum(block.size for block in world.machine.book.made if block.name.startswith("bounce")) == bounce
    assert all(not block.live for block in world.machine.book.made) and broken(world) == []


def test_registers_are_refused_where_no_page_is_in_reach(live: Any, bare: Any) -> None:
    got = []

    def initialize(adapter: Any) -> int:
        got.append(mapped(adapter))
        return got[0]

    world = live(bare(initialize), ram_ranges=((4 * GIB, 4 * MIB),), limits="rtl8139")
    assert got == [s.NDIS_STATUS_RESOURCES] and world.refused and world.machine.findings.errors == []
    assert world.machine.book.made == []


# Scatter/gather


@pytest.mark.keeps("mapreg-or-sg", "sg5-after-attributes", "sg5-version")
@pytest.mark.parametrize("wide, bits", [(False, 32), (True, 64)])
def test_scatter_gather_declares_32_or_64_bits(live: Any, bare: Any, broken: Any, wide: bool, bits: int) -> None:
    def initialize(adapter: Any) -> None:
        assert adapter.initialize_scatter_gather_dma(wide, 1514) == s.NDIS_STATUS_SUCCESS
        assert adapter.dma_bits == bits

    assert broken(live(bare(initialize), limits="rtl8139")) == []


@pytest.mark.breaks("sg5-not-24bit")
@pytest.mark.keeps("sg5-not-24bit")
@pytest.mark.parametrize("bits, rules", [(31, ["sg5-not-24bit"]), (32, []), (33, [])])
def test_scatter_gather_is_for_32_address_bits_and_more(live: Any, bare: Any, broken: Any, bits: int, rules: list[str]) -> None:
    assert broken(live(bare(lambda a: a.initialize_scatter_gather_dma(False, 1514) and None), address_bits=bits)) == rules


@pytest.mark.breaks("sg5-after-attributes", "sg5-version")
@pytest.mark.parametrize("attributes, versions, errors, notices", [
    (0, ((5, 1),), ["sg5-after-attributes"], []), (None, ((5, 1),), ["sg5-after-attributes"], []),
    (s.NDIS_ATTRIBUTE_BUS_MASTER, ((4, 0),), [], ["sg5-version"])])
def test_scatter_gather_is_not_for_slaves_nor_for_ndis_4(live: Any, bare: Any, broken: Any, attributes: int | None, versions: Any,
                                                         errors: list[str], notices: list[str]) -> None:
    got = []
    world = live(bare(lambda a: got.append(a.initialize_scatter_gather_dma(False, 1514)), attributes=attributes, versions=versions),
                 limits="rtl8139")
    assert got == [s.NDIS_STATUS_NOT_SUPPORTED] and broken(world)[:1] == errors
    assert [notice.rule.id for notice in world.machine.findings.notices] == notices


@pytest.mark.breaks("mapreg-or-sg")
@pytest.mark.parametrize("registers_first", [False, True])
def test_map_registers_and_scatter_gather_exclude_each_other(live: Any, bare: Any, broken: Any, registers_first: bool) -> None:
    def initialize(adapter: Any) -> None:
        if registers_first:
            mapped(adapter)
        adapter.initialize_scatter_gather_dma(False, 1514)
        if not registers_first:
            mapped(adapter)
        adapter.free_map_registers()

    assert broken(live(bare(initialize), limits="rtl8139")) == ["mapreg-or-sg"]


def test_a_packet_with_scatter_gather_brings_a_list_of_its_bytes(live: Any, bare: Any, broken: Any) -> None:
    seen = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        ram = adapter._ndis.ram
        seen.append((packet.frame, b"".join(ram.read(a - MIB, n) for a, n in packet.scatter_gather)))
        assert all(adapter.nic.dma.read(a, n, "test") is not None for a, n in packet.scatter_gather)
        return s.NDIS_STATUS_FAILURE

    world = live(bare(lambda a: a.initialize_scatter_gather_dma(False, 1514) and None, send=send), frames=6, limits="rtl8139",
                 bus_offset=MIB)
    assert len(seen) == 6 and all(frame == listed for frame, listed in seen)
    assert [rule for rule in broken(world) if rule.startswith(("dma", "mapreg", "shared"))] == []


@pytest.mark.parametrize("options", [{}, ABOVE])
def test_a_buffer_over_scattered_pages_has_a_piece_for_each(live: Any, bare: Any, broken: Any, options: dict[str, Any]) -> None:
    seen = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        ram, offset = adapter._ndis.ram, adapter._ndis.machine.bus.logical_offset
        frame = b""
        for buffer in packet.buffers():
            if not buffer.length:
                continue
            pieces = adapter.start_buffer_physical_mapping(buffer, 0, True)
            frame += b"".join(ram.read(address - offset, size) for address, size in pieces)
            assert len(pieces) <= adapter.get_buffer_physical_array_size(buffer)
            seen.append((len(pieces), buffer.pages()))
            adapter.complete_buffer_physical_mapping(buffer, 0)
        assert frame == packet.frame
        return s.NDIS_STATUS_FAILURE

    world = live(bare(lambda adapter: mapped(adapter), send=send, halt=lambda adapter: adapter.free_map_registers()), frames=60,
                 **options)
    assert (1, 1) in seen and (2, 2) in seen
    assert broken(world) == ["frame-lost-without-fault"]
