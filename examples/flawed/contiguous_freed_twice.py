# SPDX-License-Identifier: Apache-2.0
"""Contiguous memory is freed twice, the second time when the system has given it to somebody else.

Wrong:    halt frees the block, and then the common undo frees it again.
Silicon:  the second free takes memory away from its next owner, long after and far away.
Expected: contig-free-exact-base, with the line that frees for the second time.
Mend:     free in one place only.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HIGHEST = 0xFFFFFF
BLOCK_BYTES = SLOTS * BUFFER_BYTES


class ContiguousFreedTwice(Example):
    """Frees in halt what the undo frees, too."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Contiguous memory for all transmit buffers."""
        block = adapter.mm_allocate_contiguous_memory(BLOCK_BYTES, HIGHEST)
        if block is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.mm_free_contiguous_memory, block)
        context.tx_buffers, context.tx_buffers_address = block, adapter.mm_get_physical_address(block)
        return NDIS_STATUS_SUCCESS

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, free the buffers, and undo initialize."""
        context = adapter.context
        self.stop(adapter, context)
        self.fail_all_sends(adapter, context)
        adapter.mm_free_contiguous_memory(context.tx_buffers)
        context.undo.close()  # FLAW: the undo knows of the block, too
