# SPDX-License-Identifier: Apache-2.0
"""Maps its packets with map registers instead of copying them.

NdisMStartBufferPhysicalMapping gives device addresses for one buffer; where the buffer lies beyond the declared width they
are those of bounce pages. A map register is free again when the mapping is completed, after the card is done with it. Here
the map register of a buffer has the number of the first slot that carries it.

Twin of ``flawed/map_registers.py``, which maps in the wrong direction.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import LARGEST_FRAME, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.status import NDIS_DMA_24BITS, NDIS_STATUS_SUCCESS

TO_DEVICE = True


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
        """Map each buffer and hand over all pieces of all buffers."""
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
        self.hand_over(adapter, context, packet, pieces)

    def release_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """Complete the mapping that begins in this slot. The card hands no descriptor of a frame back before it has read the
        whole frame."""
        if context.mapped[slot] is not None:
            adapter.complete_buffer_physical_mapping(context.mapped[slot], slot)
            context.mapped[slot] = None
