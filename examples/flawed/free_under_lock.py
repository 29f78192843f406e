# SPDX-License-Identifier: Apache-2.0
"""Halt frees shared memory while it holds a spin lock.

Wrong:    the lock raises the processor to DISPATCH_LEVEL; in halt, Windows XP and Server 2003 ask for PASSIVE_LEVEL.
Silicon:  the free may wait or touch pageable structures: a hang, or bug check 0xA.
Expected: shared-free-irql-xp, with the free.
Mend:     release the lock first. When halt frees, nothing else runs that the lock could keep away.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

BLOCK_BYTES = SLOTS * BUFFER_BYTES


class FreeUnderLock(Example):
    """Holds its lock out of habit."""

    machine = {"windows": "2003"}

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
        adapter.acquire_spin_lock(context.lock)
        adapter.free_shared_memory(BLOCK_BYTES, False, context.tx_buffers, context.tx_buffers_address)  # FLAW
        adapter.release_spin_lock(context.lock)
