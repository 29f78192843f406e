# SPDX-License-Identifier: Apache-2.0
"""The doorbell rings before the descriptor is written.

Wrong:    the write of TX_TAIL tells the card to fetch a descriptor that is still the old one.
Silicon:  the card finds no ownership bit and goes to sleep; the frame waits for the next doorbell.
Expected: desc-before-doorbell, with the doorbell.
Mend:     ring the doorbell after the last store to the descriptor.
"""

from __future__ import annotations

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw


class DoorbellFirst(Example):
    """Wants to save time."""

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """Doorbell, then address, length and ownership."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * BUFFER_BYTES)
        descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, (slot + 1) % SLOTS)  # FLAW
        descriptor.write_ulonglong(ADDRESS, context.tx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, length)
        descriptor.write_ulong(CONTROL, hw.OWN | hw.END)
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % SLOTS
