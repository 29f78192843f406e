# SPDX-License-Identifier: Apache-2.0
"""The mapping of a buffer is completed when its device addresses are known, not when the card is done.

Wrong:    after the completion the device address means nothing; here it is the one of a bounce page that the next buffer gets.
Silicon:  the card sends what the next packet put into the page; where NDIS needs no bounce pages it works for years.
Expected: mapreg-valid-window, with the store that gives the address to the card.
Mend:     complete the mapping where the packet is completed: see ``clean/map_registers.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, CONTROL, DESCRIPTOR_BYTES, LARGEST_FRAME, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.status import NDIS_DMA_24BITS, NDIS_STATUS_SUCCESS

TO_DEVICE = True


class MappingCompletedEarly(Example):
    """Takes a mapping for a question."""

    def claim_dma(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """One map register for each transmit slot."""
        status: int = adapter.allocate_map_registers(0, NDIS_DMA_24BITS, SLOTS, LARGEST_FRAME)
        if status == NDIS_STATUS_SUCCESS:
            undo.callback(adapter.free_map_registers)
        return status

    def pieces(self, adapter: Adapter, packet: Packet) -> int:
        """Device pieces that the packet can have at most."""
        most = sum(adapter.get_buffer_physical_array_size(buffer) for buffer in packet.buffers() if buffer.length)
        return most if most < SLOTS else 1

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """Map each buffer and hand over its pieces; a packet of too many is copied."""
        buffers = [buffer for buffer in packet.buffers() if buffer.length]
        if sum(adapter.get_buffer_physical_array_size(buffer) for buffer in buffers) >= SLOTS:
            super().transmit(adapter, context, packet)
            return
        pieces: list[tuple[int, int]] = []
        for buffer in buffers:
            register = (context.tx_next + len(pieces)) % SLOTS
            adapter.flush_buffer(buffer, True)
            pieces += adapter.start_buffer_physical_mapping(buffer, register, TO_DEVICE)
            adapter.complete_buffer_physical_mapping(buffer, register)  # FLAW
        slot = context.tx_next
        for number, (address, length) in enumerate(pieces, 1):
            last = number == len(pieces)
            descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
            descriptor.write_ulonglong(ADDRESS, address)
            descriptor.write_ulong(LENGTH, length)
            descriptor.write_ulong(CONTROL, hw.OWN | hw.END if last else hw.OWN)  # NAMED HERE
            context.tx_packets[slot] = packet if last else None
            slot = (slot + 1) % SLOTS
        context.tx_next = slot
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, slot)
