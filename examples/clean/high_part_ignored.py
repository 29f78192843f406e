# SPDX-License-Identifier: Apache-2.0
"""The whole device address is kept, and written.

Twin of ``flawed/high_part_ignored.py``. The notice contig-not-for-ndis-dma stays, as in ``boundary.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.status import NDIS_DMA_32BITS, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HIGHEST = (1 << 40) - 1
BLOCK_BYTES = SLOTS * BUFFER_BYTES


class HighPartIgnored(Example):
    """Runs on a machine with more than 4 GB."""

    machine = {"ram": "5G", "limits": "tg3-40"}
    dma_width = NDIS_DMA_32BITS

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Contiguous memory anywhere."""
        block = adapter.mm_allocate_contiguous_memory(BLOCK_BYTES, HIGHEST)
        if block is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.mm_free_contiguous_memory, block)
        context.tx_buffers = block
        context.tx_buffers_address = adapter.mm_get_physical_address(block)
        return NDIS_STATUS_SUCCESS

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * BUFFER_BYTES)
        descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.tx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, length)
        descriptor.write_ulong(CONTROL, hw.OWN | hw.END)
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % SLOTS
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, context.tx_next)
