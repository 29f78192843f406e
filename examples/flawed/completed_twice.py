# SPDX-License-Identifier: Apache-2.0
"""A packet that was completed is completed again in halt.

Wrong:    the pointer to the last packet is not cleared when the packet is completed.
Silicon:  the protocol has reused or freed the packet: it is completed under another owner, or the system crashes.
Expected: send-complete-once, with the second completion.
Mend:     forget a packet when it is completed: here `reclaim` and `fail_all_sends` know all that is left.
"""

from __future__ import annotations

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.status import NDIS_STATUS_FAILURE


class CompletedTwice(Example):
    """Remembers the last packet for too long."""

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base, and remember the packet."""
        super().transmit(adapter, context, packet)
        context.extra = packet

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, give back the packets, undo initialize."""
        context = adapter.context
        self.stop(adapter, context)
        self.fail_all_sends(adapter, context)
        if context.extra is not None:
            adapter.send_complete(context.extra, NDIS_STATUS_FAILURE)  # FLAW
        context.undo.close()
