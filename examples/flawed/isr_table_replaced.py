# SPDX-License-Identifier: Apache-2.0
"""The table of the service routine is replaced while the service routine may run.

Wrong:    the small table is freed first, and the context names the large one only then.
Silicon:  an interrupt between the two counts in memory that belongs to somebody else by now.
Expected: contig-no-use-after-free, with the store in the service routine, under preempt#9=interrupt.
Mend:     change the pointer with NdisMSynchronizeWithInterrupt, and free the old table behind it.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context
from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_SUCCESS

SMALL_BYTES, LARGE_BYTES = 64, 256


class IsrTableReplaced(ToughExample):
    """Counts its interrupts, and counts more of them once the line is known."""

    def claim_interrupt(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """A small table, the interrupt, then a large table in place of the small one."""
        status: int
        status, table = adapter.allocate_memory_with_tag(SMALL_BYTES, "Smal")
        if table is None:
            return status
        table.fill(0, SMALL_BYTES)
        context.extra, context.extra_address = table, SMALL_BYTES
        undo.callback(self.free_table, adapter, context)
        status = super().claim_interrupt(adapter, context, undo)
        if status != NDIS_STATUS_SUCCESS:
            return status
        status, large = adapter.allocate_memory_with_tag(LARGE_BYTES, "Larg")
        if large is None:
            return status
        large.fill(0, LARGE_BYTES)
        adapter.free_memory(table, SMALL_BYTES)  # FLAW: the service routine still counts there
        context.extra, context.extra_address = large, LARGE_BYTES
        return status

    def free_table(self, adapter: Adapter, context: Context) -> None:
        """Free the table that there is."""
        adapter.free_memory(context.extra, context.extra_address)

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Count, and as in the base."""
        table = adapter.context.extra
        table.write_ulong(0, table.read_ulong(0) + 1)  # NAMED HERE
        return super().isr(adapter)
