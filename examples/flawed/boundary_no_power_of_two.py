# SPDX-License-Identifier: Apache-2.0
"""BoundaryAddressMultiple is 12 MB.

Wrong:    the routine takes a power of two, or 0 for none.
Silicon:  no document says what the memory manager does with another value: it masks with it, and the block lies anywhere.
Expected: contig-boundary-pow2, with the allocation.
Mend:     pass the boundary of the card, 0x1000000.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HIGHEST = 0xFFFFFF
BOUNDARY = 0xC00000
MM_NON_CACHED = 0
BLOCK_BYTES = SLOTS * BUFFER_BYTES


class BoundaryNoPowerOfTwo(Example):
    """Takes the parameter for any number."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Contiguous memory for all transmit buffers."""
        block = adapter.mm_allocate_contiguous_memory_specify_cache(BLOCK_BYTES, 0, HIGHEST, BOUNDARY, MM_NON_CACHED)  # FLAW
        if block is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.mm_free_contiguous_memory, block)
        context.tx_buffers, context.tx_buffers_address = block, adapter.mm_get_physical_address(block)
        return NDIS_STATUS_SUCCESS
