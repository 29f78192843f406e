# SPDX-License-Identifier: Apache-2.0
"""Where runs of up to one leaf (4096 frames) begin: one index of upper bounds for each pair of boundary and seam.

An element of an index stands for one leaf and bounds the longest permitted run that *begins* there; the run may end in
the next leaf. Bounds may be too high, never too low: claiming frames touches no index, releasing frames lifts at most
a few elements, and a search that finds nothing in an element lowers it to the exact value. So a search looks in vain
into an element at most once for each time that it was lifted, whatever the size of the machine.
"""

from __future__ import annotations

from allocator._leaves import FULL, LEAF_FRAMES, LEAF_MASK, LEAF_SHIFT, prefix, run_starts, start_mask, suffix

FAN_SHIFT = 4
FAN_LAST = (1 << FAN_SHIFT) - 1


class MaximumTree:
    """A list of numbers under rows of maxima over groups of sixteen: finds the next number that is large enough."""

    __slots__ = ("rows",)

    def __init__(self, numbers: list[int]) -> None:
        self.rows = [numbers]
        while len(below := self.rows[-1]) > FAN_LAST + 1:
            self.rows.append([max(below[k : k + FAN_LAST + 1]) for k in range(0, len(below), FAN_LAST + 1)])

    def at_or_above(self, k: int, least: int) -> int:
        """The lowest index from *k* on whose number is at least *least*, or -1."""
        for height, row in enumerate(self.rows):
            for j in range(k, min((k | FAN_LAST) + 1, len(row))):
                if row[j] >= least:
                    for lower in reversed(self.rows[:height]):
                        j <<= FAN_SHIFT
                        while lower[j] < least:
                            j += 1
                    return j
            k = (k >> FAN_SHIFT) + 1
        return -1

    def at_or_below(self, k: int, least: int) -> int:
        """The highest index up to *k* whose number is at least *least*, or -1."""
        for height, row in enumerate(self.rows):
            for j in range(k, (k & ~FAN_LAST) - 1, -1):
                if row[j] >= least:
                    for lower in reversed(self.rows[:height]):  # only the group of k itself can be a short one
                        j = j << FAN_SHIFT | FAN_LAST
                        while lower[j] < least:
                            j -= 1
                    return j
            k = (k >> FAN_SHIFT) - 1
            if k < 0:
                break
        return -1

    def lift(self, k: int, number: int) -> None:
        """Raise number *k* to *number* if it is lower."""
        for row in self.rows:
            if row[k] >= number:
                return
            row[k] = number
            k >>= FAN_SHIFT

    def lower(self, k: int, number: int) -> None:
        """Set number *k* to the lower *number*."""
        below = self.rows[0]
        below[k] = number
        for row in self.rows[1:]:
            k >>= FAN_SHIFT
            largest = max(below[k << FAN_SHIFT : (k + 1) << FAN_SHIFT])
            if row[k] == largest:
                return
            row[k] = largest
            below = row


class BoundIndex:
    """The index of the runs that cross no multiple of *boundary* and, unless *seam* is 0, cross one of *seam*.

    *leaves* is the list of the tree itself with one empty leaf behind the last. From a seam of one leaf on, only the
    leaves just below a seam have elements: element *k* is leaf ``(k + 1) * stride - 1``; otherwise it is leaf *k*.
    """

    __slots__ = ("_at_seams", "_boundary", "_inner_boundary", "_inner_seam", "_leaves", "_tree", "row", "stride")

    def __init__(self, leaves: list[int], bounds: list[int], boundary: int, seam: int) -> None:
        self._leaves = leaves
        self._boundary = boundary
        self._inner_boundary = boundary if boundary <= LEAF_FRAMES else 0
        self._inner_seam = seam if seam < LEAF_FRAMES else 0
        self._at_seams = seam >= LEAF_FRAMES
        self.stride = max(seam >> LEAF_SHIFT, 1)
        self.row = bounds[self.stride - 1 : -1 : self.stride] if self._at_seams else bounds[:]
        self._tree = MaximumTree(self.row)

    def lift(self, leaf: int, length: int) -> None:
        """Frames came free: a run of *length* frames may begin in *leaf*."""
        if not self._at_seams:
            self._tree.lift(leaf, length)
        elif not (leaf + 1) % self.stride and (k := leaf // self.stride) < len(self.row):
            self._tree.lift(k, length)

    def lowest(self, count: int, low: int, high: int) -> int | None:
        """The lowest permitted first frame in [*low*, *high*] of a run of *count* (1 to 4096) frames, or None."""
        row, stride = self.row, self.stride
        first, last = low >> LEAF_SHIFT, high >> LEAF_SHIFT
        k, end = first // stride, min((last + 1) // stride, len(row))
        while k < end:
            if row[k] < count and not 0 <= (k := self._tree.at_or_above(k + 1, count)) < end:
                break
            leaf = (k + 1) * stride - 1
            if starts := self._starts(leaf, count):
                if leaf == first:
                    starts = starts >> (low & LEAF_MASK) << (low & LEAF_MASK)
                if leaf == last:
                    starts &= (2 << (high & LEAF_MASK)) - 1
                if starts:
                    return (leaf << LEAF_SHIFT) + (starts & -starts).bit_length() - 1
            else:
                self._tighten(k, leaf, count)
            k += 1
        return None

    def highest(self, count: int, low: int, high: int) -> int | None:
        """The highest permitted first frame in [*low*, *high*] of a run of *count* (1 to 4096) frames, or None."""
        row, stride = self.row, self.stride
        first, last = low >> LEAF_SHIFT, high >> LEAF_SHIFT
        k, end = min((last + 1) // stride, len(row)) - 1, first // stride
        while k >= end:
            if row[k] < count and (k := self._tree.at_or_below(k, count)) < end:
                break
            leaf = (k + 1) * stride - 1
            if starts := self._starts(leaf, count):
                if leaf == last:
                    starts &= (2 << (high & LEAF_MASK)) - 1
                if leaf == first:
                    starts = starts >> (low & LEAF_MASK) << (low & LEAF_MASK)
                if starts:
                    return (leaf << LEAF_SHIFT) + starts.bit_length() - 1
            else:
                self._tighten(k, leaf, count)
            k -= 1
        return None

    def _starts(self, leaf: int, count: int) -> int:
        """Bitmap of every permitted start in *leaf*."""
        bits, following = self._leaves[leaf], 0
        end = (leaf + 1) << LEAF_SHIFT
        if count > 1 and bits >> LEAF_MASK and not (self._boundary and end % self._boundary == 0):
            following = self._leaves[leaf + 1] & ((1 << (count - 1)) - 1)
        if self._at_seams:
            base = LEAF_FRAMES - count + 1
            return run_starts(bits >> base | following << (count - 1), count) << base if following & 1 else 0
        if following & 1:
            bits |= following << LEAF_FRAMES
        starts = run_starts(bits, count)
        if self._inner_boundary or self._inner_seam:
            starts &= start_mask(count, self._inner_boundary, self._inner_seam)
        return starts

    def _tighten(self, k: int, leaf: int, count: int) -> None:
        """No permitted run of *count* frames begins in *leaf*: lower its bound to the exact value."""
        self._tree.lower(k, self._longest(leaf, count))

    def _longest(self, leaf: int, limit: int) -> int:
        """Length of the longest permitted run that begins in *leaf*, which is known to be below *limit*; 0 for none."""
        bits, end = self._leaves[leaf], (leaf + 1) << LEAF_SHIFT
        following = 0
        if bits >> LEAF_MASK and not (self._boundary and end % self._boundary == 0):
            following = self._leaves[leaf + 1]
        if self._at_seams:
            return suffix(bits) + prefix(following) if following & 1 else 0
        if following & 1:
            bits |= following << LEAF_FRAMES
        starts_of = [bits]  # entry n: where 2**n frames begin
        while bits and 2 << len(starts_of) - 1 < limit:
            bits &= bits >> (1 << len(starts_of) - 1)
            starts_of.append(bits)
        # One frame crosses no seam, so nothing may be concluded from it: the powers of two are tried from above.
        longest, starts = 0, FULL
        for n in range(len(starts_of) - 1, -1, -1):
            length = longest + (1 << n)
            longer = starts & starts_of[n] >> longest
            permitted = longer
            if longer and (self._inner_boundary or self._inner_seam):
                permitted &= start_mask(length, self._inner_boundary, self._inner_seam)
            if permitted:
                longest, starts = length, longer
        return longest


def plain_bounds(leaves: list[int]) -> list[int]:
    """First bounds of the index without boundary and seam: a leaf with a free frame may hold any run."""
    return [LEAF_FRAMES if bits else 0 for bits in leaves[:-1]]
