# SPDX-License-Identifier: Apache-2.0
"""Send counts in an element of an array without the lock under which the deferred call counts down.

Wrong:    `send` adds to `on_card[size]`, which `send` on another processor does at the same time.
Silicon:  both read 3, both store 4, and the count is wrong for ever.
Expected: lockset, at the line in `send`, under send#1=concurrent: elements of arrays are compared where two handlers meet at them.
Mend:     hold the lock, or count with NdisInterlockedIncrement and NdisInterlockedDecrement.
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


class SlotCountedWithoutLock(Example):
    """Counts short and long packets that the card has."""

    context_class = CountingContext

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """As in the base, and one more of its size is on the card."""
        adapter.context.on_card[packet.length > 256] += 1  # FLAW: so may send on another processor
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
