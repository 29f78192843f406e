# SPDX-License-Identifier: Apache-2.0
"""The data cache of the processors, for machines whose devices do not see it (``--incoherent``).

Write-back with write-allocate, in lines of 64 bytes, the same for all processors. A line stays until somebody flushes it:
nothing is evicted meanwhile. That is the worst that is legal; a real cache sometimes evicts in time, and the bug hides.

What a processor stored and nobody flushed is not what a device reads; what a device stored is not what a processor reads while
it has the line. A line goes back to memory whole: where a device wrote beside the bytes of a processor, its bytes are lost.
Every PC is coherent: such a world shows what NDIS 4 and 5 ran on besides (Alpha, MIPS, PowerPC). Source: nt4:202mini, sections on
NdisFlushBuffer and NdisMUpdateSharedMemory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from hw import dma_rules as rules
from verifier.address import Span
from verifier.address_book import AddressBook, Block, BlockKind
from verifier.findings import Findings
from verifier.rule import Rule
from verifier.where import Where

if TYPE_CHECKING:
    from hw.ram import Ram

LINE_SHIFT = 6
LINE = 1 << LINE_SHIFT
"""Bytes of one line; NdisGetCacheFillSize tells."""


class _Line:
    """One line as the processors see it. *dirty* and *stale* have a bit for each byte: stored by a processor and not yet in
    memory; stored by a device since the line was filled."""

    __slots__ = ("data", "dirty", "stale")

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.dirty = 0
        self.stale = 0


class DataCache:
    """The cache of one machine. Addresses are physical, sizes in bytes; every byte is RAM."""

    __slots__ = ("_book", "_findings", "_lines", "_ram")

    def __init__(self, ram: Ram, book: AddressBook, findings: Findings) -> None:
        self._ram = ram
        self._book = book
        self._findings = findings
        self._lines: dict[int, _Line] = {}

    # What processors do

    def load(self, physical: int, size: int) -> bytes:
        """What a processor reads. A finding where a device has stored other bytes since the line was filled."""
        data = bytearray()
        for number, first, last in _pieces(physical, size):
            line = self._fill(number)
            if line.stale & ~line.dirty & _mask(first, last):
                self._stale(physical, size)
            data += line.data[first:last]
        return bytes(data)

    def store(self, physical: int, data: bytes | bytearray | memoryview) -> None:
        """A processor stores; memory gets it when the line is flushed. That it was written, and for which frame, counts now."""
        done = 0
        for number, first, last in _pieces(physical, len(data)):
            line = self._fill(number)
            line.data[first:last] = data[done:done + last - first]
            line.dirty |= _mask(first, last)
            done += last - first
        self._ram.mark(physical, len(data))

    def write_back(self, physical: int, size: int) -> None:
        """Bring all that is dirty in the lines of the span to memory; the lines stay."""
        for number, _, _ in _pieces(physical, size):
            line = self._lines.get(number)
            if line is not None and line.dirty:
                self._write_line(number, line)

    def flush(self, physical: int, size: int) -> None:
        """Both: what is dirty in the lines of the span goes to memory, and the next load reads memory."""
        self.write_back(physical, size)
        self.invalidate(physical, size)

    def invalidate(self, physical: int, size: int) -> None:
        """Drop the lines of the span, dirty or not: the next load reads memory."""
        for number, _, _ in _pieces(physical, size):
            self._lines.pop(number, None)

    # What devices do

    def device_reads(self, physical: int, size: int, device: str, purpose: str, armed_by: Where | None) -> None:
        """A device reads memory: a finding where the cache holds later bytes. *armed_by* is the line that let it."""
        for number, first, last in _pieces(physical, size):
            line = self._lines.get(number)
            if line is not None and line.dirty & _mask(first, last):
                block = self._book.find(physical, size)
                self._findings.report(
                    _rule_of(block), f"{device} reads {purpose} at {Span(physical, size)}, and what the processor stored there is in its "
                    "cache only", where=armed_by or (block.where if block is not None else None), span=Span(physical, size), block=block,
                    goes_wrong_at=(number << LINE_SHIFT) + first)
                return

    def device_wrote(self, physical: int, size: int) -> None:
        """A device's bytes are in memory; lines of the span know nothing of them."""
        for number, first, last in _pieces(physical, size):
            line = self._lines.get(number)
            if line is not None:
                line.stale |= _mask(first, last)

    # Inside

    def _fill(self, number: int) -> _Line:
        line = self._lines.get(number)
        if line is None:
            line = self._lines[number] = _Line(self._ram.read(number << LINE_SHIFT, LINE))
        return line

    def _write_line(self, number: int, line: _Line) -> None:
        start = number << LINE_SHIFT
        for first, last in _runs(line.dirty | line.stale):
            self._ram.put(start + first, line.data[first:last])
        if line.stale & ~line.dirty:
            first, last = next(_runs(line.stale & ~line.dirty))
            block = self._book.find(start + first, 1)
            self._findings.report(
                rules.SHARED_LINE, f"a cache line goes back to memory at {Span(start, LINE)}, where a device has stored {last - first} "
                "bytes beside those of the processor: they are lost", span=Span(start + first, last - first), block=block,
                goes_wrong_at=start + first)
        line.dirty = line.stale = 0

    def _stale(self, physical: int, size: int) -> None:
        block = self._book.find(physical, size)
        self._findings.report(
            _rule_of(block), f"the processor reads {size} bytes at {Span(physical, size)} from its cache, and a device has stored other "
            "bytes in memory since", span=Span(physical, size), block=block, goes_wrong_at=physical)


def _rule_of(block: Block | None) -> Rule:
    return rules.SHARED_CACHED if block is not None and block.kind is BlockKind.SHARED else rules.FLUSH_CACHED


def _pieces(physical: int, size: int) -> Iterator[tuple[int, int, int]]:
    """(line, first byte, byte behind the last) for each line of the span."""
    end = physical + size
    while physical < end:
        number = physical >> LINE_SHIFT
        first = physical - (number << LINE_SHIFT)
        last = min(LINE, first + end - physical)
        yield number, first, last
        physical += last - first


def _mask(first: int, last: int) -> int:
    return (1 << last) - (1 << first)


def _runs(mask: int) -> Iterator[tuple[int, int]]:
    """(first, behind the last) of each run of ones."""
    at = 0
    while mask >> at:
        at += (mask >> at & -(mask >> at)).bit_length() - 1
        rest = ~(mask >> at)
        length = (rest & -rest).bit_length() - 1
        yield at, at + length
        at += length


class CachedRam:
    """RAM as the processors of such a machine reach it: what `hw.ram.Ram` offers, through the cache where the memory's mapping
    is cached. Bytes that no block holds are the system's, and cached."""

    __slots__ = ("_book", "_cache", "_ram")

    spans: ClassVar[Mapping[int, tuple[int, int]]] = MappingProxyType({})
    """No short cut past the cache."""

    def __init__(self, ram: Ram, cache: DataCache, book: AddressBook) -> None:
        self._ram = ram
        self._cache = cache
        self._book = book

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ram, name)

    @property
    def tag(self) -> int:
        """The frame that stores are made for."""
        return self._ram.tag

    @tag.setter
    def tag(self, tag: int) -> None:
        self._ram.tag = tag

    def read(self, address: int, size: int) -> bytes:
        """As `Ram.read`; `unwritten` is set as there."""
        if self._uncached(address, size):
            return self._ram.read(address, size)
        data = self._cache.load(address, size)
        self._ram.read(address, size)
        return data

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """As `Ram.write`; memory itself may have it later."""
        if self._uncached(address, len(data)):
            self._ram.write(address, data)
        else:
            self._cache.store(address, data)

    def write_tagged(self, address: int, data: bytes | bytearray | memoryview, tag: int) -> None:
        """`write` for the frame *tag*."""
        kept, self._ram.tag = self._ram.tag, tag
        try:
            self.write(address, data)
        finally:
            self._ram.tag = kept

    def forget(self, address: int, size: int) -> None:
        """As `Ram.forget`; the cache forgets, too."""
        self._cache.invalidate(address, size)
        self._ram.forget(address, size)

    def _uncached(self, address: int, size: int) -> bool:
        block = self._book.find(address, size)
        return block is not None and not block.cached
