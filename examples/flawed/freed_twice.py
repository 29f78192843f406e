# SPDX-License-Identifier: Apache-2.0
"""Two clean-up paths free the same block.

Wrong:    halt frees the transmit buffers, and then the common undo frees them again.
Silicon:  the second free hits memory that is somebody else's already: bug check 0x7C/03 or 0xD2, or silent corruption.
Expected: shared-free-twice, with the line that frees for the second time.
Mend:     free in one place only, or set the pointer to None when it is freed.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

BLOCK_BYTES = SLOTS * BUFFER_BYTES


class FreedTwice(Example):
    """Frees in halt what the undo frees, too."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """One block for all transmit buffers."""
        virtual, address = adapter.allocate_shared_memory(BLOCK_BYTES, False)
        if virtual is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, BLOCK_BYTES, False, virtual, address)
        context.tx_buffers, context.tx_buffers_address = virtual, address
        return NDIS_STATUS_SUCCESS

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, free the buffers, and undo initialize."""
        context = adapter.context
        self.stop(adapter, context)
        self.fail_all_sends(adapter, context)
        adapter.free_shared_memory(BLOCK_BYTES, False, context.tx_buffers, context.tx_buffers_address)
        context.undo.close()  # FLAW: the undo knows of the block, too
