# SPDX-License-Identifier: Apache-2.0
"""Packets of the protocol: where their bytes lie and into which fragments they are cut.

Each packet has memory of its own: one page, or two or three that are neighbours in virtual space and scattered in physical
memory. Its fragments lie in order with gaps between them. In one page they end with its last byte in one packet of four; over
several, fragments cross the ends of pages. Gaps hold bytes of other frames or none at all, so that reading past a fragment is
seen. The descriptors, NDIS_PACKET, NDIS_BUFFERs and scatter/gather list, lie in a page apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocator.memory_manager import MAXULONG64
from hw.processor import Random
from hw.wire import MINIMUM_FRAME
from miniport import packet_layout as layout
from miniport.packet import NdisBuffer, Owner, Packet
from miniport.protocol.fragments import MOST_FRAGMENTS, WIDEST_GAP, crossing, fragments
from verifier.address import PAGE_SIZE
from verifier.address_book import Block, BlockKind
from verifier.errors import UsageError

if TYPE_CHECKING:
    from miniport.ndis import Ndis

EXTRA_FRAME = b"\xff" * 6 + b"\x02\x0d\xbe\xff\xff\x02" + b"\x88\xb5" + bytes(50)
"""What a fault sends besides, or lets arrive: a frame to everybody."""
PROTOCOL_RESERVED = 32
"""Bytes of ProtocolReserved in the protocol's own packets."""
UNDEFINED = b"\xa5" * 32
"""What MiniportReserved and its neighbour hold when a packet comes down: anything."""

_BUFFERS_AT = layout.packet_bytes(PROTOCOL_RESERVED)
_LIST_AT = PAGE_SIZE // 2
"""Where in the page of a packet its buffers and its scatter/gather list begin."""
_SLACK = (MOST_FRAGMENTS + 2) * WIDEST_GAP + 64
_NO_RESERVED = bytes(_BUFFERS_AT - layout.PRIVATE.size - len(UNDEFINED))


class Packets:
    """Makes the packets of one protocol and keeps their memory."""

    def __init__(self, ndis: Ndis, rng: Random) -> None:
        self._ndis = ndis
        self._rng = rng
        self._spread = Random(ndis.machine.seed ^ 0x9B05688C2B3E6C1F ^ ndis.nic.adapter << 32)
        self._blocks = 0
        self._free: dict[int, list[Block]] = {1: [], 2: [], 3: []}
        """Memory that waits for a frame, by its pages."""
        self._free_descriptors: list[Block] = []
        self._block_of: dict[int, Block] = {}
        self._described: dict[int, range] = {}
        """Addresses of the buffers of each packet."""
        self._mapped: dict[int, list[Block]] = {}
        """Blocks of packets that are mapped, one for each piece of the list."""
        self._made = 0

    def make(self, frame: bytes) -> Packet | None:
        """A packet that carries *frame*, in fragments; None while all memory is taken by packets that have to come back first."""
        length, rng = len(frame), self._rng
        self._check(length)
        lengths = fragments(length, rng)
        roomy = length + _SLACK <= PAGE_SIZE
        gaps = [rng.below(WIDEST_GAP + 1) if roomy else 0 for _ in lengths[1:]]
        to_the_end = PAGE_SIZE - length - sum(gaps)
        at = to_the_end if rng.below(4) == 0 else min(rng.below(64), to_the_end)
        pages, places = crossing(lengths, [at, *gaps], self._spread)
        made = self._packet(frame, pages)
        if made is None:
            return None
        packet, block = made
        ram, done = self._ndis.ram, 0
        kept, ram.tag = ram.tag, packet.number
        for size, place in zip(lengths, places, strict=True):
            for physical, part in block.pieces(place, size):
                ram.write(physical, frame[done:done + part])
                done += part
        ram.tag = kept
        self._describe(packet, block, list(zip(places, lengths, strict=True)))
        return packet

    def blank(self, length: int) -> Packet:
        """A packet with room for *length* bytes, none of them written, for `transfer_data`."""
        self._check(length)
        made = self._packet(bytes(length), 1)
        if made is None:
            raise _no_memory()
        packet, block = made
        self._ndis.ram.forget(block.physical, PAGE_SIZE)
        first = self._rng.below(length + 1)
        self._describe(packet, block, [(0, first), (PAGE_SIZE - length + first, length - first)])
        return packet

    def map(self, packet: Packet) -> None:
        """Build the packet's scatter/gather list, as NDIS does before a miniport sees the packet, flushed. Empty buffers have
        no piece."""
        bus, cache, cells = self._ndis.machine.bus, self._ndis.machine.cache, self._ndis.descriptors.cells
        pieces, blocks = [], []
        for buffer in packet.buffers():
            view, length = buffer.span()
            for physical, size in view.block.pieces(view.offset, length) if length else ():
                pieces.append((bus.to_logical(physical), size))
                if cache is not None:
                    cache.write_back(physical, size)
                view.block.device_reads += 1
                view.block.was_mapped = True
                blocks.append(view.block)
        self._mapped[packet.number] = blocks
        page, data = packet.block, layout.scatter_gather_list(pieces)
        cells[page.physical + _LIST_AT:page.physical + _LIST_AT + len(data)] = data
        packet.set_info("ScatterGatherListPacketInfo", page.virtual + _LIST_AT)

    def release(self, packet: Packet) -> None:
        """The packet is done with: its memory is free for another."""
        packet.owner = Owner.PROTOCOL
        block = self._block_of.pop(packet.number)
        for mapped in self._mapped.pop(packet.number, ()):
            mapped.device_reads -= 1
        home = self._ndis.descriptors
        for at in self._described.pop(packet.number):
            del home.buffers[at]
        del home.packets[packet.block.virtual]
        self._free[len(block.runs) or 1].append(block)
        self._free_descriptors.append(packet.block)

    def _check(self, length: int) -> None:
        if length > PAGE_SIZE:
            raise UsageError(f"a frame of {length} bytes is no frame", f"send frames of at most {PAGE_SIZE} bytes")

    def _packet(self, frame: bytes, pages: int) -> tuple[Packet, Block] | None:
        """A packet that has no bytes yet, and the memory for its frame; None where that is to be had when others are back."""
        free = self._free[pages]
        block = free.pop() if free else self._block(pages)
        page = self._free_descriptors.pop() if self._free_descriptors else self._page_of_descriptors()
        if block is None or page is None:
            if not self._block_of:
                raise _no_memory()
            if block is not None:
                free.append(block)
            if page is not None:
                self._free_descriptors.append(page)
            return None
        self._made += 1
        packet = Packet(self._ndis.descriptors, page, 0, self._made, PROTOCOL_RESERVED)
        packet.frame = frame
        packet.owner = Owner.PROTOCOL
        self._block_of[packet.number] = block
        return packet, block

    def _describe(self, packet: Packet, block: Block, spans: list[tuple[int, int]]) -> None:
        """Write the packet and a chain of buffers for *spans*, as (offset in *block*, bytes), in one go."""
        home, page = self._ndis.descriptors, packet.block
        after = at = page.virtual + _BUFFERS_AT
        chain: list[bytes] = []
        pages, buffers = 0, home.buffers
        for place, size in spans:
            buffer = NdisBuffer(home, page, at - page.virtual, block)
            buffer.holder = packet
            buffers[at] = buffer
            at += layout.MDL.size
            address = block.virtual + place
            chain.append(layout.buffer_descriptor(at if len(chain) + 1 < len(spans) else 0, address, size))
            pages += ((address & (PAGE_SIZE - 1)) + size + PAGE_SIZE - 1) // PAGE_SIZE
        head = layout.PRIVATE.struct.pack(
            pages, sum(size for _, size in spans), after, at - layout.MDL.size, page.virtual, len(spans), 0, True,
            layout.PACKET_ALLOCATED_BY_NDIS, packet.oob_at)
        data = b"".join((head, UNDEFINED, _NO_RESERVED, *chain))
        home.cells[page.physical:page.physical + len(data)] = data
        self._described[packet.number] = range(after, at, layout.MDL.size)
        home.packets[page.virtual] = packet

    def _page_of_descriptors(self) -> Block | None:
        ndis = self._ndis
        block = ndis.memory.allocate(
            BlockKind.OTHER, "protocol", f"packet descriptor {len(self._block_of)} of the protocol", PAGE_SIZE, owner="the protocol",
            adapter=ndis.adapter.number, cached=False)
        if block is not None:
            ndis.ram.write_tagged(block.physical, bytes(PAGE_SIZE), 0)
        return block

    def _block(self, pages: int) -> Block | None:
        ndis = self._ndis
        adapter = ndis.adapter
        lowest, highest = 0, MAXULONG64
        if adapter.scatter_gather:  # NDIS copies a packet that lies out of reach before it builds the list
            offset = ndis.machine.bus.logical_offset
            lowest, highest = max(0, -offset), (1 << adapter.dma_bits) - 1 - offset
        name = f"packet buffer {self._blocks} of the protocol"
        self._blocks += 1
        if pages > 1:
            return ndis.memory.allocate_spread(
                BlockKind.OTHER, "protocol", name, pages, lowest=lowest, highest=highest, owner="the protocol", adapter=adapter.number)
        return ndis.memory.allocate(
            BlockKind.OTHER, "protocol", name, PAGE_SIZE, lowest=lowest, highest=highest, owner="the protocol", adapter=adapter.number)


def _no_memory() -> UsageError:
    return UsageError("the machine has no memory left for the packets of the protocol", "give the machine more RAM")


def padded(frame: bytes) -> bytes:
    """*frame* as the wire carries it: zeros up to 60 bytes."""
    return frame.ljust(MINIMUM_FRAME, b"\0")
