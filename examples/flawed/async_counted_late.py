# SPDX-License-Identifier: Apache-2.0
"""The note that an asynchronous allocation is under way is made after the call.

Wrong:    the completion may run before the call returns: it clears the note, and the caller then sets it.
Silicon:  on a machine with two processors halt waits, some day, for a completion that has been.
Expected: time-limit, with the wait, under allocate-complete#1=early.
Mend:     note it before the call, and take the note back if the call fails.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from _base import Context
from _tough import ToughContext, ToughExample

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.status import NDIS_STATUS_PENDING, NDIS_STATUS_SUCCESS
from miniport.view import View

MORE_BYTES = 16 << 10
SLEEP_US = 1_000_000


class GrowingContext(ToughContext):
    """With the number of allocations that are under way."""

    outstanding = Ulong()


class AsyncCountedLate(ToughExample):
    """Has a second block of buffers, which may come later."""

    context_class = GrowingContext
    machine = {"seed": 5}

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base, and ask for the second block."""
        assert isinstance(context, GrowingContext)
        status = super().claim_transmit_buffers(adapter, context, undo)
        if status == NDIS_STATUS_SUCCESS:
            undo.callback(self.release, adapter, context)
            if adapter.allocate_shared_memory_async(MORE_BYTES, False) == NDIS_STATUS_PENDING:
                context.outstanding = 1  # FLAW: it may be complete
        return status

    def allocate_complete(self, adapter: Adapter, virtual: View | None, physical: int, length: int, context: Any) -> None:
        """Keep the block."""
        own = adapter.context
        own.extra, own.extra_address, own.outstanding = virtual, physical, 0

    def release(self, adapter: Adapter, context: GrowingContext) -> None:
        """Wait for the block, and free it."""
        while context.outstanding:
            adapter.sleep(SLEEP_US)  # NAMED HERE
        if context.extra is not None:
            adapter.free_shared_memory(MORE_BYTES, False, context.extra, context.extra_address)
