# SPDX-License-Identifier: Apache-2.0
"""Reset empties the ring and forgets the packets that were in it.

Wrong:    the indices begin again at 0, and nobody completes what the card had.
Silicon:  the protocols wait for their packets, and none of them can unbind.
Expected: reset-complete-pending-work, with reset, under frame-out#8=never.
Mend:     take all packets out of ring and queue, reset, and complete them with NDIS_STATUS_REQUEST_ABORTED.
"""

from __future__ import annotations

from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_HARD_ERRORS, NDIS_STATUS_SUCCESS


class ResetForgetsPackets(ToughExample):
    """Has a reset of its own."""

    def reset(self, adapter: Adapter) -> tuple[int, bool]:  # NAMED HERE
        """Reset the card and begin with empty rings."""
        context = adapter.context
        adapter.dpr_acquire_spin_lock(context.lock)
        status = self.reset_card(adapter, context)
        context.queue_head = None  # FLAW: the packets are in nobody's hands
        context.tx_next = context.tx_done = context.rx_next = context.seen_waiting = 0
        if status == NDIS_STATUS_SUCCESS:
            self.start(adapter, context)
        adapter.dpr_release_spin_lock(context.lock)
        return (NDIS_STATUS_SUCCESS, True) if status == NDIS_STATUS_SUCCESS else (NDIS_STATUS_HARD_ERRORS, False)
