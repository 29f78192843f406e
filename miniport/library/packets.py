# SPDX-License-Identifier: Apache-2.0
"""Packets and buffers: pools, allocation, chaining, queries, copies. What NDIS does with macros on the bytes of a descriptor alone
(status, flags, times, per-packet information) are properties of `miniport.packet.Packet` and `NdisBuffer`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniport import packet_layout as layout
from miniport.descriptors import Pool
from miniport.handlers import METHODS, NOT_AT_DIRQL
from miniport.packet import PACKET_OWNER, Descriptor, NdisBuffer, Owner, Packet
from miniport.routine import ANY, AT_DISPATCH, UP_TO_DISPATCH, routine
from miniport.status import NDIS_STATUS_FAILURE, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from miniport.view import View

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

MOST_DESCRIPTORS = 0xFFFF
"""Packets that a pool can have."""
_UINT = 0xFFFFFFFF
_MINE = Owner.MINIPORT


# Pools


@routine("NdisAllocatePacketPool", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, fails=("RESOURCES",),
         on_failure=lambda status: (status, None),
         c="VOID NdisAllocatePacketPool(OUT PNDIS_STATUS, OUT PNDIS_HANDLE, UINT NumberOfDescriptors, UINT ProtocolReservedLength)",
         source="ddi:ndis/nf-ndis-ndisallocatepacketpool")
def allocate_packet_pool(ndis: Ndis, adapter: Adapter, number_of_descriptors: int, protocol_reserved_length: int = 16,
                         ) -> tuple[int, Pool | None]:
    """A pool of packet descriptors, in nonpaged memory of its own. Returns (status, pool)."""
    return _packet_pool(ndis, adapter, "NdisAllocatePacketPool", number_of_descriptors, protocol_reserved_length)


@routine("NdisAllocatePacketPoolEx", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, fails=("RESOURCES",),
         on_failure=lambda status: (status, None),
         c="VOID NdisAllocatePacketPoolEx(OUT PNDIS_STATUS, OUT PNDIS_HANDLE, UINT NumberOfDescriptors, "
           "UINT NumberOfOverflowDescriptors, UINT ProtocolReservedLength)", source="ddi:ndis/nf-ndis-ndisallocatepacketpoolex")
def allocate_packet_pool_ex(ndis: Ndis, adapter: Adapter, number_of_descriptors: int, number_of_overflow_descriptors: int,
                            protocol_reserved_length: int = 16) -> tuple[int, Pool | None]:
    """A pool of packet descriptors with more for an overflow, which is cut so that both make 0xFFFF at most; more than that
    without it is RESOURCES. Returns (status, pool)."""
    overflow = min(number_of_overflow_descriptors, max(MOST_DESCRIPTORS - number_of_descriptors, 0))
    return _packet_pool(
        ndis, adapter, "NdisAllocatePacketPoolEx", number_of_descriptors + overflow, protocol_reserved_length)


@routine("NdisFreePacketPool", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, c="VOID NdisFreePacketPool(NDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndisfreepacketpool")
def free_packet_pool(ndis: Ndis, adapter: Adapter, pool: Pool) -> None:
    """Free a packet pool, with the memory of its descriptors."""
    _free_pool(ndis, adapter, "NdisFreePacketPool", pool)


@routine("NdisAllocateBufferPool", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL,
         c="VOID NdisAllocateBufferPool(OUT PNDIS_STATUS, OUT PNDIS_HANDLE, UINT NumberOfDescriptors)",
         source="ddi:ndis/nf-ndis-ndisallocatebufferpool")
def allocate_buffer_pool(ndis: Ndis, adapter: Adapter, number_of_descriptors: int) -> tuple[int, Pool | None]:
    """A pool of buffer descriptors. Returns (status, pool); it never fails. A machine without memory for them gives the pool
    NULL, which is as good: each buffer takes its descriptor from the system then."""
    return NDIS_STATUS_SUCCESS, _pool(ndis, adapter, "buffer pool", "NdisAllocateBufferPool", number_of_descriptors & _UINT,
                                      layout.MDL.size)


@routine("NdisFreeBufferPool", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, c="VOID NdisFreeBufferPool(NDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndisfreebufferpool")
def free_buffer_pool(ndis: Ndis, adapter: Adapter, pool: Pool | None) -> None:
    """Free a buffer pool; nothing to do for NULL."""
    if pool is not None:
        _free_pool(ndis, adapter, "NdisFreeBufferPool", pool)


# Packets

@routine("NdisAllocatePacket", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, fails=("RESOURCES",),
         on_failure=lambda status: (status, None), c="VOID NdisAllocatePacket(OUT PNDIS_STATUS, OUT PNDIS_PACKET*, NDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndisallocatepacket")
def allocate_packet(ndis: Ndis, adapter: Adapter, pool: Pool) -> tuple[int, Packet | None]:
    """A packet descriptor out of a pool, all zero. Returns (status, packet)."""
    return _packet(ndis, adapter, "NdisAllocatePacket", pool)


@routine("NdisDprAllocatePacket", irql=AT_DISPATCH, handlers=NOT_AT_DIRQL, fails=("RESOURCES",),
         on_failure=lambda status: (status, None), c="VOID NdisDprAllocatePacket(OUT PNDIS_STATUS, OUT PNDIS_PACKET*, NDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndisdprallocatepacket")
def dpr_allocate_packet(ndis: Ndis, adapter: Adapter, pool: Pool) -> tuple[int, Packet | None]:
    """NdisAllocatePacket for a caller at DISPATCH_LEVEL. Returns (status, packet)."""
    return _packet(ndis, adapter, "NdisDprAllocatePacket", pool)


@routine("NdisFreePacket", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, c="VOID NdisFreePacket(PNDIS_PACKET)",
         source="ddi:ndis/nf-ndis-ndisfreepacket")
def free_packet(ndis: Ndis, adapter: Adapter, packet: Packet) -> None:
    """Give a packet descriptor back to its pool. Its buffers are freed apart, before."""
    if (packet.owner is _MINE and packet.pool is not None) or _own(ndis, "NdisFreePacket", packet):
        ndis.descriptors.free_packet(packet)


@routine("NdisDprFreePacket", irql=AT_DISPATCH, handlers=NOT_AT_DIRQL, c="VOID NdisDprFreePacket(PNDIS_PACKET)",
         source="ddi:ndis/nf-ndis-ndisdprfreepacket")
def dpr_free_packet(ndis: Ndis, adapter: Adapter, packet: Packet) -> None:
    """NdisFreePacket for a caller at DISPATCH_LEVEL."""
    if _own(ndis, "NdisDprFreePacket", packet):
        ndis.descriptors.free_packet(packet)


@routine("NdisReinitializePacket", irql=UP_TO_DISPATCH, event=False, c="VOID NdisReinitializePacket(PNDIS_PACKET)",
         source="ddi:ndis/nf-ndis-ndisreinitializepacket")
def reinitialize_packet(ndis: Ndis, adapter: Adapter, packet: Packet) -> None:
    """Take all buffers off a packet. Its reserved arrays and its out-of-band data stay as they are."""
    packet.unchain_all()


# Buffers

@routine("NdisAllocateBuffer", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, fails=("FAILURE",),
         on_failure=lambda status: (status, None),
         c="VOID NdisAllocateBuffer(OUT PNDIS_STATUS, OUT PNDIS_BUFFER*, NDIS_HANDLE, PVOID VirtualAddress, UINT Length)",
         source="ddi:ndis/nf-ndis-ndisallocatebuffer")
def allocate_buffer(ndis: Ndis, adapter: Adapter, pool: Pool | None, virtual_address: View, length: int,
                    ) -> tuple[int, NdisBuffer | None]:
    """A buffer descriptor for nonpaged memory; *pool* may be None. Returns (status, buffer)."""
    buffer = ndis.descriptors.new_buffer(pool, virtual_address, length)
    if buffer is None:
        ndis.refused("NdisAllocateBuffer")
        return NDIS_STATUS_FAILURE, None
    return NDIS_STATUS_SUCCESS, buffer


@routine("NdisCopyBuffer", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, fails=("FAILURE",), on_failure=lambda status: (status, None),
         c="VOID NdisCopyBuffer(OUT PNDIS_STATUS, OUT PNDIS_BUFFER*, NDIS_HANDLE PoolHandle, PVOID MemoryDescriptor, UINT Offset, "
           "UINT Length)", source="ddi:ndis/nf-ndis-ndiscopybuffer")
def copy_buffer(ndis: Ndis, adapter: Adapter, pool: Pool | None, memory_descriptor: NdisBuffer, offset: int, length: int,
                ) -> tuple[int, NdisBuffer | None]:
    """Another descriptor for *length* bytes from *offset* on of what a buffer, with those chained behind it, describes: a chain
    where the bytes lie in several buffers. No byte of data is copied. Returns (status, first buffer); FAILURE if the range is
    not in the chain."""
    made: list[NdisBuffer] = []
    source: NdisBuffer | None = memory_descriptor
    left = length
    while source is not None and (left or not made):
        view, size = source.span()
        if offset <= size and (offset < size or not left):
            part = min(left, size - offset)
            buffer = ndis.descriptors.new_buffer(pool, view + offset, part)
            if buffer is None:
                break
            if made:
                made[-1].next = buffer
            made.append(buffer)
            left -= part
        offset = max(offset - size, 0)
        source = source.next
    if left or not made:
        for buffer in made:
            ndis.descriptors.free_buffer(buffer)
        ndis.refused("NdisCopyBuffer")
        return NDIS_STATUS_FAILURE, None
    return NDIS_STATUS_SUCCESS, made[0]


@routine("NdisFreeBuffer", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, c="VOID NdisFreeBuffer(PNDIS_BUFFER)",
         source="ddi:ndis/nf-ndis-ndisfreebuffer")
def free_buffer(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer) -> None:
    """Give a buffer descriptor back."""
    if (buffer.holder.owner is _MINE and buffer.pool is not None) or _own(ndis, "NdisFreeBuffer", buffer):
        ndis.descriptors.free_buffer(buffer)


@routine("NdisAdjustBufferLength", irql=UP_TO_DISPATCH, event=False, c="VOID NdisAdjustBufferLength(PNDIS_BUFFER, UINT Length)",
         source="ddi:ndis/nf-ndis-ndisadjustbufferlength")
def adjust_buffer_length(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer, length: int) -> None:
    """Set how many bytes of a buffer count."""
    buffer.length = length


# Chains

@routine("NdisChainBufferAtFront", irql=ANY, event=False, c="VOID NdisChainBufferAtFront(PNDIS_PACKET, PNDIS_BUFFER)",
         source="ddi:ndis/nf-ndis-ndischainbufferatfront")
def chain_buffer_at_front(ndis: Ndis, adapter: Adapter, packet: Packet, buffer: NdisBuffer) -> None:
    """Put a buffer, or a chain of them, before the buffers of a packet."""
    packet.chain_front(buffer)


@routine("NdisChainBufferAtBack", irql=ANY, event=False, c="VOID NdisChainBufferAtBack(PNDIS_PACKET, PNDIS_BUFFER)",
         source="ddi:ndis/nf-ndis-ndischainbufferatback")
def chain_buffer_at_back(ndis: Ndis, adapter: Adapter, packet: Packet, buffer: NdisBuffer) -> None:
    """Append a buffer, or a chain of them, to a packet."""
    packet.chain_back(buffer)


@routine("NdisUnchainBufferAtFront", irql=ANY, event=False,
         c="VOID NdisUnchainBufferAtFront(PNDIS_PACKET, OUT PNDIS_BUFFER*)", source="ddi:ndis/nf-ndis-ndisunchainbufferatfront")
def unchain_buffer_at_front(ndis: Ndis, adapter: Adapter, packet: Packet) -> NdisBuffer | None:
    """Take the first buffer off a packet. Returns it, None if there is none."""
    return packet.unchain_front()


@routine("NdisUnchainBufferAtBack", irql=ANY, event=False,
         c="VOID NdisUnchainBufferAtBack(PNDIS_PACKET, OUT PNDIS_BUFFER*)", source="ddi:ndis/nf-ndis-ndisunchainbufferatback")
def unchain_buffer_at_back(ndis: Ndis, adapter: Adapter, packet: Packet) -> NdisBuffer | None:
    """Take the last buffer off a packet. Returns it, None if there is none."""
    return packet.unchain_back()


def _packet_pool(ndis: Ndis, adapter: Adapter, name: str, count: int, protocol_reserved: int) -> tuple[int, Pool | None]:
    pool = None
    count, protocol_reserved = count & _UINT, protocol_reserved & _UINT
    if count <= MOST_DESCRIPTORS:
        pool = _pool(ndis, adapter, "packet pool", name, count, layout.packet_bytes(protocol_reserved), protocol_reserved)
    if pool is None:
        ndis.refused(name)
        return NDIS_STATUS_RESOURCES, None
    return NDIS_STATUS_SUCCESS, pool


def _pool(ndis: Ndis, adapter: Adapter, kind: str, name: str, count: int, size: int, protocol_reserved: int = 0) -> Pool | None:
    pool = ndis.descriptors.pool(f"{kind} #{adapter.number_of(kind)}", name, count, size, protocol_reserved)
    if pool is not None:
        adapter.claim(pool, pool.name, name)
    return pool


def _free_pool(ndis: Ndis, adapter: Adapter, name: str, pool: Pool) -> None:
    if pool.live and pool.block is not None:
        ndis.memory.free(pool.block, name, METHODS[ndis.handler])
    pool.live = False
    adapter.release(pool)


def _packet(ndis: Ndis, adapter: Adapter, name: str, pool: Pool) -> tuple[int, Packet | None]:
    packet = ndis.descriptors.new_packet(pool, adapter.number_of("packet")) if pool.live and pool.free else None
    if packet is None:
        ndis.refused(name)
        return NDIS_STATUS_RESOURCES, None
    return NDIS_STATUS_SUCCESS, packet


def _own(ndis: Ndis, name: str, descriptor: Descriptor) -> bool:
    """True if the miniport may free *descriptor*: it allocated it and owns it; a finding else."""
    if descriptor.holder.owner is not _MINE:
        descriptor.touched()
        return False
    if descriptor.pool is None:
        ndis.findings.report(PACKET_OWNER, f"{name} of {descriptor!r}, which the protocol allocated", subject=(descriptor.holder,))
        return False
    return True
