# SPDX-License-Identifier: Apache-2.0
"""Send looks for room under the lock, lets go of it, and takes the slot under the lock again.

Wrong:    between the two another send takes the same room: each access is locked, the decision is not.
Silicon:  two packets go to one slot, and one of them is never completed.
Expected: desc-own-last, with the store, under send#1=concurrent.
Mend:     decide and act under one hold of the lock.
"""

from __future__ import annotations

from collections.abc import Sequence

from _base import ADDRESS, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context
from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_PENDING


class RoomSeenTooEarly(ToughExample):
    """Holds its lock for as short a time as it can."""

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """Hand the packet to the card, or queue it while the ring is full."""
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)
        slot = context.tx_next
        full = context.queue_head is not None or not self.has_room(adapter, context, packet)
        adapter.release_spin_lock(context.lock)  # FLAW: the slot may be taken from here on
        adapter.acquire_spin_lock(context.lock)
        if full:
            self.enqueue(context, packet)
        else:
            context.tx_next = slot
            self.transmit(adapter, context, packet)
        adapter.release_spin_lock(context.lock)
        return NDIS_STATUS_PENDING

    def hand_over(self, adapter: Adapter, context: Context, packet: Packet, pieces: Sequence[tuple[int, int]]) -> None:
        """As in the base: one descriptor, as every packet is copied."""
        (address, length), = pieces
        slot = context.tx_next
        descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, address)
        descriptor.write_ulong(LENGTH, length)
        descriptor.write_ulong(CONTROL, hw.OWN | hw.END)  # NAMED HERE
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % SLOTS
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, context.tx_next)
