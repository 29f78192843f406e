# SPDX-License-Identifier: Apache-2.0
"""Contiguous memory is freed by a pointer into the block.

Wrong:    the block is aligned up to a multiple of 64 KB, and MmFreeContiguousMemory gets the aligned pointer.
Silicon:  the memory manager finds no block there: bug check 0x1A or 0xC2, or a leak.
Expected: contig-free-exact-base, with the free.
Mend:     free the pointer that the allocation returned.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HIGHEST = 0xFFFFFF
UNIT = 64 << 10


class InteriorPointerFreed(Example):
    """Keeps the aligned pointer only."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Over-allocate, and begin at a multiple of 64 KB."""
        block = adapter.mm_allocate_contiguous_memory(SLOTS * BUFFER_BYTES + UNIT - 1, HIGHEST)
        if block is None:
            return NDIS_STATUS_RESOURCES
        address = adapter.mm_get_physical_address(block)
        inset = -address % UNIT
        context.tx_buffers, context.tx_buffers_address = block + inset, address + inset
        undo.callback(self.free_transmit_buffers, adapter, context)
        return NDIS_STATUS_SUCCESS

    def free_transmit_buffers(self, adapter: Adapter, context: Context) -> None:
        """Undo `claim_transmit_buffers`."""
        adapter.mm_free_contiguous_memory(context.tx_buffers)  # FLAW
