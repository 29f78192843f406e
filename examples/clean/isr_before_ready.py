# SPDX-License-Identifier: Apache-2.0
"""The ISR recognizes and quiets the card from NdisMRegisterInterrupt on, as in the base.

Twin of ``flawed/isr_before_ready.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_SUCCESS


class IsrBeforeReady(Example):
    """Tries its interrupt out: a transmitter without a ring stops with DMA_ERROR."""

    def claim_interrupt(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base, then provoke an interrupt."""
        status = super().claim_interrupt(adapter, context, undo)
        if status == NDIS_STATUS_SUCCESS:
            adapter.write_register_ulong(context.registers, hw.MASK, hw.ALL_CAUSES)
            adapter.write_register_ulong(context.registers, hw.CTRL, hw.CTRL_TX_ENABLE)
            adapter.read_register_ulong(context.registers, hw.STATUS)
            adapter.write_register_ulong(context.registers, hw.MASK, 0)
            adapter.write_register_ulong(context.registers, hw.CAUSE, hw.ALL_CAUSES)
            adapter.read_register_ulong(context.registers, hw.CAUSE)
        return status
