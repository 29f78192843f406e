# SPDX-License-Identifier: Apache-2.0
"""The ownership bit is stored last, in a store of its own.

Twin of ``flawed/own_bit_first.py``.
"""

from __future__ import annotations

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw


class OwnBitFirst(Example):
    """Hands over what is complete."""

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """Address and length, then ownership."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * BUFFER_BYTES)
        descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.tx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, length)
        descriptor.write_ulong(CONTROL, hw.OWN | hw.END)
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % SLOTS
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, context.tx_next)
