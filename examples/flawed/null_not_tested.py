# SPDX-License-Identifier: Apache-2.0
"""The second of two allocations is not tested.

Wrong:    the device address goes to the card whether there is memory or not.
Silicon:  after a failure the address means nothing: the card writes received frames there.
Expected: shared-alloc-null-both, with the store that gives the buffer to the card, under NdisMAllocateSharedMemory#5.
Mend:     test the virtual address of each allocation.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from miniport.view import View

HALF = SLOTS // 2
BLOCK_BYTES = HALF * BUFFER_BYTES


class NullNotTested(Example):
    """Has two blocks of receive buffers, and believes that the second cannot fail when the first one did not."""

    def claim_receive_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Two blocks, with half of the buffers each."""
        context.rx_buffers, context.rx_buffers_address = adapter.allocate_shared_memory(BLOCK_BYTES, False)
        if context.rx_buffers is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, BLOCK_BYTES, False, context.rx_buffers, context.rx_buffers_address)
        context.extra, context.extra_address = adapter.allocate_shared_memory(BLOCK_BYTES, False)  # FLAW
        if context.extra is not None:
            undo.callback(adapter.free_shared_memory, BLOCK_BYTES, False, context.extra, context.extra_address)
        return NDIS_STATUS_SUCCESS

    def receive_buffer(self, context: Context, slot: int) -> Any:
        """The buffer of a receive slot, or None."""
        block = context.rx_buffers if slot < HALF else context.extra
        return None if block is None else block + slot % HALF * BUFFER_BYTES

    def indicate(self, adapter: Adapter, context: Context, data: View | None, length: int) -> None:
        """As in the base, if there is a buffer."""
        if data is not None:
            super().indicate(adapter, context, data, length)

    def give_receive_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """As in the base, with two blocks."""
        descriptor = context.rx_ring + slot * DESCRIPTOR_BYTES
        block = context.rx_buffers_address if slot < HALF else context.extra_address
        descriptor.write_ulonglong(ADDRESS, block + slot % HALF * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, BUFFER_BYTES)
        descriptor.write_ulong(CONTROL, hw.OWN)  # NAMED HERE
        adapter.write_register_ulong(context.registers, hw.RX_TAIL, (slot + 1) % SLOTS)
