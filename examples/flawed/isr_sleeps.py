# SPDX-License-Identifier: Apache-2.0
"""The ISR waits with NdisMSleep.

Wrong:    NdisMSleep gives the processor away, and an ISR runs far above the level at which that can be done.
Silicon:  the system deadlocks or stops with bug check 0xA; a spin lock in the ISR ends in the same way.
Expected: int-isr-any-irql-only, with the call.
Mend:     wait with NdisStallExecution, for some microseconds at most; or leave the work to handle_interrupt.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw

SETTLE_US = 10


class IsrSleeps(Example):
    """Leaves the card some time to take its line down."""

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? Then mask the card, and wait."""
        registers = adapter.context.registers
        mask = adapter.read_register_ulong(registers, hw.MASK)
        cause = adapter.read_register_ulong(registers, hw.CAUSE)
        if cause == hw.GONE or not cause & mask:
            return False, False
        adapter.write_register_ulong(registers, hw.MASK, 0)
        adapter.read_register_ulong(registers, hw.MASK)
        adapter.sleep(SETTLE_US)  # FLAW
        return True, True
