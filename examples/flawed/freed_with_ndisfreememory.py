# SPDX-License-Identifier: Apache-2.0
"""Shared memory is freed with NdisFreeMemory.

Wrong:    the block came from NdisMAllocateSharedMemory, and goes to the pool.
Silicon:  the pool finds no header of its own there: bug check 0xC2.
Expected: shared-no-ndisfreememory, with the free.
Mend:     free shared memory with NdisMFreeSharedMemory.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

BLOCK_BYTES = SLOTS * BUFFER_BYTES


class FreedWithNdisFreeMemory(Example):
    """Has one free for all memory."""

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
        adapter.free_memory(context.tx_buffers, BLOCK_BYTES)  # FLAW
