# SPDX-License-Identifier: Apache-2.0
"""The miniport asks for fewer map registers, gets them, and uses as many as it first wanted.

Wrong:    the retry with less succeeds, and the number that was granted is kept nowhere.
Silicon:  the index behind the last map register names those of another adapter.
Expected: mapreg-index-range, with the call that maps, under NdisMAllocateMapRegisters#1=grant-1.
Mend:     keep the number that was granted, and map no more buffers than that at once.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import LARGEST_FRAME, SLOTS, Context
from _tough import ToughContext, ToughExample

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.packet import Packet
from miniport.status import NDIS_DMA_24BITS, NDIS_STATUS_SUCCESS


class GrantedContext(ToughContext):
    """With the number of map registers."""

    granted = Ulong()


class TooFewMapRegisters(ToughExample):
    """Sends straight from the protocol's buffers, or from the bounce pages that NDIS puts between."""

    context_class = GrantedContext

    def claim_dma(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """One map register for each transmit slot, or half as many, or one."""
        assert isinstance(context, GrantedContext)
        wanted = SLOTS
        status: int = adapter.allocate_map_registers(0, NDIS_DMA_24BITS, wanted, LARGEST_FRAME)
        while status != NDIS_STATUS_SUCCESS and wanted > 1:
            wanted //= 2
            status = adapter.allocate_map_registers(0, NDIS_DMA_24BITS, wanted, LARGEST_FRAME)
        if status == NDIS_STATUS_SUCCESS:
            context.granted = SLOTS  # FLAW
            undo.callback(adapter.free_map_registers)
        return status

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """Map each buffer and hand over its pieces. What needs a map register that is not there is copied."""
        assert isinstance(context, GrantedContext)
        buffers = [buffer for buffer in packet.buffers() if buffer.length]
        most = sum(adapter.get_buffer_physical_array_size(buffer) for buffer in buffers)
        if most >= SLOTS or context.tx_next + most > context.granted:
            super().transmit(adapter, context, packet)
            return
        pieces: list[tuple[int, int]] = []
        for buffer in buffers:
            register = context.tx_next + len(pieces)
            adapter.flush_buffer(buffer, True)
            found = adapter.start_buffer_physical_mapping(buffer, register, True)  # NAMED HERE
            if not found:
                for slot in range(context.tx_next, register):
                    self.release_slot(adapter, context, slot)
                super().transmit(adapter, context, packet)
                return
            pieces += found
            context.mapped[register] = buffer
        self.hand_over(adapter, context, packet, pieces)

    def pieces(self, adapter: Adapter, packet: Packet) -> int:
        """Device pieces that the packet can have at most; a packet of too many is copied."""
        most = sum(adapter.get_buffer_physical_array_size(buffer) for buffer in packet.buffers() if buffer.length)
        return most if most < SLOTS else 1

    def release_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """Complete the mapping that begins in this slot."""
        if context.mapped[slot] is not None:
            adapter.complete_buffer_physical_mapping(context.mapped[slot], slot)
            context.mapped[slot] = None
