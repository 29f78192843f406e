# SPDX-License-Identifier: Apache-2.0
"""A queue in plain memory: send appends to it under the lock under which the deferred call does.

Twin of ``flawed/queue_in_pool_without_lock.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.status import NDIS_STATUS_SUCCESS

ENTRIES = 16
BYTES = 4 + 4 * ENTRIES
"""The index, and the entries."""


class QueueInPoolUnderLock(Example):
    """Keeps what it sends and what is sent."""

    def claim_rings(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The queue, then the rings."""
        status: int
        status, context.extra = adapter.allocate_memory_with_tag(BYTES, "Queu")
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_memory, context.extra, BYTES)
        context.extra.fill(0, BYTES)
        return super().claim_rings(adapter, context, undo)

    def note(self, context: Context, what: int) -> None:
        """Append to the queue."""
        queue = context.extra
        index = queue.read_ulong(0)
        queue.write_ulong(4 + 4 * index, what)
        queue.write_ulong(0, (index + 1) % ENTRIES)

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """As in the base, and it is noted."""
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)
        self.note(context, packet.length)
        adapter.release_spin_lock(context.lock)
        return super().send(adapter, packet, flags)

    def release_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """Called under the lock when a packet is done: noted as well."""
        self.note(context, slot)
