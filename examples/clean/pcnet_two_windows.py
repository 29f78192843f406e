# SPDX-License-Identifier: Apache-2.0
"""Everything lies in one block that crosses no multiple of 16 MB.

Twin of ``flawed/pcnet_two_windows.py``.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import ClassVar

from miniport.adapter import Adapter
from miniport.pcnet import PcnetMiniport
from miniport.pcnet import hardware as hw
from miniport.reference import core as reference
from miniport.reference.core import BUFFER_BYTES, LARGEST_FRAME, RX_SLOTS, TX_SLOTS
from miniport.reference.hardware import Limits
from miniport.reference.memory import shared
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

WINDOW = 16 << 20
WHOLE = 64 << 10
"""A power of two that holds everything: a block that begins at a multiple of its own size crosses no larger power of two."""


class PcnetTwoWindows(PcnetMiniport):
    """In software style 0, as after a reset."""

    machine = {"nic": "pcnet"}
    layout: ClassVar[hw.Layout] = hw.Narrow()
    limits: ClassVar[Limits] = Limits(address_bits=32, boundary=WINDOW, alignment=8)

    def _select_style(self, adapter: Adapter, context: reference.Context) -> bool:
        """The one that the card has."""
        return True

    def _claim_dma(self, adapter: Adapter, context: reference.Context, limits: Limits, dma_size: int, undo: ExitStack) -> int:
        """One block, cut into buffers, rings and the initialization block."""
        status: int = adapter.allocate_map_registers(0, dma_size, 1, LARGEST_FRAME)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_map_registers)
        view, address = shared(adapter, limits, WHOLE, 1, undo)
        if view is None:
            return NDIS_STATUS_RESOURCES
        each, at = self.layout.descriptor_bytes, 0
        for name, size in (("buffers", BUFFER_BYTES * (TX_SLOTS + RX_SLOTS)), ("tx_ring", TX_SLOTS * each), ("rx_ring", RX_SLOTS * each),
                           ("block", hw.INIT_BLOCK_BYTES)):
            setattr(context, name, view + at)
            setattr(context, f"{name}_address", address + at)
            at += size
        return NDIS_STATUS_SUCCESS
