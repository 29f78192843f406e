# SPDX-License-Identifier: Apache-2.0
"""Where no buffer descriptor is to be had, the receive slot is not given back.

Wrong:    the frame is rightly dropped, but the way out of the loop goes round the line that hands the slot to the card.
Silicon:  the card stops in front of the slot that it never gets: from then on nothing is received.
Expected: desc-before-doorbell, with the next doorbell, under NdisAllocateBuffer#1.
Mend:     drop the frame, and give the slot back as ever.
"""

from __future__ import annotations

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context
from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_RESOURCES


class SlotLostWithoutBuffer(ToughExample):
    """Indicates from its own loop."""

    def receive(self, adapter: Adapter, context: Context) -> None:
        """Indicate every frame that the card has stored, and give the card another slot for each."""
        while True:
            slot = context.rx_next
            control = (context.rx_ring + slot * DESCRIPTOR_BYTES).read_ulong(CONTROL)
            if control & hw.OWN or not control:
                return
            context.rx_next = (slot + 1) % SLOTS
            if not control & hw.ERROR:
                _, buffer = adapter.allocate_buffer(context.buffer_pool, self.receive_buffer(context, slot), control & hw.LENGTH)
                if buffer is None:
                    continue  # FLAW: the slot stays with nobody
                adapter.chain_buffer_at_back(context.rx_packet, buffer)
                context.rx_packet.status = NDIS_STATUS_RESOURCES
                adapter.indicate_receive_packet([context.rx_packet])
                adapter.reinitialize_packet(context.rx_packet)
                adapter.free_buffer(buffer)
            (context.rx_ring + slot * DESCRIPTOR_BYTES).write_ulong(CONTROL, 0)
            self.give_receive_slot(adapter, context, (slot - 1) % SLOTS)

    def give_receive_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """Hand a receive slot to the card."""
        descriptor = context.rx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.rx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, BUFFER_BYTES)
        descriptor.write_ulong(CONTROL, hw.OWN)
        adapter.write_register_ulong(context.registers, hw.RX_TAIL, (slot + 1) % SLOTS)  # NAMED HERE
