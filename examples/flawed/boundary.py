# SPDX-License-Identifier: Apache-2.0
"""The transmit buffers may lie across a multiple of 16 MB, which the card's address counter cannot pass.

Wrong:    contiguous memory is asked for with BoundaryAddressMultiple 0, and no buffer is checked against the boundary.
Silicon:  the counter has no carry beyond bit 23: in the middle of a frame it goes on 16 MB further down.
Expected: dma-boundary, with the store that gives the buffer to the card.
Mend:     pass BoundaryAddressMultiple 0x1000000.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HIGHEST = (1 << 26) - 1
NO_BOUNDARY = 0
MM_NON_CACHED = 0
STRIDE = 1600


class Boundary(Example):
    """Transmit buffers from the contiguous routine."""

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Eight buffers of 1600 bytes below 64 MB."""
        block = adapter.mm_allocate_contiguous_memory_specify_cache(SLOTS * STRIDE, 0, HIGHEST, NO_BOUNDARY, MM_NON_CACHED)  # FLAW
        if block is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.mm_free_contiguous_memory, block)
        context.tx_buffers, context.tx_buffers_address = block, adapter.mm_get_physical_address(block)
        return NDIS_STATUS_SUCCESS

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base, with another stride."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * STRIDE)
        descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.tx_buffers_address + slot * STRIDE)
        descriptor.write_ulong(LENGTH, length)
        descriptor.write_ulong(CONTROL, hw.OWN | hw.END)  # NAMED HERE
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % SLOTS
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, context.tx_next)
