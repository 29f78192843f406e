# SPDX-License-Identifier: Apache-2.0
"""The ring of an 82540EM is filled to its last descriptor.

Wrong:    the miniport counts its slots, and uses all 16 of them: the tail comes round to the head.
Silicon:  a head equal to the tail means an empty ring: the card sends none of the 16 frames, and waits.
Expected: ring-tail, with the write of TDT.
Mend:     leave one descriptor unused.
"""

from __future__ import annotations

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.e1000 import E1000Miniport, driver
from miniport.e1000 import hardware as hw
from miniport.packet import Packet
from miniport.reference import core

SLOTS = core.TX_SLOTS  # FLAW


class Context(driver.Context):
    """With the number of slots that are in use."""

    used = Ulong()


class E1000TailOnHead(E1000Miniport):
    """Uses every descriptor."""

    machine = {"nic": "e1000", "frames": 40}
    context_type = Context

    def _full(self, context: core.Context) -> bool:
        """True if no slot is left."""
        assert isinstance(context, Context)
        return bool(context.used == SLOTS)

    def _reclaim(self, adapter: Adapter, context: core.Context) -> list[tuple[Packet, int]]:
        """What the card has handed back is sent; the freed slots are filled from the queue."""
        assert isinstance(context, Context)
        finished: list[tuple[Packet, int]] = []
        while context.used:
            status = self._sent(context, context.tx_done)
            if status is None:
                break
            finished.append((context.tx_packets[context.tx_done], status))
            context.tx_done = (context.tx_done + 1) % core.TX_SLOTS
            context.used -= 1
        while context.queue_head is not None and not self._full(context):
            self._transmit(adapter, context, self._dequeue(context))
        return finished

    def _rewind(self, context: core.Context) -> None:
        """As in the miniport: the ring is empty."""
        assert isinstance(context, Context)
        super()._rewind(context)
        context.used = 0

    def _hand_over(self, adapter: Adapter, context: core.Context, slot: int, length: int) -> None:
        """Write the descriptor as a whole, then move the tail over it."""
        context.tx_ring.write(slot * hw.DESCRIPTOR_BYTES, hw.DESCRIPTOR.pack(
            context.buffers_address + slot * core.BUFFER_BYTES, length, 0, hw.COMMAND, 0))
        adapter.write_register_ulong(context.registers, hw.TDT, (slot + 1) % core.TX_SLOTS)  # NAMED HERE
        assert isinstance(context, Context)
        context.used += 1
