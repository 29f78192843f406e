# SPDX-License-Identifier: Apache-2.0
"""Contiguous memory that crosses no multiple of 16 MB, because BoundaryAddressMultiple says so.

Twin of ``flawed/boundary.py``. The notice contig-not-for-ndis-dma stays: no document promises that a card sees contiguous
memory at its physical address. NdisMAllocateSharedMemory does, but it knows no boundary: over-allocate and place there.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HIGHEST = (1 << 26) - 1
BOUNDARY = 0x1000000
MM_NON_CACHED = 0
STRIDE = 1600


class Boundary(Example):
    """Transmit buffers from the contiguous routine."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Eight buffers of 1600 bytes below 64 MB."""
        block = adapter.mm_allocate_contiguous_memory_specify_cache(SLOTS * STRIDE, 0, HIGHEST, BOUNDARY, MM_NON_CACHED)
        if block is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.mm_free_contiguous_memory, block)
        context.tx_buffers, context.tx_buffers_address = block, adapter.mm_get_physical_address(block)
        return NDIS_STATUS_SUCCESS

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base, with another stride."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * STRIDE)
        self.hand_over(adapter, context, packet, [(context.tx_buffers_address + slot * STRIDE, length)])
