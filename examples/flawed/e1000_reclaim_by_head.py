# SPDX-License-Identifier: Apache-2.0
"""Slots of the ring of an 82540EM are taken back by its head.

Wrong:    the miniport completes the packets of all descriptors that TDH has gone over.
Silicon:  the head shows what the card takes next, not what it has sent: a slot is filled anew whose frame has not gone out.
Expected: desc-owner, with the store into the descriptor.
Mend:     set RS in each descriptor, and wait for DD in it.
"""

from __future__ import annotations

from miniport.adapter import Adapter
from miniport.e1000 import E1000Miniport
from miniport.e1000 import hardware as hw
from miniport.packet import Packet
from miniport.reference import core
from miniport.status import NDIS_STATUS_SUCCESS


class E1000ReclaimByHead(E1000Miniport):
    """Believes the head."""

    machine = {"nic": "e1000", "frames": 40}

    def _reclaim(self, adapter: Adapter, context: core.Context) -> list[tuple[Packet, int]]:
        """What the head has gone over is sent; the freed slots are filled from the queue."""
        head = adapter.read_register_ulong(context.registers, hw.TDH)  # FLAW
        finished: list[tuple[Packet, int]] = []
        while head != hw.GONE and context.tx_done != head:
            finished.append((context.tx_packets[context.tx_done], NDIS_STATUS_SUCCESS))
            context.tx_done = (context.tx_done + 1) % core.TX_SLOTS
        while context.queue_head is not None and not self._full(context):
            self._transmit(adapter, context, self._dequeue(context))
        return finished

    def _hand_over(self, adapter: Adapter, context: core.Context, slot: int, length: int) -> None:
        """Write the descriptor as a whole, then move the tail over it."""
        context.tx_ring.write(slot * hw.DESCRIPTOR_BYTES, hw.DESCRIPTOR.pack(  # NAMED HERE
            context.buffers_address + slot * core.BUFFER_BYTES, length, 0, hw.COMMAND, 0))
        adapter.write_register_ulong(context.registers, hw.TDT, (slot + 1) % core.TX_SLOTS)
