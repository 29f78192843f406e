# SPDX-License-Identifier: Apache-2.0
"""The card is started before it has read its initialization block.

Wrong:    INIT and the wait for IDON are left out.
Silicon:  ring addresses and lengths are what the last driver left, or nothing at all.
Expected: pcnet-rings-first, with the write of STRT.
Mend:     write CSR1 and CSR2, set INIT, wait for IDON, and only then set STRT.
"""

from __future__ import annotations

from miniport.adapter import Adapter
from miniport.pcnet import PcnetMiniport
from miniport.pcnet import hardware as hw
from miniport.reference import core


class PcnetStartedBare(PcnetMiniport):
    """Starts at once."""

    machine = {"nic": "pcnet", "frames": 0}

    def _initialize_card(self, adapter: Adapter, context: core.Context) -> bool:
        """Nothing but the style."""
        self._select_style(adapter, context)
        return True  # FLAW

    def _start(self, adapter: Adapter, context: core.Context) -> None:
        """As in the miniport."""
        adapter.raw_write_port_ushort(context.registers, hw.RDP, hw.CSR0_STRT | hw.CSR0_IENA)  # NAMED HERE
