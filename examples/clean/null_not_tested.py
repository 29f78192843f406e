# SPDX-License-Identifier: Apache-2.0
"""Each allocation is tested.

Twin of ``flawed/null_not_tested.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from miniport.view import View

HALF = SLOTS // 2
BLOCK_BYTES = HALF * BUFFER_BYTES


class NullNotTested(Example):
    """Has two blocks of receive buffers, and tests both."""

    def claim_receive_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Two blocks, with half of the buffers each."""
        context.rx_buffers, context.rx_buffers_address = adapter.allocate_shared_memory(BLOCK_BYTES, False)
        if context.rx_buffers is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, BLOCK_BYTES, False, context.rx_buffers, context.rx_buffers_address)
        context.extra, context.extra_address = adapter.allocate_shared_memory(BLOCK_BYTES, False)
        if context.extra is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, BLOCK_BYTES, False, context.extra, context.extra_address)
        return NDIS_STATUS_SUCCESS

    def receive_buffer(self, context: Context, slot: int) -> View:
        """The buffer of a receive slot."""
        block: View = context.rx_buffers if slot < HALF else context.extra
        return block + slot % HALF * BUFFER_BYTES

    def give_receive_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """As in the base, with two blocks."""
        descriptor = context.rx_ring + slot * DESCRIPTOR_BYTES
        block = context.rx_buffers_address if slot < HALF else context.extra_address
        descriptor.write_ulonglong(ADDRESS, block + slot % HALF * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, BUFFER_BYTES)
        descriptor.write_ulong(CONTROL, hw.OWN)
        adapter.write_register_ulong(context.registers, hw.RX_TAIL, (slot + 1) % SLOTS)
