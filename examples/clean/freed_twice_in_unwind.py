# SPDX-License-Identifier: Apache-2.0
"""The failing path leaves the free to the list of undoings.

Twin of ``flawed/freed_twice_in_unwind.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context
from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES

STATISTICS_BYTES = 4096


class FreedTwiceInUnwind(ToughExample):
    """Keeps statistics in shared memory, and its receive buffers behind them."""

    def claim_receive_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Statistics, then the receive buffers."""
        context.extra, context.extra_address = adapter.allocate_shared_memory(STATISTICS_BYTES, False)
        if context.extra is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(self.free_statistics, adapter, context)
        return super().claim_receive_buffers(adapter, context, undo)

    def free_statistics(self, adapter: Adapter, context: Context) -> None:
        """Free the block."""
        adapter.free_shared_memory(STATISTICS_BYTES, False, context.extra, context.extra_address)
