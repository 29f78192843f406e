# SPDX-License-Identifier: Apache-2.0
"""Where runs longer than one leaf (4096 frames) are: an exact segment tree over leaves, made on first use.

Every node knows the free prefix and suffix of its frames and, for each pair of boundary and seam in use, the longest
permitted run that spans leaves. A run crosses the middle of exactly one highest node, so two neighbours are joined
unless their middle is a multiple of the boundary or no multiple of the seam. Changed leaves are only noted; the next
search brings the tree up to date, at a cost proportional to the changes since the last one.
"""

from __future__ import annotations

from allocator._leaves import LEAF_FRAMES, LEAF_SHIFT, prefix, suffix


class LongRuns:
    """The index of long runs over *leaves*, the list of the tree itself (one empty leaf behind the last)."""

    __slots__ = ("_leaves", "_longest", "_prefix", "_root_frames", "_suffix", "_width", "changed")

    def __init__(self, leaves: list[int]) -> None:
        self._leaves = leaves
        count = len(leaves) - 1
        width = self._width = 1 << (count - 1).bit_length()
        self._root_frames = width << LEAF_SHIFT
        # Nodes are numbered as in a heap: node 1 is the root, 2n and 2n + 1 are the halves of node n.
        self._prefix = [0] * (2 * width)
        self._suffix = [0] * (2 * width)
        self._prefix[width : width + count] = map(prefix, leaves[:count])
        self._suffix[width : width + count] = map(suffix, leaves[:count])
        self._longest: dict[tuple[int, int], list[int]] = {}
        self.changed: set[int] = set()
        size = LEAF_FRAMES
        while width > 1:
            for node in range(width >> 1, width):
                self._join_ends(node, size)
            width >>= 1
            size <<= 1

    def lowest(self, count: int, low: int, high: int, boundary: int, seam: int) -> int | None:
        """The lowest permitted first frame in [*low*, *high*] of a run of *count* (over 4096) frames, or None.

        *boundary* is 0 or at least *count*; *seam* is 0 or at least *count*.
        """
        return self._search(count, low, high, boundary, seam, lowest=True)

    def highest(self, count: int, low: int, high: int, boundary: int, seam: int) -> int | None:
        """The highest permitted first frame; else as `lowest`."""
        return self._search(count, low, high, boundary, seam, lowest=False)

    def _search(self, count: int, low: int, high: int, boundary: int, seam: int, *, lowest: bool) -> int | None:
        self._update()
        longest = self._longest.get((boundary, seam)) or self._add(boundary, seam)
        prefixes, suffixes = self._prefix, self._suffix
        # A pending entry is a node, its first frame and size, or (node 0) the answer at a node's middle.
        pending = [(1, 0, self._root_frames)]
        while pending:
            node, base, size = pending.pop()
            if not node:
                return base
            if longest[node] < count or base > high or base + size <= low:
                continue
            left, half = 2 * node, size >> 1
            middle = base + half
            parts = [(left, base, half), (left + 1, middle, half)]
            if _joins(size, boundary, seam):
                begin = max(middle - suffixes[left], middle - count + 1, low)
                end = min(middle + prefixes[left + 1] - count, middle - 1, high)
                if begin <= end:
                    parts.insert(1, (0, begin if lowest else end, 0))
            pending += reversed(parts) if lowest else parts
        return None

    def _update(self) -> None:
        """Bring the nodes above every changed leaf up to date, from the bottom, until nothing changes."""
        for leaf in self.changed:
            bits, node = self._leaves[leaf], self._width + leaf
            ends = prefix(bits), suffix(bits)
            if ends == (self._prefix[node], self._suffix[node]):
                continue
            self._prefix[node], self._suffix[node] = ends
            half, changed = LEAF_FRAMES, True
            while changed and (node := node >> 1):
                changed = self._join_ends(node, half)
                for (boundary, seam), longest in self._longest.items():
                    changed |= self._join_longest(longest, node, 2 * half, boundary, seam)
                half <<= 1
        self.changed.clear()

    def _add(self, boundary: int, seam: int) -> list[int]:
        longest = self._longest[boundary, seam] = [0] * (2 * self._width)
        width, size = self._width, 2 * LEAF_FRAMES
        while width > 1:
            for node in range(width >> 1, width):
                self._join_longest(longest, node, size, boundary, seam)
            width >>= 1
            size <<= 1
        return longest

    def _join_ends(self, node: int, half: int) -> bool:
        left, right = 2 * node, 2 * node + 1
        begin, end = self._prefix[left], self._suffix[right]
        if begin == half:
            begin += self._prefix[right]
        if end == half:
            end += self._suffix[left]
        changed = begin != self._prefix[node] or end != self._suffix[node]
        self._prefix[node], self._suffix[node] = begin, end
        return changed

    def _join_longest(self, longest: list[int], node: int, size: int, boundary: int, seam: int) -> bool:
        left, right = 2 * node, 2 * node + 1
        best = max(longest[left], longest[right])
        before, behind = self._suffix[left], self._prefix[right]
        if before and behind and _joins(size, boundary, seam):
            best = max(best, before + behind)
        changed = best != longest[node]
        longest[node] = best
        return changed


def _joins(size: int, boundary: int, seam: int) -> bool:
    """True if a permitted run may cross the middle of a node of *size* frames."""
    return 2 * seam <= size and (not boundary or size <= boundary)
