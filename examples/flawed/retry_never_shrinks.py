# SPDX-License-Identifier: Apache-2.0
"""An allocation that fails is tried again for ever.

Wrong:    the loop asks for the same length each time.
Silicon:  memory below 16 MB does not come back by waiting: the system hangs in its start.
Expected: time-limit, with the wait.
Mend:     halve the length after a failure, and give up at a smallest one.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HISTORY_BYTES = 16 << 20
"""Never fits below 16 MB."""
LEAST_BYTES = 64 << 10
SECOND_US = 1_000_000


class RetryNeverShrinks(Example):
    """Keeps a history of frames."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The transmit buffers and one block of history."""
        length = HISTORY_BYTES
        while length >= LEAST_BYTES:
            virtual, address = adapter.allocate_shared_memory(length, False)
            if virtual is not None:
                undo.callback(adapter.free_shared_memory, length, False, virtual, address)
                break
            adapter.sleep(SECOND_US)  # FLAW: and length stays
        context.tx_buffers, context.tx_buffers_address = self.shared(adapter, SLOTS * BUFFER_BYTES, BUFFER_BYTES, undo)
        return NDIS_STATUS_RESOURCES if context.tx_buffers is None else NDIS_STATUS_SUCCESS
