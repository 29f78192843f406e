# SPDX-License-Identifier: Apache-2.0
"""The doorbell rings after the last store to the descriptor.

Twin of ``flawed/doorbell_first.py``.
"""

from __future__ import annotations

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw


class DoorbellFirst(Example):
    """Tells the card what is there."""

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """Address, length and ownership, then the doorbell."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * BUFFER_BYTES)
        descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.tx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, length)
        descriptor.write_ulong(CONTROL, hw.OWN | hw.END)
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % SLOTS
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, context.tx_next)
