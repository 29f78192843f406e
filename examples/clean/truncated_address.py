# SPDX-License-Identifier: Apache-2.0
"""HighestAcceptableAddress is the last byte that the card can reach.

Twin of ``flawed/truncated_address.py``. The notice contig-not-for-ndis-dma stays, as in ``boundary.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from miniport.view import View

HIGHEST = 0xFFFFFF
BOUNDARY = 0x1000000
MM_NON_CACHED = 0
STRIDE = 1536


class TruncatedAddress(Example):
    """Receive buffers that the card can reach."""

    machine = {"limits": "lance-isa"}

    def claim_receive_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Contiguous memory across no multiple of 16 MB."""
        block = adapter.mm_allocate_contiguous_memory_specify_cache(SLOTS * STRIDE, 0, HIGHEST, BOUNDARY, MM_NON_CACHED)
        if block is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.mm_free_contiguous_memory, block)
        context.rx_buffers, context.rx_buffers_address = block, adapter.mm_get_physical_address(block)
        return NDIS_STATUS_SUCCESS

    def receive_buffer(self, context: Context, slot: int) -> View:
        """As in the base, with another stride."""
        buffers: View = context.rx_buffers
        return buffers + slot * STRIDE

    def give_receive_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """As in the base, with another stride."""
        descriptor = context.rx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.rx_buffers_address + slot * STRIDE)
        descriptor.write_ulong(LENGTH, STRIDE)
        descriptor.write_ulong(CONTROL, hw.OWN)
        adapter.write_register_ulong(context.registers, hw.RX_TAIL, (slot + 1) % SLOTS)
