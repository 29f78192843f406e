# SPDX-License-Identifier: Apache-2.0
"""What the ISR has read is kept in the adapter context until handle_interrupt has served it.

Twin of ``flawed/cause_read_twice.py``.
"""

from __future__ import annotations

from typing import Any

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.reference import hardware as hw

TX_DONE, RX_DONE = 1, 2


class CausesContext(Context):
    """With the causes that the ISR has acknowledged and handle_interrupt has still to serve."""

    causes = Ulong()


class CauseReadTwice(Example):
    """Keeps what it has read."""

    context_class = CausesContext

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? Then acknowledge, keep the causes, and read back so that the line has fallen."""
        context = adapter.context
        registers = context.registers
        mask = adapter.read_register_ulong(registers, hw.MASK)
        cause = adapter.read_register_ulong(registers, hw.CAUSE)
        if cause == hw.GONE or not cause & mask:
            return False, False
        adapter.write_register_ulong(registers, hw.CAUSE, cause)
        adapter.read_register_ulong(registers, hw.STATUS)
        context.causes |= cause
        return True, True

    def take(self, bag: tuple[Any, list[int]]) -> bool:
        """Take the causes that are to be served. The ISR does not run meanwhile."""
        context, taken = bag
        taken.append(context.causes)
        context.causes = 0
        return True

    def handle_interrupt(self, adapter: Adapter) -> None:
        """Serve what the ISR has read. Reading STATUS brings in what the card has on its way to memory."""
        context = adapter.context
        taken: list[int] = []
        adapter.synchronize_with_interrupt(context.interrupt, self.take, (context, taken))
        if adapter.read_register_ulong(context.registers, hw.STATUS) == hw.GONE:
            return
        if taken[0] & RX_DONE:
            self.receive(adapter, context)
        if taken[0] & TX_DONE:
            self.reclaim(adapter, context)
