# SPDX-License-Identifier: Apache-2.0
"""The ISR acknowledges its causes, so that the line falls before it returns.

Twin of ``flawed/interrupt_not_quiet.py``. The card is not masked: it may pull its line again while handle_interrupt runs,
which is queued again then. Neither needs to know the causes: handle_interrupt looks at both rings.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class InterruptNotQuiet(Example):
    """Acknowledges in the ISR instead of masking there."""

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? Then acknowledge, and read back so that the line has fallen."""
        registers = adapter.context.registers
        mask = adapter.read_register_ulong(registers, hw.MASK)
        cause = adapter.read_register_ulong(registers, hw.CAUSE)
        if cause == hw.GONE or not cause & mask:
            return False, False
        adapter.write_register_ulong(registers, hw.CAUSE, cause)
        adapter.read_register_ulong(registers, hw.STATUS)
        return True, True

    def handle_interrupt(self, adapter: Adapter) -> None:
        """Look at both rings. Reading STATUS brings in what the card has on its way to memory."""
        context = adapter.context
        if adapter.read_register_ulong(context.registers, hw.STATUS) == hw.GONE:
            return
        self.receive(adapter, context)
        self.reclaim(adapter, context)
