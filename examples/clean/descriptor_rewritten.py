# SPDX-License-Identifier: Apache-2.0
"""The flag is written with the ownership bit, in one store.

Twin of ``flawed/descriptor_rewritten.py``.
"""

from __future__ import annotations

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw

MARK = 1
"""A bit that the card does not look at when it sends."""


class DescriptorRewritten(Example):
    """Marks the descriptor when it is handed over."""

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base, with the mark."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * BUFFER_BYTES)
        descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.tx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, length)
        descriptor.write_ulong(CONTROL, hw.OWN | hw.END | MARK)
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % SLOTS
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, context.tx_next)
