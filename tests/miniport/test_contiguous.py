# SPDX-License-Identifier: Apache-2.0
"""Contiguous memory for miniports: the routines with a node, and one cache type for each page whoever allocates it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.frames import Placement
from allocator.memory_manager import MAXULONG64, PAGE_READWRITE, MemoryManager
from allocator.nodes import MM_ANY_NODE_OK, nodes_of
from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from hw.processor import DISPATCH_LEVEL
from miniport.miniport import Miniport
from miniport.status import NDIS_ATTRIBUTE_BUS_MASTER, NDIS_DMA_32BITS, NDIS_INTERFACE_PCI, NDIS_STATUS_SUCCESS
from verifier.address_book import AddressBook
from verifier.errors import NotModelledError

MIB, PAGE = 1 << 20, 4096
NODE = "MmAllocateContiguousMemorySpecifyCacheNode"
PLACEMENTS = [placement.value for placement in Placement]
Step = Callable[[Any], Any]


def in_node(adapter: Any, number: int, length: int = PAGE) -> Any:
    return adapter.mm_allocate_contiguous_memory_specify_cache_node(length, 0, MAXULONG64, 0, 0, number)


def freeing(*numbers: int) -> Step:
    """Allocates a page with each PreferredNode and frees what it got."""
    def initialize(adapter: Any) -> None:
        for view in [in_node(adapter, number) for number in numbers]:
            if view is not None:
                adapter.mm_free_contiguous_memory_specify_cache(view, PAGE, 0)
    return initialize


# The routines with a node

@pytest.mark.parametrize("windows", ["vista", "2008", "7"])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_block_of_a_node_lies_in_it(live: Any, bare: Any, broken: Any, windows: str, placement: str) -> None:
    world = live(bare(freeing(0, 1, 2, MM_ANY_NODE_OK)), windows=windows, nodes=3, placement=placement)
    assert broken(world) == []
    blocks = world.machine.book.made
    nodes = nodes_of(WorldSpec().ranges(), 3)
    assert len(blocks) == 4 and all(block.routine == NODE and block.cache_type == 0 for block in blocks)
    assert all(node.contains(block.span) for node, block in zip(nodes, blocks, strict=False))


@pytest.mark.breaks("contig-node-any", "contig-node-range")
@pytest.mark.parametrize("nodes, numbers, wrong", [
    (2, (0, 1, MM_ANY_NODE_OK), []), (2, (2,), ["contig-node-range"]), (2, (3,), ["contig-node-range"]),
    (2, (0xFFFF_FFFF,), ["contig-node-any"]), (1, (0, MM_ANY_NODE_OK), []), (1, (1,), ["contig-node-range"])])
def test_a_node_that_the_machine_lacks_is_found(live: Any, bare: Any, broken: Any, nodes: int, numbers: tuple[int, ...],
                                               wrong: list[str]) -> None:
    assert broken(live(bare(freeing(*numbers)), windows="7", nodes=nodes)) == wrong


@pytest.mark.breaks("contig-node-strict")
def test_limits_outside_the_node_are_a_notice_and_no_error(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        assert adapter.mm_allocate_contiguous_memory_specify_cache_node(PAGE, 0, 0xFFFFFF, 0, 1, 1) is None

    world = live(bare(initialize), windows="7", nodes=2)
    assert broken(world) == []
    assert [finding.rule.id for finding in world.machine.findings.notices] == ["contig-node-strict"]


def test_a_full_node_fails_though_the_other_has_room(live: Any, bare: Any, broken: Any) -> None:
    got: list[bool] = []

    def initialize(adapter: Any) -> None:
        views = [in_node(adapter, 1, MIB) for _ in range(8)]
        got.extend(view is not None for view in views)
        got.append(in_node(adapter, 0, MIB) is not None)

    live(bare(initialize), windows="7", nodes=2, ram_ranges=((0, 16 * MIB),), placement="high")
    assert got == [True] * 9
    got.clear()
    live(bare(initialize), windows="7", nodes=2, ram_ranges=((0, 16 * MIB - PAGE),), placement="high")
    assert got == [True] * 7 + [False, True]


@pytest.mark.parametrize("windows, name", [("nt4", "Windows NT 4.0"), ("2003", "Windows Server 2003")])
def test_before_vista_there_is_no_routine_with_a_node(live: Any, bare: Any, windows: str, name: str) -> None:
    with pytest.raises(NotModelledError, match=f"{name} has no {NODE}: it came with Windows Vista"):
        live(bare(freeing(0)), windows=windows)


@pytest.mark.parametrize("windows, name", [("2003", "Windows Server 2003"), ("7", "Windows 7")])
def test_no_windows_with_miniports_has_node_memory(live: Any, bare: Any, windows: str, name: str) -> None:
    def initialize(adapter: Any) -> None:
        adapter.mm_allocate_contiguous_node_memory(PAGE, 0, MAXULONG64, 0, PAGE_READWRITE, 0)

    with pytest.raises(NotModelledError, match=f"{name} has no MmAllocateContiguousNodeMemory: it came with Windows 8"):
        live(bare(initialize), windows=windows)


def test_an_injected_null_of_a_node_takes_nothing(live: Any, bare: Any, broken: Any) -> None:
    world = live(bare(freeing(0, 1)), windows="7", nodes=2, faults=(f"{NODE}#1=null",))
    assert broken(world) == [] and world.not_fired == []
    assert len(world.machine.book.made) == 1


@pytest.mark.breaks("halt-undo-all")
def test_a_block_of_a_node_that_stays_is_a_leak(live: Any, bare: Any, broken: Any) -> None:
    assert broken(live(bare(lambda adapter: in_node(adapter, 0) and None), windows="7")) == ["halt-undo-all"]


@pytest.mark.breaks("shutdown-any-irql")
def test_a_node_is_not_asked_above_dispatch_level(live: Any, hooked: Any, broken: Any) -> None:
    def shutdown(adapter: Any) -> None:
        in_node(adapter, 0)

    assert broken(live(hooked(shutdown=shutdown), windows="7", life="bug-check")) == ["shutdown-any-irql"]
    assert broken(live(hooked(shutdown=shutdown), windows="7", life="power-off")) == []


@pytest.mark.breaks("contig-alloc-irql")
@pytest.mark.keeps("contig-alloc-irql")
@pytest.mark.parametrize(("windows", "rules"), [("2000", ["contig-alloc-irql"]), ("xp", []), ("2003", []), ("7", [])])
def test_before_windows_xp_contiguous_memory_is_asked_for_at_passive_level(live: Any, bare: Any, broken: Any, windows: str,
                                                                          rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        block = adapter.mm_allocate_contiguous_memory(0x1000, 0xFFFFFF)
        adapter.release_spin_lock(lock)
        adapter.mm_free_contiguous_memory(block)
        adapter.free_spin_lock(lock)

    assert broken(live(bare(initialize), windows=windows)) == rules


@pytest.mark.keeps("contig-alloc-irql")
def test_a_node_may_be_asked_at_dispatch_level(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        assert adapter._ndis.scheduler.current.irql == DISPATCH_LEVEL
        freeing(0)(adapter)
        adapter.release_spin_lock(lock)
        adapter.free_spin_lock(lock)

    assert broken(live(bare(initialize), windows="7")) == []


# One cache type for each page

lengths = st.sampled_from([1, 64, 100, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 7 * PAGE])
steps = st.one_of(
    st.tuples(st.just("pool"), lengths, st.just(0)), st.tuples(st.just("old pool"), lengths, st.just(0)),
    st.tuples(st.just("shared"), lengths, st.integers(0, 1)), st.tuples(st.just("contiguous"), lengths, st.just(0)),
    st.tuples(st.just("specify"), lengths, st.integers(0, 2)), st.tuples(st.just("node"), lengths, st.integers(0, 8)),
    st.tuples(st.just("free"), st.integers(0, 99), st.just(0)), st.tuples(st.just("free"), st.integers(0, 99), st.just(0)))


def pages_with_two_types(book: AddressBook) -> list[int]:
    """Physical pages that live blocks hold under more than one MEMORY_CACHING_TYPE."""
    types = defaultdict(set)
    for block in book.made:
        if block.live:
            for page in range(block.physical // PAGE, (block.physical + block.size - 1) // PAGE + 1):
                types[page].add(block.cache_type)
    return [page for page, kinds in types.items() if len(kinds) > 1]


class Mixed(Miniport):
    """Runs a history of allocations and frees in initialize, with a look at the pages after each."""

    ndis_versions = ((5, 1),)
    history: tuple[tuple[str, int, int], ...] = ()
    seen: tuple[list[int], list[str], set[str]] = ([], [], set())

    def initialize(self, adapter: Any) -> int:
        aliased, errors, routines = self.seen
        ndis = adapter._ndis
        adapter.set_attributes_ex(None, 0, NDIS_ATTRIBUTE_BUS_MASTER, NDIS_INTERFACE_PCI)
        adapter.allocate_map_registers(0, NDIS_DMA_32BITS, 2, 1514)
        frees: list[Callable[[], None]] = []
        for step in self.history:
            if step[0] != "free":
                self._allocate(adapter, frees, *step)
            elif frees:
                frees.pop(step[1] % len(frees))()
            aliased += pages_with_two_types(ndis.machine.book)
        while frees:
            frees.pop()()
        adapter.free_map_registers()
        errors += [finding.message for finding in ndis.findings.errors]
        routines |= {block.routine for block in ndis.machine.book.made}
        return NDIS_STATUS_SUCCESS

    def _allocate(self, adapter: Any, frees: list[Callable[[], None]], what: str, length: int, kind: int) -> None:
        if what == "shared":
            view, physical = adapter.allocate_shared_memory(length, bool(kind))
            free = partial(adapter.free_shared_memory, length, bool(kind), view, physical)
        elif what in ("pool", "old pool"):
            view = (adapter.allocate_memory_with_tag(length, "Test") if what == "pool" else adapter.allocate_memory(length))[1]
            free = partial(adapter.free_memory, view, length)
        else:
            view = {
                "contiguous": lambda: adapter.mm_allocate_contiguous_memory(length, MAXULONG64),
                "specify": lambda: adapter.mm_allocate_contiguous_memory_specify_cache(length, 0, MAXULONG64, 0, kind),
                "node": lambda: adapter.mm_allocate_contiguous_memory_specify_cache_node(
                    length, 0, MAXULONG64, 0, kind % 3, (0, 1, MM_ANY_NODE_OK)[kind // 3]),
            }[what]()
            free = partial(adapter.mm_free_contiguous_memory, view)
        if view is not None:
            frees.append(free)

    def halt(self, adapter: Any) -> None:
        """Everything is free already."""


SMALL = ((0, 48 * PAGE), (1 << 32, 24 * PAGE))
"""Few pages, so that they change hands; those above 4 GiB make the map registers need bounce pages."""


def mixed(history: list[tuple[str, int, int]], placement: str) -> World:
    Mixed.history, Mixed.seen = tuple(history), ([], [], set())
    return run_world(WorldSpec(frames=0, windows="7", nodes=2, placement=placement, ram_ranges=SMALL), Mixed, Path(__file__).parent)


@settings(max_examples=80)
@given(st.lists(steps, max_size=40), st.sampled_from(PLACEMENTS))
def test_no_page_is_ever_under_two_cache_types(history: list[tuple[str, int, int]], placement: str) -> None:
    mixed(history, placement)
    aliased, errors, _ = Mixed.seen
    assert aliased == [] and errors == []


EVERY = [(what, length, kind) for what in ("pool", "old pool", "shared", "contiguous", "specify", "node") for length in (64, PAGE)
         for kind in range(2)]


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_the_history_above_reaches_every_routine_that_allocates(placement: str) -> None:
    mixed(EVERY, placement)
    assert Mixed.seen[:2] == ([], [])
    assert Mixed.seen[2] == {
        "NdisAllocateMemoryWithTag", "NdisAllocateMemory", "NdisMAllocateSharedMemory", "NdisMAllocateMapRegisters",
        "MmAllocateContiguousMemory", "MmAllocateContiguousMemorySpecifyCache", NODE}


def test_a_page_that_is_given_out_twice_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    place = MemoryManager._place

    def twice(self: MemoryManager, length: int, lowest: int, highest: int, boundary: int) -> int | None:
        first = place(self, length, lowest, highest, boundary)
        return first if first is None or first % 2 == 0 else first - 1

    monkeypatch.setattr(MemoryManager, "_place", twice)
    monkeypatch.setattr(AddressBook, "remove", lambda self, block, where, handler: setattr(block, "live", False))
    monkeypatch.setattr(MemoryManager, "_release_oldest", lambda self: self._quarantine.popleft())
    mixed([("specify", 64, 0), ("specify", 64, 1)] * 3, "high")
    assert Mixed.seen[0] != []
