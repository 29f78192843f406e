# SPDX-License-Identifier: Apache-2.0
"""The unwind after the first failure is right, the one after the second leaks.

Wrong:    three blocks are wanted; where the third is refused, the first is freed and the second forgotten.
Silicon:  nothing shows until memory is short, and then each attempt to start the adapter loses a block.
Expected: init-fail-release-all, with the second allocation, under NdisAllocateMemoryWithTag#4.
Mend:     register the undoing of each step as soon as the step has succeeded.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context
from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_SUCCESS

TABLE_BYTES = 256


class LeakOnSecondFailure(ToughExample):
    """Keeps three tables."""

    def claim_receive_packet(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The tables, and as in the base."""
        status: int
        status, addresses = adapter.allocate_memory_with_tag(TABLE_BYTES, "Addr")
        if addresses is None:
            return status
        status, counts = adapter.allocate_memory_with_tag(TABLE_BYTES, "Cnts")  # NAMED HERE
        if counts is None:
            adapter.free_memory(addresses, TABLE_BYTES)
            return status
        status, times = adapter.allocate_memory_with_tag(TABLE_BYTES, "Time")
        if times is None:
            adapter.free_memory(addresses, TABLE_BYTES)
            return status  # FLAW: the second table stays
        for table in (addresses, counts, times):
            undo.callback(adapter.free_memory, table, TABLE_BYTES)
        return super().claim_receive_packet(adapter, context, undo) if status == NDIS_STATUS_SUCCESS else status
