# SPDX-License-Identifier: Apache-2.0
"""The doorbell switches the interrupt off.

Wrong:    TDMD is written to CSR0 alone, as if the other bits stayed as they are.
Silicon:  IENA is a plain bit: a write without it clears it, and the card never interrupts again.
Expected: int-dpc-reenable, with the handler that is not called any more.
Mend:     every write of CSR0 says anew whether the card may interrupt: TDMD | IENA.
"""

from __future__ import annotations

from miniport.adapter import Adapter
from miniport.pcnet import PcnetMiniport
from miniport.pcnet import hardware as hw
from miniport.reference import core


class PcnetIenaForgotten(PcnetMiniport):
    """Demands without IENA."""

    machine = {"nic": "pcnet"}

    def _demand(self, adapter: Adapter, context: core.Context) -> None:
        """The card looks at its transmit ring now."""
        adapter.raw_write_port_ushort(context.registers, hw.RDP, hw.CSR0_TDMD)  # FLAW

    def handle_interrupt(self, adapter: Adapter) -> None:  # NAMED HERE
        """As in the miniport."""
        super().handle_interrupt(adapter)
