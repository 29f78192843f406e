# SPDX-License-Identifier: Apache-2.0
"""Wants two large blocks, frees the first where the second cannot be had, and makes do with small ones.

Twin of ``flawed/leak_in_unwind.py``. A failure of an allocation is no failure of the miniport where it can do with less.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HISTORY_BYTES = 8 << 20
"""Two of these never fit below 16 MB."""
LESS_BYTES = 64 << 10


class LeakInUnwind(Example):
    """Keeps a history of frames, as long a one as it can have."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The transmit buffers and two blocks of history, large or small."""
        if not self.claim_history(adapter, HISTORY_BYTES, undo) and not self.claim_history(adapter, LESS_BYTES, undo):
            return NDIS_STATUS_RESOURCES
        context.tx_buffers, context.tx_buffers_address = self.shared(adapter, SLOTS * BUFFER_BYTES, BUFFER_BYTES, undo)
        return NDIS_STATUS_RESOURCES if context.tx_buffers is None else NDIS_STATUS_SUCCESS

    def claim_history(self, adapter: Adapter, length: int, undo: ExitStack) -> bool:
        """Both blocks, or none."""
        with ExitStack() as both:
            for _ in range(2):
                virtual, address = adapter.allocate_shared_memory(length, False)
                if virtual is None:
                    return False
                both.callback(adapter.free_shared_memory, length, False, virtual, address)
            undo.push(both.pop_all())
        return True
