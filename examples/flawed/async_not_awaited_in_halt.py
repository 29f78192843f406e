# SPDX-License-Identifier: Apache-2.0
"""Halt does not wait for memory that was asked for while the adapter ran.

Wrong:    halt frees what has come, and does not wait for what is still to come.
Silicon:  the completion calls a driver that has left, or the block is lost.
Expected: shared-async-outstanding-at-halt, with the call that asked for the memory, under allocate-complete#1=at-halt.
Mend:     wait in halt until each allocation is complete, then free what it gave.
"""

from __future__ import annotations

from typing import Any

from _base import Context
from _tough import ToughContext, ToughExample

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.status import NDIS_STATUS_PENDING
from miniport.view import View

MORE_BYTES = 16 << 10
SLEEP_US = 1000


class GrowingContext(ToughContext):
    """With what is known of the second block."""

    asked = Ulong()
    outstanding = Ulong()


class AsyncNotAwaitedInHalt(ToughExample):
    """Asks for a second block of buffers when traffic begins."""

    context_class = GrowingContext

    def check_for_hang(self, adapter: Adapter) -> bool:
        """As in the base, and ask once for the second block."""
        context = adapter.context
        if not context.asked:
            context.asked = 1
            self.note(adapter, 1)
            if adapter.allocate_shared_memory_async(MORE_BYTES, False) != NDIS_STATUS_PENDING:  # NAMED HERE
                self.note(adapter, 0)
        return super().check_for_hang(adapter)

    def note(self, adapter: Adapter, outstanding: int) -> None:
        """Say under the lock whether the block is under way."""
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)
        context.outstanding = outstanding
        adapter.release_spin_lock(context.lock)

    def allocate_complete(self, adapter: Adapter, virtual: View | None, physical: int, length: int, context: Any) -> None:
        """Keep the block."""
        adapter.context.extra, adapter.context.extra_address = virtual, physical
        self.note(adapter, 0)

    def fail_all_sends(self, adapter: Adapter, context: Context) -> None:
        """As in the base; then free the second block."""
        assert isinstance(context, GrowingContext)
        super().fail_all_sends(adapter, context)
        if context.extra is not None:  # FLAW: it may be under way
            adapter.free_shared_memory(MORE_BYTES, False, context.extra, context.extra_address)
