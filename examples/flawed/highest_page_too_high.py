# SPDX-License-Identifier: Apache-2.0
"""HighestAcceptableAddress lies in the first page that the card cannot reach, instead of the last one that it can.

Wrong:    the highest page is counted from 1: 0x1000 for a card of 24 bits, where 0xFFF is the last.
Silicon:  the card drops bit 24, and received frames land at address 0.
Expected: dma-width, with the store that gives the buffer to the card.
Mend:     HighestAcceptableAddress is inclusive: 0xFFFFFF is the last byte of a card of 24 bits.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HIGHEST_PAGE = 0x1000  # FLAW
HIGHEST = HIGHEST_PAGE << 12 | 0xFFF
BLOCK_BYTES = SLOTS * BUFFER_BYTES


class HighestPageTooHigh(Example):
    """Receive buffers from the contiguous routine."""

    machine = {"limits": "lance-isa"}

    def claim_dma(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Contiguous memory up to the highest page while memory is still empty, then as in the base."""
        block = adapter.mm_allocate_contiguous_memory(BLOCK_BYTES, HIGHEST)
        if block is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.mm_free_contiguous_memory, block)
        context.rx_buffers, context.rx_buffers_address = block, adapter.mm_get_physical_address(block)
        return super().claim_dma(adapter, context, undo)

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
