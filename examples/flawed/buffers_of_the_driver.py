# SPDX-License-Identifier: Apache-2.0
"""Two adapters share one block of transmit buffers.

Wrong:    the block is kept in the miniport object, as in a global of C: the first adapter fills it in, and all others use it.
Silicon:  the second card reads memory that the bus may not show to it, and sends frames of the first one.
Expected: dma-stray, with the store that gives the buffer to the second card.
Mend:     keep the block in the adapter context.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from miniport.view import View


class BuffersOfTheDriver(Example):
    """Has one card at home."""

    machine = {"adapters": 2}

    def __init__(self) -> None:
        self.buffers: list[tuple[View | None, int]] = []

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base, for the first adapter."""
        if not self.buffers:  # FLAW
            self.buffers.append(self.shared(adapter, SLOTS * BUFFER_BYTES, BUFFER_BYTES, undo))
        context.tx_buffers, context.tx_buffers_address = self.buffers[0]
        return NDIS_STATUS_RESOURCES if context.tx_buffers is None else NDIS_STATUS_SUCCESS

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * BUFFER_BYTES)
        descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.tx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, length)
        descriptor.write_ulong(CONTROL, hw.OWN | hw.END)  # NAMED HERE
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % SLOTS
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, context.tx_next)
