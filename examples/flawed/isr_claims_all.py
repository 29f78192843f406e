# SPDX-License-Identifier: Apache-2.0
"""The ISR says of every interrupt on the line that it is its own.

Wrong:    it returns TRUE without a look at the causes.
Silicon:  the line is shared: the ISR of the other device is not called any more, and that device is dead.
Expected: int-isr-false-if-not-ours, with the ISR.
Mend:     read cause and mask, and return FALSE if none of the enabled causes is set.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class IsrClaimsAll(Example):
    """Believes to be alone on the line."""

    machine = {"adapters": 2}

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:  # NAMED HERE
        """Mask the card, and let handle_interrupt find out."""
        registers = adapter.context.registers
        adapter.write_register_ulong(registers, hw.MASK, 0)
        adapter.read_register_ulong(registers, hw.MASK)
        return True, True  # FLAW
