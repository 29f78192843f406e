# SPDX-License-Identifier: Apache-2.0
"""A deserialized miniport refuses packets with NDIS_STATUS_RESOURCES when its ring is full.

Wrong:    NDIS keeps a queue only for serialized miniports; a deserialized one keeps its own.
Silicon:  the packet is lost, and the protocol waits for its completion.
Expected: send-status, with send.
Mend:     leave NDIS_ATTRIBUTE_DESERIALIZE away, as the twin does; or queue the packet and return NDIS_STATUS_PENDING.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.status import NDIS_STATUS_PENDING, NDIS_STATUS_RESOURCES


class Serialized(Example):
    """Is deserialized, and hopes that NDIS asks again."""

    machine = {"frames": 8}

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:  # NAMED HERE
        """Hand the packet to the card, or refuse it while the ring is full."""
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)
        room = self.has_room(adapter, context, packet)
        if room:
            self.transmit(adapter, context, packet)
        adapter.release_spin_lock(context.lock)
        return NDIS_STATUS_PENDING if room else NDIS_STATUS_RESOURCES  # FLAW
