# SPDX-License-Identifier: Apache-2.0
"""The receive buffers may lie across a multiple of 16 MB, which the card's address counter cannot pass.

Wrong:    contiguous memory is asked for with BoundaryAddressMultiple 0, and no buffer is checked against the boundary.
Silicon:  the counter has no carry beyond bit 23: in the middle of a frame it goes on, and stores, 16 MB lower.
Expected: dma-boundary, with the store that gives the buffer to the card.
Mend:     pass BoundaryAddressMultiple 0x1000000.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from miniport.view import View

HIGHEST = (1 << 26) - 1
NO_BOUNDARY = 0
MM_NON_CACHED = 0
STRIDE = 1600


class Boundary(Example):
    """Receive buffers from the contiguous routine."""

    def claim_receive_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Eight buffers of 1600 bytes below 64 MB."""
        block = adapter.mm_allocate_contiguous_memory_specify_cache(SLOTS * STRIDE, 0, HIGHEST, NO_BOUNDARY, MM_NON_CACHED)  # FLAW
        if block is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.mm_free_contiguous_memory, block)
        context.rx_buffers, context.rx_buffers_address = block, adapter.mm_get_physical_address(block)
        return NDIS_STATUS_SUCCESS

    def receive_buffer(self, context: Context, slot: int) -> View:
        """As in the base, with another stride."""
        buffers: View = context.rx_buffers
        return buffers + slot * STRIDE

    def give_receive_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """As in the base, with another stride."""
        descriptor = context.rx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.rx_buffers_address + slot * STRIDE)
        descriptor.write_ulong(LENGTH, STRIDE)
        descriptor.write_ulong(CONTROL, hw.OWN)  # NAMED HERE
        adapter.write_register_ulong(context.registers, hw.RX_TAIL, (slot + 1) % SLOTS)
