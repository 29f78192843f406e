# SPDX-License-Identifier: Apache-2.0
"""NDIS_PACKET, NDIS_BUFFER and what belongs to them, byte for byte, as a 64-bit compiler lays them out.

Each structure stands once, as its fields in order with their `struct` letters; offsets, padding and size follow by natural
alignment. Pointers are 8 bytes. Sources of the declarations: ndis.h and wdm.h of mingw-w64 (ddk), the pages of
NDIS_PACKET, NDIS_PACKET_OOB_DATA and SCATTER_GATHER_LIST.

A packet descriptor is an NDIS_PACKET whose ProtocolReserved has the length of its pool, and behind it, at NdisPacketOobOffset,
an NDIS_PACKET_OOB_DATA and an NDIS_PACKET_EXTENSION.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable


def aligned(offset: int, unit: int) -> int:
    """*offset*, or the next multiple of *unit* above it."""
    return -(-offset // unit) * unit


class Layout:
    """One C structure: ``(field, letter)`` pairs become offsets in bytes; ``16s`` is an array of 16 UCHAR."""

    def __init__(self, *fields: tuple[str, str], unit: int = 1) -> None:
        offset, form = 0, "<"
        self.offsets: dict[str, int] = {}
        for name, letter in fields:
            size = struct.calcsize(f"<{letter}")
            own = 1 if letter.endswith("s") else size
            unit = max(unit, own)
            place = aligned(offset, own)
            form += "x" * (place - offset) + letter
            self.offsets[name] = place
            offset = place + size
        self.size = aligned(offset, unit)
        self.struct = struct.Struct(form + "x" * (self.size - offset))

    def __getitem__(self, field: str) -> int:
        """The offset of *field* in bytes."""
        return self.offsets[field]


PRIVATE = Layout(
    ("PhysicalCount", "I"), ("TotalLength", "I"), ("Head", "Q"), ("Tail", "Q"), ("Pool", "Q"), ("Count", "I"), ("Flags", "I"),
    ("ValidCounts", "B"), ("NdisPacketFlags", "B"), ("NdisPacketOobOffset", "H"))
"""NDIS_PACKET_PRIVATE, the beginning of a packet."""

PACKET = Layout(
    ("Private", f"{PRIVATE.size}s"), ("MacReserved", "32s"), ("Reserved0", "Q"), ("Reserved1", "Q"), ("ProtocolReserved", "B"))
"""NDIS_PACKET. MacReserved is the union: MiniportReserved is its first 16 bytes, MiniportReservedEx its first 24."""

OOB = Layout(
    ("TimeToSend", "Q"), ("TimeReceived", "Q"), ("HeaderSize", "I"), ("SizeMediaSpecificInfo", "I"), ("MediaSpecificInformation", "Q"),
    ("Status", "I"))
"""NDIS_PACKET_OOB_DATA. TimeSent is the same field as TimeToSend."""

PACKET_INFO = (
    "TcpIpChecksumPacketInfo", "IpSecPacketInfo", "TcpLargeSendPacketInfo", "ClassificationHandlePacketInfo", "NdisReserved",
    "ScatterGatherListPacketInfo", "Ieee8021QInfo", "OriginalPacketInfo", "PacketCancelId", "OriginalNetBufferList",
    "CachedNetBufferList", "ShortPacketPaddingInfo")
"""NDIS_PER_PACKET_INFO: the elements of an NDIS_PACKET_EXTENSION, in order."""

EXTENSION = Layout(*((name, "Q") for name in PACKET_INFO))
"""NDIS_PACKET_EXTENSION: one pointer for each kind of per-packet information."""

MDL = Layout(
    ("Next", "Q"), ("Size", "h"), ("MdlFlags", "h"), ("Process", "Q"), ("MappedSystemVa", "Q"), ("StartVa", "Q"), ("ByteCount", "I"),
    ("ByteOffset", "I"))
"""NDIS_BUFFER, which is an MDL. No page frame numbers follow: a miniport gets device addresses from NDIS alone."""

SCATTER_GATHER_LIST = Layout(("NumberOfElements", "I"), ("Reserved", "Q"))
"""SCATTER_GATHER_LIST without its elements, which follow."""

SCATTER_GATHER_ELEMENT = Layout(("Address", "Q"), ("Length", "I"), ("Reserved", "Q"))

HEAD, TAIL, COUNTS_VALID, FLAGS = PRIVATE["Head"], PRIVATE["Tail"], PRIVATE["ValidCounts"], PRIVATE["Flags"]
MINIPORT_RESERVED = PACKET["MacReserved"]
MINIPORT_RESERVED_BYTES = 16
PROTOCOL_RESERVED = PACKET["ProtocolReserved"]
MAPPED_VA, START_VA, BYTE_COUNT, BYTE_OFFSET = MDL["MappedSystemVa"], MDL["StartVa"], MDL["ByteCount"], MDL["ByteOffset"]

PACKET_ALLOCATED_BY_NDIS = 0x80
"""fPACKET_ALLOCATED_BY_NDIS of NdisPacketFlags: the extension is there."""
MDL_SOURCE_IS_NONPAGED_POOL = 0x0004
"""MdlFlags: MappedSystemVa is valid (wdm.h)."""
_pack_mdl, _MDL_BYTES = MDL.struct.pack, MDL.size


def oob_offset(protocol_reserved: int) -> int:
    """NdisPacketOobOffset of a packet with *protocol_reserved* bytes of ProtocolReserved."""
    return aligned(PROTOCOL_RESERVED + max(protocol_reserved, 1), 8)


def packet_bytes(protocol_reserved: int) -> int:
    """Bytes of a whole packet descriptor, up to where the next one may begin."""
    return aligned(oob_offset(protocol_reserved) + OOB.size + EXTENSION.size, 16)


def buffer_descriptor(after: int, address: int, length: int) -> bytes:
    """The bytes of an NDIS_BUFFER for *length* bytes at virtual *address*, chained before the descriptor at *after* (0: none)."""
    start = address & ~0xFFF
    return _pack_mdl(after, _MDL_BYTES, MDL_SOURCE_IS_NONPAGED_POOL, 0, address, start, length & 0xFFFFFFFF, address - start)


def scatter_gather_list(pieces: Iterable[tuple[int, int]]) -> bytes:
    """A SCATTER_GATHER_LIST of (device address, length) *pieces*, with its elements."""
    elements = [SCATTER_GATHER_ELEMENT.struct.pack(address, length, 0) for address, length in pieces]
    return SCATTER_GATHER_LIST.struct.pack(len(elements), 0) + b"".join(elements)
