# SPDX-License-Identifier: Apache-2.0
"""What the card reads is mapped as if the card wrote it.

Wrong:    WriteToDevice is FALSE for a buffer that is sent.
Silicon:  the cache is not written back, and the bounce page not filled: the card sends old bytes.
Expected: mapreg-direction, with the store that gives the address to the card.
Mend:     map with WriteToDevice TRUE what the card reads.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, CONTROL, DESCRIPTOR_BYTES, LARGEST_FRAME, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.status import NDIS_DMA_24BITS, NDIS_STATUS_SUCCESS

TO_DEVICE = False  # FLAW


class MapRegisters(Example):
    """Sends straight from the protocol's buffers, or from the bounce pages that NDIS puts between."""

    def claim_dma(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """One map register for each transmit slot."""
        status: int = adapter.allocate_map_registers(0, NDIS_DMA_24BITS, SLOTS, LARGEST_FRAME)
        if status == NDIS_STATUS_SUCCESS:
            undo.callback(adapter.free_map_registers)
        return status

    def pieces(self, adapter: Adapter, packet: Packet) -> int:
        """Device pieces that the packet can have at most; a packet of too many is copied."""
        most = sum(adapter.get_buffer_physical_array_size(buffer) for buffer in packet.buffers() if buffer.length)
        return most if most < SLOTS else 1

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """Map each buffer and hand over its pieces."""
        buffers = [buffer for buffer in packet.buffers() if buffer.length]
        if sum(adapter.get_buffer_physical_array_size(buffer) for buffer in buffers) >= SLOTS:
            super().transmit(adapter, context, packet)
            return
        pieces: list[tuple[int, int]] = []
        for buffer in buffers:
            register = (context.tx_next + len(pieces)) % SLOTS
            adapter.flush_buffer(buffer, True)
            pieces += adapter.start_buffer_physical_mapping(buffer, register, TO_DEVICE)
            context.mapped[register] = buffer
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

    def release_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """Complete the mapping that begins in this slot."""
        if context.mapped[slot] is not None:
            adapter.complete_buffer_physical_mapping(context.mapped[slot], slot)
            context.mapped[slot] = None
