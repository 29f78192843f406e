# SPDX-License-Identifier: Apache-2.0
"""The undo waits until the allocation is complete, and frees what it gave.

Twin of ``flawed/async_left_behind.py``.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.status import NDIS_STATUS_PENDING, NDIS_STATUS_SUCCESS
from miniport.view import View

MORE_BYTES = 16 << 10
SLEEP_US = 1000


class GrowingContext(Context):
    """With the number of allocations that are under way."""

    outstanding = Ulong()


class AsyncLeftBehind(Example):
    """Has a second block of buffers, which may come later."""

    context_class = GrowingContext

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base, and ask for the second block."""
        assert isinstance(context, GrowingContext)
        status = super().claim_transmit_buffers(adapter, context, undo)
        if status == NDIS_STATUS_SUCCESS:
            context.outstanding = 1
            undo.callback(self.release, adapter, context)
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
