# SPDX-License-Identifier: Apache-2.0
"""Virtual and device address of a block are aligned each by its own remainder.

Wrong:    the two addresses have different remainders, so that the two insets differ.
Silicon:  the processor writes frames at one place of the block, and the card reads at another.
Expected: shared-init-value, with the store that gives the buffer to the card.
Mend:     work out one inset from the device address, and add it to both.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

UNIT = 64 << 10
WHOLE_BYTES = SLOTS * BUFFER_BYTES + UNIT - 1


class AlignedSeparately(Example):
    """Aligns twice."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Over-allocate, and move both addresses up to a multiple of 64 KB."""
        virtual, address = adapter.allocate_shared_memory(WHOLE_BYTES, False)
        if virtual is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, WHOLE_BYTES, False, virtual, address)
        context.tx_buffers = virtual + -int(virtual) % UNIT  # FLAW
        context.tx_buffers_address = address + -address % UNIT
        return NDIS_STATUS_SUCCESS

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * BUFFER_BYTES)
        descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.tx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, length)
        descriptor.write_ulong(CONTROL, hw.OWN | hw.END)  # NAMED HERE
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % SLOTS
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, context.tx_next)
