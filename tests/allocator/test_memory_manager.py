# SPDX-License-Identifier: Apache-2.0
"""The memory manager and the Mm routines against an oracle that tries every page of a small machine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.frames import FrameTree, Placement
from allocator.memory_manager import MAXULONG64, QUARANTINE_PAGES, CacheType, MemoryManager
from allocator.virtual import ABOVE_4G, BELOW_4G
from hw.cache import LINE
from hw.machine import Machine
from hw.processor_port import ProcessorPort
from verifier.address import PAGE_SIZE, Span
from verifier.address_book import Block, BlockKind

KIB, MIB, GIB, PAGE = 1 << 10, 1 << 20, 1 << 30, 4096
PLACEMENTS = list(Placement)
SPECIFY_CACHE, PLAIN = "MmAllocateContiguousMemorySpecifyCache", "MmAllocateContiguousMemory"
FREE = "MmFreeContiguousMemory"
HOLES = (Span(0, 12 * PAGE), Span(14 * PAGE, 2 * PAGE), Span(17 * PAGE, 20 * PAGE), Span(16 * MIB - 8 * PAGE, 16 * PAGE),
         Span(4 * GIB - 3 * PAGE, 6 * PAGE))
"""A small machine with holes; RAM lies across 64 KiB, 16 MiB and 4 GiB."""


def pages_of(block: Block) -> range:
    return range(block.physical // PAGE, (block.physical + block.size - 1) // PAGE + 1)


class Bench:
    """A memory manager on a machine of its own, and what an oracle has to know of it."""

    def __init__(self, ranges: tuple[Span, ...] = HOLES, placement: Placement = Placement.HOSTILE, virtual: int = ABOVE_4G,
                 seed: int = 1) -> None:
        self.machine = Machine(ranges, seed=seed)
        self.tree = FrameTree([(r.start // PAGE, r.size // PAGE) for r in ranges])
        self.memory = MemoryManager(self.machine, self.tree, placement, virtual)
        self.pages = {r.start // PAGE + n for r in ranges for n in range(r.size // PAGE)}
        self.live: list[Block] = []

    def ask(self, length: int, lowest: int = 0, highest: int = MAXULONG64, boundary: int = 0, cache: int = 1,
            routine: str = SPECIFY_CACHE) -> Block | None:
        block = self.memory.allocate_contiguous(routine, length, lowest, highest, boundary, cache, 0)
        if block is not None:
            self.live.append(block)
        return block

    def give_back(self, block: Block) -> None:
        self.live.remove(block)
        assert self.memory.free_contiguous(FREE, block.virtual, None) is block

    def free_pages(self) -> set[int]:
        return self.pages - {page for block in self.live for page in pages_of(block)}

    def places(self, length: int, lowest: int, highest: int, boundary: int) -> Iterator[int]:
        """Oracle: every physical address at which a block of these limits could start, ascending."""
        free = self.free_pages()
        for page in sorted(free):
            start, last = page * PAGE, page * PAGE + length - 1
            if (lowest <= start and last <= highest
                    and (not boundary or start // boundary == last // boundary)
                    and all(p in free for p in range(page, last // PAGE + 1))):
                yield start

    def broken(self) -> list[str]:
        findings = self.machine.findings
        return [f.rule.id for f in findings.errors] + [c.rule.id for f in findings.errors for c in f.consequences]


lengths = st.one_of(st.integers(1, 24 * PAGE), st.builds(lambda n, d: n * PAGE + d, st.integers(1, 20), st.integers(-1, 1)))
edges = st.sampled_from([0, PAGE, 12 * PAGE, 14 * PAGE, 16 * PAGE, 17 * PAGE, 37 * PAGE, 16 * MIB - 8 * PAGE, 16 * MIB,
                         16 * MIB + 8 * PAGE, 4 * GIB - 3 * PAGE, 4 * GIB, 4 * GIB + 3 * PAGE])
limits = st.one_of(st.builds(lambda e, d: max(e + d, 1), edges, st.integers(-2, 2)), st.just(MAXULONG64))
lows = st.one_of(st.just(0), st.builds(lambda e, d: max(e + d, 0), edges, st.integers(-2, 2)))
boundaries = st.one_of(st.just(0), st.integers(0, 40).map(lambda n: 1 << n))
asks = st.tuples(st.just("ask"), lengths, lows, limits, boundaries, st.integers(0, 2))
frees = st.tuples(st.just("free"), st.integers(0, 1 << 16))
histories = st.lists(st.one_of(asks, asks, frees), min_size=1, max_size=30)


@settings(max_examples=200)
@given(st.sampled_from(PLACEMENTS), histories, st.integers(0, 3))
def test_the_answer_is_no_exactly_where_no_place_exists_and_each_block_meets_its_limits(
        placement: Placement, history: list[tuple[int, ...]], seed: int) -> None:
    bench = Bench(placement=placement, seed=seed)
    for step in history:
        if step[0] == "free":
            if bench.live:
                bench.give_back(bench.live[step[1] % len(bench.live)])
            continue
        _, length, lowest, highest, boundary, cache = step
        if lowest > highest:
            continue
        places = list(bench.places(length, lowest, highest, boundary))
        assert bench.memory.could_allocate(length, lowest, highest, boundary) == bool(places)
        block = bench.ask(length, lowest, highest, boundary, cache)
        assert (block is not None) == bool(places)
        if block is None:
            continue
        assert block.physical in places
        assert block.physical % PAGE == 0 and block.virtual % PAGE == 0 and block.size == length
        assert block.cache_type == cache and block.cached == (cache == CacheType.MM_CACHED)
        if bench.machine.book.freed:
            continue  # frames in quarantine come last, whatever the placement
        if placement is Placement.LOW:
            assert block.physical == places[0]
        elif placement is Placement.HIGH:
            assert block.physical == places[-1]
    assert bench.broken() == []
    assert bench.memory.bytes_live == sum(block.size for block in bench.live)


@settings(max_examples=40)
@given(st.sampled_from(PLACEMENTS), st.lists(lengths, min_size=1, max_size=12))
def test_blocks_share_no_page_and_no_virtual_page_and_have_unmapped_neighbours(placement: Placement, wanted: list[int]) -> None:
    bench = Bench(placement=placement)
    for length in wanted:
        bench.ask(length)
    pages = [page for block in bench.live for page in pages_of(block)]
    assert len(set(pages)) == len(pages)
    ends = sorted((b.virtual // PAGE, (b.virtual + b.size - 1) // PAGE) for b in bench.live)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ends))


@settings(max_examples=40)
@given(lengths, lows, limits, boundaries)
def test_hostile_lies_across_the_largest_seam_that_the_caller_left_open(length: int, lowest: int, highest: int,
                                                                         boundary: int) -> None:
    bench = Bench()
    places = list(bench.places(length, lowest, highest, boundary)) if lowest <= highest else []
    if not places:
        return
    block = bench.ask(length, lowest, highest, boundary)
    assert block is not None
    pages = (length + PAGE - 1) // PAGE * PAGE
    for seam in (4 * GIB, 16 * MIB, 64 * KIB):
        across = [start for start in places if Span(start, pages).crosses(seam)]
        if across:
            assert block.physical in across
            return
    assert block.physical == places[-1]


def test_hostile_is_the_default_placement() -> None:
    machine = Machine(HOLES)
    memory = MemoryManager(machine, FrameTree([(r.start // PAGE, r.size // PAGE) for r in HOLES]))
    assert memory.placement is Placement.HOSTILE


# Limits, in threes


@pytest.mark.parametrize("highest, given", [(PAGE - 2, False), (PAGE - 1, True), (PAGE, True)])
def test_highest_address_is_inclusive_to_the_last_byte(highest: int, given: bool) -> None:
    bench = Bench((Span(0, PAGE),))
    assert (bench.ask(PAGE, highest=highest) is not None) == given


@pytest.mark.parametrize("length, given", [(0xFFF, True), (0x1000, True), (0x1001, False)])
def test_a_block_below_a_highest_address_of_0xfff_holds_at_most_a_page(length: int, given: bool) -> None:
    assert (Bench((Span(0, 2 * PAGE),)).ask(length, highest=0xFFF) is not None) == given


@pytest.mark.parametrize("highest, given", [(16 * MIB - 1, False), (16 * MIB, False), (16 * MIB + PAGE - 1, True)])
def test_a_block_never_ends_above_24_bits_plus_what_the_caller_said(highest: int, given: bool) -> None:
    bench = Bench((Span(16 * MIB, PAGE),))
    assert (bench.ask(PAGE, highest=highest) is not None) == given


@pytest.mark.parametrize("length, given", [(1, True), (0x1000, True), (0x1001, False)])
def test_a_highest_address_of_0x1000000_admits_the_page_below_and_one_byte_of_the_next(length: int, given: bool) -> None:
    bench = Bench((Span(16 * MIB, PAGE),))
    assert (bench.ask(length, highest=16 * MIB) is not None) == (length == 1)
    assert (Bench((Span(16 * MIB - PAGE, PAGE),)).ask(length, highest=16 * MIB) is not None) == given


@pytest.mark.parametrize("lowest, given", [(5 * PAGE - 1, True), (5 * PAGE, True), (5 * PAGE + 1, False)])
def test_lowest_address_is_inclusive(lowest: int, given: bool) -> None:
    bench = Bench((Span(0, 6 * PAGE),))
    block = bench.ask(PAGE, lowest=lowest)
    assert (block is not None) == given
    assert block is None or block.physical == 5 * PAGE


@pytest.mark.parametrize("lowest, highest, given", [(PAGE, 2 * PAGE - 2, False), (PAGE, 2 * PAGE - 1, True),
                                                    (PAGE + 1, 3 * PAGE - 1, True), (PAGE + 1, 3 * PAGE - 2, False)])
def test_lowest_and_highest_leave_room_for_exactly_one_page(lowest: int, highest: int, given: bool) -> None:
    assert (Bench((Span(0, 8 * PAGE),)).ask(PAGE, lowest=lowest, highest=highest) is not None) == given


@pytest.mark.parametrize("length, given", [(64 * KIB - 1, True), (64 * KIB, True), (64 * KIB + 1, False)])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_block_as_long_as_the_boundary_fits_and_one_byte_more_does_not(placement: Placement, length: int, given: bool) -> None:
    block = Bench((Span(0, MIB),), placement).ask(length, boundary=64 * KIB)
    assert (block is not None) == given
    assert block is None or block.physical % (64 * KIB) == 0


@pytest.mark.parametrize("pages, given", [(15, True), (16, True), (17, False)])
def test_ram_that_straddles_a_boundary_gives_what_lies_on_one_side(pages: int, given: bool) -> None:
    bench = Bench((Span(16 * MIB - 8 * PAGE, 24 * PAGE),))
    block = bench.ask(pages * PAGE, boundary=16 * MIB)
    assert (block is not None) == given
    assert block is None or block.physical >= 16 * MIB


@pytest.mark.parametrize("boundary", [1, 2, 2048, PAGE])
def test_a_boundary_of_a_page_or_less_admits_what_fits_into_it(boundary: int) -> None:
    bench = Bench()
    assert bench.ask(boundary, boundary=boundary) is not None
    assert bench.ask(boundary + 1, boundary=boundary) is None
    assert bench.broken() == []


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("highest", [MAXULONG64 - 1, MAXULONG64, MAXULONG64 >> 1])
def test_no_limit_at_all_is_all_ones(placement: Placement, highest: int) -> None:
    assert Bench(placement=placement).ask(1, highest=highest) is not None


def test_plain_allocation_is_cached_page_aligned_and_below_its_highest_address() -> None:
    block = Bench().ask(3 * PAGE, highest=0xFFFFFF, routine=PLAIN)
    assert block is not None and block.routine == PLAIN
    assert block.physical % PAGE == 0 and block.span.last <= 0xFFFFFF and block.cached


# Undefined arguments


@pytest.mark.breaks("contig-size-nonzero")
@pytest.mark.keeps("contig-size-nonzero")
@pytest.mark.parametrize("length, rule", [(-1, "contig-size-nonzero"), (0, "contig-size-nonzero"), (1, None)])
def test_a_size_of_nothing_is_a_finding_and_null(length: int, rule: str | None) -> None:
    bench = Bench()
    assert (bench.ask(length) is None) == (rule is not None)
    assert bench.broken() == ([rule] if rule else [])


@pytest.mark.breaks("contig-size-nonzero")
@pytest.mark.keeps("contig-size-nonzero")
@pytest.mark.parametrize("length, broken", [(MAXULONG64, []), (MAXULONG64 + 1, ["contig-size-nonzero"]),
                                            (MAXULONG64 + 2, ["contig-size-nonzero"])])
def test_a_size_beyond_the_address_space_is_a_finding_and_one_beyond_ram_only_null(length: int, broken: list[str]) -> None:
    bench = Bench()
    assert bench.ask(length) is None
    assert bench.broken() == broken


@pytest.mark.breaks("contig-boundary-pow2")
@pytest.mark.keeps("contig-boundary-pow2")
@pytest.mark.parametrize("boundary, fine", [(0xBFFFFF, False), (0xC00000, False), (0xC00001, False), (3, False), (-1, False),
                                            (-4096, False), (0x800000, True), (0x1000000, True), (0, True)])
def test_a_boundary_that_is_no_power_of_two_is_a_finding_and_null(boundary: int, fine: bool) -> None:
    bench = Bench()
    assert (bench.ask(PAGE, boundary=boundary) is not None) == fine
    assert bench.broken() == ([] if fine else ["contig-boundary-pow2"])


@pytest.mark.breaks("contig-highest-none")
@pytest.mark.keeps("contig-highest-none")
@pytest.mark.parametrize("highest, rule", [(-1, "contig-highest-none"), (0, "contig-highest-none"), (1, None)])
def test_a_highest_address_of_zero_is_a_finding_and_null(highest: int, rule: str | None) -> None:
    bench = Bench()
    block = bench.ask(1, highest=highest)
    assert (block is None) == (rule is not None)
    assert bench.broken() == ([rule] if rule else [])


@pytest.mark.breaks("contig-lowest-inclusive")
@pytest.mark.keeps("contig-lowest-inclusive")
@pytest.mark.parametrize("lowest, rule", [(PAGE - 1, None), (PAGE, None), (PAGE + 1, "contig-lowest-inclusive"),
                                          (-1, "contig-lowest-inclusive")])
def test_a_lowest_address_above_the_highest_is_a_finding_and_null(lowest: int, rule: str | None) -> None:
    bench = Bench()
    bench.ask(1, lowest=lowest, highest=PAGE)
    assert bench.broken() == ([rule] if rule else [])


@pytest.mark.breaks("contig-cache-type-valid")
@pytest.mark.keeps("contig-cache-type-valid")
@pytest.mark.parametrize("cache, fine", [(-1, False), (0, True), (1, True), (2, True), (3, False), (4, False)])
def test_only_the_three_cache_types_are_taken(cache: int, fine: bool) -> None:
    bench = Bench()
    assert (bench.ask(PAGE, cache=cache) is not None) == fine
    assert bench.broken() == ([] if fine else ["contig-cache-type-valid"])


@pytest.mark.parametrize("arguments", [(0, 0, MAXULONG64, 0, 1), (1, 0, MAXULONG64, 0xC00000, 1), (1, 0, 0, 0, 1),
                                       (1, 9, 8, 0, 1), (1, 0, MAXULONG64, 0, 3)])
def test_an_undefined_call_takes_nothing(arguments: tuple[int, ...]) -> None:
    bench = Bench()
    before = bench.tree.digest()
    assert bench.memory.allocate_contiguous(SPECIFY_CACHE, *arguments, 0) is None
    assert bench.tree.digest() == before and not bench.machine.book.made


# Frees


@pytest.mark.breaks("contig-free-exact-base")
def test_a_block_is_freed_by_its_exact_base_once() -> None:
    bench = Bench()
    block = bench.ask(PAGE + 1)
    assert block is not None
    for offset in (-1, 1, PAGE):
        assert bench.memory.free_contiguous(FREE, block.virtual + offset, None) is None
    assert block.live
    assert bench.memory.free_contiguous(FREE, block.virtual, "halt") is block
    assert not block.live and block.freed_in == "halt"
    assert bench.memory.free_contiguous(FREE, block.virtual, None) is None
    assert set(bench.broken()) == {"contig-free-exact-base"}


@pytest.mark.breaks("contig-free-exact-base")
@pytest.mark.parametrize("address", [0, 1, ABOVE_4G, MAXULONG64])
def test_an_address_that_was_never_allocated_is_a_finding(address: int) -> None:
    bench = Bench()
    assert bench.memory.free_contiguous(FREE, address, None) is None
    assert bench.broken() == ["contig-free-exact-base"]


@pytest.mark.breaks("contig-free-right-routine")
def test_memory_of_another_routine_is_not_freed_by_the_mm_routine() -> None:
    bench = Bench()
    block = bench.memory.allocate(BlockKind.SHARED, "NdisMAllocateSharedMemory", "shared memory #1", PAGE)
    assert block is not None
    assert bench.memory.free_contiguous(FREE, block.virtual, None) is None
    assert bench.broken() == ["contig-free-right-routine"] and block.live


@pytest.mark.breaks("contig-free-exact-base")
def test_a_freed_block_names_whoever_holds_its_frames_now() -> None:
    bench = Bench((Span(0, PAGE),))
    block = bench.ask(PAGE)
    assert block is not None
    bench.give_back(block)
    again = bench.ask(PAGE)
    assert again is not None and again.physical == block.physical and again.virtual != block.virtual
    bench.memory.free_contiguous(FREE, block.virtual, None)
    [finding] = bench.machine.findings.errors
    assert "was freed already; its frames are now contiguous memory #2" in finding.message


# Quarantine


@pytest.mark.parametrize("pages", [QUARANTINE_PAGES - 1, QUARANTINE_PAGES, QUARANTINE_PAGES + 1])
def test_frames_in_quarantine_are_given_out_before_an_allocation_fails(pages: int) -> None:
    bench = Bench((Span(0, pages * PAGE),))
    for _ in range(4):
        block = bench.ask(pages * PAGE)
        assert block is not None
        bench.give_back(block)


def test_a_freed_frame_is_not_given_out_again_while_others_are_free() -> None:
    bench = Bench((Span(0, 2 * PAGE),), Placement.LOW)
    first = bench.ask(1)
    assert first is not None and first.physical == 0
    bench.give_back(first)
    second = bench.ask(1)
    assert second is not None and second.physical == PAGE
    third = bench.ask(1)
    assert third is not None and third.physical == 0


@settings(max_examples=30)
@given(st.sampled_from(PLACEMENTS), st.integers(1, 12), st.integers(1, 12))
def test_a_machine_that_was_filled_and_emptied_piece_by_piece_gives_all_of_it_again(placement: Placement, piece: int,
                                                                                    other: int) -> None:
    bench = Bench((Span(0, 24 * PAGE),), placement)
    for size in (piece, other):
        blocks = []
        while (block := bench.ask(size * PAGE)) is not None:
            blocks.append(block)
        assert blocks
        for block in blocks:
            bench.give_back(block)
    assert bench.ask(24 * PAGE) is not None


# Blocks


def test_never_written_bytes_of_a_block_that_comes_again_are_unwritten_again() -> None:
    bench = Bench((Span(0, PAGE),))
    block = bench.ask(PAGE)
    assert block is not None
    ram = bench.machine.ram
    ram.write(block.physical, b"old content")
    bench.give_back(block)
    again = bench.ask(PAGE)
    assert again is not None and ram.first_unwritten(again.physical, PAGE) == again.physical
    assert ram.read(again.physical, 11) == b"\xa5" * 11


@pytest.mark.parametrize("length", [1, 63, 64, 65, 2047, 2048, 4031, 4032, 4033, 4095, 4096, 4097, 3 * PAGE - 1])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_minimal_alignment_is_one_cache_line_and_no_more_with_the_end_near_the_end_of_a_page(placement: Placement, length: int) -> None:
    bench = Bench(placement=placement)
    block = bench.memory.allocate(BlockKind.SHARED, "NdisMAllocateSharedMemory", "shared memory #1", length,
                                  minimal_alignment=True, highest=MAXULONG64)
    assert block is not None
    assert block.physical % LINE == 0 and block.physical % PAGE == block.virtual % PAGE
    if placement is Placement.HOSTILE:
        assert block.physical % (2 * LINE) == LINE
        left = -(block.physical + length) % PAGE
        assert left < 2 * LINE or block.physical % PAGE == LINE
    else:
        assert block.physical % PAGE == 0
    assert bench.memory.virtual.block_at(block.virtual) is block


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_block_with_minimal_alignment_still_ends_within_its_highest_address(placement: Placement) -> None:
    bench = Bench((Span(0, 16 * PAGE),), placement)
    for length in (1, 65, PAGE, PAGE + 1, 3 * PAGE - 1):
        for highest in (4 * PAGE - 1, 4 * PAGE, 4 * PAGE + length - 1):
            block = bench.memory.allocate(BlockKind.SHARED, "x", "x", length, highest=highest, minimal_alignment=True)
            if block is not None:
                assert block.span.last <= highest
                bench.memory.free(block, "y")


@pytest.mark.parametrize("base", [ABOVE_4G, BELOW_4G])
def test_virtual_addresses_begin_where_they_were_told_and_are_never_given_twice(base: int) -> None:
    bench = Bench((Span(0, PAGE),), virtual=base)
    seen = []
    for _ in range(5):
        block = bench.ask(PAGE)
        assert block is not None and block.virtual > base
        seen.append(block.virtual)
        bench.give_back(block)
    assert len(set(seen)) == 5


@pytest.mark.breaks("contig-physical-locked")
@pytest.mark.keeps("contig-physical-locked")
def test_physical_address_is_that_of_the_byte_and_of_live_blocks_only() -> None:
    bench = Bench()
    block = bench.ask(2 * PAGE)
    assert block is not None
    for offset in (0, 1, 2 * PAGE - 1):
        assert bench.memory.physical_address(block.virtual + offset) == block.physical + offset
    assert bench.broken() == []
    bench.give_back(block)
    assert bench.memory.physical_address(block.virtual) == 0
    assert bench.broken() == ["contig-physical-locked"]


def test_logical_addresses_are_physical_ones_plus_the_offset_of_the_bus() -> None:
    bench = Bench()
    block = bench.memory.allocate(BlockKind.SHARED, "x", "x", 10, logical_offset=0x4000_0000)
    assert block is not None and block.logical == block.physical + 0x4000_0000
    plain = bench.ask(10)
    assert plain is not None and plain.logical is None


def test_could_allocate_takes_nothing_and_disturbs_no_later_placement() -> None:
    one, two = Bench(placement=Placement.LOW), Bench(placement=Placement.LOW)
    for _ in range(3):
        assert two.memory.could_allocate(3 * PAGE, 0, MAXULONG64, 0)
    first, second = one.ask(3 * PAGE), two.ask(3 * PAGE)
    assert first is not None and second is not None and first.physical == second.physical


@pytest.mark.parametrize("seed", range(3))
def test_random_placement_is_decided_by_the_seed(seed: int) -> None:
    places = []
    for _ in range(2):
        bench = Bench((Span(0, 4096 * PAGE),), Placement.RANDOM, seed=seed)
        blocks = [bench.ask(PAGE) for _ in range(6)]
        places.append([block.physical for block in blocks if block is not None])
    assert places[0] == places[1] and len(set(places[0])) == 6


@pytest.mark.parametrize("placement", list(Placement))
@pytest.mark.parametrize("pages", [2, 3])
def test_spread_memory_is_one_block_of_pages_that_do_not_follow_each_other(placement: Placement, pages: int) -> None:
    machine = Machine((Span(0, 64 * PAGE_SIZE),))
    manager = MemoryManager(machine, FrameTree([(0, 64)]), placement)
    block = manager.allocate_spread(BlockKind.OTHER, "test", "spread", pages)
    assert block is not None and block.size == pages * PAGE_SIZE and len(block.runs) == pages
    assert all(second.start != first.end for first, second in pairwise(block.runs))
    port, data = ProcessorPort(machine), bytes(n % 251 for n in range(block.size - 2))
    port.store(block, 1, data)
    assert port.load(block, 1, len(data)) == data and machine.findings.errors == []
    assert b"".join(machine.ram.read(at, size) for at, size in block.pieces(1, len(data))) == data
    for offset in (0, PAGE_SIZE - 1, PAGE_SIZE, block.size - 1):
        physical = block.physical_at(offset)
        assert manager.physical_address(block.virtual + offset) == physical and machine.book.find(physical, 1) is block
    port.load(block, block.size - 1, 1)
    assert [f.rule.id for f in machine.findings.errors] == ["memory-uninitialized"]
    manager.free(block, "test")
    assert machine.book.find(block.physical, 1) is None


def test_spread_memory_that_is_not_there_takes_nothing() -> None:
    machine = Machine((Span(0, 4 * PAGE_SIZE),))
    tree = FrameTree([(0, 4)])
    manager = MemoryManager(machine, tree)
    assert manager.allocate_spread(BlockKind.OTHER, "test", "spread", 5) is None
    assert manager.allocate_spread(BlockKind.OTHER, "test", "spread", 4) is not None
