# SPDX-License-Identifier: Apache-2.0
"""Answers of the PCnet miniports to MiniportQueryInformation, and the multicast hash."""

from __future__ import annotations

from zlib import crc32

from miniport import status as s
from miniport.adapter import Adapter
from miniport.reference.information import CONSTANTS, SUPPORTED

_DESCRIPTION = b"AMD PCnet Ethernet\0"
_CONSTANTS = {**CONSTANTS, s.OID_GEN_LINK_SPEED: 100_000, s.OID_GEN_VENDOR_ID: 0x0000001A}
_COUNTERS = {s.OID_GEN_XMIT_OK: "sent", s.OID_GEN_RCV_OK: "received", s.OID_GEN_RCV_NO_BUFFER: "missed", s.OID_GEN_XMIT_ERROR: "not_sent"}


def table_of(addresses: bytes) -> int:
    """The logical address filter for a multicast list, six bytes an address."""
    table = 0
    for at in range(0, len(addresses), 6):
        table |= 1 << hash_bit(addresses[at:at + 6])
    return table


def hash_bit(address: bytes) -> int:
    """The bit of the logical address filter for *address*: the top six bits of its CRC, without the last complement."""
    return (crc32(address) ^ 0xFFFFFFFF) >> 26


def value(adapter: Adapter, oid: int) -> bytes | None:
    """What the card says to one OID; None to one that is not supported, and to the state of the link."""
    context = adapter.context
    if oid in _CONSTANTS:
        return _CONSTANTS[oid].to_bytes(4, "little")
    if oid in _COUNTERS:
        return int(getattr(context, _COUNTERS[oid])).to_bytes(4, "little")
    if oid in (s.OID_802_3_PERMANENT_ADDRESS, s.OID_802_3_CURRENT_ADDRESS):
        return int(context.address).to_bytes(6, "little")
    if oid == s.OID_GEN_SUPPORTED_LIST:
        return b"".join(oid.to_bytes(4, "little") for oid in SUPPORTED)
    return _DESCRIPTION if oid == s.OID_GEN_VENDOR_DESCRIPTION else None
