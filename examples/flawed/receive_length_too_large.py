# SPDX-License-Identifier: Apache-2.0
"""The length in the descriptor is larger than the receive buffer.

Wrong:    each buffer has 1512 bytes, and the card is told of 1514.
Silicon:  a frame of full length overwrites the first bytes of the next buffer; the last one hits somebody else.
Expected: shared-bounds, with the store that gives the last buffer to the card.
Mend:     give each slot as many bytes as the card is told of.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from miniport.view import View

STRIDE = 1512
LENGTH_TOLD = 1514  # FLAW
BLOCK_BYTES = SLOTS * STRIDE


class ReceiveLengthTooLarge(Example):
    """Rounds the buffers down to whole quadwords."""

    machine = {"frames": 40}

    def claim_receive_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """One block for all receive buffers."""
        virtual, address = adapter.allocate_shared_memory(BLOCK_BYTES, False)
        if virtual is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, BLOCK_BYTES, False, virtual, address)
        context.rx_buffers, context.rx_buffers_address = virtual, address
        return NDIS_STATUS_SUCCESS

    def receive_buffer(self, context: Context, slot: int) -> View:
        """As in the base, with another stride."""
        buffers: View = context.rx_buffers
        return buffers + slot * STRIDE

    def give_receive_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """As in the base, with another stride."""
        descriptor = context.rx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.rx_buffers_address + slot * STRIDE)
        descriptor.write_ulong(LENGTH, LENGTH_TOLD)
        descriptor.write_ulong(CONTROL, hw.OWN)  # NAMED HERE
        adapter.write_register_ulong(context.registers, hw.RX_TAIL, (slot + 1) % SLOTS)
