# SPDX-License-Identifier: Apache-2.0
"""An allocation counts as outstanding only when NDIS says that it pends.

Twin of ``flawed/async_failure_awaited.py``.
"""

from __future__ import annotations

from typing import Any

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.packet import Packet
from miniport.status import NDIS_STATUS_PENDING
from miniport.view import View

MORE_BYTES = 16 << 10
SECOND_US = 1_000_000


class GrowingContext(Context):
    """With the number of allocations that are under way, and whether one was asked for."""

    outstanding = Ulong()
    asked = Ulong()


class AsyncFailureAwaited(Example):
    """Asks for more memory with the first packet."""

    context_class = GrowingContext

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """As in the base; the first time ask for memory."""
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)
        first, context.asked = not context.asked, 1
        context.outstanding |= first
        adapter.release_spin_lock(context.lock)
        if first:
            status = adapter.allocate_shared_memory_async(MORE_BYTES, False)
            if status != NDIS_STATUS_PENDING:
                adapter.acquire_spin_lock(context.lock)
                context.outstanding = 0
                adapter.release_spin_lock(context.lock)
        return super().send(adapter, packet, flags)

    def allocate_complete(self, adapter: Adapter, virtual: View | None, physical: int, length: int, context: Any) -> None:
        """Keep the block."""
        own = adapter.context
        adapter.acquire_spin_lock(own.lock)
        own.extra, own.extra_address, own.outstanding = virtual, physical, 0
        adapter.release_spin_lock(own.lock)

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, wait for the block, free it, undo initialize."""
        context = adapter.context
        self.stop(adapter, context)
        self.fail_all_sends(adapter, context)
        while context.outstanding:
            adapter.sleep(SECOND_US)
        if context.extra is not None:
            adapter.free_shared_memory(MORE_BYTES, False, context.extra, context.extra_address)
        context.undo.close()
