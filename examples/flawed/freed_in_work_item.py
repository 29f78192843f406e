# SPDX-License-Identifier: Apache-2.0
"""A work item frees shared memory.

Wrong:    work items run at PASSIVE_LEVEL; outside initialize and halt, Windows XP and Server 2003 ask for DISPATCH_LEVEL.
Silicon:  nothing on Windows 2000; from XP on the free may race with what NDIS does under its lock.
Expected: shared-free-irql-xp, with the free.
Mend:     free in halt, or raise to DISPATCH_LEVEL around the free, as a spin lock does.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

SCRATCH_BYTES = 4096


class FreedInWorkItem(Example):
    """Has a block that it needs until the first frame is sent."""

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

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base; the first one lets the block go."""
        super().transmit(adapter, context, packet)
        if context.extra is not None:
            block, context.extra = context.extra, None
            adapter.schedule_work_item(self.free_block, block)

    def free_block(self, adapter: Adapter, block: Any) -> None:
        """Free the block."""
        context = adapter.context
        adapter.free_shared_memory(SCRATCH_BYTES, False, block, context.extra_address)  # FLAW

    def free_in_halt(self, adapter: Adapter, context: Context) -> None:
        """Free the block if no frame was sent."""
        if context.extra is not None:
            adapter.free_shared_memory(SCRATCH_BYTES, False, context.extra, context.extra_address)
