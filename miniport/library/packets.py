# SPDX-License-Identifier: Apache-2.0
"""Packets and buffers: pools, allocation, chaining, queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniport.handlers import NOT_AT_DIRQL
from miniport.packet import NdisBuffer, Owner, Packet
from miniport.routine import UP_TO_DISPATCH, routine
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from miniport.view import View

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis


class Pool:
    """A packet pool or a buffer pool: how many descriptors it has and how many are out."""

    __slots__ = ("count", "live", "name", "out")

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.count = count
        self.out = 0
        self.live = True


@routine("NdisAllocatePacketPool", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, fails=("RESOURCES",),
         on_failure=lambda status: (status, None),
         c="VOID NdisAllocatePacketPool(OUT PNDIS_STATUS, OUT PNDIS_HANDLE, UINT NumberOfDescriptors, UINT ProtocolReservedLength)",
         source="ddi:ndis/nf-ndis-ndisallocatepacketpool")
def allocate_packet_pool(ndis: Ndis, adapter: Adapter, number_of_descriptors: int, protocol_reserved_length: int = 16,
                         ) -> tuple[int, Pool | None]:
    """A pool of packet descriptors. Returns (status, pool)."""
    return NDIS_STATUS_SUCCESS, _pool(adapter, "packet pool", number_of_descriptors, "NdisAllocatePacketPool")


@routine("NdisFreePacketPool", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, c="VOID NdisFreePacketPool(NDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndisfreepacketpool")
def free_packet_pool(ndis: Ndis, adapter: Adapter, pool: Pool) -> None:
    """Free a packet pool."""
    pool.live = False
    adapter.release(pool)


@routine("NdisAllocatePacket", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, fails=("RESOURCES",),
         on_failure=lambda status: (status, None), c="VOID NdisAllocatePacket(OUT PNDIS_STATUS, OUT PNDIS_PACKET*, NDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndisallocatepacket")
def allocate_packet(ndis: Ndis, adapter: Adapter, pool: Pool) -> tuple[int, Packet | None]:
    """A packet descriptor out of a pool. Returns (status, packet)."""
    if pool.out >= pool.count or not pool.live:
        ndis.refused("NdisAllocatePacket")
        return NDIS_STATUS_RESOURCES, None
    pool.out += 1
    packet = Packet(adapter.number_of("packet"), pool)
    packet.owner = Owner.MINIPORT
    return NDIS_STATUS_SUCCESS, packet


@routine("NdisFreePacket", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, c="VOID NdisFreePacket(PNDIS_PACKET)",
         source="ddi:ndis/nf-ndis-ndisfreepacket")
def free_packet(ndis: Ndis, adapter: Adapter, packet: Packet) -> None:
    """Give a packet descriptor back to its pool."""
    packet.owner = Owner.FREE
    packet.pool.out -= 1


@routine("NdisReinitializePacket", irql=UP_TO_DISPATCH, event=False, c="VOID NdisReinitializePacket(PNDIS_PACKET)",
         source="ddi:ndis/nf-ndis-ndisreinitializepacket")
def reinitialize_packet(ndis: Ndis, adapter: Adapter, packet: Packet) -> None:
    """Take all buffers off a packet."""
    packet.first = packet.last = None


@routine("NdisAllocateBufferPool", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL,
         c="VOID NdisAllocateBufferPool(OUT PNDIS_STATUS, OUT PNDIS_HANDLE, UINT NumberOfDescriptors)",
         source="ddi:ndis/nf-ndis-ndisallocatebufferpool")
def allocate_buffer_pool(ndis: Ndis, adapter: Adapter, number_of_descriptors: int) -> tuple[int, Pool]:
    """A pool of buffer descriptors. Returns (status, pool); it never fails."""
    return NDIS_STATUS_SUCCESS, _pool(adapter, "buffer pool", number_of_descriptors, "NdisAllocateBufferPool")


@routine("NdisFreeBufferPool", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, c="VOID NdisFreeBufferPool(NDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndisfreebufferpool")
def free_buffer_pool(ndis: Ndis, adapter: Adapter, pool: Pool) -> None:
    """Free a buffer pool."""
    pool.live = False
    adapter.release(pool)


@routine("NdisAllocateBuffer", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, fails=("FAILURE",),
         on_failure=lambda status: (status, None),
         c="VOID NdisAllocateBuffer(OUT PNDIS_STATUS, OUT PNDIS_BUFFER*, NDIS_HANDLE, PVOID VirtualAddress, UINT Length)",
         source="ddi:ndis/nf-ndis-ndisallocatebuffer")
def allocate_buffer(ndis: Ndis, adapter: Adapter, pool: Pool, virtual_address: View, length: int,
                    ) -> tuple[int, NdisBuffer | None]:
    """A buffer descriptor for nonpaged memory. Returns (status, buffer)."""
    pool.out += 1
    return NDIS_STATUS_SUCCESS, NdisBuffer(virtual_address, length, pool)


@routine("NdisFreeBuffer", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, c="VOID NdisFreeBuffer(PNDIS_BUFFER)",
         source="ddi:ndis/nf-ndis-ndisfreebuffer")
def free_buffer(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer) -> None:
    """Give a buffer descriptor back to its pool."""
    if buffer.pool is not None:
        buffer.pool.out -= 1


@routine("NdisChainBufferAtBack", irql=UP_TO_DISPATCH, event=False, c="VOID NdisChainBufferAtBack(PNDIS_PACKET, PNDIS_BUFFER)",
         source="ddi:ndis/nf-ndis-ndischainbufferatback")
def chain_buffer_at_back(ndis: Ndis, adapter: Adapter, packet: Packet, buffer: NdisBuffer) -> None:
    """Append a buffer to a packet."""
    packet.chain_back(buffer)


@routine("NdisAdjustBufferLength", irql=UP_TO_DISPATCH, event=False, c="VOID NdisAdjustBufferLength(PNDIS_BUFFER, UINT Length)",
         source="ddi:ndis/nf-ndis-ndisadjustbufferlength")
def adjust_buffer_length(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer, length: int) -> None:
    """Set how many bytes of a buffer count."""
    buffer.length = length


@routine("NdisQueryPacket", irql=UP_TO_DISPATCH, event=False,
         c="VOID NdisQueryPacket(PNDIS_PACKET, OUT PUINT PhysicalBufferCount, OUT PUINT BufferCount, OUT PNDIS_BUFFER* First, "
           "OUT PUINT TotalPacketLength)", source="ddi:ndis/nf-ndis-ndisquerypacket")
def query_packet(ndis: Ndis, adapter: Adapter, packet: Packet) -> tuple[int, int, NdisBuffer | None, int]:
    """Returns (physical buffers, buffers, first buffer, total length)."""
    buffers = packet.buffers()
    physical = sum(-(-((int(b.view) & 4095) + b.length) // 4096) for b in buffers)
    return physical, len(buffers), packet.first, sum(buffer.length for buffer in buffers)


@routine("NdisQueryBuffer", irql=UP_TO_DISPATCH, event=False,
         c="VOID NdisQueryBuffer(PNDIS_BUFFER, OUT PVOID* VirtualAddress, OUT PUINT Length)",
         source="ddi:ndis/nf-ndis-ndisquerybuffer")
def query_buffer(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer) -> tuple[View, int]:
    """Returns (virtual address, length)."""
    return buffer.view, buffer.length


@routine("NdisGetNextBuffer", irql=UP_TO_DISPATCH, event=False,
         c="VOID NdisGetNextBuffer(PNDIS_BUFFER, OUT PNDIS_BUFFER* NextBuffer)", source="ddi:ndis/nf-ndis-ndisgetnextbuffer")
def get_next_buffer(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer) -> NdisBuffer | None:
    """The buffer that is chained behind this one, or None."""
    return buffer.next


def _pool(adapter: Adapter, kind: str, count: int, name: str) -> Pool:
    pool = Pool(f"{kind} #{adapter.number_of(kind)}", count)
    adapter.claim(pool, pool.name, name)
    return pool
