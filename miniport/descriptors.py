# SPDX-License-Identifier: Apache-2.0
"""The descriptors of one adapter: packets and buffers by the address that C code and chains hold, and the pools they lie in."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from allocator.memory_manager import MemoryManager
from miniport import packet_layout as layout
from miniport.packet import PACKET_CHAIN, Descriptor, NdisBuffer, Owner, Packet
from miniport.packet_layout import buffer_descriptor
from miniport.view import View
from verifier.address import PAGE_SIZE, hex_address
from verifier.address_book import Block, BlockKind

if TYPE_CHECKING:
    from hw.machine import Machine
    from hw.processor_port import ProcessorPort

_FIRST_HANDLE = 0xFFFF_E000_0000_0000
"""Numbers of objects that Python keeps for `Packet.reserved`: no address that the bed gives out."""
_POINTERS = (int, View, Descriptor)
_MINE, _FREE = Owner.MINIPORT, Owner.FREE
_pack_private, _PRIVATE_BYTES, _BY_NDIS = layout.PRIVATE.struct.pack, layout.PRIVATE.size, layout.PACKET_ALLOCATED_BY_NDIS
_MDL_BYTES = layout.MDL.size


class Pool:
    """A packet pool or a buffer pool: *count* descriptors of *size* bytes in a block of nonpaged memory (None for none)."""

    __slots__ = ("block", "count", "free", "live", "name", "oob_at", "out", "protocol_reserved", "size")

    def __init__(self, name: str, count: int, size: int, block: Block | None, protocol_reserved: int = 0) -> None:
        self.name = name
        self.count = count
        self.size = size
        self.block = block
        self.protocol_reserved = protocol_reserved
        self.oob_at = layout.oob_offset(protocol_reserved)
        """For packets: NdisPacketOobOffset."""
        self.out = 0
        self.live = True
        self.free = deque(range(0, count * size, size))
        """Offsets of the descriptors that are not out; the one that came back last goes out last."""


class Descriptors:
    """Packets and buffers of one adapter by address."""

    __slots__ = ("_adapter", "_handles", "_spare", "buffers", "cells", "findings", "memory", "packets", "port", "ram")

    def __init__(self, machine: Machine, memory: MemoryManager, port: ProcessorPort, adapter: int) -> None:
        self.memory = memory
        self.findings = machine.findings
        self.ram = machine.processor_ram
        self.port = port
        self.cells = machine.ram.backing.cells
        self.packets: dict[int, Packet] = {}
        self.buffers: dict[int, NdisBuffer] = {}
        self._adapter = adapter
        self._spare: Pool | None = None
        """Where buffers without a pool lie."""
        self._handles = _FIRST_HANDLE

    def pool(self, name: str, routine: str, count: int, size: int, protocol_reserved: int = 0) -> Pool | None:
        """A pool of *count* descriptors of *size* bytes; None if there is no memory. Its block counts as not cached: no device
        reaches it, and `cells` and a processor that goes through a cache must see the same bytes."""
        block = None
        if count:
            block = self.memory.allocate(BlockKind.OTHER, routine, name, count * size, owner="NDIS", adapter=self._adapter,
                                         cached=False)
            if block is None:
                return None
            self.ram.write_tagged(block.physical, bytes(count * size), 0)
        return Pool(name, count, size, block, protocol_reserved)

    # Packets

    def new_packet(self, pool: Pool, number: int) -> Packet | None:
        """A packet out of *pool*, zero but for what NDIS keeps in it; None if all are out."""
        block, size = pool.block, pool.size
        if not pool.free or block is None:
            return None
        packet = Packet(self, block, pool.free.popleft(), number, pool.protocol_reserved, pool)
        packet.owner = _MINE
        head = _pack_private(0, 0, 0, 0, block.virtual, 0, 0, 0, _BY_NDIS, pool.oob_at)
        at = packet.at
        self.cells[at:at + size] = head + bytes(size - _PRIVATE_BYTES)
        pool.out += 1
        self.packets[packet.virtual] = packet
        return packet

    def free_packet(self, packet: Packet) -> None:
        """Give a packet back to its pool."""
        packet.owner = _FREE
        packet.pool.out -= 1
        packet.pool.free.append(packet.offset)
        del self.packets[packet.virtual]

    # Buffers

    def new_buffer(self, pool: Pool | None, view: View, length: int) -> NdisBuffer | None:
        """A buffer for *length* bytes at *view*. Windows counts no buffers: those that *pool* has no room for, and those of no
        pool, lie in pages of NDIS. None if there is no memory."""
        place = pool if pool is not None and pool.free else self._spare_pool()
        if place is None or place.block is None:
            return None
        memory = view.block
        buffer = NdisBuffer(self, place.block, place.free.popleft(), memory, place)
        buffer.owner = _MINE
        at = buffer.at
        self.cells[at:at + _MDL_BYTES] = buffer_descriptor(0, memory.virtual + view.offset, length)
        place.out += 1
        self.buffers[buffer.virtual] = buffer
        return buffer

    def free_buffer(self, buffer: NdisBuffer) -> None:
        """Give a buffer back to where it came from."""
        buffer.owner = _FREE
        buffer.pool.out -= 1
        buffer.pool.free.append(buffer.offset)
        del self.buffers[buffer.virtual]

    def buffer_at(self, address: int, holder: Descriptor) -> NdisBuffer | None:
        """The buffer at *address*, which *holder* points to; None for 0, and after a finding for what is no live buffer."""
        if not address:
            return None
        buffer = self.buffers.get(address)
        if buffer is None:
            self.findings.report(
                PACKET_CHAIN, f"{holder!r} points to {hex_address(address)}, where no live buffer descriptor is", subject=(holder.holder,))
        return buffer

    def _spare_pool(self) -> Pool | None:
        if self._spare is None or not self._spare.free:
            self._spare = self.pool("buffer descriptors of NDIS", "NdisAllocateBuffer", PAGE_SIZE // layout.MDL.size, layout.MDL.size)
        return self._spare

    # MiniportReserved

    def number_for(self, value: Any) -> int:
        """What *value* is as a pointer: its number or address, or a handle for an object that Python keeps."""
        if value is None:
            return 0
        if isinstance(value, _POINTERS):
            return int(value) & 0xFFFFFFFFFFFFFFFF
        self._handles += 16
        return self._handles
