# SPDX-License-Identifier: Apache-2.0
"""What a driver asks of packets and buffers, and copies from packet to packet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniport.packet import NdisBuffer, Packet
from miniport.routine import UP_TO_DISPATCH, routine
from miniport.status import NDIS_ATTRIBUTE_USES_SAFE_BUFFER_APIS
from miniport.view import View
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

SAFE_ONLY = rule(
    "attr5-other-flags", "call the Safe form, which gives NULL where memory is short, or leave the flag out")
LOW_PAGE_PRIORITY, NORMAL_PAGE_PRIORITY, HIGH_PAGE_PRIORITY = 0, 16, 32
"""MM_PAGE_PRIORITY (wdm.h)."""


def _first_unmapped(status: int | None, packet: Packet, priority: int) -> tuple[NdisBuffer | None, None, int, int]:
    first, _, size, total = _first(packet)
    return first, None, size, total


@routine("NdisQueryPacket", irql=UP_TO_DISPATCH, event=False,
         c="VOID NdisQueryPacket(PNDIS_PACKET, OUT PUINT PhysicalBufferCount, OUT PUINT BufferCount, OUT PNDIS_BUFFER* First, "
           "OUT PUINT TotalPacketLength)", source="ddi:ndis/nf-ndis-ndisquerypacket")
def query_packet(ndis: Ndis, adapter: Adapter, packet: Packet) -> tuple[int, int, NdisBuffer | None, int]:
    """Returns (physical buffers, buffers, first buffer, total length): what stands in the descriptor, which chaining and
    unchaining make void, and adjusting a length does not."""
    physical, count, total, first = packet.counts()
    return physical, count, first, total


@routine("NdisQueryPacketLength", irql=UP_TO_DISPATCH, event=False,
         c="VOID NdisQueryPacketLength(PNDIS_PACKET, OUT PUINT TotalPacketLength)", source="ddi:ndis/nf-ndis-ndisquerypacketlength")
def query_packet_length(ndis: Ndis, adapter: Adapter, packet: Packet) -> int:
    """The total length that NdisQueryPacket gives."""
    return packet.counts()[2]


@routine("NdisQueryBuffer", irql=UP_TO_DISPATCH, event=False,
         c="VOID NdisQueryBuffer(PNDIS_BUFFER, OUT PVOID* VirtualAddress, OUT PUINT Length)",
         source="ddi:ndis/nf-ndis-ndisquerybuffer")
def query_buffer(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer) -> tuple[View, int]:
    """Returns (virtual address, length)."""
    if adapter.attributes & NDIS_ATTRIBUTE_USES_SAFE_BUFFER_APIS:
        _promised(ndis, "NdisQueryBuffer")
    return buffer.span()


@routine("NdisQueryBufferSafe", irql=UP_TO_DISPATCH, event=False, fails=("null",),
         on_failure=lambda status, buffer, priority: (None, buffer.length),
         c="VOID NdisQueryBufferSafe(PNDIS_BUFFER, OUT PVOID* VirtualAddress OPTIONAL, OUT PUINT Length, MM_PAGE_PRIORITY)",
         source="ddi:ndis/nf-ndis-ndisquerybuffersafe")
def query_buffer_safe(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer, priority: int = NORMAL_PAGE_PRIORITY,
                      ) -> tuple[View | None, int]:
    """Returns (virtual address, length); where the system cannot map the buffer, the address is None."""
    return buffer.span()


@routine("NdisQueryBufferOffset", irql=UP_TO_DISPATCH, event=False,
         c="VOID NdisQueryBufferOffset(PNDIS_BUFFER, OUT PUINT Offset, OUT PUINT Length)",
         source="ddi:ndis/nf-ndis-ndisquerybufferoffset")
def query_buffer_offset(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer) -> tuple[int, int]:
    """Returns (offset in the first page, length)."""
    return buffer.byte_offset, buffer.length


@routine("NdisGetFirstBufferFromPacket", irql=UP_TO_DISPATCH, event=False,
         c="VOID NdisGetFirstBufferFromPacket(PNDIS_PACKET, OUT PNDIS_BUFFER* FirstBuffer, OUT PVOID* FirstBufferVA, "
           "OUT PUINT FirstBufferLength, OUT PUINT TotalBufferLength)", source="ddi:ndis/nf-ndis-ndisgetfirstbufferfrompacket")
def get_first_buffer_from_packet(ndis: Ndis, adapter: Adapter, packet: Packet) -> tuple[NdisBuffer | None, View | None, int, int]:
    """Returns (first buffer, its virtual address, its length, length of all buffers); (None, None, 0, 0) where there is none."""
    if adapter.attributes & NDIS_ATTRIBUTE_USES_SAFE_BUFFER_APIS:
        _promised(ndis, "NdisGetFirstBufferFromPacket")
    return _first(packet)


@routine("NdisGetFirstBufferFromPacketSafe", irql=UP_TO_DISPATCH, event=False, fails=("null",), on_failure=_first_unmapped,
         c="VOID NdisGetFirstBufferFromPacketSafe(PNDIS_PACKET, OUT PNDIS_BUFFER* FirstBuffer, OUT PVOID* FirstBufferVA, "
           "OUT PUINT FirstBufferLength, OUT PUINT TotalBufferLength, MM_PAGE_PRIORITY)",
         source="ddi:ndis/nf-ndis-ndisgetfirstbufferfrompacketsafe")
def get_first_buffer_from_packet_safe(ndis: Ndis, adapter: Adapter, packet: Packet, priority: int = NORMAL_PAGE_PRIORITY,
                                      ) -> tuple[NdisBuffer | None, View | None, int, int]:
    """As NdisGetFirstBufferFromPacket; where the system cannot map the buffer, the address is None."""
    return _first(packet)


@routine("NdisGetNextBuffer", irql=UP_TO_DISPATCH, event=False,
         c="VOID NdisGetNextBuffer(PNDIS_BUFFER, OUT PNDIS_BUFFER* NextBuffer)", source="ddi:ndis/nf-ndis-ndisgetnextbuffer")
def get_next_buffer(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer) -> NdisBuffer | None:
    """The buffer that is chained behind this one, or None."""
    return buffer.next


@routine("NdisCopyFromPacketToPacket", irql=UP_TO_DISPATCH,
         c="VOID NdisCopyFromPacketToPacket(PNDIS_PACKET Destination, UINT DestinationOffset, UINT BytesToCopy, PNDIS_PACKET Source, "
           "UINT SourceOffset, OUT PUINT BytesCopied)", source="ddi:ndis/nf-ndis-ndiscopyfrompackettopacket")
def copy_from_packet_to_packet(ndis: Ndis, adapter: Adapter, destination: Packet, destination_offset: int, bytes_to_copy: int,
                               source: Packet, source_offset: int) -> int:
    """Copy data, without out-of-band data. Returns the bytes copied: fewer where either packet ends."""
    if adapter.attributes & NDIS_ATTRIBUTE_USES_SAFE_BUFFER_APIS:
        _promised(ndis, "NdisCopyFromPacketToPacket")
    return _copy(destination, destination_offset, bytes_to_copy, source, source_offset)


@routine("NdisCopyFromPacketToPacketSafe", irql=UP_TO_DISPATCH, fails=("null",), on_failure=lambda status: 0,
         c="VOID NdisCopyFromPacketToPacketSafe(PNDIS_PACKET Destination, UINT DestinationOffset, UINT BytesToCopy, "
           "PNDIS_PACKET Source, UINT SourceOffset, OUT PUINT BytesCopied, MM_PAGE_PRIORITY)",
         source="ddi:ndis/nf-ndis-ndiscopyfrompackettopacketsafe")
def copy_from_packet_to_packet_safe(ndis: Ndis, adapter: Adapter, destination: Packet, destination_offset: int, bytes_to_copy: int,
                                    source: Packet, source_offset: int, priority: int = NORMAL_PAGE_PRIORITY) -> int:
    """As NdisCopyFromPacketToPacket; 0 where the system cannot map the buffers."""
    return _copy(destination, destination_offset, bytes_to_copy, source, source_offset)


def _promised(ndis: Ndis, name: str) -> None:
    ndis.findings.report(
        SAFE_ONLY, f"{name} by a miniport that set NDIS_ATTRIBUTE_USES_SAFE_BUFFER_APIS: it promised {name}Safe", subject=(name,))


def _first(packet: Packet) -> tuple[NdisBuffer | None, View | None, int, int]:
    first = packet.first
    if first is None:
        return None, None, 0, 0
    view, size = first.span()
    return first, view, size, packet.length


def _copy(destination: Packet, destination_offset: int, count: int, source: Packet, source_offset: int) -> int:
    """Copy *count* bytes at most, piece by piece, as one processor does."""
    room, there = _spans(destination, destination_offset), _spans(source, source_offset)
    copied = 0
    while copied < count and room and there:
        (to, space), (origin, size) = room[-1], there[-1]
        part = min(space, size, count - copied)
        to.write(0, origin.read(0, part))
        copied += part
        for pieces, view, left in ((room, to, space), (there, origin, size)):
            pieces.pop()
            if left > part:
                pieces.append((view + part, left - part))
    return copied


def _spans(packet: Packet, offset: int) -> list[tuple[View, int]]:
    """What the buffers of *packet* describe from *offset* on, without empty pieces, the last one first."""
    spans = []
    for buffer in packet.buffers():
        view, size = buffer.span()
        skip = min(offset, size)
        offset -= skip
        if size > skip:
            spans.append((view + skip, size - skip))
    return spans[::-1]
