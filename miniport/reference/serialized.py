# SPDX-License-Identifier: Apache-2.0
"""The serialized variant: NDIS calls one handler at a time, the ISR excepted, so that it needs neither lock nor queue.

A packet that finds the ring full is refused with NDIS_STATUS_RESOURCES, which only a serialized miniport may do: NDIS keeps
it and asks again after NdisMSendResourcesAvailable.
"""

from __future__ import annotations

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference.core import LARGEST_FRAME, Context, ReferenceCore
from miniport.status import NDIS_STATUS_FAILURE, NDIS_STATUS_INVALID_LENGTH, NDIS_STATUS_PENDING, NDIS_STATUS_RESOURCES


class SerializedReferenceMiniport(ReferenceCore):
    """Miniport of the reference NIC, serialized."""

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """Copy the packet into a slot of the ring, or refuse it while the ring is full."""
        if not 14 <= packet.length <= LARGEST_FRAME:
            return NDIS_STATUS_INVALID_LENGTH
        context = adapter.context
        if self._deaf(context):
            return NDIS_STATUS_FAILURE
        if self._full(context):
            context.refused = 1
            return NDIS_STATUS_RESOURCES
        self._transmit(adapter, context, packet)
        return NDIS_STATUS_PENDING

    def _serve(self, adapter: Adapter, context: Context) -> None:
        """After the completions: whoever was refused may try again."""
        super()._serve(adapter, context)
        if context.refused and not self._full(context):
            context.refused = 0
            adapter.send_resources_available()
