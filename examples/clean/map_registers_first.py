# SPDX-License-Identifier: Apache-2.0
"""Halt undoes in reverse order: shared memory first, the map registers after it.

Twin of ``flawed/map_registers_first.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import LARGEST_FRAME, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_DMA_24BITS, NDIS_STATUS_SUCCESS


class MapRegistersFirst(Example):
    """Undoes in reverse order."""

    def claim_dma(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Claim the map registers, and enter their undoing before anything else that needs them is claimed."""
        status: int = adapter.allocate_map_registers(0, NDIS_DMA_24BITS, 1, LARGEST_FRAME)
        if status == NDIS_STATUS_SUCCESS:
            undo.callback(adapter.free_map_registers)
        return status
