# SPDX-License-Identifier: Apache-2.0
"""The block is freed in one place only, the common undo.

Twin of ``flawed/contiguous_freed_twice.py``. The notice contig-not-for-ndis-dma stays, as in ``boundary.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HIGHEST = 0xFFFFFF
BLOCK_BYTES = SLOTS * BUFFER_BYTES


class ContiguousFreedTwice(Example):
    """Leaves the free to the undo."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Contiguous memory for all transmit buffers."""
        block = adapter.mm_allocate_contiguous_memory(BLOCK_BYTES, HIGHEST)
        if block is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.mm_free_contiguous_memory, block)
        context.tx_buffers, context.tx_buffers_address = block, adapter.mm_get_physical_address(block)
        return NDIS_STATUS_SUCCESS

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, and undo initialize."""
        context = adapter.context
        self.stop(adapter, context)
        self.fail_all_sends(adapter, context)
        context.undo.close()
