# SPDX-License-Identifier: Apache-2.0
"""The ISR waits with NdisStallExecution, which runs at any level.

Twin of ``flawed/isr_sleeps.py``.
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
        adapter.stall_execution(SETTLE_US)
        return True, True
