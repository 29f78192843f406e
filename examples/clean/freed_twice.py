# SPDX-License-Identifier: Apache-2.0
"""The block is freed in one place only, the common undo.

Twin of ``flawed/freed_twice.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

BLOCK_BYTES = SLOTS * BUFFER_BYTES


class FreedTwice(Example):
    """Leaves the free to the undo."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """One block for all transmit buffers."""
        virtual, address = adapter.allocate_shared_memory(BLOCK_BYTES, False)
        if virtual is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, BLOCK_BYTES, False, virtual, address)
        context.tx_buffers, context.tx_buffers_address = virtual, address
        return NDIS_STATUS_SUCCESS

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, and undo initialize."""
        context = adapter.context
        self.stop(adapter, context)
        self.fail_all_sends(adapter, context)
        context.undo.close()
