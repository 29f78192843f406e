# SPDX-License-Identifier: Apache-2.0
"""The read pointer of the RTL8139 is written 16 less than it is, because the card adds 16.

Twin of ``flawed/read_pointer_not_behind.py``.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from miniport.adapter import Adapter
from miniport.reference.hardware import Limits
from miniport.rtl8139 import Rtl8139Miniport
from miniport.rtl8139 import hardware as hw
from miniport.status import NDIS_STATUS_SUCCESS


class ReadPointerNotBehind(Rtl8139Miniport):
    """Knows of the 16."""

    machine = {"nic": "rtl8139", "frames": 1}

    def _claim_dma(self, adapter: Adapter, context: Any, limits: Limits, dma_size: int, undo: ExitStack) -> int:
        """As in the miniport, with a ring that is cleared."""
        status = super()._claim_dma(adapter, context, limits, dma_size, undo)
        if status == NDIS_STATUS_SUCCESS:
            adapter.zero_memory(context.rx_ring, hw.RING_BYTES)
        return status

    def _give_room(self, adapter: Adapter, context: Any, at: int) -> None:
        """Everything before offset *at* is read."""
        adapter.write_register_ushort(context.registers, hw.CAPR, at - 16 & 0xFFFF)
