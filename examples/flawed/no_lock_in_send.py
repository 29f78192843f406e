# SPDX-License-Identifier: Apache-2.0
"""Send counts a packet without the lock under which the deferred call counts it down.

Wrong:    `send` adds to a field of the context that `handle_interrupt` takes from under the lock.
Silicon:  on two processors both read 5, one stores 6, the other 4, and the count is wrong for ever.
Expected: lockset, at the line in `send`. The two need not meet in the run: the bed compares the locks.
Mend:     hold the lock in `send`, too, or count with NdisInterlockedIncrement and NdisInterlockedDecrement in both.
"""

from __future__ import annotations

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.packet import Packet


class CountingContext(Context):
    """The base's state and a count."""

    on_card = Ulong()


class NoLockInSend(Example):
    """Counts the packets that the card has."""

    context_class = CountingContext

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """As in the base, and one more is on the card."""
        adapter.context.on_card += 1  # FLAW: send may run on another processor at the same time
        return super().send(adapter, packet, flags)

    def release_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """Called under the lock when a packet is done: one less is on the card."""
        assert isinstance(context, CountingContext)
        context.on_card -= 1
