# SPDX-License-Identifier: Apache-2.0
"""The card is started when it has said IDON.

Twin of ``flawed/pcnet_started_bare.py``.
"""

from __future__ import annotations

from miniport.adapter import Adapter
from miniport.pcnet import PcnetMiniport
from miniport.pcnet import hardware as hw
from miniport.reference import core


class PcnetStartedBare(PcnetMiniport):
    """As the miniport."""

    machine = {"nic": "pcnet", "frames": 0}

    def _start(self, adapter: Adapter, context: core.Context) -> None:
        """As in the miniport."""
        adapter.raw_write_port_ushort(context.registers, hw.RDP, hw.CSR0_STRT | hw.CSR0_IENA)
