# SPDX-License-Identifier: Apache-2.0
"""The interrupt handler serves only the causes that it reads after the ISR has cleared them.

Wrong:    the ISR acknowledges what it reads and keeps no copy; handle_interrupt reads the register for a second time.
Silicon:  the second read shows nothing: the completion of the last frames is lost, and the protocol waits for ever.
Expected: lost-cause, with handle_interrupt.
Mend:     read and acknowledge in one place, or keep what the ISR has read in the adapter context.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw

TX_DONE, RX_DONE = 1, 2


class CauseReadTwice(Example):
    """Reads causes where they have been cleared."""

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

    def handle_interrupt(self, adapter: Adapter) -> None:  # NAMED HERE
        """Serve what the card says."""
        context = adapter.context
        cause = adapter.read_register_ulong(context.registers, hw.CAUSE)  # FLAW: cleared by the ISR
        if cause & RX_DONE:
            self.receive(adapter, context)
        if cause & TX_DONE:
            self.reclaim(adapter, context)
