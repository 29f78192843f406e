# SPDX-License-Identifier: Apache-2.0
"""Halt frees the block: there every version of Windows takes a free at PASSIVE_LEVEL.

Twin of ``flawed/freed_in_work_item.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

SCRATCH_BYTES = 4096


class FreedInWorkItem(Example):
    """Has a block that it keeps until halt."""

    machine = {"windows": "2003"}

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base, with the block."""
        status = super().claim_transmit_buffers(adapter, context, undo)
        if status != NDIS_STATUS_SUCCESS:
            return status
        context.extra, context.extra_address = adapter.allocate_shared_memory(SCRATCH_BYTES, False)
        if context.extra is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(self.free_in_halt, adapter, context)
        return NDIS_STATUS_SUCCESS

    def free_in_halt(self, adapter: Adapter, context: Context) -> None:
        """Free the block."""
        adapter.free_shared_memory(SCRATCH_BYTES, False, context.extra, context.extra_address)
