# SPDX-License-Identifier: Apache-2.0
"""NUMA nodes, and the Mm routines that know of them, called without a miniport."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator import rules
from allocator.direct import SINCE, VERSIONS, MmCaller
from allocator.frames import Placement
from allocator.memory_manager import (
    MAXULONG64,
    PAGE_EXECUTE_READWRITE,
    PAGE_NOCACHE,
    PAGE_READWRITE,
    PAGE_WRITECOMBINE,
    CacheType,
)
from allocator.nodes import MM_ANY_NODE_OK, MOST_NODES, nodes_of
from hw.memory_layout import ram_ranges
from miniport.versions import MM_ONLY, WINDOWS
from verifier.address import Span
from verifier.address_book import Block
from verifier.errors import NotModelledError, UsageError

MIB, GIB, PAGE = 1 << 20, 1 << 30, 4096
PLACEMENTS = list(Placement)
NODE_ROUTINES = ("MmAllocateContiguousMemorySpecifyCacheNode", "MmAllocateContiguousNodeMemory")


def ask(caller: MmCaller, node: int, length: int = PAGE, *, lowest: int = 0, highest: int = MAXULONG64, boundary: int = 0,
        routine: str = NODE_ROUTINES[0]) -> Block | None:
    if routine == NODE_ROUTINES[0]:
        return caller.mm_allocate_contiguous_memory_specify_cache_node(
            length, lowest, highest, boundary, CacheType.MM_CACHED, node)
    return caller.mm_allocate_contiguous_node_memory(length, lowest, highest, boundary, PAGE_READWRITE, node)


def errors(caller: MmCaller) -> list[str]:
    return [finding.rule.id for finding in caller.findings.errors]


def notices(caller: MmCaller) -> list[str]:
    return [finding.rule.id for finding in caller.findings.notices if finding.rule is not rules.ALWAYS_EXECUTABLE]


def pages_of(span: Span) -> range:
    return range(span.start // PAGE, span.end // PAGE)


# Nodes

@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 9)), min_size=1, max_size=5), st.integers(1, MOST_NODES))
def test_nodes_share_the_pages_of_ram_in_order_and_evenly(gaps: list[tuple[int, int]], count: int) -> None:
    ranges, end = [], 0
    for gap, size in gaps:
        ranges.append(Span((end + gap) * PAGE, size * PAGE))
        end += gap + size
    pages = [page for span in ranges for page in pages_of(span)]
    if count > len(pages):
        with pytest.raises(UsageError):
            nodes_of(ranges, count)
        return
    nodes = nodes_of(ranges, count)
    shares = [[page for page in pages if page in pages_of(node)] for node in nodes]
    assert [page for share in shares for page in share] == pages
    assert {len(share) for share in shares} <= {len(pages) // count, len(pages) // count + 1}
    assert all(node.start == share[0] * PAGE and node.end == (share[-1] + 1) * PAGE for node, share in zip(nodes, shares, strict=True))


def test_a_node_may_reach_over_a_hole() -> None:
    assert nodes_of((Span(0, 3 * GIB), Span(4 * GIB, 3 * GIB)), 2) == (Span(0, 3 * GIB), Span(4 * GIB, 3 * GIB))
    video_hole = 384 * 1024
    low, high = nodes_of(ram_ranges(6 * GIB), 2)
    assert low == Span(0, 4 * GIB + video_hole // 2) and high == Span(low.end, 3 * GIB - video_hole // 2)


@pytest.mark.parametrize("count", [-1, 0, MOST_NODES + 1, MOST_NODES + 2])
def test_a_number_of_nodes_that_no_machine_has_is_refused(count: int) -> None:
    with pytest.raises(UsageError):
        nodes_of(ram_ranges(64 * MIB), count)


@pytest.mark.parametrize("count", [1, 2, MOST_NODES - 1, MOST_NODES])
def test_every_other_number_of_nodes_is_there(count: int) -> None:
    assert len(nodes_of(ram_ranges(64 * MIB), count)) == count


# A concrete node is strict

RAM = (Span(0, 8 * PAGE), Span(10 * PAGE, 9 * PAGE), Span(32 * PAGE, 15 * PAGE))
histories = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5 * PAGE), st.integers(0, 40 * PAGE), st.integers(0, 50 * PAGE),
                               st.sampled_from([0, PAGE, 4 * PAGE, 16 * PAGE])), min_size=1, max_size=20)


@settings(max_examples=60)
@given(st.sampled_from(PLACEMENTS), st.sampled_from(NODE_ROUTINES), histories)
def test_a_node_serves_exactly_what_it_has_room_for_and_no_other_node_helps(
        placement: Placement, routine: str, history: list[tuple[int, int, int, int, int]]) -> None:
    caller = MmCaller(RAM, "10", placement, nodes=3)
    free = {page for span in RAM for page in pages_of(span)}
    for number, length, lowest, highest, boundary in history:
        node = Span(0, 1 << 52) if number == 3 else nodes_of(RAM, 3)[number]
        if highest < max(lowest, 1):
            continue
        places = [
            page for page in sorted(free)
            if max(lowest, node.start) <= page * PAGE and page * PAGE + length - 1 <= min(highest, node.last)
            and (not boundary or page * PAGE // boundary == (page * PAGE + length - 1) // boundary)
            and free.issuperset(range(page, (page * PAGE + length - 1) // PAGE + 1))]
        block = ask(caller, MM_ANY_NODE_OK if number == 3 else number, length, lowest=lowest, highest=highest, boundary=boundary,
                    routine=routine)
        assert (block is not None) == bool(places)
        if block is not None:
            assert block.physical // PAGE in places and block.physical % PAGE == 0
            free -= set(range(block.physical // PAGE, (block.physical + length - 1) // PAGE + 1))
    assert errors(caller) == []


@pytest.mark.parametrize("routine", NODE_ROUTINES)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_full_node_gives_null_while_the_other_has_room(placement: Placement, routine: str) -> None:
    caller = MmCaller((Span(0, 8 * PAGE),), "10", placement, nodes=2)
    assert [ask(caller, 1, 2 * PAGE, routine=routine) is None for _ in range(3)] == [False, False, True]
    assert ask(caller, 0, 4 * PAGE, routine=routine) is not None
    assert ask(caller, MM_ANY_NODE_OK, routine=routine) is None
    assert errors(caller) == notices(caller) == []


@pytest.mark.parametrize("length, there", [(4 * PAGE - 1, True), (4 * PAGE, True), (4 * PAGE + 1, False)])
@pytest.mark.parametrize("node", [0, 1])
def test_not_one_byte_of_a_block_lies_in_the_next_node(node: int, length: int, there: bool) -> None:
    caller = MmCaller((Span(0, 12 * PAGE),), nodes=3)
    assert (ask(caller, node, length) is not None) == there


def test_a_freed_block_serves_its_own_node_again() -> None:
    caller = MmCaller((Span(0, 8 * PAGE),), nodes=2)
    block = ask(caller, 1, 4 * PAGE)
    assert block is not None and ask(caller, 1) is None
    caller.mm_free_contiguous_memory(block.virtual)
    again = ask(caller, 1, 4 * PAGE)
    assert again is not None and again.physical == block.physical


def test_any_node_takes_memory_wherever_it_is() -> None:
    caller = MmCaller((Span(0, 8 * PAGE),), nodes=2)
    assert sum(ask(caller, MM_ANY_NODE_OK) is not None for _ in range(9)) == 8
    assert errors(caller) == notices(caller) == []


@pytest.mark.breaks("contig-node-strict")
@pytest.mark.keeps("contig-node-strict")
@pytest.mark.parametrize("last, told", [(4 * PAGE - 1, True), (4 * PAGE, False), (4 * PAGE + 1, False)])
def test_limits_that_leave_nothing_of_the_node_are_told(last: int, told: bool) -> None:
    caller = MmCaller((Span(0, 8 * PAGE),), nodes=2)
    assert ask(caller, 1, highest=last) is None
    assert notices(caller) == ["contig-node-strict"] * told
    assert errors(caller) == []


@pytest.mark.breaks("contig-node-strict")
@pytest.mark.keeps("contig-node-strict")
@pytest.mark.parametrize("first, told", [(4 * PAGE - 1, False), (4 * PAGE, True), (4 * PAGE + 1, True)])
def test_limits_above_the_node_are_told(first: int, told: bool) -> None:
    caller = MmCaller((Span(0, 8 * PAGE),), nodes=2)
    assert ask(caller, 0, lowest=first) is None
    assert notices(caller) == ["contig-node-strict"] * told


# Numbers that no node has

@pytest.mark.breaks("contig-node-any", "contig-node-range")
@pytest.mark.keeps("contig-node-any", "contig-node-range")
@pytest.mark.parametrize("routine", NODE_ROUTINES)
@pytest.mark.parametrize("number, wrong", [(0, []), (1, []), (2, ["contig-node-range"]), (3, ["contig-node-range"]),
                                           (0x7FFF_FFFF, ["contig-node-range"]), (MM_ANY_NODE_OK, []),
                                           (MM_ANY_NODE_OK + 1, ["contig-node-any"]), (0xFFFF_FFFF, ["contig-node-any"]),
                                           (-1, ["contig-node-any"])])
def test_a_number_that_no_node_has_is_found_and_gives_null(routine: str, number: int, wrong: list[str]) -> None:
    caller = MmCaller(16 * MIB, nodes=2)
    assert (ask(caller, number, routine=routine) is None) == bool(wrong)
    assert errors(caller) == wrong


@pytest.mark.breaks("contig-node-any", "contig-node-range")
@pytest.mark.keeps("contig-node-any", "contig-node-range")
@pytest.mark.parametrize("number, wrong", [(0, []), (1, ["contig-node-range"]), (MM_ANY_NODE_OK, []), (-1, ["contig-node-any"])])
def test_a_machine_of_one_node_serves_every_number_and_finds_the_wrong_ones(number: int, wrong: list[str]) -> None:
    caller = MmCaller(16 * MIB)
    assert ask(caller, number) is not None
    assert errors(caller) == wrong


@pytest.mark.breaks("contig-node-range")
def test_the_finding_says_which_numbers_there_are_and_names_the_line() -> None:
    caller = MmCaller(16 * MIB, nodes=3)
    ask(caller, 3)
    [finding] = caller.findings.errors
    assert finding.message == ("MmAllocateContiguousMemorySpecifyCacheNode: PreferredNode 3, but the machine has 3 nodes, "
                               "numbered from 0")
    assert finding.where is not None and finding.where[0].co_filename == __file__


# Protect

@pytest.mark.breaks("contig-nodememory-protect-cache", "contig-nodememory-protect-one")
@pytest.mark.keeps("contig-nodememory-protect-cache", "contig-nodememory-protect-one")
@pytest.mark.parametrize("protect, wrong", [
    (PAGE_READWRITE, []), (PAGE_EXECUTE_READWRITE, []), (PAGE_READWRITE | PAGE_NOCACHE, []), (PAGE_READWRITE | PAGE_WRITECOMBINE, []),
    (PAGE_EXECUTE_READWRITE | PAGE_NOCACHE, []),
    (0, ["contig-nodememory-protect-one"]), (PAGE_NOCACHE, ["contig-nodememory-protect-one"]),
    (PAGE_READWRITE | PAGE_EXECUTE_READWRITE, ["contig-nodememory-protect-one"]),
    (PAGE_READWRITE | 0x100, ["contig-nodememory-protect-one"]), (0x02, ["contig-nodememory-protect-one"]),
    (-1, ["contig-nodememory-protect-one"]),
    (PAGE_READWRITE | PAGE_NOCACHE | PAGE_WRITECOMBINE, ["contig-nodememory-protect-cache"]),
    (PAGE_EXECUTE_READWRITE | PAGE_NOCACHE | PAGE_WRITECOMBINE, ["contig-nodememory-protect-cache"]),
])
def test_protect_has_exactly_one_access_and_at_most_one_cache_flag(protect: int, wrong: list[str]) -> None:
    caller = MmCaller(16 * MIB)
    block = caller.mm_allocate_contiguous_node_memory(PAGE, 0, MAXULONG64, 0, protect, MM_ANY_NODE_OK)
    assert (block is None) == bool(wrong)
    assert errors(caller) == wrong and notices(caller) == []


@pytest.mark.parametrize("flag, cache_type", [(0, 1), (PAGE_NOCACHE, 0), (PAGE_WRITECOMBINE, 2)])
def test_protect_says_the_cache_type(flag: int, cache_type: int) -> None:
    caller = MmCaller(16 * MIB)
    block = caller.mm_allocate_contiguous_node_memory(PAGE, 0, MAXULONG64, 0, PAGE_READWRITE | flag, MM_ANY_NODE_OK)
    assert block is not None and (block.cache_type, block.cached) == (cache_type, cache_type == 1)


# Versions

def test_the_versions_are_those_of_the_miniports_and_the_three_later_ones() -> None:
    assert VERSIONS == WINDOWS + MM_ONLY


ARGUMENTS: dict[str, tuple[str, tuple[int, ...]]] = {
    "MmAllocateContiguousMemory": ("mm_allocate_contiguous_memory", (PAGE, MAXULONG64)),
    "MmAllocateContiguousMemorySpecifyCache": ("mm_allocate_contiguous_memory_specify_cache", (PAGE, 0, MAXULONG64, 0, 1)),
    "MmAllocateContiguousMemorySpecifyCacheNode": (
        "mm_allocate_contiguous_memory_specify_cache_node", (PAGE, 0, MAXULONG64, 0, 1, 0)),
    "MmAllocateContiguousNodeMemory": ("mm_allocate_contiguous_node_memory", (PAGE, 0, MAXULONG64, 0, PAGE_READWRITE, 0)),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("routine", ARGUMENTS)
def test_a_routine_is_there_from_its_first_windows_on(routine: str, version: str) -> None:
    caller = MmCaller(16 * MIB, version)
    method, arguments = ARGUMENTS[routine]
    since = {"MmAllocateContiguousMemorySpecifyCache": "2000", NODE_ROUTINES[0]: "vista", NODE_ROUTINES[1]: "8"}.get(routine, "nt4")
    assert SINCE.get(routine, "nt4") == since
    call: Any = getattr(caller, method)
    if VERSIONS.index(version) >= VERSIONS.index(since):
        assert call(*arguments) is not None and errors(caller) == []
        return
    with pytest.raises(NotModelledError, match=f"Windows {version} has no {routine}"):
        call(*arguments)


@pytest.mark.breaks("contig-older-always-exec")
@pytest.mark.keeps("contig-older-always-exec")
@pytest.mark.parametrize("version, told", [("7", False), ("8", True), ("10", True)])
def test_from_windows_8_on_the_older_routines_are_advised_against(version: str, told: bool) -> None:
    for routine in list(ARGUMENTS)[:3]:
        caller = MmCaller(16 * MIB, version)
        method, arguments = ARGUMENTS[routine]
        getattr(caller, method)(*arguments)
        assert [finding.rule.id for finding in caller.findings.notices] == ["contig-older-always-exec"] * told
        assert errors(caller) == []
    caller = MmCaller(16 * MIB, "10")
    ask(caller, 0, routine=NODE_ROUTINES[1])
    assert caller.findings.notices == []


@pytest.mark.parametrize("options", [{"windows": "9"}, {"placement": "worst"}, {"nodes": 0}, {"aged": "old"}, {"ram": 1}])
def test_a_machine_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        MmCaller(**options)


# Frees of direct callers

@pytest.mark.breaks("contig-freespecify-match")
@pytest.mark.keeps("contig-freespecify-match", "contig-freespecify-origin")
@pytest.mark.parametrize("length, cache, wrong", [(PAGE, 0, []), (PAGE - 1, 0, ["contig-freespecify-match"]),
                                                  (PAGE, 1, ["contig-freespecify-match"])])
def test_the_free_with_a_cache_type_repeats_the_allocation(length: int, cache: int, wrong: list[str]) -> None:
    caller = MmCaller(16 * MIB, "7", nodes=2)
    block = caller.mm_allocate_contiguous_memory_specify_cache_node(PAGE, 0, MAXULONG64, 0, 0, 1)
    assert block is not None and caller.mm_get_physical_address(block.virtual) == block.physical
    caller.mm_free_contiguous_memory_specify_cache(block.virtual, length, cache)
    assert errors(caller) == wrong and not block.live


@pytest.mark.breaks("contig-freespecify-origin")
def test_the_free_with_a_cache_type_is_not_for_node_memory() -> None:
    caller = MmCaller(16 * MIB)
    block = ask(caller, 0, routine=NODE_ROUTINES[1])
    assert block is not None
    caller.mm_free_contiguous_memory_specify_cache(block.virtual, PAGE, 1)
    assert errors(caller) == ["contig-freespecify-origin"]


def test_a_second_free_of_a_direct_caller_is_found() -> None:
    caller = MmCaller(16 * MIB)
    block = ask(caller, 0)
    assert block is not None
    caller.mm_free_contiguous_memory(block.virtual)
    caller.mm_free_contiguous_memory_specify_cache(block.virtual, PAGE, 1)
    assert errors(caller) == ["contig-free-exact-base"]
