# SPDX-License-Identifier: Apache-2.0
"""Packets of the protocol: where their bytes lie and into which fragments they are cut.

Each packet has a page of its own. Its fragments lie in order with gaps between them, in one packet of four up to the last
byte of the page. Gaps hold bytes of other frames or none at all, so that reading past a fragment is seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocator.memory_manager import MAXULONG64
from hw.processor import Random
from hw.wire import MINIMUM_FRAME
from miniport.packet import NdisBuffer, Owner, Packet
from miniport.view import View
from verifier.address import PAGE_SIZE
from verifier.address_book import Block, BlockKind
from verifier.errors import UsageError

if TYPE_CHECKING:
    from miniport.ndis import Ndis

HEADER_BYTES = 14
SPLITS = (1, 13, 14, 60)
"""Where the first fragment may end."""
MOST_FRAGMENTS = 24
WIDEST_GAP = 7
_SLACK = (MOST_FRAGMENTS + 2) * WIDEST_GAP + 64


class Packets:
    """Makes the packets of one protocol and keeps their memory."""

    def __init__(self, ndis: Ndis, rng: Random) -> None:
        self._ndis = ndis
        self._rng = rng
        self._blocks: list[Block] = []
        self._free: list[Block] = []
        self._block_of: dict[int, Block] = {}
        self._made = 0

    def make(self, frame: bytes) -> Packet:
        """A packet that carries *frame*, in fragments."""
        length = len(frame)
        packet = self._packet(frame)
        block = self._block_of[packet.number]
        rng, ram, port = self._rng, self._ndis.ram, self._ndis.port
        lengths = fragments(length, rng)
        roomy = length + _SLACK <= PAGE_SIZE
        gaps = [rng.below(WIDEST_GAP + 1) if roomy else 0 for _ in lengths[1:]]
        to_the_end = PAGE_SIZE - length - sum(gaps)
        at = to_the_end if rng.below(4) == 0 else min(rng.below(64), to_the_end)
        done = 0
        gaps.append(0)
        kept, ram.tag = ram.tag, packet.number
        for size, gap in zip(lengths, gaps, strict=True):
            if size:
                ram.write(block.physical + at, frame[done:done + size])
            packet.chain_back(NdisBuffer(View(port, block, at), size))
            done += size
            at += size + gap
        ram.tag = kept
        return packet

    def blank(self, length: int) -> Packet:
        """A packet with room for *length* bytes, none of them written, for `transfer_data`."""
        packet = self._packet(bytes(length))
        block = self._block_of[packet.number]
        self._ndis.ram.forget(block.physical, PAGE_SIZE)
        first = self._rng.below(length + 1)
        packet.chain_back(NdisBuffer(View(self._ndis.port, block), first))
        packet.chain_back(NdisBuffer(View(self._ndis.port, block, PAGE_SIZE - length + first), length - first))
        return packet

    def map(self, packet: Packet) -> None:
        """Build the packet's scatter/gather list, as NDIS does before a miniport sees the packet. Empty buffers have no piece."""
        bus = self._ndis.machine.bus
        pieces = []
        for buffer in packet.buffers():
            if not buffer.length:
                continue
            block = buffer.view.block
            block.device_reads += 1
            block.was_mapped = True
            pieces.append((bus.to_logical(block.physical + buffer.view.offset), buffer.length))
        packet.scatter_gather = tuple(pieces)

    def release(self, packet: Packet) -> None:
        """The packet is done with: its memory is free for another."""
        packet.owner = Owner.PROTOCOL
        block = self._block_of.pop(packet.number)
        if packet.scatter_gather is not None:
            block.device_reads -= len(packet.scatter_gather)
            packet.scatter_gather = None
        self._free.append(block)

    def _packet(self, frame: bytes) -> Packet:
        if len(frame) > PAGE_SIZE:
            raise UsageError(f"a frame of {len(frame)} bytes is no frame", f"send frames of at most {PAGE_SIZE} bytes")
        self._made += 1
        packet = Packet(self._made)
        packet.frame = frame
        packet.owner = Owner.PROTOCOL
        self._block_of[packet.number] = self._free.pop() if self._free else self._block()
        return packet

    def _block(self) -> Block:
        ndis = self._ndis
        adapter = ndis.adapter
        lowest, highest = 0, MAXULONG64
        if adapter.scatter_gather:  # NDIS copies a packet that lies out of reach before it builds the list
            offset = ndis.machine.bus.logical_offset
            lowest, highest = max(0, -offset), (1 << adapter.dma_bits) - 1 - offset
        block = ndis.memory.allocate(
            BlockKind.OTHER, "protocol", f"packet buffer {len(self._blocks)} of the protocol", PAGE_SIZE, lowest=lowest,
            highest=highest, owner="the protocol", adapter=adapter.number)
        if block is None:
            raise UsageError("the machine has no memory left for the packets of the protocol", "give the machine more RAM")
        self._blocks.append(block)
        return block


def fragments(length: int, rng: Random) -> list[int]:
    """How long the buffers of a packet of *length* bytes are: half the time a header and the rest, else one buffer, a header
    that is cut elsewhere, empty buffers in between, single bytes, or up to `MOST_FRAGMENTS`."""
    kind = rng.below(16)
    if kind < 8:
        return _split(length, HEADER_BYTES)
    if kind < 10:
        return [length]
    if kind < 13:
        return _split(length, SPLITS[rng.below(len(SPLITS))])
    if kind == 13:
        lengths = _split(length, HEADER_BYTES)
        for _ in range(1 + rng.below(2)):
            lengths.insert(rng.below(len(lengths) + 1), 0)
        return lengths
    if kind == 14:
        singles = min(1 + rng.below(3), length)
        return [1] * singles + ([length - singles] if length > singles or not length else [])
    return _many(length, min(3 + rng.below(MOST_FRAGMENTS - 2), max(length, 1)))


def _split(length: int, at: int) -> list[int]:
    return [at, length - at] if length > at else [length]


def _many(length: int, count: int) -> list[int]:
    """*count* buffers of about the same length, none empty unless the packet is."""
    return [length * (n + 1) // count - length * n // count for n in range(count)]


def padded(frame: bytes) -> bytes:
    """*frame* as the wire carries it: zeros up to 60 bytes."""
    return frame.ljust(MINIMUM_FRAME, b"\0")
