# SPDX-License-Identifier: Apache-2.0
"""Halt completes every packet that it still has.

Twin of ``flawed/packets_kept_in_halt.py``.
"""

from __future__ import annotations

from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_FAILURE


class PacketsKeptInHalt(ToughExample):
    """Ends in a hurry."""

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, give back the packets, undo `initialize`."""
        context = adapter.context
        self.stop(adapter, context)
        for packet in self.all_sends(adapter, context):
            adapter.send_complete(packet, NDIS_STATUS_FAILURE)
        context.undo.close()
