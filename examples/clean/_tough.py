# SPDX-License-Identifier: Apache-2.0
"""The miniport of `_base`, made to outlive what a campaign does to it: it knows when the card hangs, and can be reset.

The folders ``clean`` and ``flawed`` hold the same copy of this file.
"""

from __future__ import annotations

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_HARD_ERRORS, NDIS_STATUS_REQUEST_ABORTED, NDIS_STATUS_SUCCESS


class ToughContext(Context):
    """The base's state, and what the last look for a hang has seen."""

    seen_waiting = Ulong()
    """0, or 1 + the slot that the card was to send next."""


class ToughExample(Example):
    """Asks for a reset when the card has had the same packet since the last look."""

    context_class = ToughContext

    def check_for_hang(self, adapter: Adapter) -> bool:
        """True if the card has not sent anything since the last look although it has something to send."""
        context = adapter.context
        adapter.dpr_acquire_spin_lock(context.lock)
        waiting = context.tx_done + 1 if context.tx_done != context.tx_next else 0
        before, context.seen_waiting = context.seen_waiting, waiting
        adapter.dpr_release_spin_lock(context.lock)
        return bool(waiting and waiting == before and adapter.read_register_ulong(context.registers, hw.STATUS) != hw.GONE)

    def reset(self, adapter: Adapter) -> tuple[int, bool]:
        """Reset the card and begin with empty rings, under the lock; then give back the packets that it had."""
        context = adapter.context
        adapter.dpr_acquire_spin_lock(context.lock)
        status = self.reset_card(adapter, context)
        packets = self.all_sends(adapter, context)
        context.tx_next = context.tx_done = context.rx_next = context.seen_waiting = 0
        if status == NDIS_STATUS_SUCCESS:
            self.start(adapter, context)
        adapter.dpr_release_spin_lock(context.lock)
        for packet in packets:
            adapter.send_complete(packet, NDIS_STATUS_REQUEST_ABORTED)
        return (NDIS_STATUS_SUCCESS, True) if status == NDIS_STATUS_SUCCESS else (NDIS_STATUS_HARD_ERRORS, False)

    def all_sends(self, adapter: Adapter, context: Context) -> list[Packet]:
        """Take every packet out of the ring and the queue."""
        packets: list[Packet] = []
        while context.tx_done != context.tx_next:
            slot = context.tx_done
            self.release_slot(adapter, context, slot)
            if context.tx_packets[slot] is not None:
                packets.append(context.tx_packets[slot])
            context.tx_done = (slot + 1) % len(context.tx_packets)
        while context.queue_head is not None:
            packets.append(self.dequeue(context))
        return packets
