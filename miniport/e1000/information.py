# SPDX-License-Identifier: Apache-2.0
"""Answers of the 82540EM miniport to queries, and its filters."""

from __future__ import annotations

from miniport import status as s
from miniport.adapter import Adapter
from miniport.e1000 import hardware as hw
from miniport.reference.information import CONSTANTS

_DESCRIPTION = b"Intel 82540EM Ethernet NIC\0"
_COUNTERS = {s.OID_GEN_XMIT_OK: (hw.GPTC,), s.OID_GEN_RCV_OK: (hw.GPRC,), s.OID_GEN_RCV_NO_BUFFER: (hw.MPC,),
             s.OID_GEN_XMIT_ERROR: (hw.LATECOL, hw.ECOL)}
FILTER_BITS = ((s.NDIS_PACKET_TYPE_BROADCAST, hw.RCTL_BAM), (s.NDIS_PACKET_TYPE_ALL_MULTICAST, hw.RCTL_MPE),
               (s.NDIS_PACKET_TYPE_PROMISCUOUS, hw.RCTL_UPE | hw.RCTL_MPE))
"""Bits of RCTL by packet type. Directed and listed multicast frames come by the address registers and the table."""


def value(adapter: Adapter, oid: int) -> bytes | None:
    """What an OID is worth; None for one that is not supported. The counters are cleared by reading: the context adds up."""
    context = adapter.context
    registers = context.registers
    if oid in _COUNTERS:
        number = list(_COUNTERS).index(oid)
        for register in _COUNTERS[oid]:
            seen = adapter.read_register_ulong(registers, register)
            if seen != hw.GONE:
                context.totals[number] = (context.totals[number] + seen) & 0xFFFFFFFF
        return int(context.totals[number]).to_bytes(4, "little")
    if oid in (s.OID_802_3_PERMANENT_ADDRESS, s.OID_802_3_CURRENT_ADDRESS):
        return int(context.address_lo | context.address_hi << 32).to_bytes(6, "little")
    if oid == s.OID_GEN_MEDIA_CONNECT_STATUS:
        up = adapter.read_register_ulong(registers, hw.STATUS) & hw.STATUS_LU
        return (s.NDIS_MEDIA_STATE_CONNECTED if up else s.NDIS_MEDIA_STATE_DISCONNECTED).to_bytes(4, "little")
    if oid == s.OID_GEN_LINK_SPEED:
        speed = (adapter.read_register_ulong(registers, hw.STATUS) & hw.STATUS_SPEED) >> 6
        return hw.SPEEDS[speed].to_bytes(4, "little")
    if oid in CONSTANTS:
        return CONSTANTS[oid].to_bytes(4, "little")
    return _DESCRIPTION if oid == s.OID_GEN_VENDOR_DESCRIPTION else None


def filter_bits(wanted: int) -> int:
    """Bits of RCTL for a packet filter."""
    return sum({bit for ndis_bit, bits in FILTER_BITS if wanted & ndis_bit
                for bit in (hw.RCTL_BAM, hw.RCTL_MPE, hw.RCTL_UPE) if bits & bit})


def table_of(addresses: bytes) -> list[int]:
    """The multicast table for a list of addresses: 12 bits of the last two bytes of each (RCTL.MO is 0)."""
    table = [0] * hw.MTA_REGISTERS
    for at in range(0, len(addresses), 6):
        bit = addresses[at + 4] >> 4 | addresses[at + 5] << 4
        table[bit >> 5] |= 1 << (bit & 31)
    return table
