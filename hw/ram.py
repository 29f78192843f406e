# SPDX-License-Identifier: Apache-2.0
"""Emulated physical RAM: a map of ranges and holes over a sparse backing, which knows what was written and for whom.

Never-written bytes read as `POISON` without anything being filled, and the first of them is named after each read.
Stores made for a frame carry its number until they are overwritten. The cost of a machine is that of its touched
pages, at any size of RAM.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence

from hw.backing import Backing, open_backing
from hw.taint import Taint
from hw.written import Written
from verifier.address import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, Span, hex_address
from verifier.errors import BedError, UsageError

POISON = 0xA5
"""What a never-written byte reads as."""


class Ram:
    """The RAM of one machine, for the life of one world.

    *ranges* are the spans of physical addresses where RAM exists, ascending, disjoint, of whole pages (`UsageError`
    otherwise). *backing* must reach to the end of the last one and hold zeros, as `reset` leaves it; without one, the
    machine opens its own, which closes with it. One backing serves one `Ram` at a time.

    Addresses are physical, sizes in bytes. An access of which any byte is outside RAM raises `BedError`: whoever
    accesses on behalf of a device or a processor asks `contains` first and models what the bus does.

    *unwritten* is, after `read`, the address of the first byte of that read that was never written, or None.
    *tagged* holds the pages with tagged bytes and is empty while there are none.
    *spans* has, by page, an interval of written bytes in it: what lies inside can be read from *cells*, and stored to them if the
    page is not in *tagged* and *tag* is 0. So the hot paths of the layers above do.
    *tag* is the number of the frame that stores are made for, 0 for none; the layers above set it.
    """

    __slots__ = (
        "_end",
        "_ends",
        "_start",
        "_starts",
        "_taint",
        "_written",
        "backing",
        "cells",
        "ranges",
        "spans",
        "tag",
        "tagged",
        "unwritten",
    )

    def __init__(self, ranges: Sequence[Span], backing: Backing | None = None) -> None:
        self.ranges = tuple(ranges)
        self._starts, self._ends = _windows(self.ranges)
        self._start, self._end = self._starts[0], self._ends[0]
        needed = self._ends[-1]
        if backing is None:
            backing = open_backing(needed)
        elif backing.size < needed:
            raise UsageError(
                f"RAM up to {hex_address(needed)} does not fit a backing of 0x{backing.size:x} bytes",
                f"open the backing with at least 0x{needed:x} bytes",
            )
        self.backing = backing
        self.unwritten: int | None = None
        self.tag = 0
        self.cells = backing.cells
        self._written = Written()
        self._taint = Taint()
        # Short cuts of the hot paths: the same dictionaries, one attribute nearer.
        self.spans = self._written.spans
        self.tagged = self._taint.pages

    def contains(self, address: int, size: int) -> bool:
        """True if every byte of the span is RAM."""
        return self._start <= address <= address + size <= self._end or self._moves_to(address, size)

    def read(self, address: int, size: int) -> bytes:
        """The bytes of the span, `POISON` for those never written; sets `unwritten`."""
        end = address + size
        span = self.spans.get(address >> PAGE_SHIFT)
        if span is not None and span[0] <= address < end <= span[1]:  # what is written is RAM
            self.unwritten = None
            return self.cells[address:end]
        if not self._start <= address <= end <= self._end:
            self._enter(address, size)
        gap = self.unwritten = self._written.first_gap(address, end)
        return self.cells[address:end] if gap is None else self._read_poisoned(address, end)

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Store *data* (items of one byte), mark it written, and tag it with `tag`."""
        end = address + len(data)
        page = address >> PAGE_SHIFT
        span = self.spans.get(page)
        if span is not None and span[0] <= address and end <= span[1]:  # inside one page, which is RAM
            self.cells[address:end] = data
            if self.tag or page in self.tagged:
                self._taint.store(address, end, self.tag)
            return
        if address < self._start or end > self._end:
            self._enter(address, len(data))
        self.cells[address:end] = data
        self._written.mark(address, end)
        if self.tag or self.tagged:
            self._taint.store(address, end, self.tag)

    def write_tagged(self, address: int, data: bytes | bytearray | memoryview, tag: int) -> None:
        """`write` for the frame *tag*, whatever `tag` is at present; 0 for no frame."""
        kept = self.tag
        self.tag = tag
        try:
            self.write(address, data)
        finally:
            self.tag = kept

    def put(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """The bytes alone: that they are written, and for whom, was noted when a processor stored them into its cache."""
        self._check(address, len(data))
        self.cells[address:address + len(data)] = data

    def mark(self, address: int, size: int) -> None:
        """What `write` notes, for bytes that were stored through another mapping of the file."""
        self._check(address, size)
        self._written.mark(address, address + size)
        if self.tag or self.tagged:
            self._taint.store(address, address + size, self.tag)

    def first_unwritten(self, address: int, size: int) -> int | None:
        """Address of the first byte of the span that was never written, or None."""
        self._check(address, size)
        return self._written.first_gap(address, address + size)

    def forget(self, address: int, size: int) -> None:
        """A fresh allocation: the bytes of the span count as never written and are nobody's."""
        self._check(address, size)
        self._written.forget(address, address + size)
        if self.tagged:
            self._taint.store(address, address + size, 0)

    def first_foreign(self, address: int, size: int, tag: int) -> tuple[int, int] | None:
        """(address, its tag) of the first byte of the span that was written for a frame other than *tag*, or None.

        Bytes written for no frame are nobody's and never foreign.
        """
        end = address + size
        if not self._start <= address <= end <= self._end:
            self._enter(address, size)
        return self._taint.first_tagged(address, end, tag) if self.tagged else None

    def first_tag(self, address: int, size: int) -> int:
        """The tag of the first tagged byte of the span, 0 if none is."""
        end = address + size
        if not self._start <= address <= end <= self._end:
            self._enter(address, size)
        found = self._taint.first_tagged(address, end) if self.tagged else None
        return found[1] if found else 0

    def touched(self) -> list[int]:
        """Numbers of the pages whose bytes in the backing may differ from zero, ascending."""
        return self._written.touched()

    def reset(self) -> None:
        """As a fresh machine: touched pages are zero in the backing, nothing is written, tagged or noted."""
        self.backing.zero(self.touched())
        self._written.clear()
        self._taint.clear()
        self.tag = 0
        self.unwritten = None

    def digest(self) -> str:
        """SHA-256, in hexadecimal, of all that a machine can be told from a fresh one by.

        Contents of touched pages that are not all zero (stale bytes of forgotten ones too), which bytes are written,
        and all tags.
        """
        state = hashlib.sha256()
        for page in self.touched():
            address = page << PAGE_SHIFT
            content = self.cells[address : address + PAGE_SIZE]
            bits = self._written.page_bits(page)
            if bits or content != _ZERO_PAGE:
                state.update(page.to_bytes(8, "little"))
                state.update(content)
                state.update(bits.to_bytes(_BITMAP_BYTES, "little"))
        for _, marks in sorted(self.tagged.items()):
            state.update(repr(marks).encode())
        return state.hexdigest()

    def fileno(self) -> int | None:
        """The backing's file descriptor, or None if it is not a file."""
        return self.backing.fileno()

    def _read_poisoned(self, address: int, end: int) -> bytes:
        """A read with gaps. Untouched memory is not even looked at: looking would allocate it."""
        data = bytearray(_POISON_BYTE) * (end - address)
        for start, stop in self._written.runs(address, end):
            data[start - address : stop - address] = self.cells[start:stop]
        return bytes(data)

    def _check(self, address: int, size: int) -> None:
        if not self._start <= address <= address + size <= self._end:
            self._enter(address, size)

    def _enter(self, address: int, size: int) -> None:
        """Move the window to the range that holds the span; `BedError` if none does."""
        if not self._moves_to(address, size):
            raise BedError(
                f"{size} bytes at {hex_address(address)} are not all RAM; RAM is {', '.join(map(str, self.ranges))}",
                "ask contains() first, and model what the bus does with addresses that are not RAM",
            )

    def _moves_to(self, address: int, size: int) -> bool:
        """True if the span is RAM. The range it lies in becomes the window that the hot paths compare with."""
        index = bisect_right(self._starts, address) - 1
        if index < 0 or size < 0 or address + size > self._ends[index]:
            return False
        self._start, self._end = self._starts[index], self._ends[index]
        return True


_POISON_BYTE = bytes([POISON])
_ZERO_PAGE = bytes(PAGE_SIZE)
_BITMAP_BYTES = PAGE_SIZE // 8


def _windows(ranges: Sequence[Span]) -> tuple[list[int], list[int]]:
    """Starts and ends of the ranges, those that touch joined; `UsageError` unless ascending, disjoint, whole pages."""
    if not ranges:
        raise UsageError("the machine has no RAM", "give at least one range")
    starts: list[int] = []
    ends: list[int] = []
    for span in ranges:
        start, end = span.start, span.end
        if start < 0 or start >= end or (start | end) & PAGE_MASK:
            raise UsageError(f"the RAM range {span} is not whole pages", "start and end RAM at multiples of 0x1000")
        if not ends or start > ends[-1]:
            starts.append(start)
            ends.append(end)
        elif start == ends[-1]:
            ends[-1] = end
        else:
            raise UsageError(
                f"the RAM range {span} begins below the end of the one before it, {hex_address(ends[-1])}",
                "give ranges in ascending order that do not overlap",
            )
    return starts, ends
