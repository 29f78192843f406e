# SPDX-License-Identifier: Apache-2.0
"""An asynchronous allocation that failed is taken for one that pends.

Wrong:    the status of NdisMAllocateSharedMemoryAsync is not looked at; after a failure allocate_complete is never called.
Silicon:  halt waits for ever for a completion that does not come: the system hangs.
Expected: time-limit, with the wait in halt, under NdisMAllocateSharedMemoryAsync#1.
Mend:     count an allocation as outstanding only when the status is NDIS_STATUS_PENDING.
"""

from __future__ import annotations

from typing import Any

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.packet import Packet
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
            adapter.allocate_shared_memory_async(MORE_BYTES, False)  # FLAW: the status is lost
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
            adapter.sleep(SECOND_US)  # NAMED HERE
        if context.extra is not None:
            adapter.free_shared_memory(MORE_BYTES, False, context.extra, context.extra_address)
        context.undo.close()
