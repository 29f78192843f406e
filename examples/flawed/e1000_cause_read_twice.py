# SPDX-License-Identifier: Apache-2.0
"""The interrupt handler reads the causes of an 82540EM that the ISR has read before.

Wrong:    the ISR reads ICR and keeps no copy; handle_interrupt reads ICR for a second time, to see what there is to do.
Silicon:  reading ICR clears it: the second read shows nothing, and the packets that were sent stay with the miniport for ever.
Expected: lost-cause, with handle_interrupt.
Mend:     keep what the ISR has read in the adapter context, or look at both rings whatever the cause was.
"""

from __future__ import annotations

from miniport.adapter import Adapter
from miniport.e1000 import E1000Miniport
from miniport.e1000 import hardware as hw


class E1000CauseReadTwice(E1000Miniport):
    """Reads causes where reading has cleared them."""

    machine = {"nic": "e1000"}

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? The line falls by the read alone."""
        registers = adapter.context.registers
        mask = adapter.read_register_ulong(registers, hw.IMS)
        cause = adapter.read_register_ulong(registers, hw.ICR)
        ours = bool(cause & mask) and cause != hw.GONE
        return ours, ours

    def handle_interrupt(self, adapter: Adapter) -> None:  # NAMED HERE
        """Serve what the card says."""
        cause = adapter.read_register_ulong(adapter.context.registers, hw.ICR)  # FLAW: cleared by the ISR
        if cause & hw.CAUSES:
            super().handle_interrupt(adapter)

    def check_for_hang(self, adapter: Adapter) -> bool:
        """Leave it to NDIS to see that nothing moves."""
        return False
