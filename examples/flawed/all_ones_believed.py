# SPDX-License-Identifier: Apache-2.0
"""A register that reads all ones is taken for an index.

Wrong:    TX_HEAD is read to see how far the card is; a card that is gone says 0xFFFFFFFF.
Silicon:  the index runs past the end of the ring: packets are completed that never were there, or the system crashes.
Expected: miniport-exception, with the line that uses the index, under register-read:TX_HEAD#1=all-ones.
Mend:     leave the handler when a register reads all ones.
"""

from __future__ import annotations

from _base import SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.status import NDIS_STATUS_SUCCESS

TX_HEAD = 0x4C


class AllOnesBelieved(Example):
    """Asks the card and not the descriptors."""

    def reclaim(self, adapter: Adapter, context: Context) -> None:
        """Complete what the card has sent and refill its ring from the queue."""
        finished: list[Packet] = []
        adapter.dpr_acquire_spin_lock(context.lock)
        head = adapter.read_register_ulong(context.registers, TX_HEAD)
        while context.tx_done != head:
            finished.append(context.tx_packets[context.tx_done])  # FLAW
            context.tx_done = context.tx_done + 1 if head >= SLOTS else (context.tx_done + 1) % SLOTS
        while context.queue_head is not None and self.has_room(adapter, context, context.queue_head):
            self.transmit(adapter, context, self.dequeue(context))
        adapter.dpr_release_spin_lock(context.lock)
        for packet in finished:
            adapter.send_complete(packet, NDIS_STATUS_SUCCESS)
