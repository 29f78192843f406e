# SPDX-License-Identifier: Apache-2.0
"""The receive ring begins at an address that is no multiple of 16.

Wrong:    a header of 8 bytes lies before the ring in its block; the card drops the low four bits of a ring base.
Silicon:  the card reads descriptors 8 bytes before the ring.
Expected: dma-alignment, with the write of the base.
Mend:     put the ring first, or move it up to a multiple of 16, both addresses by the same offset.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import RING_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

HEADER_BYTES = 8


class RingNotAligned(Example):
    """Keeps a header before the ring, in the same block."""

    def claim_rings(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The transmit ring as in the base, the receive ring behind a header of 8 bytes."""
        context.tx_ring, context.tx_ring_address = self.shared(adapter, RING_BYTES, RING_BYTES, undo)
        block, address = self.shared(adapter, 2 * RING_BYTES, 2 * RING_BYTES, undo)
        if context.tx_ring is None or block is None:
            return NDIS_STATUS_RESOURCES
        context.rx_ring, context.rx_ring_address = block + HEADER_BYTES, address + HEADER_BYTES  # FLAW
        return NDIS_STATUS_SUCCESS

    def name_ring(self, adapter: Adapter, context: Context, address: int, lo: int, hi: int, count: int) -> None:
        """As in the base."""
        adapter.write_register_ulong(context.registers, lo, address & 0xFFFFFFFF)  # NAMED HERE
        adapter.write_register_ulong(context.registers, hi, address >> 32)
        adapter.write_register_ulong(context.registers, count, SLOTS)
