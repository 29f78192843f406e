# SPDX-License-Identifier: Apache-2.0
"""The context of an asynchronous allocation is freed before the allocation is complete.

Wrong:    the context lies in memory that the caller frees as soon as the call has returned, as a local variable of C would be.
Silicon:  the completion reads and writes memory of somebody else.
Expected: shared-async-context, with the free, under allocate-complete#1=late or whenever the completion does not come at once.
Mend:     keep the context in the adapter context, or free it in allocate_complete.
"""

from __future__ import annotations

from typing import Any

from _base import Context, Example

from miniport import status as s
from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.packet import Packet
from miniport.view import View

MORE_BYTES, NOTE_BYTES = 16 << 10, 16
SLEEP_US, SLEEPS = 1000, 100


class GrowingContext(Context):
    """With the number of allocations that are under way, and whether one was asked for."""

    outstanding = Ulong()
    asked = Ulong()


class AsyncContextFreed(Example):
    """Asks for more memory with the first packet, and hands a note along."""

    context_class = GrowingContext

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """As in the base; the first time ask for memory."""
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)
        first, context.asked = not context.asked, 1
        context.outstanding |= first
        adapter.release_spin_lock(context.lock)
        if first:
            self.grow(adapter, context)
        return super().send(adapter, packet, flags)

    def grow(self, adapter: Adapter, context: Context) -> None:
        """Ask for one block more."""
        assert isinstance(context, GrowingContext)
        status = s.NDIS_STATUS_RESOURCES
        _, note = adapter.allocate_memory_with_tag(NOTE_BYTES, "Note")
        if note is not None:
            status = adapter.allocate_shared_memory_async(MORE_BYTES, False, note)
            adapter.free_memory(note, NOTE_BYTES)  # FLAW
        if status != s.NDIS_STATUS_PENDING:
            adapter.acquire_spin_lock(context.lock)
            context.outstanding = 0
            adapter.release_spin_lock(context.lock)

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
        for _ in range(SLEEPS):
            if not context.outstanding:
                break
            adapter.sleep(SLEEP_US)
        if context.extra is not None:
            adapter.free_shared_memory(MORE_BYTES, False, context.extra, context.extra_address)
        context.undo.close()
