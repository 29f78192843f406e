# SPDX-License-Identifier: Apache-2.0
"""The unwind frees by hand what it frees again on the way out.

Wrong:    the path on which the second block is refused frees the first, whose undoing is registered already.
Silicon:  the second free takes a block away that somebody else has got meanwhile.
Expected: shared-free-twice, with the undoing, under NdisMAllocateSharedMemory#5.
Mend:     one place frees: either the list of undoings or the failing path.
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
        status = super().claim_receive_buffers(adapter, context, undo)
        if context.rx_buffers is None:
            self.free_statistics(adapter, context)  # FLAW: it is freed again on the way out
        return status

    def free_statistics(self, adapter: Adapter, context: Context) -> None:
        """Free the block."""
        adapter.free_shared_memory(STATISTICS_BYTES, False, context.extra, context.extra_address)  # NAMED HERE
