# SPDX-License-Identifier: Apache-2.0
"""Halt frees the map registers while shared memory is still allocated.

Wrong:    the order. Map registers are the adapter's registration for DMA; shared memory hangs on it.
Silicon:  NDIS frees the DMA adapter under its common buffers: HAL 0xE6/07 under verification, else a leak.
Expected: shared-free-before-mapregs, with the call that frees the map registers.
Mend:     undo in reverse order: shared memory first, the map registers after it.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import LARGEST_FRAME, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_DMA_24BITS


class MapRegistersFirst(Example):
    """Undoes in the order of allocation."""

    def claim_dma(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Claim the map registers; halt frees them by itself."""
        status: int = adapter.allocate_map_registers(0, NDIS_DMA_24BITS, 1, LARGEST_FRAME)
        return status

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, free the map registers, then the rest."""
        context = adapter.context
        self.stop(adapter, context)
        self.fail_all_sends(adapter, context)
        adapter.free_map_registers()  # FLAW
        context.undo.close()
