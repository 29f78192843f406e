# SPDX-License-Identifier: Apache-2.0
"""Send releases its lock on the path of the full ring, too.

Twin of ``flawed/lock_kept.py``.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.status import NDIS_STATUS_PENDING


class LockKept(Example):
    """Releases on every path."""

    machine = {"frames": 16}

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """Hand the packet to the card, or queue it while the ring is full."""
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)
        if context.queue_head is not None or not self.has_room(adapter, context, packet):
            self.enqueue(context, packet)
            adapter.release_spin_lock(context.lock)
            return NDIS_STATUS_PENDING
        self.transmit(adapter, context, packet)
        adapter.release_spin_lock(context.lock)
        return NDIS_STATUS_PENDING
