# SPDX-License-Identifier: Apache-2.0
"""NDIS packets and buffers: handles of descriptors whose bytes lie in emulated memory (`miniport.packet_layout`).

A handle keeps what is no part of the bytes: who owns the descriptor, its number, its frame. Every field is read from memory
and written to it at once. A field that a miniport touches while it does not own the descriptor is a finding.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import TYPE_CHECKING, Any

from miniport import packet_layout as layout
from miniport import rules
from miniport.view import View
from verifier.address import VirtualAddress, hex_address, pages_for
from verifier.address_book import Block
from verifier.rule import Rule, rule

if TYPE_CHECKING:
    from miniport.descriptors import Descriptors

PACKET_OWNER = rule(
    "packet-owner", "leave a packet and its buffers alone once they are freed or completed; take what is needed from them before",
    text="A miniport touches the descriptor of a packet or buffer only while it owns it: from its allocation to its free, or from "
         "send or transfer_data to the completion.")
PACKET_CHAIN = rule(
    "packet-chain", "unchain a buffer before it is freed, and chain it to one packet once",
    text="The chain of a packet holds live buffer descriptors, each once.")

LONGEST_CHAIN = 4096
"""Buffers after which a chain counts as a circle."""

_MDL, _PRIVATE = layout.MDL.struct, layout.PRIVATE.struct
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_STATUS, _BYTE_COUNT = layout.OOB["Status"], layout.BYTE_COUNT
_HEAD, _TAIL, _COUNTS_VALID = layout.HEAD, layout.TAIL, layout.COUNTS_VALID


class Owner(Enum):
    """Who may touch a packet."""

    PROTOCOL = "the protocol"
    MINIPORT = "the miniport"
    FREE = "nobody"


_ENDS = struct.Struct("<QQ")
"""Head and Tail of a packet."""
_NOTHING = 0, None
_NULL = bytes(8)
# Looked up once: a member of an enumeration is slow to reach.
_MINE, _FREE = Owner.MINIPORT, Owner.FREE


class Descriptor:
    """What packets and buffers have in common: the place of their bytes, and who may touch them.

    *block* holds the descriptor at *offset*. *holder* is the descriptor whose owner counts: the packet for a buffer that goes
    up or down with one, else the descriptor itself. *pool* is where it goes back to, None for one of the protocol.
    """

    __slots__ = ("at", "block", "cells", "holder", "home", "offset", "owner", "pool", "virtual")

    def __init__(self, home: Descriptors, block: Block, offset: int, pool: Any = None) -> None:
        self.home = home
        self.block = block
        self.offset = offset
        self.at = block.physical + offset
        self.virtual = block.virtual + offset
        self.cells = home.cells
        self.pool = pool
        self.owner = _FREE
        self.holder: Descriptor = self

    @property
    def address(self) -> VirtualAddress:
        """The pointer that C code holds: PNDIS_PACKET or PNDIS_BUFFER."""
        return VirtualAddress(self.virtual)

    def __int__(self) -> int:
        return self.virtual

    def pointer(self, at: int = 0) -> View:
        """A pointer to byte *at* of the descriptor."""
        return View(self.home.port, self.block, self.offset + at)

    # Fields, for the miniport and for NDIS on its behalf. They go straight to the cells of memory: a descriptor is written as a
    # whole when it is made, and for no frame.

    def get_ulong(self, at: int) -> int:
        """Four bytes."""
        if self.holder.owner is not _MINE or not self.block.live:
            self.touched()
        at += self.at
        value: int = _U32.unpack(self.cells[at:at + 4])[0]
        return value

    def put_ulong(self, at: int, value: int) -> None:
        """Four bytes; bits above them are dropped, as C does."""
        if self.holder.owner is not _MINE or not self.block.live:
            self.touched()
        at += self.at
        self.cells[at:at + 4] = _U32.pack(value & 0xFFFFFFFF)

    def get_pointer(self, at: int) -> int:
        """Eight bytes."""
        if self.holder.owner is not _MINE or not self.block.live:
            self.touched()
        at += self.at
        value: int = _U64.unpack(self.cells[at:at + 8])[0]
        return value

    def put_pointer(self, at: int, value: int) -> None:
        """Eight bytes; bits above them are dropped, as C does."""
        if self.holder.owner is not _MINE or not self.block.live:
            self.touched()
        at += self.at
        self.cells[at:at + 8] = _U64.pack(value & 0xFFFFFFFFFFFFFFFF)

    def get_fields(self, form: struct.Struct, at: int = 0) -> tuple[int, ...]:
        """Several fields at once."""
        if self.holder.owner is not _MINE or not self.block.live:
            self.touched()
        return form.unpack(self.cells[self.at + at:self.at + at + form.size])

    def touched(self) -> None:
        """The miniport touches what is not its own: a finding. Own receive packets are lent, all others are done with; a pool
        that was freed took its descriptors along."""
        holder = self.holder
        if holder.owner is _MINE:
            self.home.port.load(self.block, self.offset, 1)
            return
        lent = holder.owner is Owner.PROTOCOL and holder.pool is not None
        broken: Rule = rules.RECEIVE_OWN if lent else PACKET_OWNER
        self.home.findings.report(
            broken, f"{self!r} is touched while it belongs to {holder.owner.value}", subject=(holder,))


class NdisBuffer(Descriptor):
    """An NDIS_BUFFER: *length* bytes from *view* on, in nonpaged memory; `next` is the buffer chained behind it."""

    __slots__ = ("_memory",)

    def __init__(self, home: Descriptors, block: Block, offset: int, memory: Block, pool: Any = None) -> None:
        self.home = home
        self.block = block
        self.offset = offset
        self.at = block.physical + offset
        self.virtual = block.virtual + offset
        self.cells = home.cells
        self.pool = pool
        self.owner = _FREE
        self.holder = self
        self._memory = memory
        """Where the bytes probably are: MappedSystemVa decides."""

    @property
    def length(self) -> int:
        """ByteCount: NdisBufferLength."""
        return self.get_ulong(layout.BYTE_COUNT)

    @length.setter
    def length(self, value: int) -> None:
        if self.holder.owner is not _MINE or not self.block.live:
            self.touched()
        at = self.at + _BYTE_COUNT
        self.cells[at:at + 4] = _U32.pack(value & 0xFFFFFFFF)

    @property
    def view(self) -> View:
        """A pointer to the bytes: NdisBufferVirtualAddress."""
        return self.span()[0]

    @property
    def next(self) -> NdisBuffer | None:
        """The buffer that is chained behind this one, or None."""
        if self.holder.owner is not _MINE or not self.block.live:
            self.touched()
        address = _U64.unpack(self.cells[self.at:self.at + 8])[0]
        return (self.home.buffers.get(address) or self.home.buffer_at(address, self)) if address else None

    @next.setter
    def next(self, buffer: NdisBuffer | None) -> None:
        self.put_pointer(0, 0 if buffer is None else buffer.virtual)

    @property
    def byte_offset(self) -> int:
        """ByteOffset: where in its first page the buffer begins."""
        return self.get_ulong(layout.BYTE_OFFSET)

    def span(self) -> tuple[View, int]:
        """Pointer to the bytes, and how many they are."""
        if self.holder.owner is not _MINE or not self.block.live:
            self.touched()
        _, _, _, _, address, _, length, _ = _MDL.unpack(self.cells[self.at:self.at + 48])
        memory = self._memory
        offset = address - memory.virtual
        if not 0 <= offset <= memory.size:
            memory = self.home.memory.virtual.block_at(address) or memory
            offset = address - memory.virtual
        return View(self.home.port, memory, offset), length

    def pages(self) -> int:
        """How many pages the bytes touch."""
        return pages_for(self.byte_offset + self.length)

    def __repr__(self) -> str:
        return f"<buffer {hex_address(int(self))}>" if self.holder is self else f"<buffer {hex_address(int(self))} of {self.holder!r}>"


class Packet(Descriptor):
    """An NDIS_PACKET. A protocol's packet goes down in `send`; a miniport's goes up in `indicate_receive_packet`."""

    __slots__ = ("_kept", "frame", "number", "oob_at")

    def __init__(self, home: Descriptors, block: Block, offset: int, number: int, protocol_reserved: int, pool: Any = None) -> None:
        self.home = home
        self.block = block
        self.offset = offset
        self.at = block.physical + offset
        self.virtual = block.virtual + offset
        self.cells = home.cells
        self.pool = pool
        self.owner = _FREE
        self.holder = self
        self.number = number
        self.oob_at = layout.oob_offset(protocol_reserved) if pool is None else pool.oob_at
        """NdisPacketOobOffset, which does not change in the life of a pool."""
        self.frame = b""
        """For packets of the protocol: the frame they carry."""
        self._kept: tuple[int, Any] = _NOTHING

    # The chain

    @property
    def first(self) -> NdisBuffer | None:
        """The first buffer, or None."""
        if self.owner is not _MINE or not self.block.live:
            self.touched()
        at = self.at + _HEAD
        address = _U64.unpack(self.cells[at:at + 8])[0]
        return (self.home.buffers.get(address) or self.home.buffer_at(address, self)) if address else None

    @property
    def last(self) -> NdisBuffer | None:
        """The last buffer; None if there is no first one, whatever Tail holds then."""
        return self.home.buffer_at(self.get_pointer(_TAIL), self) if self.get_pointer(_HEAD) else None

    def buffers(self) -> list[NdisBuffer]:
        """The chained buffers, in order."""
        chain: list[NdisBuffer] = []
        home, cells, buffers = self.home, self.cells, self.home.buffers
        address = self.get_pointer(_HEAD)
        while address:
            buffer = buffers.get(address) or home.buffer_at(address, self)
            if buffer is None:
                break
            chain.append(buffer)
            if len(chain) > LONGEST_CHAIN:
                home.findings.report(PACKET_CHAIN, f"the chain of {self!r} comes back to a buffer it has had", subject=(self,))
                break
            address = _U64.unpack(cells[buffer.at:buffer.at + 8])[0]
        return chain

    @property
    def length(self) -> int:
        """Total bytes of all buffers, counted now."""
        cells = self.cells
        places = [buffer.at + _BYTE_COUNT for buffer in self.buffers()]
        return sum([_U32.unpack(cells[at:at + 4])[0] for at in places])

    def counts(self) -> tuple[int, int, int, NdisBuffer | None]:
        """(PhysicalCount, Count, TotalLength, first buffer) as NdisQueryPacket gives them: counted anew unless ValidCounts is
        set, and set then."""
        physical, total, head, _, _, count, _, valid, _, _ = self.get_fields(_PRIVATE)
        first = self.home.buffers.get(head) or self.home.buffer_at(head, self)
        if not valid:
            chain = self.buffers()
            count, total, physical = len(chain), self.length, sum(buffer.pages() for buffer in chain)
            self.put_ulong(layout.PRIVATE["PhysicalCount"], physical)
            self.put_ulong(layout.PRIVATE["TotalLength"], total)
            self.put_ulong(layout.PRIVATE["Count"], count)
            self.cells[self.at + layout.COUNTS_VALID:self.at + layout.COUNTS_VALID + 1] = b"\x01"
        return physical, count, total, first

    def chain_back(self, buffer: NdisBuffer) -> None:
        """Append a buffer, with those that are chained behind it."""
        at, cells = self.at + _HEAD, self.cells
        if (self.owner is _MINE and self.block.live and buffer.holder.owner is _MINE and buffer.block.live
                and cells[at:at + 8] == _NULL == cells[buffer.at:buffer.at + 8]):  # one buffer for an empty packet
            cells[at:at + 16] = _ENDS.pack(buffer.virtual, buffer.virtual)
            self._void_counts()
            return
        last = self._end_of(buffer)
        tail = self.last
        if tail is None:
            self.put_pointer(_HEAD, buffer.virtual)
        else:
            tail.next = buffer
        self.put_pointer(_TAIL, last.virtual)
        self._void_counts()

    def chain_front(self, buffer: NdisBuffer) -> None:
        """Put a buffer, with those that are chained behind it, before the others."""
        last, head = self._end_of(buffer), self.first
        if head is None:
            self.put_pointer(layout.TAIL, int(last))
        else:
            last.next = head
        self.put_pointer(layout.HEAD, int(buffer))
        self._void_counts()

    def unchain_front(self) -> NdisBuffer | None:
        """Take the first buffer off; None if there is none."""
        head = self.first
        if head is not None:
            self.put_pointer(layout.HEAD, head.get_pointer(0))
            head.next = None
        self._void_counts()
        return head

    def unchain_back(self) -> NdisBuffer | None:
        """Take the last buffer off; None if there is none."""
        chain = self.buffers()
        if chain:
            before = chain[-2] if len(chain) > 1 else None
            if before is None:
                self.put_pointer(layout.HEAD, 0)
            else:
                before.next = None
            self.put_pointer(layout.TAIL, 0 if before is None else int(before))
        self._void_counts()
        return chain[-1] if chain else None

    def unchain_all(self) -> None:
        """Forget all buffers, as NdisReinitializePacket does: Head is NULL, the rest of the descriptor stays."""
        self.put_pointer(layout.HEAD, 0)
        self._void_counts()

    def _void_counts(self) -> None:
        at = self.at + _COUNTS_VALID
        self.cells[at:at + 1] = b"\0"

    def _end_of(self, buffer: NdisBuffer) -> NdisBuffer:
        for _ in range(LONGEST_CHAIN):
            behind = buffer.next
            if behind is None:
                break
            buffer = behind
        return buffer

    # Fields of the descriptor

    @property
    def flags(self) -> int:
        """Private.Flags: NdisGetPacketFlags, NdisSetPacketFlags."""
        return self.get_ulong(layout.FLAGS)

    @flags.setter
    def flags(self, value: int) -> None:
        self.put_ulong(layout.FLAGS, value)

    @property
    def reserved(self) -> Any:
        """The first pointer of MiniportReserved: what the miniport likes to keep there while it owns the packet. A number is
        stored as it is, a packet, buffer or view as its address, any other object as a handle. None, and NULL, is 0."""
        number = self.get_pointer(layout.MINIPORT_RESERVED)
        kept, value = self._kept
        return value if number == kept else number

    @reserved.setter
    def reserved(self, value: Any) -> None:
        number = value & 0xFFFFFFFFFFFFFFFF if type(value) is int else self.home.number_for(value)
        self.put_pointer(layout.MINIPORT_RESERVED, number)
        self._kept = number, value

    @property
    def miniport_reserved(self) -> View:
        """A pointer to MiniportReserved (16 bytes; 24 as MiniportReservedEx of a deserialized miniport that sends)."""
        return self.pointer(layout.MINIPORT_RESERVED)

    @property
    def protocol_reserved(self) -> View:
        """A pointer to ProtocolReserved, as long as the pool says."""
        return self.pointer(layout.PROTOCOL_RESERVED)

    # Out-of-band data

    @property
    def oob(self) -> View:
        """A pointer to the out-of-band data: NDIS_OOB_DATA_FROM_PACKET."""
        return self.pointer(self.oob_at)

    @property
    def status(self) -> int:
        """NDIS_GET_PACKET_STATUS, NDIS_SET_PACKET_STATUS."""
        if self.owner is not _MINE or not self.block.live:
            self.touched()
        at = self.at + self.oob_at + _STATUS
        value: int = _U32.unpack(self.cells[at:at + 4])[0]
        return value

    @status.setter
    def status(self, value: int) -> None:
        if self.owner is not _MINE or not self.block.live:
            self.touched()
        at = self.at + self.oob_at + _STATUS
        self.cells[at:at + 4] = _U32.pack(value & 0xFFFFFFFF)

    @property
    def header_size(self) -> int:
        """NDIS_GET_PACKET_HEADER_SIZE, NDIS_SET_PACKET_HEADER_SIZE: bytes of the media header."""
        return self.get_ulong(self.oob_at + layout.OOB["HeaderSize"])

    @header_size.setter
    def header_size(self, value: int) -> None:
        self.put_ulong(self.oob_at + layout.OOB["HeaderSize"], value)

    @property
    def time_to_send(self) -> int:
        """NDIS_GET_PACKET_TIME_TO_SEND, NDIS_SET_PACKET_TIME_TO_SEND: system time in units of 100 ns."""
        return self.get_pointer(self.oob_at)

    @time_to_send.setter
    def time_to_send(self, value: int) -> None:
        self.put_pointer(self.oob_at, value)

    time_sent = time_to_send
    """NDIS_GET_PACKET_TIME_SENT, NDIS_SET_PACKET_TIME_SENT: the same field, once the packet is sent."""

    @property
    def time_received(self) -> int:
        """NDIS_GET_PACKET_TIME_RECEIVED, NDIS_SET_PACKET_TIME_RECEIVED: system time in units of 100 ns."""
        return self.get_pointer(self.oob_at + layout.OOB["TimeReceived"])

    @time_received.setter
    def time_received(self, value: int) -> None:
        self.put_pointer(self.oob_at + layout.OOB["TimeReceived"], value)

    # Per-packet information

    def info(self, kind: str) -> int:
        """NDIS_PER_PACKET_INFO_FROM_PACKET: the pointer or number for *kind*, one of `packet_layout.PACKET_INFO`."""
        return self.get_pointer(self.info_at(kind))

    def set_info(self, kind: str, value: int) -> None:
        """Assign to NDIS_PER_PACKET_INFO_FROM_PACKET."""
        self.put_pointer(self.info_at(kind), value)

    def info_at(self, kind: str) -> int:
        """Where in the descriptor the element of the extension for *kind* lies."""
        return self.oob_at + layout.OOB.size + layout.EXTENSION[kind]

    @property
    def cancel_id(self) -> int:
        """NDIS_GET_PACKET_CANCEL_ID."""
        return self.info("PacketCancelId")

    @property
    def scatter_gather(self) -> tuple[tuple[int, int], ...] | None:
        """The list that NDIS built, as (logical address, length) pieces, for miniports with scatter/gather DMA; else None."""
        address = self.info("ScatterGatherListPacketInfo")
        if not address:
            return None
        list_, element = layout.SCATTER_GATHER_LIST, layout.SCATTER_GATHER_ELEMENT
        at = address - int(self)
        count, _ = self.get_fields(list_.struct, at)
        first = self.at + at + list_.size
        data = self.cells[first:first + count * element.size]
        return tuple([(logical, length) for logical, length, _ in element.struct.iter_unpack(data)])

    def __repr__(self) -> str:
        return f"<packet {self.number}>"
