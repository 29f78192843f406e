# SPDX-License-Identifier: Apache-2.0
"""The ring begins at a multiple of its own length, and the header lies behind it.

Twin of ``flawed/ring_not_aligned.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import RING_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS


class RingNotAligned(Example):
    """Keeps a header behind the ring, in the same block."""

    def claim_rings(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The transmit ring as in the base, the receive ring before a header of 8 bytes."""
        context.tx_ring, context.tx_ring_address = self.shared(adapter, RING_BYTES, RING_BYTES, undo)
        block, address = self.shared(adapter, 2 * RING_BYTES, 2 * RING_BYTES, undo)
        if context.tx_ring is None or block is None:
            return NDIS_STATUS_RESOURCES
        context.rx_ring, context.rx_ring_address = block, address
        return NDIS_STATUS_SUCCESS

    def name_ring(self, adapter: Adapter, context: Context, address: int, lo: int, hi: int, count: int) -> None:
        """As in the base."""
        adapter.write_register_ulong(context.registers, lo, address & 0xFFFFFFFF)
        adapter.write_register_ulong(context.registers, hi, address >> 32)
        adapter.write_register_ulong(context.registers, count, SLOTS)
