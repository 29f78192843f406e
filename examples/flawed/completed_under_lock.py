# SPDX-License-Identifier: Apache-2.0
"""Sends are completed while the spin lock is held that `send` takes.

Wrong:    NdisMSendComplete calls the protocol, which may call send again from there.
Silicon:  send spins on a lock that its own processor holds: a hang.
Expected: lock-not-across-upcall, with the completion.
Mend:     collect what is finished under the lock, and complete after it was released.
"""

from __future__ import annotations

from _base import CONTROL, DESCRIPTOR_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_SUCCESS


class CompletedUnderLock(Example):
    """Completes where it reclaims."""

    def reclaim(self, adapter: Adapter, context: Context) -> None:
        """Complete what the card has sent and refill its ring from the queue."""
        adapter.dpr_acquire_spin_lock(context.lock)
        while context.tx_done != context.tx_next:
            slot = context.tx_done
            if (context.tx_ring + slot * DESCRIPTOR_BYTES).read_ulong(CONTROL) & hw.OWN:
                break
            context.tx_done = (slot + 1) % SLOTS
            adapter.send_complete(context.tx_packets[slot], NDIS_STATUS_SUCCESS)  # FLAW
        while context.queue_head is not None and self.has_room(adapter, context, context.queue_head):
            self.transmit(adapter, context, self.dequeue(context))
        adapter.dpr_release_spin_lock(context.lock)
