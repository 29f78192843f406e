# SPDX-License-Identifier: Apache-2.0
"""Initialize fails and leaves the first of two blocks allocated.

Wrong:    the path on which the second allocation fails returns without freeing the first one.
Silicon:  8 MB of the scarce memory below 16 MB are lost until the next boot; each retry loses more.
Expected: init-fail-release-all, with the allocation.
Mend:     register the undoing of each step as soon as the step has succeeded; or free here, and make do with less.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HISTORY_BYTES = 8 << 20
"""Two of these never fit below 16 MB."""


class LeakInUnwind(Example):
    """Wants two large blocks for a history of frames."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The transmit buffers and two blocks of history."""
        sent, sent_address = adapter.allocate_shared_memory(HISTORY_BYTES, False)  # NAMED HERE
        if sent is None:
            return NDIS_STATUS_RESOURCES
        received, received_address = adapter.allocate_shared_memory(HISTORY_BYTES, False)
        if received is None:
            return NDIS_STATUS_RESOURCES  # FLAW: the first block stays
        undo.callback(adapter.free_shared_memory, HISTORY_BYTES, False, sent, sent_address)
        undo.callback(adapter.free_shared_memory, HISTORY_BYTES, False, received, received_address)
        context.tx_buffers, context.tx_buffers_address = self.shared(adapter, SLOTS * BUFFER_BYTES, BUFFER_BYTES, undo)
        return NDIS_STATUS_RESOURCES if context.tx_buffers is None else NDIS_STATUS_SUCCESS
