# SPDX-License-Identifier: Apache-2.0
"""The aligned address is freed instead of the one that was allocated.

Wrong:    the block is over-allocated and aligned, and the free repeats the aligned addresses.
Silicon:  NDIS looks the block up by its base and does not find it: bug check 0x7C/03 or 0xD2, or a leak.
Expected: shared-free-exact, with the free.
Mend:     keep what NdisMAllocateSharedMemory returned for the free, beside the aligned addresses.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

UNIT = 64 << 10
WHOLE_BYTES = SLOTS * BUFFER_BYTES + UNIT - 1


class AlignedFree(Example):
    """Keeps the aligned addresses only."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Over-allocate, and move both addresses up to a multiple of 64 KB."""
        virtual, address = adapter.allocate_shared_memory(WHOLE_BYTES, False)
        if virtual is None:
            return NDIS_STATUS_RESOURCES
        inset = -address % UNIT
        context.tx_buffers, context.tx_buffers_address = virtual + inset, address + inset
        undo.callback(self.free_transmit_buffers, adapter, context)
        return NDIS_STATUS_SUCCESS

    def free_transmit_buffers(self, adapter: Adapter, context: Context) -> None:
        """Undo `claim_transmit_buffers`."""
        adapter.free_shared_memory(WHOLE_BYTES, False, context.tx_buffers, context.tx_buffers_address)  # FLAW
