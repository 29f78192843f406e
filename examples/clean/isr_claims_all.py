# SPDX-License-Identifier: Apache-2.0
"""The ISR reads cause and mask, and says FALSE if none of the enabled causes is set.

Twin of ``flawed/isr_claims_all.py``.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class IsrClaimsAll(Example):
    """Shares the line."""

    machine = {"adapters": 2}

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? Then mask the card."""
        registers = adapter.context.registers
        mask = adapter.read_register_ulong(registers, hw.MASK)
        cause = adapter.read_register_ulong(registers, hw.CAUSE)
        if cause == hw.GONE or not cause & mask:
            return False, False
        adapter.write_register_ulong(registers, hw.MASK, 0)
        adapter.read_register_ulong(registers, hw.MASK)
        return True, True
