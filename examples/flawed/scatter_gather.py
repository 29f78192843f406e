# SPDX-License-Identifier: Apache-2.0
"""Shared memory is allocated before the miniport has registered for DMA.

Wrong:    NdisMInitializeScatterGatherDma comes after the rings.
Silicon:  NDIS has no DMA adapter yet that could hold the memory: the allocation fails, or the system crashes.
Expected: shared-alloc-after-dma-ndis5, with the allocation.
Mend:     call NdisMInitializeScatterGatherDma first.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import LARGEST_FRAME, RING_BYTES, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS


class ScatterGather(Example):
    """Registers for scatter/gather when the ring is there."""

    machine = {"limits": "pci32-16m"}

    def claim_dma(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The transmit ring, then the registration with 32 bits."""
        ring, address = adapter.allocate_shared_memory(RING_BYTES, False)  # FLAW
        if ring is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, RING_BYTES, False, ring, address)
        context.tx_ring, context.tx_ring_address = ring, address
        status: int = adapter.initialize_scatter_gather_dma(False, LARGEST_FRAME)
        return status

    def claim_rings(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The receive ring."""
        context.rx_ring, context.rx_ring_address = self.shared(adapter, RING_BYTES, RING_BYTES, undo)
        return NDIS_STATUS_RESOURCES if context.rx_ring is None else NDIS_STATUS_SUCCESS
