# SPDX-License-Identifier: Apache-2.0
"""Each adapter has a block of its own, in its adapter context.

Twin of ``flawed/buffers_of_the_driver.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS


class BuffersOfTheDriver(Example):
    """Has two cards at home."""

    machine = {"adapters": 2}

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base."""
        context.tx_buffers, context.tx_buffers_address = self.shared(adapter, SLOTS * BUFFER_BYTES, BUFFER_BYTES, undo)
        return NDIS_STATUS_RESOURCES if context.tx_buffers is None else NDIS_STATUS_SUCCESS

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
