# SPDX-License-Identifier: Apache-2.0
"""Over-allocates, aligns, and frees what was allocated.

Twin of ``flawed/aligned_free.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

UNIT = 64 << 10
WHOLE_BYTES = SLOTS * BUFFER_BYTES + UNIT - 1


class AlignedFree(Example):
    """Keeps both pairs of addresses."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Over-allocate, and move both addresses up to a multiple of 64 KB."""
        virtual, address = adapter.allocate_shared_memory(WHOLE_BYTES, False)
        if virtual is None:
            return NDIS_STATUS_RESOURCES
        context.extra, context.extra_address = virtual, address
        inset = -address % UNIT
        context.tx_buffers, context.tx_buffers_address = virtual + inset, address + inset
        undo.callback(self.free_transmit_buffers, adapter, context)
        return NDIS_STATUS_SUCCESS

    def free_transmit_buffers(self, adapter: Adapter, context: Context) -> None:
        """Undo `claim_transmit_buffers`."""
        adapter.free_shared_memory(WHOLE_BYTES, False, context.extra, context.extra_address)
