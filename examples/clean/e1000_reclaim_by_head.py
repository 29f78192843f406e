# SPDX-License-Identifier: Apache-2.0
"""Slots of the ring of an 82540EM are taken back when DD says so.

Twin of ``flawed/e1000_reclaim_by_head.py``.
"""

from __future__ import annotations

from miniport.adapter import Adapter
from miniport.e1000 import E1000Miniport
from miniport.e1000 import hardware as hw
from miniport.packet import Packet
from miniport.reference import core


class E1000ReclaimByHead(E1000Miniport):
    """Waits for DD."""

    machine = {"nic": "e1000", "frames": 40}

    def _reclaim(self, adapter: Adapter, context: core.Context) -> list[tuple[Packet, int]]:
        """What the card has handed back is sent; the freed slots are filled from the queue."""
        finished: list[tuple[Packet, int]] = []
        while context.tx_done != context.tx_next:
            status = self._sent(context, context.tx_done)
            if status is None:
                break
            finished.append((context.tx_packets[context.tx_done], status))
            context.tx_done = (context.tx_done + 1) % core.TX_SLOTS
        while context.queue_head is not None and not self._full(context):
            self._transmit(adapter, context, self._dequeue(context))
        return finished

    def _hand_over(self, adapter: Adapter, context: core.Context, slot: int, length: int) -> None:
        """Write the descriptor as a whole, then move the tail over it."""
        context.tx_ring.write(slot * hw.DESCRIPTOR_BYTES, hw.DESCRIPTOR.pack(
            context.buffers_address + slot * core.BUFFER_BYTES, length, 0, hw.COMMAND, 0))
        adapter.write_register_ulong(context.registers, hw.TDT, (slot + 1) % core.TX_SLOTS)
