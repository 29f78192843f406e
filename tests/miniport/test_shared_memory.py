# SPDX-License-Identifier: Apache-2.0
"""NdisMAllocateSharedMemory, its exact free, and contiguous and pool memory through the face of a miniport."""

from __future__ import annotations

from typing import Any

import pytest

from allocator.frames import Placement
from hw.processor import DISPATCH_LEVEL, PASSIVE_LEVEL
from miniport import status as s
from miniport.nulls import POISON_ADDRESS
from miniport.versions import WINDOWS
from miniport.view import View
from verifier.address_book import BlockKind

PLACEMENTS = [p.value for p in Placement]
PAGE, MIB, GIB = 4096, 1 << 20, 1 << 30
NDIS5 = [w for w in WINDOWS if w != "nt4"]


def ready(adapter: Any, bits: int = s.NDIS_DMA_32BITS) -> None:
    """Register for DMA, so that shared memory is given."""
    assert adapter.allocate_map_registers(0, bits, 1, 1514) == s.NDIS_STATUS_SUCCESS


def freed_then(adapter: Any, length: int, cached: bool, view: View, address: int) -> None:
    adapter.free_shared_memory(length, cached, view, address)
    adapter.free_map_registers()


# Allocation


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("width, bits", [(s.NDIS_DMA_24BITS, 24), (s.NDIS_DMA_32BITS, 32), (s.NDIS_DMA_64BITS, 64)])
@pytest.mark.parametrize("offset", [0, 0x40000000, -0x100000])
def test_a_block_lies_within_the_declared_width_to_its_last_byte(live: Any, bare: Any, broken: Any, placement: str, width: int,
                                                                  bits: int, offset: int) -> None:
    got = []

    def initialize(adapter: Any) -> None:
        ready(adapter, width)
        for length in (1, PAGE - 1, PAGE, PAGE + 1, 64 * 1024):
            view, address = adapter.allocate_shared_memory(length, False)
            if view is not None:
                got.append((address, length))
                adapter.free_shared_memory(length, False, view, address)
        adapter.free_map_registers()

    world = live(bare(initialize), limits="e1000-64k", placement=placement, ram=8 * GIB, bus_offset=offset)
    if offset < 1 << bits:
        assert len(got) == 5 and broken(world) == []
    assert all(address >= 0 and address + length <= 1 << bits for address, length in got)
    shared = [block for block in world.machine.book.made if block.kind is BlockKind.SHARED]
    assert [(block.logical, block.size) for block in shared] == got
    assert all(block.logical == block.physical + offset for block in shared)


@pytest.mark.keeps("shared-alloc-init-only")
def test_both_addresses_tell_of_the_same_bytes(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        ready(adapter)
        view, address = adapter.allocate_shared_memory(100, True)
        assert view.length == 100 and view.block.logical == address and view.block.cached
        assert adapter.mm_get_physical_address(view + 7) == view.block.physical + 7
        freed_then(adapter, 100, True, view, address)

    assert broken(live(bare(initialize))) == []


@pytest.mark.parametrize("length, given", [(-1, False), (0, False), (1, True)])
def test_a_length_of_nothing_gives_nothing(live: Any, bare: Any, length: int, given: bool) -> None:
    got = []

    def initialize(adapter: Any) -> None:
        ready(adapter)
        got.append(adapter.allocate_shared_memory(length, False))

    world = live(bare(initialize))
    [(view, address)] = got
    assert (view is not None) == given
    assert (address == POISON_ADDRESS) != given
    assert ("NdisMAllocateSharedMemory" in world.ndis.failed_routines) != given


def test_a_machine_without_memory_in_reach_gives_none_and_a_poisoned_address(live: Any, bare: Any) -> None:
    got = []

    def initialize(adapter: Any) -> int:
        adapter.initialize_scatter_gather_dma(False, 1514)
        got.append(adapter.allocate_shared_memory(PAGE, False))
        return s.NDIS_STATUS_RESOURCES

    world = live(bare(initialize), limits="rtl8139", ram_ranges=((4 * GIB, 4 * MIB),))
    assert got == [(None, POISON_ADDRESS)]
    assert world.refused and world.machine.findings.errors == []


@pytest.mark.breaks("attr5-first", "shared-alloc-after-attributes", "shared-alloc-after-dma-ndis5")
@pytest.mark.keeps("attr5-first", "shared-alloc-after-attributes")
@pytest.mark.parametrize("attributes, rules", [
    (None, ["attr5-first", "shared-alloc-after-attributes", "shared-alloc-after-dma-ndis5"]),
    (s.NDIS_ATTRIBUTE_BUS_MASTER, ["shared-alloc-after-dma-ndis5"])])
def test_shared_memory_before_the_dma_registration_is_a_finding_and_gives_nothing(
        live: Any, bare: Any, all_broken: Any, attributes: int | None, rules: list[str]) -> None:
    got = []
    world = live(bare(lambda adapter: got.append(adapter.allocate_shared_memory(1, False)), attributes=attributes))
    assert got == [(None, POISON_ADDRESS)]
    assert sorted(all_broken(world)) == sorted(rules)


@pytest.mark.keeps("shared-alloc-after-dma-ndis5", "shared-free-twice")
def test_scatter_gather_is_a_dma_registration_too(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        assert adapter.initialize_scatter_gather_dma(False, 1514) == s.NDIS_STATUS_SUCCESS
        view, address = adapter.allocate_shared_memory(1, False)
        adapter.free_shared_memory(1, False, view, address)

    assert broken(live(bare(initialize), limits="rtl8139")) == []


@pytest.mark.breaks("shared-alloc-init-only", "shared-alloc-passive")
@pytest.mark.keeps("shared-alloc-passive")
@pytest.mark.parametrize("handler", ["halt", "send", "handle_interrupt"])
def test_shared_memory_outside_initialize_is_a_finding(live: Any, hooked: Any, all_broken: Any, handler: str) -> None:
    def step(adapter: Any) -> None:
        view, address = adapter.allocate_shared_memory(64, False)
        if handler == "halt":
            adapter.free_shared_memory(64, False, view, address)

    world = live(hooked(**{handler: step}), frames=1)
    assert "shared-alloc-init-only" in all_broken(world)
    assert ("shared-alloc-passive" in all_broken(world)) == (handler != "halt")


# The exact free


def free_wrongly(live: Any, bare: Any, change: Any, **options: Any) -> Any:
    """A world in which a block of 0x2345 bytes is freed with changed arguments."""

    def initialize(adapter: Any) -> None:
        ready(adapter)
        view, address = adapter.allocate_shared_memory(0x2345, False)
        change(adapter, view, address)

    return live(bare(initialize), **options)


@pytest.mark.breaks("shared-free-exact", "shared-free-no-subrange")
@pytest.mark.keeps("shared-free-exact", "shared-free-no-subrange")
@pytest.mark.parametrize("length, cached, at, address, rule", [
    (0x2345, False, 0, 0, None),
    (0x2346, False, 0, 0, "shared-free-exact"), (0x3000, False, 0, 0, "shared-free-exact"),
    (0x2344, False, 0, 0, "shared-free-no-subrange"),
    (0x1000, False, 0, 0, "shared-free-no-subrange"), (0x1345, False, 0x1000, 0x1000, "shared-free-no-subrange"),
    (0x2345, True, 0, 0, "shared-free-exact"),
    (0x2345, False, 1, 0, "shared-free-exact"), (0x2345, False, -1, 0, "shared-free-exact"),
    (0x2345, False, 0, 1, "shared-free-exact"), (0x2345, False, 0, -1, "shared-free-exact")])
def test_a_free_repeats_every_argument_of_the_allocation(live: Any, bare: Any, broken: Any, length: int, cached: bool, at: int,
                                                          address: int, rule: str | None) -> None:
    world = free_wrongly(live, bare, lambda a, view, pa: (
        a.free_shared_memory(length, cached, view + at, pa + address), rule is None and a.free_map_registers()))
    if rule is None:
        assert broken(world) == []
    else:
        assert broken(world)[0] == rule


@pytest.mark.breaks("shared-free-exact")
def test_the_finding_names_what_differs(live: Any, bare: Any, told: Any) -> None:
    world = free_wrongly(live, bare, lambda a, view, pa: a.free_shared_memory(0x3000, True, view, pa))
    assert told(world, "shared-free-exact") == (
        "NdisMFreeSharedMemory of shared memory #1: length 0x3000 instead of 0x2345, cached True instead of False")


@pytest.mark.breaks("shared-free-twice")
def test_a_second_free_is_told_as_one(live: Any, bare: Any, broken: Any, told: Any) -> None:
    def twice(adapter: Any, view: View, address: int) -> None:
        for _ in range(2):
            adapter.free_shared_memory(0x2345, False, view, address)
        adapter.free_map_registers()

    world = free_wrongly(live, bare, twice)
    assert broken(world) == ["shared-free-twice"]
    assert told(world, "shared-free-twice") == "NdisMFreeSharedMemory: shared memory #1 was freed already"


@pytest.mark.breaks("shared-free-foreign")
def test_memory_of_another_kind_is_not_freed_as_shared(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        _, pool = adapter.allocate_memory_with_tag(64, "Test")
        adapter.free_shared_memory(64, False, pool, 0)
        adapter.free_memory(pool, 64)

    assert broken(live(bare(initialize))) == ["shared-free-foreign"]


@pytest.mark.breaks("shared-no-ndisfreememory")
def test_shared_memory_is_not_freed_as_pool_memory(live: Any, bare: Any, broken: Any) -> None:
    world = free_wrongly(live, bare, lambda a, view, pa: a.free_memory(view, 0x2345))
    assert broken(world)[0] == "shared-no-ndisfreememory"


@pytest.mark.breaks("shared-free-before-mapregs")
def test_shared_memory_is_freed_before_the_map_registers(live: Any, bare: Any, broken: Any) -> None:
    def change(adapter: Any, view: View, address: int) -> None:
        adapter.free_map_registers()
        adapter.free_shared_memory(0x2345, False, view, address)

    assert broken(free_wrongly(live, bare, change)) == ["shared-free-before-mapregs"]


def test_what_is_never_freed_is_a_leak_at_its_allocation(live: Any, bare: Any, told: Any) -> None:
    world = free_wrongly(live, bare, lambda a, view, pa: None)
    leaks = [f for f in world.machine.findings.errors if f.rule.id == "halt-undo-all"]
    assert [f.message.split(" is ")[0] for f in leaks] == [
        "map registers of NdisMAllocateMapRegisters", "shared memory #1 of NdisMAllocateSharedMemory"]
    assert leaks[1].also == ("shared-free-all-at-halt",) and leaks[1].where is not None


@pytest.mark.breaks("shared-free-irql-w2k", "shared-free-irql-xp")
@pytest.mark.keeps("shared-free-irql-w2k", "shared-free-irql-xp")
@pytest.mark.parametrize("windows", NDIS5)
@pytest.mark.parametrize("handler, irql", [("halt", PASSIVE_LEVEL), ("halt", DISPATCH_LEVEL), ("handle_interrupt", DISPATCH_LEVEL),
                                           ("handle_interrupt", DISPATCH_LEVEL + 1), ("query_information", PASSIVE_LEVEL)])
def test_the_irql_of_a_free_depends_on_windows_and_handler(live: Any, hooked: Any, windows: str, handler: str, irql: int) -> None:
    """Part N.2 of the rule book: XP and Server 2003 exactly, the others up to DISPATCH_LEVEL."""
    kept: list[Any] = []

    def allocate(adapter: Any) -> None:
        kept.append(adapter.allocate_shared_memory(64, False))

    def free(adapter: Any) -> None:
        if kept:
            view, address = kept.pop()
            processor = adapter._ndis.scheduler.current
            before, processor.irql = processor.irql, irql
            adapter.free_shared_memory(64, False, view, address)
            processor.irql = before

    world = live(hooked(initialize=allocate, **{handler: free}), windows=windows, frames=1)
    if windows in ("xp", "xp-sp1", "2003"):
        wanted = PASSIVE_LEVEL if handler == "halt" else DISPATCH_LEVEL
        expected = [] if irql == wanted else ["shared-free-irql-xp"]
    else:
        expected = [] if irql <= DISPATCH_LEVEL else ["shared-free-irql-w2k"]
    assert [f.rule.id for f in world.machine.findings.errors] == expected


@pytest.mark.breaks("shared-free-not-in-shutdown")
def test_nothing_is_freed_in_shutdown_and_nothing_counts_as_leaked_after_it(live: Any, hooked: Any, broken: Any) -> None:
    kept: list[Any] = []

    def free(adapter: Any) -> None:
        adapter.free_shared_memory(64, False, *kept[0])

    allocate = hooked(initialize=lambda adapter: kept.append(adapter.allocate_shared_memory(64, False)))
    assert broken(live(allocate, life="power-off")) == []
    both = hooked(initialize=lambda adapter: kept.__setitem__(0, adapter.allocate_shared_memory(64, False)), shutdown=free)
    world = live(both, life="power-off")
    assert broken(world) == ["shared-free-not-in-shutdown"]
    assert kept[0][0].block.live


@pytest.mark.breaks("shared-free-nic-stopped")
def test_memory_that_the_card_can_reach_is_not_freed(live: Any, hooked: Any, broken: Any) -> None:
    def free_a_ring(adapter: Any) -> None:
        ring = next(b for b in adapter._ndis.machine.book.made if b.kind is BlockKind.SHARED)
        adapter.free_shared_memory(ring.size, False, View(adapter._ndis.port, ring), ring.logical)

    assert broken(live(hooked(halt=free_a_ring)))[0] == "shared-free-nic-stopped"


# Update


@pytest.mark.breaks("shared-update-range")
@pytest.mark.keeps("shared-update-range")
@pytest.mark.parametrize("offset, length, fine", [(0, 100, True), (99, 1, True), (1, 100, False), (0, 101, False)])
def test_an_update_lies_within_its_block(live: Any, bare: Any, broken: Any, offset: int, length: int, fine: bool) -> None:
    def initialize(adapter: Any) -> None:
        ready(adapter)
        view, address = adapter.allocate_shared_memory(100, True)
        adapter.update_shared_memory(length, view + offset, address + offset)
        freed_then(adapter, 100, True, view, address)

    assert broken(live(bare(initialize))) == ([] if fine else ["shared-update-range"])


# Contiguous and pool memory


@pytest.mark.keeps("contig-free-exact-base", "contig-free-right-routine")
def test_contiguous_memory_is_freed_by_its_base_and_with_its_own_arguments(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        plain = adapter.mm_allocate_contiguous_memory(PAGE, 0xFFFFFF)
        assert plain.block.span.last <= 0xFFFFFF
        adapter.mm_free_contiguous_memory(plain)
        block = adapter.mm_allocate_contiguous_memory_specify_cache(100, 0, 0xFFFFFF, 0x10000, 0)
        adapter.mm_free_contiguous_memory_specify_cache(block, 100, 0)

    assert broken(live(bare(initialize))) == []


@pytest.mark.breaks("contig-freespecify-match")
@pytest.mark.keeps("contig-freespecify-match")
@pytest.mark.parametrize("length, cache, rule", [
    (100, 0, None), (99, 0, "contig-freespecify-match"), (101, 0, "contig-freespecify-match"),
    (100, 1, "contig-freespecify-match")])
def test_the_specify_cache_free_repeats_length_and_cache_type(live: Any, bare: Any, broken: Any, length: int, cache: int,
                                                              rule: str | None) -> None:
    def initialize(adapter: Any) -> None:
        block = adapter.mm_allocate_contiguous_memory_specify_cache(100, 0, 0xFFFFFF, 0, 0)
        adapter.mm_free_contiguous_memory_specify_cache(block, length, cache)

    assert broken(live(bare(initialize))) == ([rule] if rule else [])


@pytest.mark.breaks("contig-freespecify-origin")
def test_the_specify_cache_free_does_not_fit_a_plain_allocation(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        adapter.mm_free_contiguous_memory_specify_cache(adapter.mm_allocate_contiguous_memory(100, 0xFFFFFF), 100, 1)

    assert broken(live(bare(initialize))) == ["contig-freespecify-origin"]


@pytest.mark.parametrize("offset", [-1, 1, PAGE])
def test_an_aligned_pointer_is_no_base(live: Any, bare: Any, broken: Any, offset: int) -> None:
    def initialize(adapter: Any) -> None:
        adapter.mm_free_contiguous_memory(adapter.mm_allocate_contiguous_memory(2 * PAGE, 0xFFFFFF) + offset)

    assert broken(live(bare(initialize)))[0] == "contig-free-exact-base"


@pytest.mark.breaks(
    "contig-boundary-pow2", "contig-cache-type-valid", "contig-highest-none", "contig-lowest-inclusive", "contig-size-nonzero")
def test_undefined_arguments_of_a_direct_caller_are_a_finding_and_none(live: Any, bare: Any, all_broken: Any) -> None:
    got = []

    def initialize(adapter: Any) -> None:
        got.append(adapter.mm_allocate_contiguous_memory(0, 0xFFFFFF))
        got.append(adapter.mm_allocate_contiguous_memory(PAGE, 0))
        got.append(adapter.mm_allocate_contiguous_memory_specify_cache(PAGE, 0, 0xFFFFFF, 0xC00000, 0))
        got.append(adapter.mm_allocate_contiguous_memory_specify_cache(PAGE, 2, 1, 0, 0))
        got.append(adapter.mm_allocate_contiguous_memory_specify_cache(PAGE, 0, 0xFFFFFF, 0, 3))

    world = live(bare(initialize))
    assert got == [None] * 5
    assert sorted(all_broken(world)) == ["contig-boundary-pow2", "contig-cache-type-valid", "contig-highest-none",
                                         "contig-lowest-inclusive", "contig-size-nonzero"]


@pytest.mark.breaks("mem-ndisfreememory-flags")
@pytest.mark.keeps("mem-ndisfreememory-flags", "shared-no-ndisfreememory")
@pytest.mark.parametrize("length, flags, rule", [
    (64, 0, None), (63, 0, "mem-ndisfreememory-flags"), (65, 0, "mem-ndisfreememory-flags"),
    (64, 1, "mem-ndisfreememory-flags")])
def test_pool_memory_is_freed_with_its_length_and_flags(live: Any, bare: Any, broken: Any, length: int, flags: int,
                                                        rule: str | None) -> None:
    def initialize(adapter: Any) -> None:
        status, memory = adapter.allocate_memory_with_tag(64, "Test")
        assert status == s.NDIS_STATUS_SUCCESS and memory.length == 64
        adapter.free_memory(memory, length, flags)

    assert broken(live(bare(initialize))) == ([rule] if rule else [])


def test_pool_memory_of_no_length_fails(live: Any, bare: Any) -> None:
    got = []
    live(bare(lambda adapter: got.append(adapter.allocate_memory_with_tag(0, "Test"))))
    assert got == [(s.NDIS_STATUS_FAILURE, None)]


@pytest.mark.breaks("init-fail-release-all")
def test_memory_that_is_still_held_after_a_failing_initialize_is_a_leak(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> int:
        adapter.allocate_memory_with_tag(64, "Test")
        adapter.mm_allocate_contiguous_memory(64, 0xFFFFFF)
        return s.NDIS_STATUS_RESOURCES

    world = live(bare(initialize), faults=("NdisMMapIoSpace#1",))
    leaks = [f for f in world.machine.findings.errors if f.rule.id == "init-fail-release-all"]
    assert [f.owner for f in leaks] == ["pool memory #1", "contiguous memory #1"]
    assert all(f.also == ("contig-init-fail-release",) for f in leaks)
    assert world.refused
