# SPDX-License-Identifier: Apache-2.0
"""The loop that clears the receive ring ends behind its last descriptor.

Twin of ``flawed/one_descriptor_too_many.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import DESCRIPTOR_BYTES, RING_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS


class OneDescriptorTooMany(Example):
    """Clears its ring by hand."""

    def claim_rings(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The transmit ring as in the base, the receive ring exactly as long as it must be."""
        context.tx_ring, context.tx_ring_address = self.shared(adapter, RING_BYTES, RING_BYTES, undo)
        ring, address = adapter.allocate_shared_memory(RING_BYTES, False)
        if ring is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, RING_BYTES, False, ring, address)
        if context.tx_ring is None:
            return NDIS_STATUS_RESOURCES
        slot = 0
        while slot < SLOTS:
            ring.fill(slot * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES)
            slot += 1
        context.rx_ring, context.rx_ring_address = ring, address
        return NDIS_STATUS_SUCCESS
