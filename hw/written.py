# SPDX-License-Identifier: Apache-2.0
"""Which bytes of memory were ever written: exact for every history, nothing for untouched pages.

Two levels. A page that is wholly written is one bit of its 2 MiB chunk's integer. A page that is partly written has
one interval, and, if it was filled in several pieces, an integer with a bit per byte. All addresses are plain
physical addresses; a range is [start, end).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from verifier.address import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE

WHOLE_PAGE = (1 << PAGE_SIZE) - 1
"""The byte bits of a page of which every byte is written."""


class Written:
    """The set of written bytes of one memory, and of the pages that held written bytes at any time since `clear`.

    What holds between calls:

    - the bit of a page in `_full` is set exactly if the whole page is written, and overrules all else;
    - `spans[page]` is one interval, not empty, of written bytes inside that page. Where the page is neither full nor
      ragged it is all of them, so a hit in it is always an answer and a miss seldom needs more than one look;
    - `_ragged[page]` has a bit for each written byte of a page that is not full and has more than one interval.
    """

    __slots__ = ("_full", "_ragged", "_stale", "spans")

    def __init__(self) -> None:
        self.spans: dict[int, tuple[int, int]] = {}
        self._full: dict[int, int] = {}
        self._ragged: dict[int, int] = {}
        self._stale: dict[int, int] = {}

    def mark(self, start: int, end: int) -> None:
        """All bytes of the range are written."""
        page = start >> PAGE_SHIFT
        last = (end - 1) >> PAGE_SHIFT
        if page >= last:
            if start < end:
                self._mark_part(page, start, end)
            return
        if start & PAGE_MASK:
            page += 1
            self._mark_part(page - 1, start, page << PAGE_SHIFT)
        stop = end >> PAGE_SHIFT
        if end & PAGE_MASK:
            self._mark_part(last, stop << PAGE_SHIFT, end)
        full = self._full
        while page < stop:
            chunk = page >> _CHUNK_BITS
            upto = (chunk + 1) << _CHUNK_BITS
            if upto > stop:
                upto = stop
            full[chunk] = full.get(chunk, 0) | ((1 << (upto - page)) - 1) << (page & _CHUNK_MASK)
            page = upto

    def first_gap(self, start: int, end: int) -> int | None:
        """Address of the first byte of the range that is not written, or None."""
        spans, full, ragged = self.spans, self._full, self._ragged
        single = (start ^ (end - 1)) >> PAGE_SHIFT == 0
        while start < end:
            page = start >> PAGE_SHIFT
            bits = full.get(page >> _CHUNK_BITS)
            if bits:
                run = _trailing_ones(bits >> (page & _CHUNK_MASK))
                if run:
                    if single:
                        spans[page] = (page << PAGE_SHIFT, (page + 1) << PAGE_SHIFT)
                        return None
                    start = (page + run) << PAGE_SHIFT
                    continue
            span = spans.get(page)
            if span is None:
                return start
            if span[0] <= start < span[1]:
                start = span[1]
            elif page in ragged:
                run = _trailing_ones(ragged[page] >> (start & PAGE_MASK))
                if not run:
                    return start
                start += run
            else:
                return start
        return None

    def runs(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The written parts of the range in ascending order, as longest ranges. Linear in its pages."""
        while start < end:
            bits = self.page_bits(start >> PAGE_SHIFT) >> (start & PAGE_MASK)
            if bits & 1:
                stop = self.first_gap(start, end)
                if stop is None:
                    stop = end
                yield start, stop
                start = stop
            elif bits:
                start += _trailing_zeros(bits)
            else:
                start = (start | PAGE_MASK) + 1

    def page_bits(self, page: int) -> int:
        """The written bytes of a page, bit n for its byte n."""
        if self._is_full(page):
            return WHOLE_PAGE
        if page in self._ragged:
            return self._ragged[page]
        span = self.spans.get(page)
        return _byte_bits(*span) if span else 0

    def forget(self, start: int, end: int) -> None:
        """All bytes of the range count as never written. The cost grows with marked pages, not with the range."""
        first = (start + PAGE_MASK) >> PAGE_SHIFT
        stop = end >> PAGE_SHIFT
        if first > stop:
            self._forget_part(stop, start, end)
            return
        if start & PAGE_MASK:
            self._forget_part(first - 1, start, first << PAGE_SHIFT)
        if end & PAGE_MASK:
            self._forget_part(stop, stop << PAGE_SHIFT, end)
        spans, full, stale = self.spans, self._full, self._stale
        for page in present(spans, first, stop) if spans else ():
            del spans[page]
            self._ragged.pop(page, None)
            chunk = page >> _CHUNK_BITS
            stale[chunk] = stale.get(chunk, 0) | 1 << (page & _CHUNK_MASK)
        for chunk in present(full, first >> _CHUNK_BITS, (stop + _CHUNK_MASK) >> _CHUNK_BITS) if full else ():
            base = chunk << _CHUNK_BITS
            low, high = max(first - base, 0), min(stop - base, 1 << _CHUNK_BITS)
            dropped = full[chunk] & ((1 << (high - low)) - 1) << low
            full[chunk] ^= dropped
            stale[chunk] = stale.get(chunk, 0) | dropped

    def touched(self) -> list[int]:
        """Numbers of the pages that had a byte marked at any time since `clear`, ascending."""
        pages = set(self.spans)
        for chunks in (self._full, self._stale):
            for chunk, bits in chunks.items():
                base = chunk << _CHUNK_BITS
                while bits:
                    lowest = bits & -bits
                    pages.add(base + lowest.bit_length() - 1)
                    bits ^= lowest
        return sorted(pages)

    def clear(self) -> None:
        """Nothing was ever written."""
        self.spans.clear()
        self._full.clear()
        self._ragged.clear()
        self._stale.clear()

    def _is_full(self, page: int) -> bool:
        return self._full.get(page >> _CHUNK_BITS, 0) >> (page & _CHUNK_MASK) & 1 == 1

    def _set_full(self, page: int) -> None:
        chunk = page >> _CHUNK_BITS
        self._full[chunk] = self._full.get(chunk, 0) | 1 << (page & _CHUNK_MASK)

    def _mark_part(self, page: int, start: int, end: int) -> None:
        """Mark a range, not empty, inside one page."""
        spans = self.spans
        span = spans.get(page)
        if span is None:
            if self._is_full(page):
                start, end = page << PAGE_SHIFT, (page + 1) << PAGE_SHIFT
            elif end - start == PAGE_SIZE:
                self._set_full(page)
        elif page in self._ragged:
            self._mark_ragged(page, start, end)
            return
        else:
            low, high = span
            if start <= high and low <= end:
                if low < start:
                    start = low
                if high > end:
                    end = high
                if end - start == PAGE_SIZE:
                    self._set_full(page)
            elif self._is_full(page):
                start, end = page << PAGE_SHIFT, (page + 1) << PAGE_SHIFT
            else:
                self._ragged[page] = _byte_bits(low, high) | _byte_bits(start, end)
        spans[page] = (start, end)

    def _mark_ragged(self, page: int, start: int, end: int) -> None:
        bits = WHOLE_PAGE if self._is_full(page) else self._ragged[page] | _byte_bits(start, end)
        if bits == WHOLE_PAGE:
            del self._ragged[page]
            self._set_full(page)
            start, end = page << PAGE_SHIFT, (page + 1) << PAGE_SHIFT
        else:
            self._ragged[page] = bits
        self.spans[page] = (start, end)

    def _forget_part(self, page: int, start: int, end: int) -> None:
        """Forget a range inside one page."""
        bits = self.page_bits(page)
        left = bits & ~_byte_bits(start, end)
        if left == bits:
            return
        offset = page & _CHUNK_MASK
        chunk = page >> _CHUNK_BITS
        if bits == WHOLE_PAGE:
            self._full[chunk] ^= 1 << offset
        self._ragged.pop(page, None)
        if not left:
            del self.spans[page]
            self._stale[chunk] = self._stale.get(chunk, 0) | 1 << offset
            return
        low = _trailing_zeros(left)
        high = low + _trailing_ones(left >> low)
        if left >> high:
            self._ragged[page] = left
        base = page << PAGE_SHIFT
        self.spans[page] = (base + low, base + high)


def present(entries: Mapping[int, object], first: int, stop: int) -> list[int]:
    """The keys of *entries* in [first, stop), ascending, at the price of the shorter of the two."""
    if stop - first < 2 * len(entries):
        return [*filter(entries.__contains__, range(first, stop))]
    return sorted(key for key in entries if first <= key < stop)


_CHUNK_BITS = 9
"""A chunk is 512 pages (2 MiB): a bit per page in one integer."""
_CHUNK_MASK = (1 << _CHUNK_BITS) - 1


def _byte_bits(start: int, end: int) -> int:
    """The byte bits of the range [start, end) inside one page."""
    return ((1 << (end - start)) - 1) << (start & PAGE_MASK)


def _trailing_ones(bits: int) -> int:
    return (~bits & (bits + 1)).bit_length() - 1


def _trailing_zeros(bits: int) -> int:
    """For *bits* other than 0."""
    return (bits & -bits).bit_length() - 1
