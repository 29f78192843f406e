# SPDX-License-Identifier: Apache-2.0
"""The length is halved after a failure, and at a smallest one the miniport does without.

Twin of ``flawed/retry_never_shrinks.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HISTORY_BYTES = 16 << 20
"""Never fits below 16 MB."""
LEAST_BYTES = 64 << 10


class RetryNeverShrinks(Example):
    """Keeps a history of frames, as long a one as it can have."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The transmit buffers and one block of history."""
        length = HISTORY_BYTES
        while length >= LEAST_BYTES:
            virtual, address = adapter.allocate_shared_memory(length, False)
            if virtual is not None:
                undo.callback(adapter.free_shared_memory, length, False, virtual, address)
                break
            length //= 2
        context.tx_buffers, context.tx_buffers_address = self.shared(adapter, SLOTS * BUFFER_BYTES, BUFFER_BYTES, undo)
        return NDIS_STATUS_RESOURCES if context.tx_buffers is None else NDIS_STATUS_SUCCESS
