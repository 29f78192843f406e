# SPDX-License-Identifier: Apache-2.0
"""What is finished is collected under the lock, and completed after it was released.

Twin of ``flawed/completed_under_lock.py``.
"""

from __future__ import annotations

from _base import CONTROL, DESCRIPTOR_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_SUCCESS


class CompletedUnderLock(Example):
    """Completes behind the lock."""

    def reclaim(self, adapter: Adapter, context: Context) -> None:
        """Complete what the card has sent and refill its ring from the queue."""
        finished: list[Packet] = []
        adapter.dpr_acquire_spin_lock(context.lock)
        while context.tx_done != context.tx_next:
            slot = context.tx_done
            if (context.tx_ring + slot * DESCRIPTOR_BYTES).read_ulong(CONTROL) & hw.OWN:
                break
            context.tx_done = (slot + 1) % SLOTS
            finished.append(context.tx_packets[slot])
        while context.queue_head is not None and self.has_room(adapter, context, context.queue_head):
            self.transmit(adapter, context, self.dequeue(context))
        adapter.dpr_release_spin_lock(context.lock)
        for packet in finished:
            adapter.send_complete(packet, NDIS_STATUS_SUCCESS)
