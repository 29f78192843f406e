# SPDX-License-Identifier: Apache-2.0
"""Declares the widest of NDIS's three widths that the card can drive, and tests the last byte of the block.

Twin of ``flawed/last_byte_above_width.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, LARGEST_FRAME, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_DMA_24BITS, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

CARD_BITS = 26
BLOCK_BYTES = SLOTS * BUFFER_BYTES


class LastByteAboveWidth(Example):
    """Checks the last byte of a block."""

    machine = {"ram": (1 << CARD_BITS) + 0x3000}

    def claim_dma(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Declare 24 bits, and take the receive buffers while the memory is still empty."""
        status: int = adapter.allocate_map_registers(0, NDIS_DMA_24BITS, 1, LARGEST_FRAME)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_map_registers)
        virtual, address = adapter.allocate_shared_memory(BLOCK_BYTES, False)
        if virtual is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, BLOCK_BYTES, False, virtual, address)
        if address + BLOCK_BYTES - 1 >= 1 << CARD_BITS:
            return NDIS_STATUS_RESOURCES
        context.rx_buffers, context.rx_buffers_address = virtual, address
        return NDIS_STATUS_SUCCESS

    def claim_receive_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Taken already."""
        return NDIS_STATUS_SUCCESS
