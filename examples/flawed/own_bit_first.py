# SPDX-License-Identifier: Apache-2.0
"""The ownership bit is stored before the length.

Wrong:    the card may fetch the descriptor in the instant in which it owns it.
Silicon:  a frame of the length that the slot had before is sent, or an empty one.
Expected: desc-own-last, with the store of the ownership bit.
Mend:     store address and length first, and the ownership bit last, in a store of its own.
"""

from __future__ import annotations

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw


class OwnBitFirst(Example):
    """Believes that the doorbell alone starts the card."""

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """Ownership, then address and length."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * BUFFER_BYTES)
        descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulong(CONTROL, hw.OWN | hw.END)  # FLAW
        descriptor.write_ulonglong(ADDRESS, context.tx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, length)
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % SLOTS
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, context.tx_next)
