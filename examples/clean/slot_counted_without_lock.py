# SPDX-License-Identifier: Apache-2.0
"""Send counts in an element of an array under the lock under which the deferred call counts down.

Twin of ``flawed/slot_counted_without_lock.py``. The lock is let go before the base takes it again: it is not recursive.
"""

from __future__ import annotations

from _base import SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.context import Array, Ulong
from miniport.packet import Packet

CLASSES = 2


class CountingContext(Context):
    """The base's state, counts by size, and the size of the packet in each slot."""

    on_card = Array(Ulong(), CLASSES)
    size_class = Array(Ulong(), SLOTS)


class SlotCountedUnderLock(Example):
    """Counts short and long packets that the card has."""

    context_class = CountingContext

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """As in the base, and one more of its size is on the card."""
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)
        context.on_card[packet.length > 256] += 1
        adapter.release_spin_lock(context.lock)
        return super().send(adapter, packet, flags)

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base; the slot remembers the size."""
        assert isinstance(context, CountingContext)
        context.size_class[context.tx_next] = packet.length > 256
        super().transmit(adapter, context, packet)

    def release_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """Called under the lock when a packet is done: one less of its size is on the card."""
        assert isinstance(context, CountingContext)
        context.on_card[context.size_class[slot]] -= 1
