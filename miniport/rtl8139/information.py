# SPDX-License-Identifier: Apache-2.0
"""Answers of the RTL8139C's miniport to MiniportQueryInformation."""

from __future__ import annotations

from functools import partial

from miniport import status as s
from miniport.adapter import Adapter
from miniport.reference import information
from miniport.rtl8139 import hardware as hw

_DESCRIPTION = b"Realtek RTL8139C Fast Ethernet\0"
_CONSTANTS = {**information.CONSTANTS, s.OID_GEN_TRANSMIT_BUFFER_SPACE: 4 * 1536, s.OID_GEN_RECEIVE_BUFFER_SPACE: hw.RING_BYTES,
              s.OID_GEN_VENDOR_ID: 0x0000E04C}
_COUNTERS = {s.OID_GEN_XMIT_OK: "sent", s.OID_GEN_RCV_OK: "received", s.OID_GEN_RCV_NO_BUFFER: "missed", s.OID_GEN_XMIT_ERROR: "not_sent"}


def _value(adapter: Adapter, oid: int) -> bytes | None:
    context = adapter.context
    registers = context.registers
    if oid in _CONSTANTS:
        return _CONSTANTS[oid].to_bytes(4, "little")
    if oid in _COUNTERS:
        adapter.acquire_spin_lock(context.lock)
        total = getattr(context, _COUNTERS[oid])
        adapter.release_spin_lock(context.lock)
        if oid == s.OID_GEN_RCV_NO_BUFFER:
            total += adapter.read_register_ulong(registers, hw.MPC)
        return int(total & 0xFFFFFFFF).to_bytes(4, "little")
    if oid in (s.OID_802_3_PERMANENT_ADDRESS, s.OID_802_3_CURRENT_ADDRESS):
        low = adapter.read_register_ulong(registers, hw.IDR0)
        high = adapter.read_register_ulong(registers, hw.IDR4)
        return (low | high << 32).to_bytes(8, "little")[:6]
    if oid == s.OID_GEN_MEDIA_CONNECT_STATUS:
        down = adapter.read_register_uchar(registers, hw.MSR) & hw.MSR_LINKB
        return (s.NDIS_MEDIA_STATE_DISCONNECTED if down else s.NDIS_MEDIA_STATE_CONNECTED).to_bytes(4, "little")
    if oid == s.OID_GEN_SUPPORTED_LIST:
        return b"".join(oid.to_bytes(4, "little") for oid in information.SUPPORTED)
    return _DESCRIPTION if oid == s.OID_GEN_VENDOR_DESCRIPTION else None


answer = partial(information.answer, aware=True, value=_value)
"""(status, bytes, bytes needed) for one OID; the card may go to D3 at any time."""
