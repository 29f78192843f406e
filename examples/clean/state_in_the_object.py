# SPDX-License-Identifier: Apache-2.0
"""The counter is a field of the adapter context, and the lock of the adapter keeps it.

Twin of ``flawed/state_in_the_object.py``.
"""

from __future__ import annotations

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.packet import Packet


class CountingContext(Context):
    """With the number of packets."""

    packets = Ulong()


class StateInTheObject(Example):
    """Counts the packets that it was given, for each adapter."""

    context_class = CountingContext

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """As in the base, and count."""
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)
        context.packets += 1
        adapter.release_spin_lock(context.lock)
        return super().send(adapter, packet, flags)
