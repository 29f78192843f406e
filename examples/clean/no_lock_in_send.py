# SPDX-License-Identifier: Apache-2.0
"""Send counts a packet under the lock under which the deferred call counts it down.

Twin of ``flawed/no_lock_in_send.py``. The lock is let go before the base takes it again: it is not recursive. An own counter
could do without it by NdisInterlockedIncrement and NdisInterlockedDecrement.
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
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)
        context.on_card += 1
        adapter.release_spin_lock(context.lock)
        return super().send(adapter, packet, flags)

    def release_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """Called under the lock when a packet is done: one less is on the card."""
        assert isinstance(context, CountingContext)
        context.on_card -= 1
