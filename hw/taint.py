# SPDX-License-Identifier: Apache-2.0
"""For which frame each byte of memory was written: what the rule `wire-bytes-of-this-frame` asks.

Only pages that hold a tagged byte have an entry: a short list of intervals, ascending, disjoint, with neighbours of
the same tag joined. A tag is a frame number from 1; 0 is nobody's. A range is [start, end) in physical addresses.
"""

from __future__ import annotations

from bisect import bisect_left

from hw.written import present
from verifier.address import PAGE_MASK, PAGE_SHIFT

Interval = tuple[int, int, int]
"""(start, end, tag)"""


class Taint:
    """The tags of one memory. *pages* is empty exactly if no byte is tagged; its truth is the hot path's test."""

    __slots__ = ("pages",)

    def __init__(self) -> None:
        self.pages: dict[int, list[Interval]] = {}

    def store(self, start: int, end: int, tag: int) -> None:
        """The range was stored to for the frame *tag*; 0 removes the tags there."""
        pages = self.pages
        first = start >> PAGE_SHIFT
        last = (end - 1) >> PAGE_SHIFT
        if first >= last:
            if start < end:
                self._store_part(first, start, end, tag)
            return
        for page in range(first, last + 1) if tag else present(pages, first, last + 1):
            low = page << PAGE_SHIFT
            high = low + PAGE_MASK + 1
            if start <= low and high <= end:
                if tag:
                    pages[page] = [(low, high, tag)]
                else:
                    del pages[page]
            else:
                self._store_part(page, max(low, start), min(high, end), tag)

    def first_tagged(self, start: int, end: int, own: int = 0) -> tuple[int, int] | None:
        """(address, tag) of the first byte of the range that has a tag other than *own*, or None."""
        pages = self.pages
        first = start >> PAGE_SHIFT
        last = (end - 1) >> PAGE_SHIFT
        if start >= end:
            return None
        for page in (first,) if first == last else present(pages, first, last + 1):
            marks = pages.get(page)
            if marks is None:
                continue
            before = bisect_left(marks, (start,)) - 1
            for low, high, tag in marks[before:] if before > 0 else marks:
                if low >= end:
                    return None
                if tag != own and high > start:
                    return (low if low > start else start), tag
        return None

    def clear(self) -> None:
        """No byte is tagged."""
        self.pages.clear()

    def _store_part(self, page: int, start: int, end: int, tag: int) -> None:
        """Store a range, not empty, inside one page."""
        marks = self.pages.get(page)
        if marks is None:
            if tag:
                self.pages[page] = [(start, end, tag)]
            return
        low, high, owner = marks[-1]
        if owner == tag and low <= start <= high:
            if end > high:
                marks[-1] = (low, end, tag)
            return
        pieces: list[Interval] = []
        first = bisect_left(marks, (start,))
        if first and marks[first - 1][1] >= start:
            low, high, owner = marks[first - 1]
            if owner == tag:
                first -= 1
                start = low
            elif high > start:
                first -= 1
                pieces.append((low, start, owner))
        after = bisect_left(marks, (end,), first)
        beyond: list[Interval] = []
        if after > first:
            _, high, owner = marks[after - 1]
            if high > end:
                if owner == tag:
                    end = high
                else:
                    beyond.append((end, high, owner))
        if after < len(marks) and marks[after][0] == end and marks[after][2] == tag:
            end = marks[after][1]
            after += 1
        if tag:
            pieces.append((start, end, tag))
        marks[first:after] = pieces + beyond
        if not marks:
            del self.pages[page]
