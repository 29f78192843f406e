# SPDX-License-Identifier: Apache-2.0
"""The width check looks at the first byte of the receive buffers, not at the last one.

Wrong:    the card drives 26 address bits, but 32 are declared, and only the base of the block is compared with the limit.
Silicon:  the block begins below 0x04000000 and ends above it; there the card drops bit 26 and stores frames at 0.
Expected: dma-width, with the store that gives such a buffer to the card.
Mend:     declare NDIS_DMA_24BITS, the widest of NDIS's three that the card can drive; then test the last byte.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LARGEST_FRAME, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_DMA_32BITS, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

CARD_BITS = 26
BLOCK_BYTES = SLOTS * BUFFER_BYTES


class LastByteAboveWidth(Example):
    """Checks the base of a block only."""

    machine = {"ram": (1 << CARD_BITS) + 0x3000}

    def claim_dma(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Declare 32 bits, and take the receive buffers while the memory is still empty."""
        status: int = adapter.allocate_map_registers(0, NDIS_DMA_32BITS, 1, LARGEST_FRAME)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_map_registers)
        virtual, address = adapter.allocate_shared_memory(BLOCK_BYTES, False)
        if virtual is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, BLOCK_BYTES, False, virtual, address)
        if address >= 1 << CARD_BITS:  # FLAW: the last byte is address + BLOCK_BYTES - 1
            return NDIS_STATUS_RESOURCES
        context.rx_buffers, context.rx_buffers_address = virtual, address
        return NDIS_STATUS_SUCCESS

    def claim_receive_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Taken already."""
        return NDIS_STATUS_SUCCESS

    def give_receive_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """As in the base."""
        descriptor = context.rx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.rx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, BUFFER_BYTES)
        descriptor.write_ulong(CONTROL, hw.OWN)  # NAMED HERE
        adapter.write_register_ulong(context.registers, hw.RX_TAIL, (slot + 1) % SLOTS)
