# SPDX-License-Identifier: Apache-2.0
"""Answers of the slave-DMA miniport to MiniportQueryInformation."""

from __future__ import annotations

from collections.abc import Callable

from miniport import status as s
from miniport.slave import hardware as hw

_CONSTANTS: dict[int, int] = {
    s.OID_GEN_HARDWARE_STATUS: 0, s.OID_GEN_MEDIA_SUPPORTED: s.NDIS_MEDIUM_802_3, s.OID_GEN_MEDIA_IN_USE: s.NDIS_MEDIUM_802_3,
    s.OID_GEN_MAXIMUM_LOOKAHEAD: 1500, s.OID_GEN_CURRENT_LOOKAHEAD: 1500, s.OID_GEN_MAXIMUM_FRAME_SIZE: 1500,
    s.OID_GEN_MAXIMUM_TOTAL_SIZE: 1514, s.OID_GEN_LINK_SPEED: 100_000, s.OID_GEN_TRANSMIT_BUFFER_SPACE: 1514,
    s.OID_GEN_RECEIVE_BUFFER_SPACE: 8 * 1514, s.OID_GEN_TRANSMIT_BLOCK_SIZE: 1514, s.OID_GEN_RECEIVE_BLOCK_SIZE: 1514,
    s.OID_GEN_VENDOR_ID: 0x00FFFFFF, s.OID_GEN_VENDOR_DRIVER_VERSION: 0x00010000, s.OID_GEN_DRIVER_VERSION: 0x0501,
    s.OID_GEN_MAC_OPTIONS: s.NDIS_MAC_OPTION_NO_LOOPBACK | s.NDIS_MAC_OPTION_TRANSFERS_NOT_PEND,
    s.OID_GEN_MAXIMUM_SEND_PACKETS: 1, s.OID_802_3_MAXIMUM_LIST_SIZE: 32,
}
SUPPORTED = tuple(sorted((*_CONSTANTS, s.OID_GEN_SUPPORTED_LIST, s.OID_GEN_VENDOR_DESCRIPTION, s.OID_GEN_MEDIA_CONNECT_STATUS,
                          s.OID_802_3_PERMANENT_ADDRESS, s.OID_802_3_CURRENT_ADDRESS, s.OID_GEN_CURRENT_PACKET_FILTER,
                          s.OID_802_3_MULTICAST_LIST)))


def answer(read: Callable[[int], int], oid: int, length: int) -> tuple[int, bytes, int]:
    """(status, bytes, bytes needed) for one OID and a buffer of *length* bytes; *read* reads a register of the card."""
    data = _value(read, oid)
    if data is None:
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0
    if len(data) > length:
        return s.NDIS_STATUS_BUFFER_TOO_SHORT, b"", len(data)
    return s.NDIS_STATUS_SUCCESS, data, 0


def _value(read: Callable[[int], int], oid: int) -> bytes | None:
    if oid in _CONSTANTS:
        return _CONSTANTS[oid].to_bytes(4, "little")
    if oid in (s.OID_802_3_PERMANENT_ADDRESS, s.OID_802_3_CURRENT_ADDRESS):
        return b"".join(read(register).to_bytes(2, "little") for register in (hw.MAC_0, hw.MAC_1, hw.MAC_2))
    if oid == s.OID_GEN_MEDIA_CONNECT_STATUS:
        up = read(hw.STATUS) & hw.STATUS_LINK
        return (s.NDIS_MEDIA_STATE_CONNECTED if up else s.NDIS_MEDIA_STATE_DISCONNECTED).to_bytes(4, "little")
    if oid == s.OID_GEN_SUPPORTED_LIST:
        return b"".join(oid.to_bytes(4, "little") for oid in SUPPORTED)
    if oid == s.OID_GEN_VENDOR_DESCRIPTION:
        return b"ISA Ethernet card with slave DMA\0"
    return None
