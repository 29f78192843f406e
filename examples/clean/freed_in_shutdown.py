# SPDX-License-Identifier: Apache-2.0
"""Shutdown stops the card and frees nothing: the system is going down anyway.

Twin of ``flawed/freed_in_shutdown.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

BLOCK_BYTES = SLOTS * BUFFER_BYTES


class FreedInShutdown(Example):
    """Tidies up in halt only."""

    machine = {"life": "power-off"}

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """One block for all transmit buffers."""
        virtual, address = adapter.allocate_shared_memory(BLOCK_BYTES, False)
        if virtual is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, BLOCK_BYTES, False, virtual, address)
        context.tx_buffers, context.tx_buffers_address = virtual, address
        return NDIS_STATUS_SUCCESS

    def shutdown(self, adapter: Adapter) -> None:
        """Stop the card."""
        self.stop(adapter, adapter.context)
