# SPDX-License-Identifier: Apache-2.0
"""The buffers lie above the 24 address lines of the ISA bus; without its top byte each address is that of another block.

Wrong:    HighestAcceptableAddress admits 32 MB to a card that drives 24 address lines.
Silicon:  frames are written into the bounce pages of the map registers, or whatever else lies 16 MB lower.
Expected: dma-width, with the write that starts the card; the message names whose memory is hit.
Mend:     HighestAcceptableAddress is 0xFFFFFF.
"""

from __future__ import annotations

from contextlib import ExitStack

from miniport.adapter import Adapter
from miniport.pcnet import PcnetIsaMiniport
from miniport.pcnet import hardware as hw
from miniport.reference import core
from miniport.reference.core import BUFFER_BYTES, RX_SLOTS, TX_SLOTS
from miniport.reference.hardware import Limits
from miniport.status import NDIS_STATUS_RESOURCES
from miniport.view import View

BYTES = BUFFER_BYTES * (TX_SLOTS + RX_SLOTS)
HIGHEST = 0x1FFFFFF  # FLAW: 25 bits for a bus of 24


class IsaTruncatedAddress(PcnetIsaMiniport):
    """Buffers from the contiguous routine."""

    machine = {"nic": "pcnet-isa"}

    def _claim_dma(self, adapter: Adapter, context: core.Context, limits: Limits, dma_size: int, undo: ExitStack) -> int:
        """Contiguous memory for the buffers while memory is still empty, then as in the miniport."""
        block = adapter.mm_allocate_contiguous_memory(BYTES, HIGHEST)
        if block is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.mm_free_contiguous_memory, block)
        base = adapter.mm_get_physical_address(block)
        context.buffers, context.buffers_address = block, base
        return super()._claim_dma(adapter, context, limits, dma_size, undo)

    def _memory(self, adapter: Adapter, context: core.Context, limits: Limits, name: str, size: int, count: int,
                undo: ExitStack) -> tuple[View | None, int]:
        """The buffers are there; the rest as in the miniport."""
        if name == "buffers":
            return context.buffers, context.buffers_address
        return super()._memory(adapter, context, limits, name, size, count, undo)

    def _start(self, adapter: Adapter, context: core.Context) -> None:
        """As in the miniport: from here on the card may use what it was given."""
        adapter.raw_write_port_ushort(context.registers, hw.RDP, hw.CSR0_STRT | hw.CSR0_IENA)  # NAMED HERE
