# SPDX-License-Identifier: Apache-2.0
"""Aged machines: what the ageing tools leave free, and that worlds on aged machines are ordinary worlds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.ageing import AGED, age, age_with_gaps, straddle_every_seam
from allocator.direct import MmCaller
from allocator.frames import FrameTree, Placement
from dmabed import pool
from dmabed.bed import Bed
from dmabed.options import checked, read_data
from dmabed.result import as_json, verdict_of
from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from miniport.miniport import Miniport
from miniport.reference import ReferenceMiniport
from miniport.status import NDIS_STATUS_SUCCESS
from verifier.errors import UsageError

MIB, GIB, LEAF = 1 << 20, 1 << 30, 4096
PLACEMENTS = [placement.value for placement in Placement]
HERE = Path(__file__).parent

ranges = st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 6000)), min_size=1, max_size=4)


def tree_of(gaps: list[tuple[int, int]]) -> tuple[FrameTree, set[int]]:
    """A machine of some ranges, each behind a gap, and its frames."""
    spans, end = [], 0
    for gap, size in gaps:
        spans.append((end + gap, size))
        end += gap + size
    return FrameTree(spans), {frame for first, count in spans for frame in range(first, first + count)}


def free_of(tree: FrameTree) -> set[int]:
    free = {frame for first, count in tree.runs() for frame in range(first, first + count)}
    assert len(free) == tree.free_frames
    return free


# Occupying frames

masks = st.lists(st.tuples(st.integers(-5, 8), st.integers(0, (1 << LEAF + 8) - 1)), max_size=6)


@settings(max_examples=60)
@given(ranges, masks, masks)
def test_occupying_claims_the_free_frames_of_each_mask_and_nothing_else(
        gaps: list[tuple[int, int]], first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    tree, frames = tree_of(gaps)
    for each in (first, second):
        tree.occupy(each)
        frames -= {(leaf << 12) + bit for leaf, mask in each for bit in range(LEAF) if mask >> bit & 1}
        assert free_of(tree) == frames


def test_what_was_occupied_after_a_mark_is_free_again_after_the_rollback() -> None:
    tree = FrameTree([(0, 3 * LEAF)])
    tree.occupy([(0, 5)])
    before, mark = tree.digest(), tree.mark()
    tree.occupy([(0, 15), (2, 1)])
    assert tree.digest() != before
    tree.rollback(mark)
    assert tree.digest() == before and tree.free_frames == 3 * LEAF - 2


# Random runs

@settings(max_examples=40)
@given(ranges, st.integers(), st.sampled_from([0.3, 0.5, 0.9]), st.integers(8, 300))
def test_no_free_run_is_longer_than_the_largest(gaps: list[tuple[int, int]], seed: int, fill: float, largest: int) -> None:
    tree, frames = tree_of(gaps)
    age(tree, seed, fill, largest)
    assert max((count for _, count in tree.runs()), default=0) <= largest
    assert free_of(tree) <= frames


@pytest.mark.parametrize("fill", [0.1, 0.5, 0.75, 0.99])
def test_about_the_part_that_was_asked_for_is_used(fill: float) -> None:
    tree = FrameTree([(0, 64 * LEAF)])
    age(tree, 7, fill, 64)
    assert abs(1 - tree.free_frames / tree.total_frames - fill) < 0.03


def test_free_runs_have_every_length_up_to_the_largest_equally_often() -> None:
    tree = FrameTree([(0, 64 * LEAF)])
    age(tree, 3, 0.5, 8)
    lengths = [count for _, count in tree.runs()]
    counts = [lengths.count(length) for length in range(1, 10)]
    assert counts[-1] == 0 and all(abs(count - len(lengths) / 8) < len(lengths) / 80 for count in counts[:-1])


def test_equal_seeds_age_alike_on_every_computer_and_others_do_not() -> None:
    digests = []
    for seed in (1, 1, 2, -1):
        tree = FrameTree([(0, 5 * LEAF)])
        age(tree, seed, 0.5, 16)
        digests.append(tree.digest())
    assert digests[0] == digests[1] == "aea687c449e099f744bae998fa8aaf99"
    assert len(set(digests)) == 3


def test_a_larger_machine_begins_like_a_smaller_one() -> None:
    small, large = FrameTree([(0, 3 * LEAF)]), FrameTree([(0, 9 * LEAF)])
    for tree in (small, large):
        age(tree, 1, 0.5, 256)
    assert free_of(small) == {frame for frame in free_of(large) if frame < 3 * LEAF}


@pytest.mark.parametrize("fill, largest", [(0.5, 0), (0.5, -1), (0.0, 64), (1.0, 64), (1.5, 64), (-0.5, 64), (0.02, 64), (1 - 1e-12, 64)])
def test_an_ageing_that_cannot_be_is_refused(fill: float, largest: int) -> None:
    tree = FrameTree([(0, LEAF)])
    with pytest.raises(UsageError):
        age(tree, 1, fill, largest)
    assert tree.free_frames == LEAF


def test_the_least_fill_that_the_refusal_names_is_good() -> None:
    tree = FrameTree([(0, LEAF)])
    age(tree, 1, 2 / 67 + 1e-9, 64)
    assert 0 < tree.free_frames < LEAF


# Regular patterns

periods = st.integers(1, 14).map(lambda n: 1 << n)


@settings(max_examples=60)
@given(ranges, periods, st.data())
def test_gaps_are_where_they_are_asked_for(gaps: list[tuple[int, int]], every: int, data: st.DataObject) -> None:
    gap = data.draw(st.integers(1, every - 1))
    tree, frames = tree_of(gaps)
    age_with_gaps(tree, gap, every)
    assert free_of(tree) == {frame for frame in frames if frame % every < gap}


@settings(max_examples=60)
@given(ranges, periods.filter(lambda period: period > 2), st.data())
def test_every_free_run_straddles_a_seam(gaps: list[tuple[int, int]], seam: int, data: st.DataObject) -> None:
    reach = data.draw(st.integers(1, seam // 2 - 1))
    tree, frames = tree_of(gaps)
    straddle_every_seam(tree, seam, reach)
    assert free_of(tree) == {frame for frame in frames if frame % seam < reach or frame % seam >= seam - reach}


@pytest.mark.parametrize("gap, every", [(1, 0), (1, 3), (1, 1), (0, 16), (16, 16), (17, 16), (-1, 16)])
def test_gaps_that_cannot_be_are_refused(gap: int, every: int) -> None:
    with pytest.raises(UsageError):
        age_with_gaps(FrameTree([(0, LEAF)]), gap, every)


def test_no_run_longer_than_the_reach_lies_between_two_seams() -> None:
    tree = FrameTree([(0, 9 * LEAF)])
    straddle_every_seam(tree, LEAF, 15)
    for count, boundary, there in ((15, LEAF, True), (16, LEAF, False), (30, 0, True), (31, 0, False)):
        first = tree.allocate(count, lowest=0, highest_start=tree.end, boundary=boundary, placement=Placement.HIGH, rng=lambda n: 0)
        assert (first is not None) == there
        if first is not None:
            tree.free(first, count)


# Aged machines

def test_fragments_of_4_gib_are_thousands_and_none_is_above_1_mib() -> None:
    tree = FrameTree([(0, 4 * GIB >> 12)])
    AGED["fragments"](tree)
    lengths = [count for _, count in tree.runs()]
    assert len(lengths) * 256 > 1_000_000 and max(lengths) == 256


def aged_tree(size: int, aged: str) -> FrameTree:
    tree = FrameTree([(span.start >> 12, span.size >> 12) for span in WorldSpec(ram=size).ranges()])
    AGED[aged](tree)
    return tree


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("aged", AGED)
def test_a_caller_gets_the_longest_run_that_is_left_and_no_longer_one(aged: str, placement: str) -> None:
    longest = max(count for _, count in aged_tree(64 * MIB, aged).runs())
    for pages, there in ((longest - 1, True), (longest, True), (longest + 1, False)):
        caller = MmCaller(64 * MIB, "7", placement, aged=aged)
        assert (caller.mm_allocate_contiguous_memory(pages << 12, (1 << 64) - 1) is not None) == there


MACHINES: list[dict[str, Any]] = [
    {"ram": 2 * MIB}, {"ram": 16 * MIB}, {}, {"ram": 6 * GIB}, {"limits": "lance-isa"}, {"limits": "pci32-16m", "ram": 6 * GIB},
    {"limits": "e1000-64k"}, {"limits": "b44"}, {"limits": "tg3-40"}, {"nodes": 4}]


def live(**options: Any) -> World:
    return run_world(WorldSpec(**{"frames": 4, **options}), ReferenceMiniport, HERE)


@pytest.mark.parametrize("options", MACHINES, ids=str)
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("aged", AGED)
def test_the_reference_miniport_is_clean_or_refused_on_an_aged_machine(aged: str, placement: str, options: dict[str, Any]) -> None:
    world = live(aged=aged, placement=placement, **options)
    assert [finding.message for finding in world.machine.findings.errors] == []
    assert verdict_of(world) in ("clean", "refused")
    assert world.refused or world.received == 4


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_the_reference_miniport_comes_up_among_fragments(placement: str) -> None:
    assert verdict_of(live(aged="fragments", placement=placement)) == "clean"


def test_a_machine_ages_once_and_serves_all_its_worlds() -> None:
    pool.drop()
    seen = []
    for _ in range(3):
        live(aged="fragments", ram=16 * MIB)
        [(_, tree)] = pool._kept.values()
        seen.append((id(tree), tree.digest()))
    assert len(set(seen)) == 1
    assert tree.digest() == aged_tree(16 * MIB, "fragments").digest()


def test_machines_of_one_map_and_different_age_share_nothing() -> None:
    pool.drop()
    for aged in (None, *AGED, None):
        live(aged=aged, ram=16 * MIB)
    assert len(pool._kept) == 3
    states = [next(iter(pool.digests(aged).values())) for aged in (None, *AGED)]
    assert len({tree for _, tree in states}) == 3 and len({file for file, _ in states}) == 1


def test_an_aged_world_is_the_same_before_and_after_others() -> None:
    pool.drop()
    first = as_json(live(aged="adversary"))
    for aged in (None, "fragments", "adversary"):
        live(aged=aged, seed=9)
    assert as_json(live(aged="adversary")) == first


class Greedy(Miniport):
    """Takes blocks of half a MiB until there are none."""

    ndis_versions = ((5, 1),)

    def initialize(self, adapter: Any) -> int:
        adapter.set_attributes_ex(None, 0, 8, 5)
        while adapter.mm_allocate_contiguous_memory(0x80000, (1 << 64) - 1) is not None:
            pass
        return NDIS_STATUS_SUCCESS

    def halt(self, adapter: Any) -> None:
        """Leaks everything."""


@pytest.mark.parametrize("aged", AGED)
def test_no_block_of_a_world_lies_on_what_the_system_uses(aged: str) -> None:
    free = free_of(aged_tree(16 * MIB, aged))
    world = run_world(WorldSpec(ram=16 * MIB, aged=aged, frames=0), Greedy, HERE)
    pages = [page for block in world.machine.book.made for page in range(block.physical >> 12, (block.physical + block.size) >> 12)]
    assert set(pages) <= free and len(set(pages)) == len(pages)
    assert (len(pages) > 0) == (aged == "fragments")


def test_memory_of_the_system_is_called_so() -> None:
    world = live(aged="fragments", ram=16 * MIB)
    free = free_of(aged_tree(16 * MIB, "fragments"))
    used = next(frame for frame in range(LEAF) if frame not in free)
    assert world.machine.book.victim(used << 12, 4096) == ("memory that belongs to the system", None)


# The options of a world

def test_the_replay_line_and_the_result_say_age_and_nodes() -> None:
    spec = WorldSpec(aged="fragments", nodes=2, ram=16 * MIB, frames=0)
    line = spec.replay_line("5.1")
    said = json.loads(line.partition("'")[2].partition("'")[0])
    assert said == {"miniport": None, "nodes": 2, "aged": "fragments"} and "--ram 16M" in line
    assert checked(read_data(json.dumps(said))) == said
    result = as_json(run_world(spec, ReferenceMiniport, HERE))
    assert (result["world"]["aged"], result["world"]["nodes"]) == ("fragments", 2)
    again = read_data(json.dumps(result))
    assert (again["aged"], again["nodes"]) == ("fragments", 2)
    assert WorldSpec.from_dict(spec.as_dict()) == spec


def test_a_plain_world_needs_no_json_to_be_replayed() -> None:
    assert "{" not in WorldSpec().replay_line("5.1")


@pytest.mark.parametrize("options", [{"aged": "old"}, {"nodes": 0}, {"nodes": 65}, {"nodes": "two"}, {"aged": 3}], ids=str)
def test_an_age_or_a_number_of_nodes_that_is_none_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Bed(ReferenceMiniport, **options)


# What was asked before does not show

requests = st.tuples(st.integers(1, 40), st.sampled_from([0, 16, LEAF]), st.sampled_from(list(Placement)))


@settings(max_examples=100)
@given(st.integers(0, 1 << 16), st.sampled_from([0.5, 0.9]), st.integers(2, 12), st.lists(requests, max_size=12), requests)
def test_a_place_does_not_depend_on_what_was_asked_before(
        seed: int, fill: float, largest: int, before: list[tuple[int, int, Placement]], last: tuple[int, int, Placement]) -> None:
    def ask(tree: FrameTree, count: int, boundary: int, placement: Placement) -> int | None:
        return tree.allocate(count, lowest=0, highest_start=tree.end, boundary=boundary, placement=placement,
                             seams=(LEAF, 16), rng=lambda n: n // 3)

    def fresh() -> FrameTree:
        tree = FrameTree([(0, 3 * LEAF)])
        age(tree, seed, fill, largest)
        return tree

    tree = fresh()
    for request in before:
        first = ask(tree, *request)
        if first is not None:
            tree.free(first, request[0])
    assert ask(tree, *last) == ask(fresh(), *last)


@pytest.mark.parametrize("seam", [16, LEAF])
@pytest.mark.parametrize("larger", [2, 3, 4, 6, 7])
def test_two_frames_across_a_seam_are_found_after_a_search_for_more(seam: int, larger: int) -> None:
    tree = FrameTree([(0, 3 * LEAF)])
    tree.occupy([(leaf, (1 << LEAF) - 1) for leaf in range(3)])
    tree.free(LEAF - 1, 2)
    tree.free(5001, larger)
    for count, expected in ((larger, 5001 if larger > 2 else LEAF - 1), (2, LEAF - 1)):
        first = tree.allocate(count, lowest=0, highest_start=tree.end, placement=Placement.HOSTILE, seams=(seam,), rng=lambda n: 0)
        assert first == expected
        tree.free(first, count)
