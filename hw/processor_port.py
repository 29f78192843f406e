# SPDX-License-Identifier: Apache-2.0
"""How a processor reaches memory: every load and store of a miniport passes here and is checked for bounds and life.

`observe` is the one place that sees a store after it happened: devices that poll memory look at it there, and the
scheduler may switch. The Python views call it; a runtime for C code calls it with the same meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hw import dma_rules as rules
from hw.ram import POISON
from verifier.address import PAGE_MASK, PAGE_SHIFT, Span, hex_address
from verifier.address_book import Block, BlockKind
from verifier.rule import rule

if TYPE_CHECKING:
    from hw.machine import Machine

UNINITIALIZED = rule(
    "memory-uninitialized", "write the memory before it is read; NdisZeroMemory clears it",
    text="Memory that was just allocated holds no defined content and is written before it is read.")


LOAD_NS = 20
"""Virtual time of one load; a loop that polls memory must see time pass."""


class Access:
    """A kind of access to fields: who runs, and which locks it holds. The floor that knows of locks makes them."""

    __slots__ = ("bare", "read_bit", "read_rivals", "write_bit", "write_rivals")

    def __init__(self, read_bit: int, bare: bool) -> None:
        self.read_bit = read_bit
        self.write_bit = read_bit << 1
        """One bit for the loads and one for the stores of the kind."""
        self.read_rivals = self.write_rivals = 0
        """The bits that must not meet these on one field."""
        self.bare = bare
        """True if it holds no lock."""


class ProcessorPort:
    """Loads and stores of the processors of one machine."""

    __slots__ = (
        "_clock", "_findings", "_machine", "_ram", "access", "cells", "contexts", "direct", "epoch", "on_bare_write", "on_meet",
        "on_race", "scheduler", "spans", "tagged", "touched")

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._clock = machine.clock
        self._ram = machine.processor_ram
        self.spans = self._ram.spans
        self.cells = self._ram.cells
        self.direct = machine.cache is None
        """True if what is in `cells` is what a processor reads: no cache lies between."""
        self.tagged = self._ram.tagged
        self._findings = machine.findings
        self.scheduler = machine.scheduler
        self.contexts: list[Any] = []
        """Adapter contexts that lie in memory behind this port, for whoever has to name their fields."""
        self.access: Access | None = None
        """Which kind of access to a field loads and stores are at present, None where nobody asks."""
        self.on_race: Callable[[Block, int, int, int, int], None] | None = None
        """Called with (block, offset, size, bit, bits of the rivals that were there) at the first access of a kind that meets one."""
        self.on_bare_write: Callable[[int, int], None] | None = None
        """Called with (virtual address, bit) at the first store of a kind that holds no lock."""
        self.on_meet: Callable[[Block, int, int, bool], None] | None = None
        """Called with (block, offset, size, True for a store) before each access to memory in which handlers hand things over: memory
        that only processors use, and elements of arrays. None where nobody asks."""
        self.epoch = 0
        """Goes on with every store that hands something over: to memory that is shared with a device, by a lock, interlocked."""
        self.touched: dict[int, int] = {}
        """The kinds of access that each field has seen, by virtual address."""

    def touch_to_read(self, access: Access, block: Block, offset: int, size: int) -> None:
        """The first load of the kind *access* of a field of an adapter context: `touched` does not have its bit."""
        at, bit = block.virtual + offset, access.read_bit
        self.touched[at] = met = self.touched.get(at, 0) | bit
        if met & access.read_rivals and self.on_race is not None:
            self.on_race(block, offset, size, bit, met & access.read_rivals)

    def touch_to_write(self, access: Access, block: Block, offset: int, size: int) -> None:
        """The same for the first store."""
        at, bit = block.virtual + offset, access.write_bit
        self.touched[at] = met = self.touched.get(at, 0) | bit
        if access.bare and self.on_bare_write is not None:
            self.on_bare_write(at, bit)
        if met & access.write_rivals and self.on_race is not None:
            self.on_race(block, offset, size, bit, met & access.write_rivals)

    def load(self, block: Block, offset: int, size: int) -> bytes:
        """*size* bytes of *block* from *offset* on. Out of bounds or freed: a finding, and what lies there."""
        if self.on_meet is not None and block.kind is BlockKind.POOL:
            self.on_meet(block, offset, size, False)
        sound = block.live and offset >= 0 and offset + size <= block.size
        if not sound and not self._wrong(block, offset, size, "read of"):
            self._clock.advance(LOAD_NS)
            return bytes((POISON,)) * size
        clock = self._clock
        now = clock.now + LOAD_NS
        if clock.due <= now or now > clock.limit:
            clock.advance(LOAD_NS)
        else:
            clock.now = now
        if block.apart and sound:
            if block.incoming:
                self._mapped(block, offset, size)
            if block.runs:
                return self._load_pieces(block, offset, size)
        ram = self._ram
        data = ram.read(block.physical + offset, size)
        if ram.unwritten is not None and block.live:
            self._unwritten(block, offset, size, ram.unwritten - block.physical)
        if ram.tagged:
            tag = ram.first_tag(block.physical + offset, size)
            if tag:
                ram.tag = tag
        if self.scheduler.attention:
            self.scheduler.point()
        return data

    def _load_pieces(self, block: Block, offset: int, size: int) -> bytes:
        """`load` of memory that is scattered."""
        ram, data, tag = self._ram, b"", 0
        for physical, part in block.pieces(offset, size):
            data += ram.read(physical, part)
            if ram.unwritten is not None:
                self._unwritten(block, offset, size, offset + len(data) - part + ram.unwritten - physical)
            tag = tag or ram.first_tag(physical, part)
        ram.tag = tag or ram.tag
        if self.scheduler.attention:
            self.scheduler.point()
        return data

    def load_field(self, block: Block, offset: int, size: int) -> bytes:
        """A field of an adapter context: as `load`, but frames have nothing to do with it."""
        if not block.live or offset + size > block.size:
            return self.load(block, offset, size)
        physical = block.physical + offset
        span = self.spans.get(physical >> PAGE_SHIFT)
        if span is not None and span[0] <= physical and physical + size <= span[1]:
            data = self.cells[physical:physical + size]
        else:
            data = self._ram.read(physical, size)
            if self._ram.unwritten is not None:
                self._unwritten(block, offset, size, self._ram.unwritten - block.physical)
        access = self.access
        if access is not None and not self.touched.get(block.virtual + offset, 0) & access.read_bit:
            self.touch_to_read(access, block, offset, size)
        if self.scheduler.attention:
            self.scheduler.point()
        return data

    def store_field(self, block: Block, offset: int, data: bytes) -> None:
        """A field of an adapter context: as `store`, but for no frame."""
        if not block.live or offset + len(data) > block.size:
            self.store(block, offset, data)
            return
        physical = block.physical + offset
        span = self.spans.get(physical >> PAGE_SHIFT)
        if span is not None and span[0] <= physical and physical + len(data) <= span[1] and physical >> PAGE_SHIFT not in self.tagged:
            self.cells[physical:physical + len(data)] = data
        else:
            self._ram.write_tagged(physical, data, 0)
        access = self.access
        if access is not None and not self.touched.get(block.virtual + offset, 0) & access.write_bit:
            self.touch_to_write(access, block, offset, len(data))
        if self.scheduler.attention:
            self.scheduler.point()

    def store(self, block: Block, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write *data* into *block* at *offset*."""
        size = len(data)
        if self.on_meet is not None:
            if block.kind is BlockKind.POOL:
                self.on_meet(block, offset, size, True)
            else:
                self.epoch += 1
        sound = block.live and offset >= 0 and offset + size <= block.size
        if not sound and not self._wrong(block, offset, size, "write of"):
            return
        if block.runs and sound:
            at = 0
            for physical, part in block.pieces(offset, size):
                self._ram.write(physical, data[at:at + part])
                at += part
        else:
            self._ram.write(block.physical + offset, data)
        self.observe(block, offset, size)

    def observe(self, block: Block, offset: int, size: int) -> None:
        """A processor stored *size* bytes at *offset* of *block*."""
        if block.watchers:
            for watcher in tuple(block.watchers):
                for physical, part in block.pieces(offset, size):
                    watcher(physical, part)
        if self.scheduler.attention:
            self.scheduler.point()

    def _wrong(self, block: Block, offset: int, size: int, verb: str) -> bool:
        """Report the access; True if the bytes exist, so that the access happens all the same."""
        at = block.virtual + offset
        span = Span(max(at, 0), max(size, 1))
        if not block.live:
            self._findings.report(
                rules.USE_AFTER_FREE, f"{verb} {size} bytes at {hex_address(at)}: {block.name} was freed", space="virtual",
                span=span, block=block)
        else:
            over = f"byte {offset}" if offset < 0 else f"byte 0x{max(offset, block.size):x}"
            self._findings.report(
                rules.BOUNDS, f"{verb} {size} bytes at offset {offset:#x} of {block.name}: {over} is outside the "
                f"0x{block.size:x} bytes that were asked for", space="virtual", span=span, block=block,
                goes_wrong_at=block.virtual + block.size if offset >= 0 else at)
        first, last = block.virtual & ~PAGE_MASK, (block.virtual + block.size - 1) | PAGE_MASK
        return first <= at and at + size - 1 <= last

    def _mapped(self, block: Block, offset: int, size: int) -> None:
        """A load of memory that is mapped for a device to write: a finding if the device has written those bytes."""
        span = Span(offset, size)
        for piece in block.incoming:
            if piece.block is block and any(written.overlaps(span) for written in piece.written):
                self._findings.report(
                    rules.MAPPED_READ, f"the processor reads {size} bytes at offset 0x{offset:x} of {block.name}, which a device has "
                    "written through a mapping that is not completed", space="virtual", span=Span(block.virtual + span.start, size),
                    block=block, subject=("open mapping",), bugcheck="0xE6/0x0D under DMA verification")
                return

    def _unwritten(self, block: Block, offset: int, size: int, at: int) -> None:
        physical = block.physical_at(at)
        transfer = next((span for span in self._machine.transfers if span.start <= physical < span.end), None)
        if transfer is not None:
            self._findings.report(
                rules.COMPLETE_BEFORE_READ, f"the processor reads {size} bytes at offset 0x{offset:x} of {block.name}, where a DMA "
                f"transfer of 0x{transfer.size:x} bytes is set up and not completed", space="virtual",
                span=Span(block.virtual + offset, size), block=block, subject=("dma transfer",))
            return
        rule = rules.NEVER_WRITTEN if block.kind is BlockKind.SHARED else UNINITIALIZED
        self._findings.report(
            rule, f"the processor reads {size} bytes at offset 0x{offset:x} of {block.name}: byte 0x{at:x} was never written since "
            "it was allocated", space="virtual", span=Span(block.virtual + offset, size), block=block,
            goes_wrong_at=block.virtual + at)
