# SPDX-License-Identifier: Apache-2.0
"""What the reference miniport does in MiniportQueryInformation and MiniportSetInformation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from zlib import crc32

from miniport import status as s
from miniport.adapter import Adapter
from miniport.reference import hardware as hw

_DESCRIPTION = b"Reference Ethernet NIC\0"
CONSTANTS: dict[int, int] = {
    s.OID_GEN_HARDWARE_STATUS: 0, s.OID_GEN_MEDIA_SUPPORTED: s.NDIS_MEDIUM_802_3, s.OID_GEN_MEDIA_IN_USE: s.NDIS_MEDIUM_802_3,
    s.OID_GEN_MAXIMUM_LOOKAHEAD: 1500, s.OID_GEN_CURRENT_LOOKAHEAD: 1500, s.OID_GEN_MAXIMUM_FRAME_SIZE: 1500,
    s.OID_GEN_MAXIMUM_TOTAL_SIZE: 1514, s.OID_GEN_LINK_SPEED: 1_000_000, s.OID_GEN_TRANSMIT_BUFFER_SPACE: 8 * 1536,
    s.OID_GEN_RECEIVE_BUFFER_SPACE: 16 * 1536, s.OID_GEN_TRANSMIT_BLOCK_SIZE: 1536, s.OID_GEN_RECEIVE_BLOCK_SIZE: 1536,
    s.OID_GEN_VENDOR_ID: 0x00FFFFFF, s.OID_GEN_VENDOR_DRIVER_VERSION: 0x00010000, s.OID_GEN_DRIVER_VERSION: 0x0501,
    s.OID_GEN_MAC_OPTIONS: s.NDIS_MAC_OPTION_NO_LOOPBACK | s.NDIS_MAC_OPTION_TRANSFERS_NOT_PEND,
    s.OID_GEN_MAXIMUM_SEND_PACKETS: 1, s.OID_802_3_MAXIMUM_LIST_SIZE: 32, s.OID_802_3_RCV_ERROR_ALIGNMENT: 0,
    s.OID_802_3_XMIT_ONE_COLLISION: 0, s.OID_802_3_XMIT_MORE_COLLISIONS: 0, s.OID_GEN_RCV_ERROR: 0,
}
_COUNTERS = {s.OID_GEN_XMIT_OK: hw.STAT_TX, s.OID_GEN_RCV_OK: hw.STAT_RX, s.OID_GEN_RCV_NO_BUFFER: hw.STAT_MISSED,
             s.OID_GEN_XMIT_ERROR: hw.STAT_TX_ERRORS}
_OTHERS = (s.OID_GEN_SUPPORTED_LIST, s.OID_GEN_VENDOR_DESCRIPTION, s.OID_GEN_CURRENT_PACKET_FILTER, s.OID_GEN_MEDIA_CONNECT_STATUS,
           s.OID_802_3_PERMANENT_ADDRESS, s.OID_802_3_CURRENT_ADDRESS, s.OID_802_3_MULTICAST_LIST)
SUPPORTED = tuple(sorted((*CONSTANTS, *_COUNTERS, *_OTHERS)))


POWER = (s.OID_PNP_CAPABILITIES, s.OID_PNP_QUERY_POWER, s.OID_PNP_SET_POWER)
"""What a driver that is aware of power management serves besides."""


def _list(oids: Iterable[int]) -> bytes:
    return b"".join(oid.to_bytes(4, "little") for oid in oids)


_SUPPORTED, _SUPPORTED_AWARE = _list(SUPPORTED), _list(sorted((*SUPPORTED, *POWER)))
"""OID_GEN_SUPPORTED_LIST as the miniport returns it."""
_NO_WAKE_UP = bytes(16)
"""NDIS_PNP_CAPABILITIES of a card that wakes nobody: three times NdisDeviceStateUnspecified."""


def answer(adapter: Adapter, oid: int, length: int, *, aware: bool = False,
           value: Callable[[Adapter, int], bytes | None] | None = None) -> tuple[int, bytes, int]:
    """(status, bytes, bytes needed) for one OID and a buffer of *length* bytes. *aware* of power management: the card can go to
    D3 whenever it is asked. *value* is what another card says to an OID of `SUPPORTED`."""
    data = (value or _value)(adapter, oid)
    if aware and oid == s.OID_GEN_SUPPORTED_LIST:
        data = _SUPPORTED_AWARE
    elif aware and oid in POWER:
        data = _NO_WAKE_UP if oid == s.OID_PNP_CAPABILITIES else b""
    if data is None:
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0
    if len(data) > length:
        return s.NDIS_STATUS_BUFFER_TOO_SHORT, b"", len(data)
    return s.NDIS_STATUS_SUCCESS, data, 0


def apply(adapter: Adapter, oid: int, data: bytes) -> tuple[int, int, int]:
    """(status, bytes read, bytes needed) for one OID: packet filter, multicast list and lookahead."""
    registers = adapter.context.registers
    if oid == s.OID_GEN_CURRENT_LOOKAHEAD:
        return (s.NDIS_STATUS_SUCCESS, 4, 0) if len(data) >= 4 else (s.NDIS_STATUS_INVALID_LENGTH, 0, 4)
    if oid == s.OID_GEN_CURRENT_PACKET_FILTER:
        if len(data) < 4:
            return s.NDIS_STATUS_INVALID_LENGTH, 0, 4
        wanted = int.from_bytes(data[:4], "little")
        bits = 0
        for ndis_bit, card_bit in ((s.NDIS_PACKET_TYPE_DIRECTED, hw.FILTER_DIRECTED), (s.NDIS_PACKET_TYPE_BROADCAST, hw.FILTER_BROADCAST),
                                   (s.NDIS_PACKET_TYPE_MULTICAST, hw.FILTER_MULTICAST),
                                   (s.NDIS_PACKET_TYPE_ALL_MULTICAST, hw.FILTER_ALL_MULTICAST),
                                   (s.NDIS_PACKET_TYPE_PROMISCUOUS, hw.FILTER_PROMISCUOUS)):
            if wanted & ndis_bit:
                bits |= card_bit
        adapter.write_register_ulong(registers, hw.FILTER, bits)
        return s.NDIS_STATUS_SUCCESS, 4, 0
    if oid == s.OID_802_3_MULTICAST_LIST:
        if len(data) % 6:
            return s.NDIS_STATUS_INVALID_LENGTH, 0, 0
        table = 0
        for at in range(0, len(data), 6):
            table |= 1 << (crc32(data[at:at + 6]) >> 26)
        adapter.write_register_ulong(registers, hw.HASH_LO, table & 0xFFFFFFFF)
        adapter.write_register_ulong(registers, hw.HASH_HI, table >> 32)
        return s.NDIS_STATUS_SUCCESS, len(data), 0
    return s.NDIS_STATUS_NOT_SUPPORTED, 0, 0


def _value(adapter: Adapter, oid: int) -> bytes | None:
    registers = adapter.context.registers
    if oid in CONSTANTS:
        return CONSTANTS[oid].to_bytes(4, "little")
    if oid in _COUNTERS:
        return adapter.read_register_ulong(registers, _COUNTERS[oid]).to_bytes(4, "little")
    if oid in (s.OID_802_3_PERMANENT_ADDRESS, s.OID_802_3_CURRENT_ADDRESS):
        low = adapter.read_register_ulong(registers, hw.MAC_LO)
        high = adapter.read_register_ulong(registers, hw.MAC_HI)
        return (low | high << 32).to_bytes(8, "little")[:6]
    if oid == s.OID_GEN_MEDIA_CONNECT_STATUS:
        up = adapter.read_register_ulong(registers, hw.STATUS) & hw.STATUS_LINK
        return (s.NDIS_MEDIA_STATE_CONNECTED if up else s.NDIS_MEDIA_STATE_DISCONNECTED).to_bytes(4, "little")
    if oid == s.OID_GEN_SUPPORTED_LIST:
        return _SUPPORTED
    if oid == s.OID_GEN_VENDOR_DESCRIPTION:
        return _DESCRIPTION
    return None
