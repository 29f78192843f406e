# SPDX-License-Identifier: Apache-2.0
"""Sends straight from the protocol's buffers, by the scatter/gather list that NDIS builds for each packet.

NdisMInitializeScatterGatherDma is for cards of at least 32 address bits. It replaces the map registers, and shared memory is
allocated after it. The list says nothing of boundaries: a piece that crosses a multiple of 16 MB is given to the card in two.

Twin of ``flawed/scatter_gather.py``, which allocates before it has registered.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import LARGEST_FRAME, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet

BOUNDARY = 0x1000000


class ScatterGather(Example):
    """Copies only what has more pieces than the ring has slots."""

    machine = {"limits": "pci32-16m"}

    def claim_dma(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Register for scatter/gather with 32 bits; there is nothing to undo."""
        status: int = adapter.initialize_scatter_gather_dma(False, LARGEST_FRAME)
        return status

    def pieces(self, adapter: Adapter, packet: Packet) -> int:
        """Descriptors that the packet needs."""
        needed = len(self.split(packet))
        return needed if needed < SLOTS else 1

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """Hand over the pieces of the list, or copy."""
        pieces = self.split(packet)
        if len(pieces) < SLOTS:
            self.hand_over(adapter, context, packet, pieces)
        else:
            super().transmit(adapter, context, packet)

    def split(self, packet: Packet) -> list[tuple[int, int]]:
        """The packet's list, each piece cut at multiples of the boundary, without empty ones."""
        pieces: list[tuple[int, int]] = []
        for address, length in packet.scatter_gather or ():
            while length:
                part = min(length, BOUNDARY - address % BOUNDARY)
                pieces.append((address, part))
                address, length = address + part, length - part
        return pieces
