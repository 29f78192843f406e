# SPDX-License-Identifier: Apache-2.0
"""One block is freed in two halves.

Wrong:    the first call frees the lower half of the block, a second one the upper half.
Silicon:  NDIS knows whole blocks only: bug check 0x7C/03 or 0xD2, or a corrupt list.
Expected: shared-free-no-subrange, with the first free; the second one is its consequence.
Mend:     free the block as a whole, or allocate the halves apart.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

BLOCK_BYTES = SLOTS * BUFFER_BYTES
HALF = BLOCK_BYTES // 2


class HalfFreed(Example):
    """Frees parts of a block."""

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
        adapter.free_shared_memory(HALF, False, context.tx_buffers, context.tx_buffers_address)  # FLAW
        adapter.free_shared_memory(HALF, False, context.tx_buffers + HALF, context.tx_buffers_address + HALF)
