# SPDX-License-Identifier: Apache-2.0
"""Aligns contiguous memory and frees it by the pointer that the allocation returned.

Twin of ``flawed/interior_pointer_freed.py``, with its notice contig-not-for-ndis-dma.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HIGHEST = 0xFFFFFF
UNIT = 64 << 10


class InteriorPointerFreed(Example):
    """Keeps both pointers."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Over-allocate, and begin at a multiple of 64 KB."""
        block = adapter.mm_allocate_contiguous_memory(SLOTS * BUFFER_BYTES + UNIT - 1, HIGHEST)
        if block is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.mm_free_contiguous_memory, block)
        address = adapter.mm_get_physical_address(block)
        inset = -address % UNIT
        context.tx_buffers, context.tx_buffers_address = block + inset, address + inset
        return NDIS_STATUS_SUCCESS
