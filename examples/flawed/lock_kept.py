# SPDX-License-Identifier: Apache-2.0
"""Send returns with its spin lock held when the ring is full.

Wrong:    the early return of the rare path does not release the lock.
Silicon:  the processor stays at DISPATCH_LEVEL, and the next one that wants the lock spins for ever.
Expected: lock-balanced, with the line that acquired the lock.
Mend:     release on every path.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.status import NDIS_STATUS_PENDING


class LockKept(Example):
    """Tests the full ring too seldom."""

    machine = {"frames": 16}

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """Hand the packet to the card, or queue it while the ring is full."""
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)  # NAMED HERE
        if context.queue_head is not None or not self.has_room(adapter, context, packet):
            self.enqueue(context, packet)
            return NDIS_STATUS_PENDING  # FLAW
        self.transmit(adapter, context, packet)
        adapter.release_spin_lock(context.lock)
        return NDIS_STATUS_PENDING
