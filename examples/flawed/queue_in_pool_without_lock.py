# SPDX-License-Identifier: Apache-2.0
"""A queue in plain memory: send appends to it without the lock under which the deferred call does.

Wrong:    `send` reads the index at the head of the queue, writes an entry and stores the next index, on two processors at once.
Silicon:  both take the same entry, and one of the two is lost.
Expected: lockset, at the store of the index, under send#1=concurrent: plain memory is compared where two handlers meet at it.
Mend:     hold the lock in `send`, too.
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


class QueueInPoolWithoutLock(Example):
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
        queue.write_ulong(0, (index + 1) % ENTRIES)  # NAMED HERE

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """As in the base, and it is noted."""
        self.note(adapter.context, packet.length)  # FLAW: so may send on another processor
        return super().send(adapter, packet, flags)

    def release_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """Called under the lock when a packet is done: noted as well."""
        self.note(context, slot)
