# SPDX-License-Identifier: Apache-2.0
"""The pointer is changed while the service routine cannot run, and the old table is freed behind it.

Twin of ``flawed/isr_table_replaced.py``.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from _base import Context
from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_SUCCESS
from miniport.view import View

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
        adapter.synchronize_with_interrupt(context.interrupt, self.change_table, (context, large))
        adapter.free_memory(table, SMALL_BYTES)
        return status

    def change_table(self, change: Any) -> bool:
        """Name the large table. The service routine does not run meanwhile."""
        context: Context
        large: View
        context, large = change
        context.extra, context.extra_address = large, LARGE_BYTES
        return True

    def free_table(self, adapter: Adapter, context: Context) -> None:
        """Free the table that there is."""
        adapter.free_memory(context.extra, context.extra_address)

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Count, and as in the base."""
        table = adapter.context.extra
        table.write_ulong(0, table.read_ulong(0) + 1)
        return super().isr(adapter)
