# SPDX-License-Identifier: Apache-2.0
"""Pointers of a miniport: bounds to the byte, life, content; register windows with their size and life."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.frames import FrameTree, Placement
from allocator.memory_manager import MemoryManager
from hw.machine import Machine
from hw.processor_port import ProcessorPort
from miniport import status as s
from miniport.view import View
from verifier.address import Span
from verifier.address_book import BlockKind

PAGE, MIB = 4096, 1 << 20


class Pool:
    """One block of memory and a pointer to it, on a machine of its own."""

    def __init__(self, length: int = 100, kind: BlockKind = BlockKind.POOL) -> None:
        self.machine = Machine((Span(0, MIB),))
        self.memory = MemoryManager(self.machine, FrameTree([(0, 256)]), Placement.LOW)
        block = self.memory.allocate(kind, "NdisAllocateMemoryWithTag", "pool memory #1", length)
        assert block is not None
        self.block = block
        self.view = View(ProcessorPort(self.machine), block)

    def broken(self) -> list[str]:
        findings = self.machine.findings
        return [f.rule.id for first in findings.errors for f in (first, *first.consequences)]


# Content


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 99), st.binary(min_size=1, max_size=40)), max_size=20))
def test_a_view_reads_what_was_stored(stores: list[tuple[int, bytes]]) -> None:
    pool = Pool()
    expected = bytearray(100)
    pool.view.fill(0, 100)
    for at, data in stores:
        data = data[:100 - at]
        pool.view.write(at, data)
        expected[at:at + len(data)] = data
    assert pool.view.read(0, 100) == expected and pool.broken() == []


@pytest.mark.parametrize("name, size", [("uchar", 1), ("ushort", 2), ("ulong", 4), ("ulonglong", 8)])
@pytest.mark.parametrize("value", [0, 1, 0x80, 0xFFFFFFFFFFFFFFFF, 0x1122334455667788, -1])
def test_numbers_are_little_endian_and_drop_what_does_not_fit(name: str, size: int, value: int) -> None:
    pool = Pool()
    pool.view.fill(0, 100, 0xEE)
    getattr(pool.view, f"write_{name}")(3, value)
    kept = value & (1 << size * 8) - 1
    assert pool.view.read(0, 16) == b"\xee" * 3 + kept.to_bytes(size, "little") + b"\xee" * (13 - size)
    assert getattr(pool.view, f"read_{name}")(3) == kept


def test_a_pointer_moves_and_compares_like_one_in_c() -> None:
    pool = Pool()
    view = pool.view
    assert (view + 10).address == view.address + 10 and (view + 10).length == 90
    assert (view + 10) - 10 == view and hash(view + 0) == hash(view) and view != view + 1 and view != int(view)
    (view + 10).write(0, b"abc")
    assert view.read(10, 3) == b"abc" and int(view + 10) == pool.block.virtual + 10
    assert repr(view).endswith(" of pool memory #1>")


# Bounds


@pytest.mark.parametrize("offset, size, fine", [(0, 100, True), (99, 1, True), (100, 1, False), (101, 1, False), (0, 101, False),
                                                (96, 4, True), (97, 4, False), (-1, 1, False), (-1, 2, False), (100, 0, True)])
@pytest.mark.parametrize("verb", ["read", "write"])
def test_an_access_lies_inside_the_bytes_that_were_asked_for(verb: str, offset: int, size: int, fine: bool) -> None:
    pool = Pool()
    pool.view.fill(0, 100)
    if verb == "read":
        assert len(pool.view.read(offset, size)) == size
    else:
        pool.view.write(offset, bytes(size))
    assert ("shared-bounds" not in pool.broken()) == fine


def test_the_rest_of_the_page_holds_its_bytes_but_the_next_page_does_not() -> None:
    pool = Pool()
    pool.view.write(100, b"tail")
    assert pool.machine.ram.read(pool.block.physical + 100, 4) == b"tail"
    page = pool.block.physical // PAGE * PAGE
    pool.view.write(page + PAGE - pool.block.physical, b"beyond")
    assert pool.machine.ram.first_unwritten(page + PAGE, 1) == page + PAGE
    assert pool.view.read(page + PAGE - pool.block.physical, 4) == b"\xa5" * 4
    assert set(pool.broken()) == {"shared-bounds"}


def test_bounds_count_from_the_block_and_not_from_the_moved_pointer() -> None:
    pool = Pool()
    pool.view.fill(0, 100)
    (pool.view + 50).read(-50, 100)
    assert pool.broken() == []
    (pool.view + 50).write(0, bytes(51))
    assert pool.broken() == ["shared-bounds"]


# Life and content


@pytest.mark.parametrize("verb", ["read", "write"])
def test_freed_memory_is_not_touched(verb: str) -> None:
    pool = Pool()
    pool.view.fill(0, 100)
    pool.memory.free(pool.block, "NdisFreeMemory")
    if verb == "read":
        pool.view.read(0, 1)
    else:
        pool.view.write(0, b"x")
    assert pool.broken() == ["contig-no-use-after-free"]


@pytest.mark.breaks("memory-uninitialized", "shared-init-value")
@pytest.mark.keeps("memory-uninitialized", "shared-init-value")
@pytest.mark.parametrize("kind, rule", [(BlockKind.POOL, "memory-uninitialized"), (BlockKind.SHARED, "shared-init-value"),
                                        (BlockKind.CONTIGUOUS, "memory-uninitialized")])
@pytest.mark.parametrize("first", [0, 1, 99])
def test_bytes_that_were_never_written_are_not_read(kind: BlockKind, rule: str, first: int) -> None:
    pool = Pool(kind=kind)
    pool.view.fill(0, first)
    pool.view.fill(first + 1, 99 - first)
    assert first == 0 or pool.view.read(0, first) == bytes(first)
    assert pool.broken() == []
    assert pool.view.read(0, 100)[first] == 0xA5
    assert pool.broken() == [rule]
    assert pool.machine.findings.errors[0].goes_wrong_at == pool.block.virtual + first


@pytest.mark.parametrize("length", [0, 1, 8])
def test_moving_and_clearing_memory(live: Any, bare: Any, broken: Any, length: int) -> None:
    def initialize(adapter: Any) -> None:
        _, memory = adapter.allocate_memory_with_tag(32, "Test")
        memory.write(0, bytes(range(32)))
        adapter.move_memory(memory + 8, memory, length)
        assert memory.read(8, 8) == bytes(range(length)) + bytes(range(8 + length, 16))
        adapter.zero_memory(memory, length)
        assert memory.read(0, 8) == bytes(length) + bytes(range(length, 8))
        adapter.free_memory(memory, 32)

    assert broken(live(bare(initialize))) == []


# Register windows


def window_of(adapter: Any, length: int | None = None, *, ports: bool = False, offset: int = 0) -> tuple[Any, Any]:
    _, resources = adapter.query_adapter_resources()
    resource = next(r for r in resources if r.kind == ("port" if ports else "memory"))
    claim = adapter.register_io_port_range if ports else adapter.map_io_space
    status, window = claim(resource.start + offset, resource.length if length is None else length)
    assert status == s.NDIS_STATUS_SUCCESS
    return window, resource


def give_back(adapter: Any, window: Any) -> None:
    if window.ports:
        adapter.deregister_io_port_range(window.start, window.length, window)
    else:
        adapter.unmap_io_space(window, window.length)


@pytest.mark.parametrize("ports", [False, True])
def test_memory_and_ports_show_the_same_registers(live: Any, bare: Any, broken: Any, ports: bool) -> None:
    def initialize(adapter: Any) -> None:
        window, _ = window_of(adapter, ports=ports)
        read = adapter.raw_read_port_ulong if ports else adapter.read_register_ulong
        write = adapter.raw_write_port_ulong if ports else adapter.write_register_ulong
        assert read(window, 0) == 0x0DBE0001
        write(window, 0x24, 0x1_2345_6789)
        assert read(window, 0x24) == 0x23456789
        give_back(adapter, window)

    assert broken(live(bare(initialize))) == []


@pytest.mark.parametrize("ports", [False, True])
@pytest.mark.parametrize("offset, fine", [(-4, False), (0, True), (4, True), (8, False), (12, False)])
def test_an_access_lies_inside_its_window(live: Any, bare: Any, broken: Any, ports: bool, offset: int, fine: bool) -> None:
    got = []

    def initialize(adapter: Any) -> None:
        window, _ = window_of(adapter, 8, ports=ports)
        got.append((adapter.raw_read_port_ulong if ports else adapter.read_register_ulong)(window, offset))
        give_back(adapter, window)

    world = live(bare(initialize))
    assert broken(world) == ([] if fine else ["ioport-deregister-exact" if ports else "iomap-unmap-exact"])
    assert (got == [0xFFFFFFFF]) == (not fine)


@pytest.mark.breaks("iomap-no-access-after", "ioport-no-access-after")
@pytest.mark.keeps("iomap-no-access-after", "ioport-no-access-after")
@pytest.mark.parametrize("ports", [False, True])
def test_a_window_is_not_used_after_it_was_given_back(live: Any, bare: Any, broken: Any, ports: bool) -> None:
    def initialize(adapter: Any) -> None:
        window, _ = window_of(adapter, ports=ports)
        give_back(adapter, window)
        (adapter.raw_write_port_ulong if ports else adapter.write_register_ulong)(window, 0, 0)

    assert broken(live(bare(initialize))) == ["ioport-no-access-after" if ports else "iomap-no-access-after"]


@pytest.mark.breaks("iomap-unmap-exact", "ioport-deregister-exact")
@pytest.mark.parametrize("ports", [False, True])
def test_a_window_is_accessed_by_the_routines_of_its_space(live: Any, bare: Any, broken: Any, ports: bool) -> None:
    def initialize(adapter: Any) -> None:
        window, _ = window_of(adapter, ports=ports)
        (adapter.read_register_ulong if ports else adapter.raw_read_port_ulong)(window, 0)
        give_back(adapter, window)

    assert len(broken(live(bare(initialize)))) == 1


@pytest.mark.keeps("iomap-init-only")
@pytest.mark.parametrize("start, length, fine", [(0, 4096, True), (0, 4097, False), (4095, 1, True), (4096, 1, False), (-1, 1, False),
                                                 (0, 0, False)])
def test_only_memory_of_the_card_is_mapped(live: Any, bare: Any, start: int, length: int, fine: bool) -> None:
    got = []

    def initialize(adapter: Any) -> None:
        _, resources = adapter.query_adapter_resources()
        memory = next(r for r in resources if r.kind == "memory")
        got.append(adapter.map_io_space(memory.start + start, length))
        if got[0][1] is not None:
            adapter.unmap_io_space(got[0][1], length)

    world = live(bare(initialize))
    assert got[0][0] == (s.NDIS_STATUS_SUCCESS if fine else s.NDIS_STATUS_RESOURCE_CONFLICT)
    assert world.machine.findings.errors == []


@pytest.mark.breaks("iomap-init-only")
def test_ram_is_not_device_memory(live: Any, bare: Any, broken: Any) -> None:
    got = []
    world = live(bare(lambda adapter: got.append(adapter.map_io_space(0x100000, 4096))))
    assert got == [(s.NDIS_STATUS_RESOURCE_CONFLICT, None)] and broken(world) == ["iomap-init-only"]


@pytest.mark.breaks("iomap-unmap-exact")
@pytest.mark.keeps("iomap-unmap-exact")
@pytest.mark.parametrize("length, rules", [(4095, ["iomap-unmap-exact"]), (4096, []), (4097, ["iomap-unmap-exact"])])
def test_unmapping_repeats_the_length(live: Any, bare: Any, broken: Any, length: int, rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        window, _ = window_of(adapter)
        adapter.unmap_io_space(window, length)

    assert broken(live(bare(initialize))) == rules


@pytest.mark.breaks("ioport-deregister-exact")
@pytest.mark.keeps("ioport-deregister-exact")
@pytest.mark.parametrize("port, count, rules", [(0, 0, []), (1, 0, ["ioport-deregister-exact"]), (0, 1, ["ioport-deregister-exact"])])
def test_deregistering_ports_repeats_port_and_count(live: Any, bare: Any, broken: Any, port: int, count: int,
                                                    rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        window, _ = window_of(adapter, ports=True)
        adapter.deregister_io_port_range(window.start + port, window.length + count, window)

    assert broken(live(bare(initialize))) == rules


@pytest.mark.parametrize("ports, rule", [(False, "halt-undo-all"), (True, "halt-undo-all")])
def test_a_window_that_is_never_given_back_is_a_leak(live: Any, bare: Any, broken: Any, ports: bool, rule: str) -> None:
    assert broken(live(bare(lambda adapter: window_of(adapter, ports=ports) and None))) == [rule]
