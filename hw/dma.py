# SPDX-License-Identifier: Apache-2.0
"""The DMA port: the only way from a device to RAM.

*Check* and *effect* are two things. The check records a finding for the whole span, last byte included, naming whose
memory it hits. The effect is what the device's limits say that silicon does: by default both happen, the finding is
recorded and the wrong bytes move.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw import dma_rules as rules
from hw.bus import Bus
from hw.cache import DataCache
from hw.clock import Clock
from hw.inject import Injector
from hw.iommu import Iommu
from hw.limits import DmaLimits, Effect
from verifier.address import PAGE_SHIFT, Span, first_multiple_inside, hex_address
from verifier.address_book import AddressBook, Block, BlockKind
from verifier.events import EventRecord, Kind
from verifier.findings import Findings
from verifier.where import Where

if TYPE_CHECKING:
    from hw.ram import Ram

_DMA_READ, _DMA_WRITE = int(Kind.DMA_READ), int(Kind.DMA_WRITE)

DATA_BEHIND_NS = 1_500
"""How long data of a device may stay on their way to memory while nobody reads a register of it."""


SHUT_DOWN = (rules.AFTER_SHUTDOWN, "the shutdown handler returned: it overwrites the next system or the crash dump", "shutdown")
ASLEEP = (rules.D3_QUIET, "OID_PNP_SET_POWER to D3 was complete: the card is about to lose its power", "D3")
"""Rule, words and subject of the finding on a cycle that must not be."""

_UNSEEN: tuple[int, int, Block | None] = (0, 0, None)


@dataclass(frozen=True, slots=True)
class Corruption:
    """Bytes of host memory that a device overwrote although they were not meant."""

    physical: int
    length: int
    owner: str


class DmaPort:
    """One device's way to memory, with its limits."""

    __slots__ = (
        "_boundary",
        "_bus",
        "_clock",
        "_counted",
        "_events",
        "_findings",
        "_late",
        "_max",
        "_offset",
        "_ram",
        "_reach",
        "_seen",
        "_shift",
        "_thorough",
        "adapter",
        "armed_by",
        "book",
        "bus_master",
        "cache",
        "corrupted",
        "device",
        "in_flight",
        "injector",
        "iommu",
        "limits",
        "lists",
        "on_abort",
        "parked",
        "quiet",
        "shut_down",
        "window_base",
    )

    def __init__(self, device: str, adapter: int, limits: DmaLimits, bus: Bus, ram: Ram, book: AddressBook,
                 clock: Clock, events: EventRecord, findings: Findings, injector: Injector | None = None) -> None:
        self.device = device
        self.adapter = adapter
        self.book = book
        self.injector = injector
        self._thorough = injector is not None and injector.concerns("dma-")
        """True if a fault may meet a cycle."""
        self._counted = None if self._thorough else injector
        """Where cycles are counted that no fault meets; None where nobody counts."""
        self.cache: DataCache | None = None
        """The processors' cache, where it does not see what devices do."""
        self.iommu: Iommu | None = None
        """The IOMMU between the device and memory, if there is one."""
        self.bus_master = False
        self.lists = False
        """True where whoever hands frames down maps them for the device, by lists that end with the frame."""
        self.window_base: int | None = None
        """Number of the window that the device's base register names, for limits with a window."""
        self.parked = False
        """True once the device was removed or reset by the bus: no cycle leaves it any more."""
        self.shut_down = False
        """True after the shutdown handler returned, or OID_PNP_SET_POWER to D3: any cycle is a finding, which `quiet` words."""
        self.quiet = SHUT_DOWN
        self.armed_by: Where | None = None
        """The line of the store or doorbell that let the device do what it does."""
        self.corrupted: list[Corruption] = []
        self.on_abort: Callable[[bool], None] | None = None
        """Called when a cycle of the device is aborted on the bus, with True for a target abort, False for a master abort."""
        self._late = False
        """True while data stay on their way until a register is read, however long that takes."""
        self._bus = bus
        self._ram = ram
        self._clock = clock
        self._events = events
        self._findings = findings
        self._offset = bus.logical_offset
        self.set_limits(limits)
        self.in_flight: list[tuple[int, bytes, int]] = []
        self._seen: dict[int, tuple[int, int, Block | None]] = {}
        """By page: first byte, end and block of the last access there that was good."""

    def set_limits(self, limits: DmaLimits) -> None:
        """The device was switched to a mode with other *limits*."""
        self.limits = limits
        self._boundary = limits.boundary
        # A device with one window for all blocks takes the thorough way each time.
        self._shift = limits.boundary.bit_length() - 1 if limits.boundary else 64
        self._reach = 0 if limits.window or self.parked else limits.reach
        self._max = limits.max_length

    # What devices call

    def read(self, logical: int, length: int, purpose: str) -> bytes | None:
        """The device reads *length* bytes at *logical*; None if the cycle was aborted."""
        if self.in_flight:
            self.flush()
        end = logical + length
        if (end > self._reach or logical >> self._shift != (end - 1) >> self._shift or length > self._max
                or not self.bus_master or self.shut_down or self._thorough or (self._counted is not None and self.book.undefined)):
            if not self._admit("dma-read", logical, length, purpose):
                return None
            pieces = self._effect(logical, length)
            if pieces is not None:
                return self._read_pieces(pieces, length)
        elif self._counted is not None:
            self._counted.tally["dma-read"] += 1
        physical = logical - self._offset
        start, stop, block = self._seen.get(physical >> PAGE_SHIFT, _UNSEEN)
        if block is None or not block.live or physical < start or physical + length > stop:
            block = self._lookup(logical, physical, length, purpose, writes=False)
            if block is None and not self._ram.contains(physical, length):
                return None
            if self.iommu is not None and self._stopped(block, logical, length, purpose, writes=False):
                return None
        if block is not None and not block.device_reads:
            self._not_mapped(block, logical, length, purpose)
            if self.iommu is not None and self._stopped(block, logical, length, purpose, writes=False):
                return None
        ram = self._ram
        if self.cache is not None:
            self.cache.device_reads(physical, length, self.device, purpose, self.armed_by)
        data = ram.read(physical, length)
        if ram.unwritten is not None and block is not None:
            self._never_written(block, logical, length, ram.unwritten - physical, purpose)
        self._events.append((self._clock.now, _DMA_READ, 0, self.device, logical, length, purpose))
        return data

    def write(self, logical: int, data: bytes, purpose: str, tag: int = 0) -> bool:
        """The device writes *data* at *logical*; False if the cycle was aborted. The bytes may reach memory later than
        the interrupt that tells of them, unless a register is read in between."""
        length = len(data)
        end = logical + length
        if (end > self._reach or logical >> self._shift != (end - 1) >> self._shift or length > self._max
                or not self.bus_master or self.shut_down or self._thorough or (self._counted is not None and self.book.undefined)):
            if not self._admit("dma-write", logical, length, purpose):
                return False
            pieces = self._effect(logical, length)
            if pieces is not None:
                self._write_pieces(pieces, logical, data, tag)
                return bool(pieces)
        elif self._counted is not None:
            self._counted.tally["dma-write"] += 1
        physical = logical - self._offset
        start, stop, block = self._seen.get(physical >> PAGE_SHIFT, _UNSEEN)
        if block is None or not block.live or physical < start or physical + length > stop:
            block = self._lookup(logical, physical, length, purpose, writes=True)
            if block is None and not self._ram.contains(physical, length):
                return False
            if self.iommu is not None and self._stopped(block, logical, length, purpose, writes=True):
                return False
            if block is None:
                self.corrupted.append(Corruption(physical, length, self.book.victim(physical, length)[0]))
        if block is not None and not block.device_writes:
            self._not_mapped(block, logical, length, purpose)
            if self.iommu is not None and self._stopped(block, logical, length, purpose, writes=True):
                return False
        if block is not None and block.incoming:
            for piece in block.incoming:
                piece.note(physical, length)
        if not self.in_flight:
            self._clock.at(DATA_BEHIND_NS, self.flush if self.injector is None else self._behind)
        self.in_flight.append((physical, data, tag))
        self._events.append((self._clock.now, _DMA_WRITE, 0, self.device, logical, length, purpose))
        return True

    def park(self) -> None:
        """The device was removed: no cycle leaves it any more."""
        self.parked = True
        self._reach = 0  # every access takes the thorough way

    def flush(self) -> None:
        """Bring all data that are on their way home to memory."""
        if self.in_flight:
            write = self._ram.write_tagged
            for physical, data, tag in self.in_flight:
                write(physical, data, tag)
                if self.cache is not None:
                    self.cache.device_wrote(physical, len(data))
            self.in_flight.clear()
        self._late = False

    def _behind(self) -> None:
        """Data have been on their way for as long as is usual."""
        if not self._late:
            self.flush()

    def frame_tag(self, logical: int, length: int) -> int:
        """For which frame the bytes at *logical* were written: the tag of the first tagged byte, else 0."""
        physical = logical - self._offset
        return self._ram.first_tag(physical, length) if self._ram.contains(physical, length) else 0

    def check_frame(self, logical: int, length: int, tag: int) -> None:
        """Every byte that goes to the wire was written for the frame that *tag* names."""
        physical = logical - self._offset
        if not self._ram.contains(physical, length):
            return
        foreign = self._ram.first_foreign(physical, length, tag)
        if foreign is not None:
            at, other = foreign
            block = self.book.find(physical, length)
            self._findings.report(
                rules.WIRE_BYTES, f"byte {at - physical} of the frame at {Span(logical, length)} was written for "
                f"{_frame_name(other)}, and goes out with {_frame_name(tag)}: memory of another frame leaks to the wire",
                where=self.armed_by, space="logical", span=Span(logical, length), block=block,
                goes_wrong_at=logical + at - physical)

    def check_reach(self, logical: int, length: int) -> None:
        """Hold memory that the device walks in pieces, such as a ring, against width and boundary as a whole."""
        if not self.limits.legal(logical, length):
            self._effect(logical, length)

    # Checks

    def _admit(self, point: str, logical: int, length: int, purpose: str) -> bool:
        """True if the cycle reaches the bus at all."""
        effect = self.injector.take(point) if self.injector is not None else None
        if effect == "late":
            self._late = True
        elif effect is not None:
            if self.on_abort is not None:
                self.on_abort(effect != "master-abort")
            return False
        if self.parked or not self.bus_master:
            return False
        if self.shut_down:
            rule, when, subject = self.quiet
            self._findings.report(
                rule, f"{self.device}: {purpose} at {Span(logical, length)} after {when}", where=self.armed_by, space="logical",
                span=Span(logical, length), subject=(subject,))
        return True

    def _effect(self, logical: int, length: int) -> list[tuple[int, int]] | None:
        """Check the limits. None if the access is legal; else the (logical, length) pieces that silicon touches."""
        limits, span = self.limits, Span(logical, length)
        intended = self._intended(logical, length)
        if intended is None and self._left_undefined(logical, length):
            return None if limits.legal(logical, length) and length <= self._max else self._pieces(logical, length)
        if span.end > limits.reach:
            bad = max(logical, limits.reach)
            pieces = self._pieces(logical, length)
            lands = self._lands(pieces, logical)
            self._findings.report(
                rules.DMA_WIDTH, f"{self._owner(intended)} {span} is beyond the NIC's {limits.address_bits} address bits "
                f"(last address {hex_address(limits.last)}) from {hex_address(bad)} on; {lands}",
                where=self.armed_by, space="logical", span=span, block=intended, goes_wrong_at=bad)
            return pieces
        if limits.window:
            pieces = self._outside(span, intended)
            if pieces:
                return pieces
        crossing = first_multiple_inside(logical, length, limits.boundary)
        if crossing is not None:
            pieces = self._pieces(logical, length)
            lands = self._lands(pieces, logical)
            self._findings.report(
                rules.DMA_BOUNDARY, f"{self._owner(intended)} {span} crosses {hex_address(crossing)}, a multiple of "
                f"0x{limits.boundary:x}; {lands}", where=self.armed_by, space="logical", span=span, block=intended,
                goes_wrong_at=crossing)
            return pieces
        if length > limits.max_length:
            self._findings.report(
                rules.DMA_LENGTH, f"{self._owner(intended)} {span} is longer than the NIC's largest transfer of "
                f"0x{limits.max_length:x} bytes; nothing moves", where=self.armed_by, space="logical", span=span,
                block=intended)
            return []
        return None

    def _outside(self, span: Span, intended: Block | None) -> list[tuple[int, int]]:
        """All blocks of a device with one base register lie in one window: the window of the first access is the one, unless the
        device has named it. The pieces that silicon touches of a span outside it, none for one inside."""
        window = self.limits.window
        if self.window_base is None:
            self.window_base = span.start // window
        if span.start // window == self.window_base:
            return []
        base = self.window_base * window
        pieces = list(self.limits.pieces(base + span.start % window, span.size))
        lands = self._lands(pieces, span.start)
        self._findings.report(
            rules.DMA_WINDOW, f"{self._owner(intended)} {span} lies outside the window {Span(base, window)} that the "
            f"device's base register names for all of its blocks; {lands}", where=self.armed_by, space="logical", span=span,
            block=intended, goes_wrong_at=span.start)
        return pieces

    def _pieces(self, logical: int, length: int) -> list[tuple[int, int]]:
        if self.limits.effect in (Effect.ALIAS, Effect.WRAP) and length <= self._max:
            return list(self.limits.pieces(logical, length))
        return []

    def _lands(self, pieces: list[tuple[int, int]], logical: int) -> str:
        """Where silicon goes instead, and whose memory that is."""
        effect = self.limits.effect
        if effect is Effect.ELSEWHERE:
            return "on this chip such an address is no host memory at all: the engine reports a bus error"
        if effect is Effect.ABORT:
            return "the cycle is aborted"
        if effect is Effect.UNDEFINED:
            return "what the chip does then is documented nowhere; the bed moves nothing"
        for address, length in pieces:
            if address != logical:
                physical = self._bus.to_physical(address)
                if not self._ram.contains(physical, length):
                    return f"silicon goes to {Span(address, length)}, where no memory answers"
                return f"silicon goes to {Span(address, length)}: {self.book.victim(physical, length)[0]}"
            logical += length
        return "silicon goes nowhere else"

    def _lookup(self, logical: int, physical: int, length: int, purpose: str, *, writes: bool) -> Block | None:
        """The live block of this device that holds the access; None after a finding."""
        block = self.book.find(physical, length)
        if block is not None and block.adapter == self.adapter and (
                block.device_reads or block.device_writes or block.was_mapped):
            if block.kind is BlockKind.CONTIGUOUS:
                self._findings.report(
                    rules.CONTIG_NOT_FOR_DMA, f"{self.device}: {purpose} in {block.describe()}: contiguous memory has no "
                    "promised device address", where=self.armed_by, block=block)
            start, end = block.physical, block.physical + block.size
            if block.runs:
                run = next((r for r in block.runs if r.contains(Span(physical, length))), block.span)
                start, end = run.start, run.end
            self._seen[physical >> PAGE_SHIFT] = start, end, block
            return block
        self._stray(logical, physical, length, purpose, writes)
        return None

    def _stopped(self, block: Block | None, logical: int, length: int, purpose: str, *, writes: bool) -> bool:
        """True if the IOMMU stops the access; a finding of its own where nothing else is wrong with it."""
        if self.iommu is None or self.iommu.admits(self.adapter, logical - self._offset, length, writes=writes):
            return False
        self._seen.pop((logical - self._offset) >> PAGE_SHIFT, None)
        self.iommu.record(self.device, logical, length, purpose, writes=writes)
        if block is not None and block.kind is BlockKind.CONTIGUOUS:
            self._findings.report(
                rules.IOMMU, f"{self.device}: {purpose} at {Span(logical, length)} in {block.describe()}: nobody mapped contiguous "
                "memory for this device, and the IOMMU stops the access", where=self.armed_by, space="logical",
                span=Span(logical, length), block=block, bugcheck="0xE6/0x26")
        return True

    def _stray(self, logical: int, physical: int, length: int, purpose: str, writes: bool) -> None:
        span, verb = Span(logical, length), "writes" if writes else "reads"
        near = [b for b in self.book.overlapping(physical, length)
                if b.adapter == self.adapter and (b.device_reads or b.device_writes)]
        mine = self.book.find(logical, length)
        if not near and self._offset and mine is not None and mine.adapter == self.adapter:
            rule = rules.PA_IS_LOGICAL if mine.kind is BlockKind.SHARED else rules.CONTIG_PHYSICAL
            self._findings.report(
                rule, f"{self.device} {verb} {purpose} at {span}: that is the physical address of {mine.describe()}, whose "
                f"device address is {hex_address(self._bus.to_logical(logical))}", where=self.armed_by, space="logical",
                span=span, block=mine)
            return
        if near:
            block = near[0]
            self._findings.report(
                rules.BOUNDS, f"{self.device} {verb} {purpose} at {span}, which leaves {block.describe()}",
                where=self.armed_by, space="logical", span=span, block=block,
                goes_wrong_at=self._bus.to_logical(block.span.end) if physical >= block.physical else logical)
            return
        if self._left_undefined(logical, length):
            return
        cut = self.book.cut_to_32_bits(self.adapter, logical, self._offset)
        if cut is not None:
            victim = self.book.victim(physical, length)[0] if self._ram.contains(physical, length) else "no memory answers there"
            self._findings.report(
                rules.PHYSICAL_64, f"{self.device} {verb} {purpose} at {span}, the low 32 bits of an address in {cut.describe()}: {victim}",
                where=self.armed_by, space="logical", span=span, block=cut)
            return
        if not self._ram.contains(physical, length):
            self._findings.report(
                rules.DMA_STRAY, f"{self.device} {verb} {purpose} at {span}, where no memory answers",
                where=self.armed_by, space="logical", span=span, owner="no memory", also=())
            return
        freed = self.book.last_freed(physical, length)
        victim, block_hit = self.book.victim(physical, length)
        if freed is not None and freed.adapter == self.adapter and freed.kind in (BlockKind.SHARED, BlockKind.CONTIGUOUS):
            rule = rules.SHARED_AFTER_FREE if freed.kind is BlockKind.SHARED else rules.USE_AFTER_FREE
            hit = f", now {victim}" if block_hit is not None and block_hit.live else ""
            self._findings.report(
                rule, f"{self.device} {verb} {purpose} at {span} after {freed.name} was freed{hit}", where=freed.freed_where,
                space="logical", span=span, block=freed, related=[("armed by", self.armed_by)])
            return
        self._findings.report(
            rules.DMA_STRAY, f"{self.device} {verb} {purpose} at {span}: {victim}, which no shared memory or mapping of this "
            "NIC covers", where=self.armed_by, space="logical", span=span, block=block_hit,
            owner=block_hit.name if block_hit is not None else "the system")

    def _left_undefined(self, logical: int, length: int) -> bool:
        """True, after a finding, if the address is what an allocation that gave no memory left behind."""
        if not self.book.undefined:
            return False
        entry = self.book.undefined_at(self.adapter, logical)
        if entry is None:
            return False
        self._findings.report(
            rules.NULL_BOTH, f"{self.device} was given {Span(logical, length)}: {entry.routine} gave no memory, and its device address "
            "means nothing then", where=self.armed_by, space="logical", span=Span(logical, length), subject=(entry,),
            related=[("no memory was given", entry.where)])
        return True

    def _not_mapped(self, block: Block, logical: int, length: int, purpose: str) -> None:
        if self.lists and block.kind is BlockKind.OTHER and not block.device_reads:
            self._findings.report(
                rules.LIST_LIFETIME, f"{self.device}: {purpose} at {Span(logical, length)} after the packet in {block.name} was "
                "completed", where=self.armed_by, space="logical", span=Span(logical, length), block=block,
                subject=("completed mapping",))
            return
        if not block.device_reads and not block.device_writes:
            self._findings.report(
                rules.VALID_WINDOW, f"{self.device}: {purpose} at {Span(logical, length)} after the mapping of {block.name} was "
                "completed", where=self.armed_by, space="logical", span=Span(logical, length), block=block,
                subject=("completed mapping",))
            return
        self._findings.report(
            rules.DIRECTION, f"{self.device}: {purpose} at {Span(logical, length)} goes against the direction in which "
            f"{block.name} was mapped", where=self.armed_by, space="logical", span=Span(logical, length), block=block,
            subject=("mapped direction",))

    def _never_written(self, block: Block, logical: int, length: int, at: int, purpose: str) -> None:
        self._findings.report(
            rules.NEVER_WRITTEN, f"{self.device} reads {purpose} at {Span(logical, length)}: byte {at} of it was never "
            f"written since {block.name} was allocated", where=self.armed_by, space="logical", span=Span(logical, length),
            block=block, goes_wrong_at=logical + at)

    # What silicon does with a forbidden address

    def _read_pieces(self, pieces: list[tuple[int, int]], length: int) -> bytes | None:
        if not pieces:
            return None
        data = b""
        for logical, size in pieces:
            physical = self._bus.to_physical(logical)
            data += self._ram.read(physical, size) if self._ram.contains(physical, size) else b"\xff" * size
        return data[:length]

    def _write_pieces(self, pieces: list[tuple[int, int]], intended: int, data: bytes, tag: int) -> None:
        self.flush()  # what left the device before must not land on top of these bytes
        done = 0
        for logical, size in pieces:
            physical = self._bus.to_physical(logical)
            if self._ram.contains(physical, size):
                if logical != intended + done:
                    self.corrupted.append(Corruption(physical, size, self.book.victim(physical, size)[0]))
                self._ram.write_tagged(physical, data[done:done + size], tag)
            done += size

    def _intended(self, logical: int, length: int) -> Block | None:
        overlapping = self.book.overlapping(self._bus.to_physical(logical), length)
        return overlapping[0] if overlapping else None

    def _owner(self, block: Block | None) -> str:
        return f"{self.device}: {block.name}" if block is not None else f"{self.device}: memory"


def _frame_name(tag: int) -> str:
    if tag == 0:
        return "no frame"
    return f"frame {tag} to be sent" if tag > 0 else f"received frame {-tag}"
