# SPDX-License-Identifier: Apache-2.0
"""The deserialized variant: NDIS calls its handlers at any time and on any processor, so that it locks its rings itself.

A packet that finds the ring full waits in a queue of the miniport's own. The lock is never held over a call that may come
back: completions and indications.
"""

from __future__ import annotations

from contextlib import ExitStack

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference.core import LARGEST_FRAME, Context, ReferenceCore
from miniport.status import (
    NDIS_ATTRIBUTE_BUS_MASTER,
    NDIS_ATTRIBUTE_DESERIALIZE,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_LENGTH,
    NDIS_STATUS_PENDING,
)


class ReferenceMiniport(ReferenceCore):
    """Miniport of the reference NIC, deserialized."""

    attributes = NDIS_ATTRIBUTE_BUS_MASTER | NDIS_ATTRIBUTE_DESERIALIZE

    def _claim_more(self, adapter: Adapter, context: Context, undo: ExitStack) -> None:
        """The lock of both rings."""
        context.lock = adapter.allocate_spin_lock()
        undo.callback(adapter.free_spin_lock, context.lock)

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """Copy the packet into a slot of the ring, or queue it while the ring is full."""
        if not 14 <= packet.length <= LARGEST_FRAME:
            return NDIS_STATUS_INVALID_LENGTH
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)
        if context.queue_head is not None or self._full(context):
            self._enqueue(context, packet)
        else:
            self._transmit(adapter, context, packet)
        adapter.release_spin_lock(context.lock)
        return NDIS_STATUS_PENDING

    def return_packet(self, adapter: Adapter, packet: Packet) -> None:
        """A lent packet is back; another handler may look at the receive ring."""
        lock = adapter.context.lock
        adapter.acquire_spin_lock(lock)
        super().return_packet(adapter, packet)
        adapter.release_spin_lock(lock)

    def _finished(self, adapter: Adapter, context: Context) -> tuple[list[tuple[Packet, int]], list[Packet]]:
        """Look at both rings under the lock: handle_interrupt runs at DISPATCH_LEVEL already."""
        adapter.dpr_acquire_spin_lock(context.lock)
        finished = super()._finished(adapter, context)
        adapter.dpr_release_spin_lock(context.lock)
        return finished

    def _reclaim(self, adapter: Adapter, context: Context) -> list[tuple[Packet, int]]:
        """The freed slots are filled from the queue."""
        finished = super()._reclaim(adapter, context)
        if finished:
            while context.queue_head is not None and not self._full(context):
                self._transmit(adapter, context, self._dequeue(context))
        return finished

    def _fail_all_sends(self, adapter: Adapter, context: Context) -> None:
        """What waits in the queue goes back, too."""
        super()._fail_all_sends(adapter, context)
        while context.queue_head is not None:
            adapter.send_complete(self._dequeue(context), NDIS_STATUS_FAILURE)

    def _enqueue(self, context: Context, packet: Packet) -> None:
        packet.reserved = None
        if context.queue_head is None:
            context.queue_head = packet
        else:
            context.queue_tail.reserved = packet
        context.queue_tail = packet

    def _dequeue(self, context: Context) -> Packet:
        packet: Packet = context.queue_head
        context.queue_head = packet.reserved
        return packet
