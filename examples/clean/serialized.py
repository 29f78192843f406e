# SPDX-License-Identifier: Apache-2.0
"""A serialized miniport: NDIS calls one handler at a time, so that it needs no lock and no queue.

Where its ring is full it refuses the packet with NDIS_STATUS_RESOURCES, which only a serialized miniport may do, and tells
NDIS when it can take packets again. It registers NDIS 4.0 as well, which knows no other miniports than these.

Twin of ``flawed/serialized.py``, which refuses packets and is deserialized.
"""

from __future__ import annotations

from _base import CONTROL, DESCRIPTOR_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.status import (
    NDIS_ATTRIBUTE_BUS_MASTER,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)


class Serialized(Example):
    """Leaves serialization to NDIS."""

    ndis_versions = ((5, 1), (5, 0), (4, 0))
    attributes = NDIS_ATTRIBUTE_BUS_MASTER
    machine = {"frames": 8}

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """Hand the packet to the card, or refuse it while the ring is full."""
        context = adapter.context
        if not self.has_room(adapter, context, packet):
            return NDIS_STATUS_RESOURCES
        self.transmit(adapter, context, packet)
        return NDIS_STATUS_PENDING

    def reclaim(self, adapter: Adapter, context: Context) -> None:
        """Complete what the card has sent, and ask for more."""
        before = context.tx_done
        while context.tx_done != context.tx_next:
            slot = context.tx_done
            control = (context.tx_ring + slot * DESCRIPTOR_BYTES).read_ulong(CONTROL)
            if control & hw.OWN:
                break
            context.tx_done = (slot + 1) % SLOTS
            adapter.send_complete(context.tx_packets[slot], NDIS_STATUS_FAILURE if control & hw.ERROR else NDIS_STATUS_SUCCESS)
        if context.tx_done != before:
            adapter.send_resources_available()
