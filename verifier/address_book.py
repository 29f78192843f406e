# SPDX-License-Identifier: Apache-2.0
"""The address book: who owns which physical bytes, now and before. Upper floors write it, findings read it."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from verifier.address import Span, hex_address
from verifier.where import Where


class BlockKind(StrEnum):
    """What a block of memory is for."""

    SHARED = "shared"
    CONTIGUOUS = "contiguous"
    POOL = "pool"
    MAPPING = "mapping"
    OTHER = "other"


@dataclass(slots=True, eq=False)
class Incoming:
    """A piece of memory that is mapped for a device to write: *size* bytes at *offset* of *block*, which the device meets at
    *physical*, there or in a bounce page."""

    block: Block
    offset: int
    size: int
    physical: int
    written: list[Span] = field(default_factory=list)
    """What the device has written through the mapping, as offsets in *block*."""

    def note(self, physical: int, length: int) -> None:
        """The device wrote *length* bytes at *physical*."""
        first, end = max(physical, self.physical), min(physical + length, self.physical + self.size)
        if first < end:
            self.written.append(Span(first - self.physical + self.offset, end - first))


@dataclass(frozen=True, slots=True)
class Undefined:
    """The device address that an allocation of *size* bytes left in its out parameter when it gave no memory."""

    routine: str
    adapter: int
    address: int
    size: int
    where: Where | None


class Block:
    """One allocation: its bytes in physical memory, its addresses, who made it and who freed it.

    *size* is the length that was asked for; the rest of the last page is nobody's to touch. *runs* lists the physical
    spans, in the order of virtual addresses, of memory that is scattered; contiguous memory has none. A freed block stays
    known, so that a late access names its killer.
    """

    __slots__ = (
        "adapter",
        "apart",
        "cache_type",
        "cached",
        "device_reads",
        "device_writes",
        "freed_in",
        "freed_where",
        "incoming",
        "kind",
        "live",
        "logical",
        "name",
        "number",
        "owner",
        "physical",
        "routine",
        "runs",
        "size",
        "virtual",
        "was_mapped",
        "watchers",
        "where",
    )

    def __init__(
        self, kind: BlockKind, name: str, owner: str, physical: int, size: int, *, virtual: int = 0,
        logical: int | None = None, cached: bool = True, adapter: int = 0, routine: str = "", where: Where | None = None,
        runs: tuple[Span, ...] = (), device_reads: bool = False, device_writes: bool = False,
    ) -> None:
        self.kind = kind
        self.name = name
        self.owner = owner
        self.physical = physical
        self.size = size
        self.virtual = virtual
        self.logical = logical
        self.cached = cached
        self.cache_type = int(cached)
        """MEMORY_CACHING_TYPE of the mapping: 0 not cached, 1 cached, 2 write combined."""
        self.adapter = adapter
        self.routine = routine
        self.where = where
        self.runs = runs
        self.device_reads = int(device_reads)
        """How many claims let a device read the block: shared memory is one for its life, each open mapping is one."""
        self.device_writes = int(device_writes)
        """The same for writes of a device."""
        self.live = True
        self.was_mapped = False
        """True if a device may have had the block mapped for a transfer that is over."""
        self.freed_where: Where | None = None
        self.freed_in: str | None = None
        self.number = 0
        self.incoming: list[Incoming] = []
        """Open mappings through which a device writes into the block."""
        self.apart = bool(runs)
        """True if a load has to look closer: the block is scattered, or `incoming` is not empty."""
        self.watchers: list[Callable[[int, int], None]] | None = None
        """Called with (physical address, size) after each store of a processor: devices that poll memory use it."""

    @property
    def span(self) -> Span:
        """The physical bytes of a contiguous block."""
        return Span(self.physical, self.size)

    def watch(self, watcher: Callable[[int, int], None]) -> None:
        """From now on *watcher* is called after each store of a processor; one that watches already is called once."""
        if self.watchers is None:
            self.watchers = []
        if watcher not in self.watchers:
            self.watchers.append(watcher)

    def unwatch(self, watcher: Callable[[int, int], None]) -> None:
        """*watcher* is called no more, if it was."""
        if self.watchers is not None and watcher in self.watchers:
            self.watchers.remove(watcher)

    def describe(self) -> str:
        """``tx ring, shared memory #1 (0x2000 bytes at 0x00fff000)`` and whether it is live."""
        state = "" if self.live else ", freed"
        place = f"in {len(self.runs)} places, the first" if self.runs else ""
        return f"{self.name} (0x{self.size:x} bytes {place}{' ' if place else ''}at {hex_address(self.physical)}{state})"

    def expect(self, pieces: list[Incoming]) -> None:
        """From now on a device may write into the block through *pieces*, and no others."""
        self.incoming = pieces
        self.apart = bool(pieces or self.runs)

    def pieces(self, offset: int, size: int) -> list[tuple[int, int]]:
        """Where *size* bytes from *offset* on lie: (physical address, bytes) of each piece, in order; none for no bytes."""
        if not self.runs:
            return [(self.physical + offset, size)] if size else []
        found = []
        for run in self.runs:
            part = min(run.size - offset, size)
            if part > 0:
                found.append((run.start + offset, part))
                size -= part
            offset = max(offset - run.size, 0)
        return found

    def physical_at(self, offset: int) -> int:
        """The physical address of the byte at *offset*."""
        return self.pieces(offset, 1)[0][0] if self.runs else self.physical + offset


class AddressBook:
    """Blocks by physical address. `find` answers in time that grows with the logarithm of the live blocks."""

    __slots__ = ("_blocks", "_starts", "freed", "made", "undefined")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._blocks: dict[int, tuple[int, Block]] = {}
        self.made: list[Block] = []
        self.freed: list[Block] = []
        self.undefined: list[Undefined] = []
        """What allocations that failed left behind as device addresses."""

    def add(self, block: Block) -> None:
        """Enter a live block; its number is its place in the order of allocation, from 1."""
        self.made.append(block)
        block.number = len(self.made)
        if not block.runs:
            insort(self._starts, block.physical)
            self._blocks[block.physical] = (block.physical + block.size, block)
            return
        for start, size in self._runs(block):
            insort(self._starts, start)
            self._blocks[start] = (start + size, block)

    def remove(self, block: Block, where: Where | None, handler: str | None) -> None:
        """Take a freed block out of the live ones and remember who freed it."""
        block.live = False
        block.freed_where = where
        block.freed_in = handler
        self.freed.append(block)
        for start, _ in self._runs(block):
            index = bisect_right(self._starts, start) - 1
            del self._starts[index]
            del self._blocks[start]

    def find(self, physical: int, size: int) -> Block | None:
        """The live block that holds all *size* bytes at *physical*, or None."""
        index = bisect_right(self._starts, physical) - 1
        if index < 0:
            return None
        end, block = self._blocks[self._starts[index]]
        return block if physical + size <= end else None

    def overlapping(self, physical: int, size: int) -> list[Block]:
        """Live blocks that share a byte with the span, by address."""
        index = max(bisect_right(self._starts, physical) - 1, 0)
        found = []
        while index < len(self._starts) and self._starts[index] < physical + size:
            end, block = self._blocks[self._starts[index]]
            if end > physical and block not in found:
                found.append(block)
            index += 1
        return found

    def last_freed(self, physical: int, size: int) -> Block | None:
        """The freed block that held a byte of the span last, or None."""
        for block in reversed(self.freed):
            for start, length in self._runs(block):
                if start < physical + size and physical < start + length:
                    return block
        return None

    def undefined_at(self, adapter: int, logical: int) -> Undefined | None:
        """Whose undefined device address *logical* is, as it stands or cut to the 32 or 24 bits that a register holds."""
        for entry in self.undefined:
            if entry.adapter == adapter and any(
                    0 <= logical - (entry.address & (1 << bits) - 1) < entry.size for bits in (64, 32, 24)):
                return entry
        return None

    def cut_to_32_bits(self, adapter: int, logical: int, offset: int) -> Block | None:
        """The live block of *adapter* above 4 GiB whose device address, without its high part, is at or below *logical* and whose
        bytes reach beyond it; *offset* is that of the bus."""
        for block in self.made if logical < 1 << 32 else ():
            if block.live and block.adapter == adapter and not block.runs and (
                    block.kind is BlockKind.CONTIGUOUS or block.device_reads or block.device_writes):
                base = block.physical + offset
                if base + block.size > 1 << 32 and any(
                        0 <= (high << 32) + logical - base < block.size for high in range(1, (base + block.size >> 32) + 1)):
                    return block
        return None

    def meant_by(self, adapter: int, bits: int, low: int, length: int, offset: int) -> int | None:
        """The device address of *length* bytes in a live block that a device of *adapter* may reach, of which the device was told
        the lowest *bits* bits alone, *low*; None if there is none. *offset* is that of the bus."""
        mask = (1 << bits) - 1
        for block in self.made:
            if block.live and block.adapter == adapter and not block.runs and (block.device_reads or block.device_writes):
                base = block.physical + offset
                at = (low - base) & mask
                if at + length <= block.size:
                    return base + at
        return None

    def victim(self, physical: int, size: int) -> tuple[str, Block | None]:
        """In words, whose memory the span hits, and the block if there is one."""
        live = self.overlapping(physical, size)
        if live:
            return " and ".join(block.describe() for block in live), live[0]
        freed = self.last_freed(physical, size)
        if freed is not None:
            return f"memory that was {freed.describe()}", freed
        return "memory that belongs to the system", None

    @staticmethod
    def _runs(block: Block) -> list[tuple[int, int]]:
        if block.runs:
            return [(run.start, run.size) for run in block.runs]
        return [(block.physical, block.size)]
