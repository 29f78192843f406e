# SPDX-License-Identifier: Apache-2.0
"""Reset completes the packets that were in the ring and in the queue.

Twin of ``flawed/reset_forgets_packets.py``.
"""

from __future__ import annotations

from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_HARD_ERRORS, NDIS_STATUS_REQUEST_ABORTED, NDIS_STATUS_SUCCESS


class ResetForgetsPackets(ToughExample):
    """Has a reset of its own."""

    def reset(self, adapter: Adapter) -> tuple[int, bool]:
        """Reset the card and begin with empty rings."""
        context = adapter.context
        adapter.dpr_acquire_spin_lock(context.lock)
        status = self.reset_card(adapter, context)
        packets = self.all_sends(adapter, context)
        context.tx_next = context.tx_done = context.rx_next = context.seen_waiting = 0
        if status == NDIS_STATUS_SUCCESS:
            self.start(adapter, context)
        adapter.dpr_release_spin_lock(context.lock)
        for packet in packets:
            adapter.send_complete(packet, NDIS_STATUS_REQUEST_ABORTED)
        return (NDIS_STATUS_SUCCESS, True) if status == NDIS_STATUS_SUCCESS else (NDIS_STATUS_HARD_ERRORS, False)
