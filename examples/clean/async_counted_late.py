# SPDX-License-Identifier: Apache-2.0
"""The note that an allocation is under way is made before the call.

Twin of ``flawed/async_counted_late.py``.
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
            context.outstanding = 1
            if adapter.allocate_shared_memory_async(MORE_BYTES, False) != NDIS_STATUS_PENDING:
                context.outstanding = 0
        return status

    def allocate_complete(self, adapter: Adapter, virtual: View | None, physical: int, length: int, context: Any) -> None:
        """Keep the block."""
        own = adapter.context
        own.extra, own.extra_address, own.outstanding = virtual, physical, 0

    def release(self, adapter: Adapter, context: GrowingContext) -> None:
        """Wait for the block, and free it."""
        while context.outstanding:
            adapter.sleep(SLEEP_US)
        if context.extra is not None:
            adapter.free_shared_memory(MORE_BYTES, False, context.extra, context.extra_address)
