# SPDX-License-Identifier: Apache-2.0
"""The ISR recognizes its interrupt and leaves the line asserted.

Wrong:    the cause is left to handle_interrupt; a level-triggered line calls the ISR again at once.
Silicon:  an interrupt storm: the ISR runs again and again, and handle_interrupt never comes.
Expected: int-isr-quiet, with the ISR.
Mend:     mask the card in the ISR, and read a register back, so that the line falls before it returns.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class InterruptNotQuiet(Example):
    """Only looks at the cause."""

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:  # NAMED HERE
        """Is it ours?"""
        registers = adapter.context.registers
        mask = adapter.read_register_ulong(registers, hw.MASK)
        cause = adapter.read_register_ulong(registers, hw.CAUSE)
        if cause == hw.GONE or not cause & mask:
            return False, False
        return True, True  # FLAW: the line is still asserted
