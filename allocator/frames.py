# SPDX-License-Identifier: Apache-2.0
"""The page frames of a machine: which are free, and where a run of them may lie.

Frames are numbered by physical address divided by 4096 bytes. The free set is a list of leaves (bitmaps of 4096 frames,
16 MiB); two indexes beside it find runs in time that grows neither with RAM nor with fragmentation. The meaning of
boundaries is that of ``BoundaryAddressMultiple`` of MmAllocateContiguousMemorySpecifyCache (rules.md A).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from hashlib import blake2b

from allocator._bounds import BoundIndex, plain_bounds
from allocator._leaves import FULL, LEAF_FRAMES, LEAF_MASK, LEAF_SHIFT, leaves_of, masks_of, prefix, run_around, suffix
from allocator._long import LongRuns
from verifier.errors import BedError, UsageError


class Placement(StrEnum):
    """Which of all legal places a run gets."""

    LOW = "low"
    HIGH = "high"
    RANDOM = "random"
    HOSTILE = "hostile"


# A member of an enumeration costs more to look up than all else that `allocate` does to choose a placement.
_LOW, _HIGH, _RANDOM, _HOSTILE = Placement.LOW, Placement.HIGH, Placement.RANDOM, Placement.HOSTILE

_Trail = dict[tuple[int, ...], tuple[int | None, "_Trail"]]
"""What a call gave, and what followed it. A call is (count, lowest, highest_start, boundary, *seams), or (first, count) of a free."""
MOST_STEPS = 4096
"""How many calls one tree remembers."""


class FrameTree:
    """The free frames of one machine.

    *ranges* are the ``(first_frame, count)`` of its RAM, ascending and disjoint, at least one frame, at most 2**28 in
    all (1 TiB) and none at or above 2**30 (4 TiB); anything else is a UsageError. All frames start free.
    """

    __slots__ = ("_beginning", "_bottom", "_by_rule", "_indexes", "_leaves", "_long", "_marks", "_plain", "_present", "_saved",
                 "_seam_indexes", "_seam_orders", "_steps", "_top", "_trail", "free_frames", "total_frames")

    free_frames: int
    """Number of free frames."""
    total_frames: int
    """Number of frames of the machine, free or not."""

    def __init__(self, ranges: Sequence[tuple[int, int]]) -> None:
        self._leaves = leaves_of(ranges)
        self._present = self._leaves[:]
        self._bottom = ranges[0][0]
        self._top = ranges[-1][0] + ranges[-1][1]
        self.free_frames = self.total_frames = sum(count for _, count in ranges)
        self._plain = BoundIndex(self._leaves, plain_bounds(self._leaves), 0, 0)
        self._by_rule = {(0, 0): self._plain}
        self._indexes = [self._plain]  # one element for each leaf
        self._seam_indexes: list[BoundIndex] = []  # one element for each seam
        self._long: LongRuns | None = None
        self._marks: list[_Mark] = []
        self._saved: dict[int, int] | None = None  # old value of each leaf changed since the last mark
        self._seam_orders: dict[tuple[int, ...], list[int]] = {}
        # Worlds begin at one mark and ask much the same in the same order: what a hostile search found is kept by the calls that led
        # to it since the outermost mark. None where they are not known, as after a random placement.
        self._beginning: _Trail = {}
        self._trail: _Trail | None = None
        self._steps = MOST_STEPS

    @property
    def end(self) -> int:
        """One beyond the highest frame of the machine."""
        return self._top

    def allocate(
        self,
        count: int,
        *,
        lowest: int,
        highest_start: int,
        boundary: int = 0,
        placement: Placement,
        seams: Sequence[int] = (),
        rng: Callable[[int], int],
    ) -> int | None:
        """Claim *count* free frames in a row and return the first, or None if and only if no legal run exists.

        A run is legal if it is free, its first frame lies in [*lowest*, *highest_start*] and it holds no multiple of
        *boundary* but at its first frame. *boundary* is a power of two in frames, or 0 for none. *seams* are powers of
        two in frames, in any order, read for ``HOSTILE`` only. Raises UsageError for a count below 1, another boundary,
        seam or placement.

        ``LOW`` and ``HIGH`` take the lowest and the highest legal first frame.

        ``RANDOM`` clips [*lowest*, *highest_start*] to the first frames from which the run lies between the ends of
        RAM, draws one of these n frames as ``rng(n)`` (exactly one call, none if n is 0) and takes the lowest legal
        first frame at or above the draw, or, if there is none, the lowest legal of all. So each legal first frame can
        come out, with a weight that grows with the distance to the legal one before it.

        ``HOSTILE`` takes the worst legal place. A run straddles a multiple ``p`` of a seam if ``first < p < first +
        count``. Among the pairs (legal run, ``p`` it straddles) the best is that with

        1. the largest seam size, then
        2. the highest ``p``, then
        3. the middle of the run nearest to ``p``: the least ``abs(2 * first + count - 2 * p)``, then
        4. the highest first frame.

        If no legal run straddles a seam (a single frame never does), it is the highest legal first frame.
        """
        trail, asked = self._trail, None
        if placement is _HOSTILE and trail is not None:
            asked = count, lowest, highest_start, boundary, *seams
            known = trail.get(asked)
            if known is not None:
                first, self._trail = known
                if first is not None:
                    self._claim(first, count)
                return first
        first = self._search(count, lowest, highest_start, boundary, placement, seams, rng)
        if first is not None:
            self._claim(first, count)
        self._trail = self._step(trail, asked, first)
        return first

    def _search(self, count: int, lowest: int, highest_start: int, boundary: int, placement: Placement, seams: Sequence[int],
                rng: Callable[[int], int]) -> int | None:
        """What `allocate` claims."""
        if count < 1:
            raise UsageError(f"cannot allocate {count} frames", "ask for at least 1 frame")
        if boundary:
            if boundary < 0 or boundary & (boundary - 1):
                raise UsageError(f"boundary of {boundary} frames is no power of two", "give a power of two, or 0")
            if count > boundary:
                return None
            if boundary >= self._top:
                boundary = 0
        low = lowest if lowest > self._bottom else self._bottom
        high = self._top - count
        if highest_start < high:
            high = highest_start
        if low > high:
            return None
        if placement is _HOSTILE:
            return self._hostile(count, low, high, boundary, seams)
        if placement is _LOW:
            return self._lowest(count, low, high, boundary)
        if placement is _HIGH:
            return self._highest(count, low, high, boundary, 0)
        if placement is not _RANDOM:
            raise UsageError(f"unknown placement {placement!r}", f"give one of {', '.join(Placement)}")
        drawn = low + rng(high - low + 1)
        first = self._lowest(count, drawn, high, boundary)
        return self._lowest(count, low, drawn - 1, boundary) if first is None and drawn > low else first

    def _step(self, trail: _Trail | None, call: tuple[int, ...] | None, first: int | None) -> _Trail | None:
        """The trail behind *call*, which gave *first*; None if it cannot be kept."""
        if trail is None or call is None:
            return None
        known = trail.get(call)
        if known is None:
            if not self._steps:
                return None
            self._steps -= 1
            known = trail[call] = first, {}
        return known[1]

    def take(self, first: int, count: int) -> bool:
        """Claim exactly the *count* frames from *first* on; False, and nothing claimed, if one is used or no RAM."""
        if count < 1:
            raise UsageError(f"cannot take {count} frames", "take at least 1 frame")
        if first < self._bottom or first + count > self._top:
            return False
        if self._last_clear(self._leaves, first, first + count) >= 0:
            return False
        self._claim(first, count)
        self._trail = None
        return True

    def occupy(self, masks: Iterable[tuple[int, int]]) -> None:
        """Claim all frames of *masks* that are free; used and missing ones stay as they are. For ageing a machine.

        Each mask is the number of a group of 4096 frames and a bitmap of the frames in it: (1, 5) is frames 4096 and
        4098. A group beyond the machine, or a bitmap of more than 4096 bits, claims what exists of it.
        """
        leaves = self._leaves
        self._trail = None
        for leaf, mask in masks:
            claimed = leaves[leaf] & mask if 0 <= leaf < len(leaves) else 0
            if claimed:
                self._write(leaf, leaves[leaf] ^ claimed)
                self.free_frames -= claimed.bit_count()

    def free(self, first: int, count: int) -> None:
        """Give back *count* frames from *first* on.

        Raises BedError, and frees nothing, if one of them is free or does not exist; UsageError for a count below 1.
        """
        leaf, offset = first >> LEAF_SHIFT, first & LEAF_MASK
        if count < 1 or first < self._bottom or first + count > self._top:
            self._refuse_free(first, count)
        if offset + count > LEAF_FRAMES:
            self._free_leaves(first, count)
            self._trail = self._step(self._trail, (first, count), None)
            return
        bits, mask = self._leaves[leaf], ((1 << count) - 1) << offset
        if bits & mask or self._present[leaf] & mask != mask:
            self._refuse_free(first, count)
        bits |= mask
        self._write(leaf, bits)
        self.free_frames += count
        length = 0
        for index in self._indexes:
            if index.row[leaf] < LEAF_FRAMES:
                length = length or run_around(bits, offset, count)
                index.lift(leaf, length)
        if bits & 1 and leaf and (not offset or prefix(bits) > offset):
            self._lift_border(leaf - 1)
        if bits >> LEAF_MASK and suffix(bits) >= LEAF_FRAMES - offset:
            self._lift_border(leaf)
        self._trail = self._step(self._trail, (first, count), None)

    def is_free(self, frame: int) -> bool:
        """True if *frame* exists and is free."""
        return self._bottom <= frame < self._top and bool(self._leaves[frame >> LEAF_SHIFT] >> (frame & LEAF_MASK) & 1)

    def mark(self) -> object:
        """Remember this state for `rollback`. Marks nest."""
        if not self._marks:
            self._trail = self._beginning
        self._saved = {}
        mark = _Mark(self._saved, self.free_frames, self._trail)
        self._marks.append(mark)
        return mark

    def rollback(self, mark: object) -> None:
        """Restore exactly the free set at *mark* and drop this mark and all later ones.

        The cost is proportional to the leaves changed since. Raises UsageError for a mark that is not open.
        """
        depth = next((depth for depth, candidate in enumerate(self._marks) if candidate is mark), None)
        if depth is None:
            raise UsageError("the mark is not open in this tree", "roll back to a mark once, and to inner marks first")
        undone = self._marks[depth:]
        del self._marks[depth:]
        self._saved = None  # what is restored here did not change since the mark before
        self.free_frames, self._trail = undone[0].free_frames, undone[0].trail if depth else None
        beginning = self._beginning
        for later in reversed(undone):
            for leaf, bits in later.saved.items():
                if self._leaves[leaf] != bits:
                    self._write(leaf, bits)
                    self._lift_fully(leaf - 1 if leaf else leaf, leaf)
        self._beginning = beginning
        self._saved = self._marks[-1].saved if self._marks else None

    def runs(self) -> Iterator[tuple[int, int]]:
        """The maximal free runs as ``(first, count)``, ascending."""
        begin = end = -1
        for leaf, bits in enumerate(self._leaves):
            if not bits:
                continue
            for match in re.finditer("1+", f"{bits:b}"[::-1]):
                first = (leaf << LEAF_SHIFT) + match.start()
                if first != end:
                    if end >= 0:
                        yield begin, end - begin
                    begin = first
                end = (leaf << LEAF_SHIFT) + match.end()
        if end >= 0:
            yield begin, end - begin

    def digest(self) -> str:
        """Hash of the free set, in hexadecimal: equal for equal sets of free frames, whatever their history."""
        digest = blake2b(digest_size=16)
        for leaf, bits in enumerate(self._leaves):
            if bits:
                digest.update(leaf.to_bytes(4, "little"))
                digest.update(b"all" if bits == FULL else bits.to_bytes(LEAF_FRAMES // 8, "little"))
        return digest.hexdigest()

    def _lowest(self, count: int, low: int, high: int, boundary: int) -> int | None:
        if count > LEAF_FRAMES:
            return self._long_runs().lowest(count, low, high, boundary, 0)
        return (self._index(boundary, 0) if boundary else self._plain).lowest(count, low, high)

    def _highest(self, count: int, low: int, high: int, boundary: int, seam: int) -> int | None:
        if count > LEAF_FRAMES:
            return self._long_runs().highest(count, low, high, boundary, seam)
        return (self._index(boundary, seam) if boundary or seam else self._plain).highest(count, low, high)

    def _hostile(self, count: int, low: int, high: int, boundary: int, seams: Sequence[int]) -> int | None:
        if count > 1:
            for seam in self._seam_orders.get(tuple(seams)) or self._order_seams(seams):
                # Nothing to straddle: no multiple in reach, or each one is a multiple of the boundary.
                if (high + count - 1) // seam * seam <= low or (boundary and seam >= boundary):
                    continue
                # A run longer than the seam straddles it everywhere.
                first = self._highest(count, low, high, boundary, 0 if seam < count else seam)
                if first is not None:
                    return self._centre(first, count, low, (first + count - 1) // seam * seam)
        return self._highest(count, low, high, boundary, 0)

    def _centre(self, first: int, count: int, low: int, multiple: int) -> int:
        """Slide the run at *first*, the highest legal one across *multiple*, down until its middle is nearest to it."""
        # No multiple of the boundary comes in between: the last one lies at least a seam below this multiple, and a run
        # of two seams or more that is the highest across it cannot slide down at all.
        target = max(multiple - count // 2, low)
        if target >= first:
            return first
        return max(target, self._last_clear(self._leaves, target, first) + 1)

    def _order_seams(self, seams: Sequence[int]) -> list[int]:
        for seam in seams:
            if seam < 1 or seam & (seam - 1):
                raise UsageError(f"seam of {seam} frames is no power of two", "give powers of two, in frames")
        order = self._seam_orders[tuple(seams)] = sorted(set(seams), reverse=True)
        return order

    def _index(self, boundary: int, seam: int) -> BoundIndex:
        """The index for this boundary and seam, made on first use."""
        index = self._by_rule.get((boundary, seam))
        if index is None:
            index = self._by_rule[boundary, seam] = BoundIndex(self._leaves, self._plain.row, boundary, seam)
            (self._seam_indexes if seam >= LEAF_FRAMES else self._indexes).append(index)
        return index

    def _long_runs(self) -> LongRuns:
        if self._long is None:
            self._long = LongRuns(self._leaves)
        return self._long

    def _write(self, leaf: int, bits: int) -> None:
        if self._saved is None:
            self._beginning, self._steps = {}, MOST_STEPS  # the outermost mark will stand somewhere else
        elif leaf not in self._saved:
            self._saved[leaf] = self._leaves[leaf]
        if self._long is not None:
            self._long.changed.add(leaf)
        self._leaves[leaf] = bits

    def _claim(self, first: int, count: int) -> None:
        self.free_frames -= count
        leaf, offset = first >> LEAF_SHIFT, first & LEAF_MASK
        if offset + count <= LEAF_FRAMES:
            self._write(leaf, self._leaves[leaf] ^ ((1 << count) - 1) << offset)
            return
        for leaf, mask in masks_of(first, count):
            self._write(leaf, self._leaves[leaf] ^ mask)

    def _free_leaves(self, first: int, count: int) -> None:
        """`free` for frames that lie in several leaves."""
        masks = list(masks_of(first, count))
        for leaf, mask in masks:
            if self._leaves[leaf] & mask or self._present[leaf] & mask != mask:
                self._refuse_free(first, count)
        for leaf, mask in masks:
            self._write(leaf, self._leaves[leaf] | mask)
        self.free_frames += count
        begin = first >> LEAF_SHIFT
        self._lift_fully(begin - 1 if begin else begin, (first + count - 1) >> LEAF_SHIFT)

    def _lift_border(self, leaf: int) -> None:
        """Frames in a run at the border between *leaf* and the next came free."""
        left, right = self._leaves[leaf], self._leaves[leaf + 1]
        if left >> LEAF_MASK and right & 1:
            for index in self._seam_indexes:
                index.lift(leaf, LEAF_FRAMES)
            if any(index.row[leaf] < LEAF_FRAMES for index in self._indexes):
                length = min(suffix(left) + prefix(right), LEAF_FRAMES)
                for index in self._indexes:
                    index.lift(leaf, length)

    def _lift_fully(self, first: int, last: int) -> None:
        for leaf in range(first, last + 1):
            if self._leaves[leaf]:
                for index in self._by_rule.values():
                    index.lift(leaf, LEAF_FRAMES)

    def _last_clear(self, leaves: list[int], first: int, end: int) -> int:
        """The highest frame in [*first*, *end*) whose bit is clear in *leaves*, or -1."""
        leaf, offset, count = first >> LEAF_SHIFT, first & LEAF_MASK, end - first
        if offset + count <= LEAF_FRAMES:
            clear = ~(leaves[leaf] >> offset) & ((1 << count) - 1)
            return first + clear.bit_length() - 1 if clear else -1
        for leaf, mask in reversed(list(masks_of(first, count))):
            if clear := ~leaves[leaf] & mask:
                return (leaf << LEAF_SHIFT) + clear.bit_length() - 1
        return -1

    def _refuse_free(self, first: int, count: int) -> None:
        if count < 1:
            raise UsageError(f"cannot free {count} frames", "free at least 1 frame")
        for frame in range(first, first + count):
            exists = self._bottom <= frame < self._top and self._present[frame >> LEAF_SHIFT] >> (frame & LEAF_MASK) & 1
            if not exists:
                raise BedError(f"cannot free {count} frames from 0x{first:x}: frame 0x{frame:x} is no RAM",
                               "free what allocate or take gave, from its first frame and with its count")
            if self.is_free(frame):
                raise BedError(f"cannot free {count} frames from 0x{first:x}: frame 0x{frame:x} is free already",
                               "free a run once, from its first frame and with its count")


class _Mark:
    __slots__ = ("free_frames", "saved", "trail")

    def __init__(self, saved: dict[int, int], free_frames: int, trail: _Trail | None) -> None:
        self.saved = saved
        self.free_frames = free_frames
        self.trail = trail
