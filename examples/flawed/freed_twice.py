# SPDX-License-Identifier: Apache-2.0
"""Two clean-up paths free the same block.

Wrong:    halt frees the transmit buffers, and then the common undo frees them again.
Silicon:  the second free hits memory that is somebody else's already: bug check 0x7C/03 or 0xD2, or silent corruption.
Expected: shared-free-twice, with the second free.
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
        context.tx_buffers, context.tx_buffers_address = virtual, address
        undo.callback(self.free_transmit_buffers, adapter, context)
        return NDIS_STATUS_SUCCESS

    def free_transmit_buffers(self, adapter: Adapter, context: Context) -> None:
        """Undo `claim_transmit_buffers`."""
        adapter.free_shared_memory(BLOCK_BYTES, False, context.tx_buffers, context.tx_buffers_address)  # FLAW: for the second time

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, free the buffers, and undo initialize."""
        context = adapter.context
        self.stop(adapter, context)
        self.fail_all_sends(adapter, context)
        self.free_transmit_buffers(adapter, context)
        context.undo.close()
