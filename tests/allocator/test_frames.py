# SPDX-License-Identifier: Apache-2.0
"""The page-frame allocator against a brute-force oracle that looks at every frame."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import mod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator._leaves import FRAME_LIMIT, run_starts
from allocator.frames import FrameTree, Placement
from verifier.errors import BedError, UsageError

LEAF = 4096
SEAMS = (1 << 20, LEAF, 16)  # 4 GiB, 16 MiB, 64 KiB
PLACEMENTS = list(Placement)
Ranges = list[tuple[int, int]]


def no_draw(limit: int) -> int:
    raise AssertionError(f"rng({limit}) was called")


def legal_starts(free: set[int], count: int, lowest: int, highest: int, boundary: int) -> list[int]:
    """Oracle: every legal first frame, ascending."""
    ahead: dict[int, int] = {}
    for frame in sorted(free, reverse=True):
        ahead[frame] = 1 + ahead.get(frame + 1, 0)
    return [
        first
        for first in sorted(free)
        if lowest <= first <= highest
        and ahead[first] >= count
        and not (boundary and first // boundary != (first + count - 1) // boundary)
    ]


def hostile_start(starts: Sequence[int], count: int, seams: Iterable[int]) -> int:
    """Oracle: the worst of the legal first frames, by the total order of `FrameTree.allocate`."""
    pairs = [
        (seam, multiple, -abs(2 * first + count - 2 * multiple), first)
        for seam in seams
        for first in starts
        for multiple in range((first // seam + 1) * seam, first + count, seam)
    ]
    return max(pairs)[-1] if pairs else starts[-1]


def random_start(starts: Sequence[int], drawn: int) -> int:
    """Oracle: the lowest legal first frame at or above the draw, else the lowest of all."""
    return next((first for first in starts if first >= drawn), starts[0])


def brute_runs(free: set[int]) -> Ranges:
    runs: Ranges = []
    for frame in sorted(free):
        if runs and sum(runs[-1]) == frame:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((frame, 1))
    return runs


class Pair:
    """A tree and its oracle, driven together and compared at every step."""

    def __init__(self, ranges: Ranges) -> None:
        self.tree = FrameTree(ranges)
        self.ram = {frame for first, count in ranges for frame in range(first, first + count)}
        self.free = set(self.ram)
        self.blocks: Ranges = []
        self.marks: list[tuple[object, str, set[int], Ranges]] = []

    def allocate(self, count: int, lowest: int, highest: int, boundary: int, placement: Placement,
                 seams: Sequence[int], draw: int) -> int | None:
        drawn: list[int] = []

        def rng(limit: int) -> int:
            low = max(lowest, min(self.ram))
            assert limit == min(highest, max(self.ram) + 1 - count) - low + 1 >= 1
            drawn.append(low + draw % limit)
            return draw % limit

        found = self.tree.allocate(count, lowest=lowest, highest_start=highest, boundary=boundary,
                                   placement=placement, seams=seams, rng=rng)
        starts = legal_starts(self.free, count, lowest, highest, boundary)
        if not starts:
            assert found is None
            return None
        if placement is Placement.LOW:
            expected = starts[0]
        elif placement is Placement.HIGH:
            expected = starts[-1]
        elif placement is Placement.HOSTILE:
            expected = hostile_start(starts, count, seams)
        else:
            assert len(drawn) == 1
            expected = random_start(starts, drawn[0])
        assert found == expected
        self.free -= set(range(found, found + count))
        self.blocks.append((found, count))
        return found

    def take(self, first: int, count: int) -> None:
        wanted = set(range(first, first + count))
        assert self.tree.take(first, count) == (wanted <= self.free)
        if wanted <= self.free:
            self.free -= wanted
            self.blocks.append((first, count))

    def give_back(self, choice: int, split: int) -> None:
        """Free a block, or a part of one."""
        if self.blocks:
            first, count = self.blocks.pop(choice % len(self.blocks))
            part = 1 + split % count
            if part < count:
                self.blocks.append((first + part, count - part))
            self.tree.free(first, part)
            self.free |= set(range(first, first + part))

    def mark(self) -> None:
        self.marks.append((self.tree.mark(), self.tree.digest(), set(self.free), list(self.blocks)))

    def rollback(self, choice: int) -> None:
        if self.marks:
            choice %= len(self.marks)
            mark, digest, self.free, self.blocks = self.marks[choice]
            del self.marks[choice:]
            self.tree.rollback(mark)
            assert self.tree.digest() == digest
            self.compare()

    def compare(self) -> None:
        assert list(self.tree.runs()) == brute_runs(self.free)
        assert self.tree.free_frames == len(self.free)
        for frame in [0, *sorted(self.ram)[::7], max(self.ram) + 1]:
            assert self.tree.is_free(frame) == (frame in self.free)


def play(pair: Pair, rng: random.Random, steps: int, counts: Sequence[int], boundaries: Sequence[int],
         seams: Sequence[int]) -> None:
    """A random history that asks for few sizes, so that it comes back to what failed before."""
    frames = sorted(pair.ram)
    counts, boundaries = rng.sample(list(counts), 4), rng.sample(list(boundaries), 2)
    seams = rng.sample(list(seams), min(4, len(seams)))
    if rng.randrange(2):
        for first, count in brute_runs(pair.free):
            pair.take(first, count)
    for _ in range(steps):
        action, at = rng.randrange(12), rng.choice(frames)
        if action < 5:
            lowest = 0 if rng.randrange(2) else at + rng.randrange(-2, 3)
            highest = 1 << 52 if rng.randrange(2) else rng.choice(frames) + rng.randrange(-2, 3)
            chosen = rng.sample(seams, rng.randrange(4))
            pair.allocate(rng.choice(counts), lowest, highest, rng.choice(boundaries), rng.choice(PLACEMENTS), chosen,
                          rng.randrange(1 << 40))
        elif action < 6:
            pair.take(at + rng.randrange(-1, 2), rng.choice(counts))
        elif action < 10:
            pair.give_back(rng.randrange(1 << 20), rng.choice((0, -1, -1, rng.randrange(1 << 20))))
        elif action < 11:
            pair.mark()
        else:
            pair.rollback(rng.randrange(1 << 20))
    pair.compare()


def island_ranges(rng: random.Random, leaves: int) -> Ranges:
    """RAM that lies in small islands around the borders of far-apart leaves."""
    borders = sorted(rng.sample(range(1, leaves), min(leaves - 1, rng.randrange(1, 12))))
    islands = [(border * LEAF - rng.randrange(20), rng.randrange(20, 50)) for border in borders]
    if rng.randrange(2):
        islands.insert(0, (0, rng.randrange(1, 60)))
    return islands


SMALL_COUNTS = (1, 1, 2, 2, 3, 4, 4, 5, 7, 8, 9, 15, 16, 17, 24, 33)
SMALL_BOUNDARIES = (0, 0, 0, 1, 2, 4, 8, 16, 32, 64, LEAF, 2 * LEAF, 4 * LEAF, 16 * LEAF, 1 << 20, 1 << 28)
SMALL_SEAMS = (1, 2, 4, 8, 16, 32, 128, LEAF // 2, LEAF, 2 * LEAF, 4 * LEAF, 32 * LEAF, 1 << 20)


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from((2, 3, 20, 300)))
def test_any_history_on_scattered_ram_equals_brute_force(rng: random.Random, leaves: int) -> None:
    play(Pair(island_ranges(rng, leaves)), rng, 25, SMALL_COUNTS, SMALL_BOUNDARIES, SMALL_SEAMS)


@pytest.mark.parametrize("seed", range(20))
def test_long_history_on_scattered_ram_equals_brute_force(seed: int) -> None:
    rng = random.Random(seed)
    play(Pair(island_ranges(rng, (2, 5, 40, 5000)[seed % 4])), rng, 250, SMALL_COUNTS, SMALL_BOUNDARIES, SMALL_SEAMS)


@pytest.mark.parametrize("seed", range(12))
def test_any_history_with_runs_longer_than_a_leaf_equals_brute_force(seed: int) -> None:
    rng = random.Random(seed)
    holes = sorted(rng.sample(range(1, 7 * LEAF), 2))
    ranges = [(0, holes[0]), (holes[0] + 1, holes[1] - holes[0] - 1 or 1), (holes[1] + 5, 3 * LEAF + 77)]
    counts = (1, 100, LEAF - 1, LEAF, LEAF + 1, 5000, 2 * LEAF - 1, 2 * LEAF, 2 * LEAF + 1, 3 * LEAF)
    boundaries = (0, 0, LEAF, 2 * LEAF, 4 * LEAF, 8 * LEAF)
    play(Pair(ranges), rng, 40, counts, boundaries, (LEAF // 2, LEAF, 2 * LEAF, 4 * LEAF))


def test_oracle_order_by_hand() -> None:
    # 10 frames from 12 to 21: 16 is the only multiple of 8 inside; 5 frames lie most evenly at 13 or 14.
    assert hostile_start(range(12, 18), 5, (8,)) == 14
    assert hostile_start(range(12, 18), 4, (8,)) == 14
    assert hostile_start(range(12, 18), 1, (8,)) == 17


def allocate(tree: FrameTree, count: int, placement: Placement = Placement.LOW, lowest: int = 0,
             highest_start: int = FRAME_LIMIT, boundary: int = 0, seams: Sequence[int] = SEAMS) -> int | None:
    return tree.allocate(count, lowest=lowest, highest_start=highest_start, boundary=boundary, placement=placement,
                         seams=seams, rng=no_draw)


@pytest.mark.parametrize(("highest_start", "expected"), [(99, None), (100, 100), (101, 100)])
def test_highest_start_admits_its_own_frame_and_none_above(highest_start: int, expected: int | None) -> None:
    assert allocate(FrameTree([(100, 8)]), 4, highest_start=highest_start) == expected


@pytest.mark.parametrize(("lowest", "expected"), [(103, 103), (104, 104), (105, None)])
def test_lowest_admits_its_own_frame_and_none_below(lowest: int, expected: int | None) -> None:
    assert allocate(FrameTree([(100, 8)]), 4, lowest=lowest) == expected


@pytest.mark.parametrize("placement", [Placement.LOW, Placement.HIGH, Placement.HOSTILE])
@pytest.mark.parametrize(("count", "fits"), [(7, True), (8, True), (9, False)])
def test_run_may_end_exactly_at_a_hole_and_not_beyond(placement: Placement, count: int, fits: bool) -> None:
    tree = FrameTree([(100, 8), (109, 7)])
    assert (allocate(tree, count, placement) is not None) == fits


@pytest.mark.parametrize(("count", "expected"), [(15, 16), (16, 16), (17, None)])
def test_boundary_admits_runs_up_to_its_own_size(count: int, expected: int | None) -> None:
    assert allocate(FrameTree([(2, 60)]), count, boundary=16) == expected


@pytest.mark.parametrize(("boundary", "expected"), [(LEAF, None), (2 * LEAF, LEAF - 2), (4 * LEAF, LEAF - 2)])
def test_boundary_of_a_leaf_keeps_a_run_off_the_leaf_border(boundary: int, expected: int | None) -> None:
    assert allocate(FrameTree([(LEAF - 2, 4)]), 4, boundary=boundary) == expected


@pytest.mark.parametrize(("size", "fits"), [(LEAF - 1, True), (LEAF, True), (LEAF + 1, True), (LEAF + 2, False)])
def test_run_one_frame_too_long_is_refused_across_leaves(size: int, fits: bool) -> None:
    assert (allocate(FrameTree([(5, LEAF + 1)]), size) is not None) == fits


def test_machine_of_one_page_has_one_run() -> None:
    tree = FrameTree([(0, 1)])
    assert [allocate(tree, 1, Placement.HOSTILE), allocate(tree, 1, Placement.HOSTILE)] == [0, None]
    assert list(tree.runs()) == []
    tree.free(0, 1)
    assert list(tree.runs()) == [(0, 1)]


def test_hostile_run_lies_across_the_largest_seam_with_its_middle_on_it() -> None:
    tree = FrameTree([(0, 2 << 20)])
    assert allocate(tree, 4, Placement.HOSTILE) == (1 << 20) - 2
    assert allocate(tree, 5, Placement.HOSTILE) == (1 << 21) - LEAF - 2  # that seam is taken: highest 16 MiB seam


def test_hostile_run_respects_the_boundary_and_takes_the_next_seam() -> None:
    tree = FrameTree([(0, 2 * LEAF)])
    assert allocate(tree, 4, Placement.HOSTILE, boundary=LEAF) == 2 * LEAF - 16 - 2
    assert allocate(tree, 4, Placement.HOSTILE, boundary=16) == 2 * LEAF - 4


def test_single_frame_is_hostile_at_the_highest_place() -> None:
    assert allocate(FrameTree([(0, 2 * LEAF)]), 1, Placement.HOSTILE) == 2 * LEAF - 1


def test_random_draws_reach_every_legal_start() -> None:
    tree = FrameTree([(10, 4), (LEAF - 3, 6)])
    found = set()
    for draw in range(LEAF + 3 - 2 - 10 + 1):
        mark = tree.mark()
        found.add(tree.allocate(2, lowest=0, highest_start=FRAME_LIMIT, placement=Placement.RANDOM,
                                rng=partial(mod, draw)))
        tree.rollback(mark)
    assert found == set(legal_starts({10, 11, 12, 13, *range(LEAF - 3, LEAF + 3)}, 2, 0, FRAME_LIMIT, 0))


@pytest.mark.parametrize(("first", "count", "words"), [
    (100, 1, "frame 0x64 is free already"),
    (19, 2, "frame 0x14 is no RAM"),
    (0, 1, "frame 0x0 is no RAM"),
    (1 << 40, 1, "is no RAM"),
    (-1, 1, "is no RAM"),
])
def test_freeing_what_is_not_allocated_is_refused_and_changes_nothing(first: int, count: int, words: str) -> None:
    tree = FrameTree([(10, 10), (100, 10)])
    assert tree.take(10, 10)
    before = tree.digest()
    with pytest.raises(BedError, match=words):
        tree.free(first, count)
    assert tree.digest() == before
    assert tree.free_frames == 10


def test_freeing_a_run_with_one_free_frame_across_leaves_changes_nothing() -> None:
    tree = FrameTree([(0, 3 * LEAF)])
    assert tree.take(10, 2 * LEAF)
    tree.free(2 * LEAF, 1)
    before = tree.digest()
    with pytest.raises(BedError, match="frame 0x2000 is free already"):
        tree.free(10, 2 * LEAF)
    assert tree.digest() == before


def test_a_mark_can_be_rolled_back_once() -> None:
    tree = FrameTree([(0, 10)])
    outer = tree.mark()
    inner = tree.mark()
    tree.rollback(outer)
    for mark in (outer, inner, object()):
        with pytest.raises(UsageError, match="not open"):
            tree.rollback(mark)


def test_rollback_to_the_outer_mark_undoes_what_was_rolled_back_inside() -> None:
    tree = FrameTree([(0, 10)])
    before = tree.digest()
    outer = tree.mark()
    inner = tree.mark()
    assert tree.take(3, 1)
    tree.rollback(inner)
    tree.rollback(outer)
    assert (tree.digest(), tree.free_frames) == (before, 10)


@pytest.mark.parametrize("ranges", [[], [(0, 0)], [(-1, 5)], [(5, 5), (9, 1)], [(9, 1), (5, 1)], [(0, (1 << 28) + 1)],
                                    [(FRAME_LIMIT, 1)]])
def test_impossible_ram_is_refused(ranges: Ranges) -> None:
    with pytest.raises(UsageError):
        FrameTree(ranges)


def test_bad_arguments_are_refused() -> None:
    tree = FrameTree([(0, 100)])
    calls: list[Callable[[], object]] = [
        lambda: allocate(tree, 0),
        lambda: allocate(tree, 1, boundary=3),
        lambda: allocate(tree, 1, boundary=-1),
        lambda: allocate(tree, 2, Placement.HOSTILE, seams=(12,)),
        lambda: allocate(tree, 2, Placement.HOSTILE, seams=(0,)),
        lambda: allocate(tree, 1, "middle"),  # type: ignore[arg-type]
        lambda: tree.take(0, 0),
        lambda: tree.free(0, 0),
    ]
    for call in calls:
        with pytest.raises(UsageError):
            call()
    assert tree.free_frames == 100


@pytest.mark.parametrize(("count", "larger", "boundary", "placement"), [
    (16, LEAF, LEAF, Placement.LOW),
    (16, LEAF, LEAF, Placement.HIGH),
    (16, 16, 16, Placement.HIGH),
    (31, LEAF, 0, Placement.LOW),
    (31, LEAF, 0, Placement.HOSTILE),
])
def test_a_search_in_vain_looks_into_no_leaf_twice(count: int, larger: int, boundary: int, placement: Placement,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def counting(bits: int, length: int) -> int:
        nonlocal looks
        looks += 1
        return run_starts(bits, length)

    tree = filled(1000)
    for leaf in range(1, 1000):
        tree.free(leaf * LEAF - 15, 30)  # 15 frames on each side of every 16 MiB seam
    assert allocate(tree, larger, placement, boundary=boundary, seams=(LEAF,)) is None
    monkeypatch.setattr("allocator._bounds.run_starts", counting)
    assert allocate(tree, count, placement, boundary=boundary, seams=(LEAF,)) is None
    assert looks == 0
    tree.free(500 * LEAF + 15, 1)
    expected = 500 * LEAF - (15 if count == 31 else 0)
    assert allocate(tree, count, placement, boundary=boundary, seams=(LEAF,)) == expected
    assert looks < 12


def test_a_long_search_in_vain_visits_no_seam_with_frames_on_one_side_only(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = filled(512)
    for leaf in range(0, 512, 4):
        tree.free(leaf * LEAF, 2 * LEAF)
    seams, count = (4 * LEAF,), LEAF + 1
    for _ in range(2):
        first = allocate(tree, count, Placement.HOSTILE, seams=seams)
        assert first == 510 * LEAF - count
        tree.free(first, count)
    visits = 0

    def counting(size: int, boundary: int, seam: int) -> bool:
        nonlocal visits
        visits += seam > 0
        return size >= 2 * seam and not boundary

    tree._long_runs().highest(count, 0, 512 * LEAF, 0, 0)
    monkeypatch.setattr("allocator._long._joins", counting)
    assert tree._long_runs().highest(count, 0, 512 * LEAF, 0, 4 * LEAF) is None
    assert visits == 0


def filled(leaves: int) -> FrameTree:
    tree = FrameTree([(0, leaves * LEAF)])
    assert tree.take(0, leaves * LEAF)
    return tree


def by_one_free(tree: FrameTree, border: int) -> None:
    tree.free(border - 2, 4)


def by_left_then_right(tree: FrameTree, border: int) -> None:
    tree.free(border - 2, 2)
    assert allocate(tree, 4, lowest=border - LEAF, highest_start=border + LEAF) is None
    tree.free(border, 2)


def by_right_then_left(tree: FrameTree, border: int) -> None:
    tree.free(border, 2)
    assert allocate(tree, 4, lowest=border - LEAF, highest_start=border + LEAF) is None
    tree.free(border - 2, 2)


def by_rollback(tree: FrameTree, border: int) -> None:
    tree.free(border - 2, 4)
    mark = tree.mark()
    assert tree.take(border, 2)
    assert allocate(tree, 4, lowest=border - LEAF, highest_start=border + LEAF) is None
    assert allocate(tree, 8, Placement.HOSTILE, highest_start=border + LEAF) is None
    tree.rollback(mark)


def by_a_free_of_many_leaves(tree: FrameTree, border: int) -> None:
    tree.free(border - 2, 2)
    assert allocate(tree, 4, lowest=border - LEAF, highest_start=border + LEAF) is None
    tree.free(border, LEAF + 1)
    assert tree.take(border + 2, LEAF - 1)


Way = Callable[[FrameTree, int], None]
WAYS = (by_one_free, by_left_then_right, by_right_then_left, by_rollback, by_a_free_of_many_leaves)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seam", [LEAF, 2 * LEAF])
def test_frames_that_come_free_at_a_seam_are_found_after_a_search_in_vain(way: Way, seam: int) -> None:
    tree = filled(64)
    tree.free(20 * LEAF + 100, 8)
    assert allocate(tree, 4, Placement.HOSTILE, seams=(seam,)) == 20 * LEAF + 104
    way(tree, 10 * LEAF)
    assert allocate(tree, 4, Placement.HOSTILE, seams=(seam,)) == 10 * LEAF - 2


@pytest.mark.parametrize("way", WAYS)
def test_frames_that_come_free_across_leaves_are_found_after_a_search_in_vain(way: Way) -> None:
    tree = filled(64)
    assert allocate(tree, 1) is None
    way(tree, 10 * LEAF)
    assert allocate(tree, 4) == 10 * LEAF - 2


@pytest.mark.parametrize("seam", [16, LEAF, 4 * LEAF])
@pytest.mark.parametrize(("above", "less"), [(0, 0), (0, 1), (1, 1)])
def test_run_that_only_touches_a_seam_does_not_straddle_it(seam: int, above: int, less: int) -> None:
    count = seam - less
    tree = FrameTree([(seam - 2, count), (2 * seam + above, count)])
    assert allocate(tree, count, Placement.HOSTILE, seams=(seam,)) == seam - 2


def test_long_run_that_only_touches_the_seam_in_the_middle_of_ram_does_not_straddle_it() -> None:
    seam, count = 4 * LEAF, LEAF + 1
    tree = FrameTree([(seam - 2, count), (2 * seam - count, count), (2 * seam + 1, 1)])
    assert allocate(tree, count, Placement.HOSTILE, seams=(seam,)) == seam - 2


@pytest.mark.parametrize(("lowest", "expected"), [(14, 14), (15, 15), (16, 18)])
def test_hostile_run_keeps_to_the_lowest_frame(lowest: int, expected: int) -> None:
    assert allocate(FrameTree([(12, 10)]), 4, Placement.HOSTILE, lowest=lowest, seams=(16,)) == expected


def test_freeing_across_a_hole_changes_nothing() -> None:
    tree = FrameTree([(0, 2 * LEAF - 5), (2 * LEAF, LEAF)])
    for first, count in list(tree.runs()):
        assert tree.take(first, count)
    before = tree.digest()
    with pytest.raises(BedError, match="frame 0x1ffb is no RAM"):
        tree.free(10, 2 * LEAF)
    assert tree.digest() == before


def test_digest_tells_equal_leaves_at_different_places_apart() -> None:
    tree = filled(3)
    digests = set()
    for first in (0, LEAF, 2 * LEAF, 1):
        tree.free(first, 1)
        digests.add(tree.digest())
        assert tree.take(first, 1)
    assert len({*digests, tree.digest()}) == 5


def test_digest_does_not_depend_on_history() -> None:
    tree = FrameTree([(0, 3 * LEAF)])
    before = tree.digest()
    assert tree.take(5, 2 * LEAF)
    for first in range(5, 5 + 2 * LEAF, 512):
        tree.free(first, 512)
    assert tree.digest() == before


def test_a_tebibyte_with_holes_is_searched_from_end_to_end() -> None:
    hole, total = (1 << 20) - (1 << 18), 1 << 28  # RAM goes on at 4 GiB after a hole of 1 GiB
    tree = FrameTree([(0, hole), (1 << 20, total - hole)])
    top = (1 << 20) + total - hole
    assert allocate(tree, 4, Placement.HIGH) == top - 4
    assert allocate(tree, hole, Placement.LOW) == 0
    assert allocate(tree, 3, Placement.LOW) == 1 << 20
    assert allocate(tree, 4, Placement.HOSTILE) == (top >> 20 << 20) - 2
    assert allocate(tree, 1 << 26, Placement.LOW, boundary=1 << 26) == 1 << 26
    assert tree.total_frames - tree.free_frames == 4 + hole + 3 + 4 + (1 << 26)


def test_a_tebibyte_full_but_for_one_run_finds_it_at_each_depth() -> None:
    tree = FrameTree([(0, 1 << 28)])
    assert tree.take(0, 1 << 28)
    for first in (0, 5 * LEAF - 2, (1 << 24) - 1, (1 << 28) - 4):
        tree.free(first, 4)
        for placement in (Placement.LOW, Placement.HIGH, Placement.HOSTILE):
            assert allocate(tree, 5, placement) is None
            assert allocate(tree, 4, placement) == first
            tree.free(first, 4)
        assert tree.take(first, 4)


def lived(tree: FrameTree, seed: int) -> list[object]:
    """What a tree answers to a row of calls between a mark and its rollback, and its digest behind each."""
    rng = random.Random(seed)
    mark, runs, seen = tree.mark(), [], list[object]()
    for _ in range(40):
        choice = rng.randrange(8)
        if choice < 5:
            count = rng.choice((2, 3, 17))
            placement = Placement.HOSTILE if rng.randrange(20) else Placement.HIGH
            first = tree.allocate(count, lowest=0, highest_start=rng.choice((LEAF, 3 * LEAF)), placement=placement,
                                  seams=(LEAF, 16), rng=rng.randrange)
            seen.append(first)
            if first is not None:
                runs.append((first, count))
        elif choice < 7 and runs:
            tree.free(*runs.pop(rng.randrange(len(runs))))
        else:
            inner = tree.mark()
            seen.append(tree.allocate(3, lowest=0, highest_start=LEAF, placement=Placement.HOSTILE, seams=(LEAF, 16), rng=rng.randrange))
            tree.rollback(inner)
        seen.append(tree.digest())
    tree.rollback(mark)
    return seen


@pytest.mark.parametrize("seed", range(12))
def test_a_world_is_answered_as_on_a_fresh_tree_whatever_worlds_asked_before(seed: int) -> None:
    used, changed = FrameTree([(0, 3 * LEAF)]), FrameTree([(0, 3 * LEAF)])
    for tree in (used, changed):
        for other in (seed, *range(12), seed):
            assert lived(tree, other) == lived(FrameTree([(0, 3 * LEAF)]), other)
    assert changed.take(2 * LEAF - 2, 4)
    fresh = FrameTree([(0, 3 * LEAF)])
    assert fresh.take(2 * LEAF - 2, 4)
    assert lived(changed, seed) == lived(fresh, seed) == lived(changed, seed)
