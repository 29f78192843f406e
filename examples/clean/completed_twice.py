# SPDX-License-Identifier: Apache-2.0
"""The pointer to the last packet is cleared when the packet is completed.

Twin of ``flawed/completed_twice.py``.
"""

from __future__ import annotations

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.status import NDIS_STATUS_FAILURE


class CompletedTwice(Example):
    """Remembers the last packet until it is completed."""

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base, and remember the packet."""
        super().transmit(adapter, context, packet)
        context.extra = packet

    def release_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """As in the base, and forget the packet: it is completed next."""
        if context.tx_packets[slot] is context.extra:
            context.extra = None

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, give back the packets, undo initialize."""
        context = adapter.context
        self.stop(adapter, context)
        self.fail_all_sends(adapter, context)
        if context.extra is not None:
            adapter.send_complete(context.extra, NDIS_STATUS_FAILURE)
        context.undo.close()
