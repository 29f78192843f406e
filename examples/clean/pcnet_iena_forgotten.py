# SPDX-License-Identifier: Apache-2.0
"""Every write of CSR0 carries IENA.

Twin of ``flawed/pcnet_iena_forgotten.py``.
"""

from __future__ import annotations

from miniport.adapter import Adapter
from miniport.pcnet import PcnetMiniport
from miniport.pcnet import hardware as hw
from miniport.reference import core


class PcnetIenaForgotten(PcnetMiniport):
    """Demands with IENA."""

    machine = {"nic": "pcnet"}

    def _demand(self, adapter: Adapter, context: core.Context) -> None:
        """The card looks at its transmit ring now."""
        adapter.raw_write_port_ushort(context.registers, hw.RDP, hw.CSR0_TDMD | hw.CSR0_IENA)
