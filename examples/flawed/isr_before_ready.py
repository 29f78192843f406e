# SPDX-License-Identifier: Apache-2.0
"""The ISR ignores its card until initialize is done.

Wrong:    initialize tries the interrupt out, and the ISR says FALSE as long as a flag is not set.
Silicon:  the line stays asserted and calls the ISR again at once: an interrupt storm, and initialize never ends.
Expected: int-isr-quiet, with the ISR.
Mend:     recognize and quiet the card from NdisMRegisterInterrupt on.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_SUCCESS


class TryingContext(Context):
    """With the flag."""

    ready = Ulong()


class IsrBeforeReady(Example):
    """Tries its interrupt out: a transmitter without a ring stops with DMA_ERROR."""

    context_class = TryingContext

    def claim_interrupt(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base, then provoke an interrupt."""
        assert isinstance(context, TryingContext)
        status = super().claim_interrupt(adapter, context, undo)
        if status == NDIS_STATUS_SUCCESS:
            adapter.write_register_ulong(context.registers, hw.MASK, hw.ALL_CAUSES)
            adapter.write_register_ulong(context.registers, hw.CTRL, hw.CTRL_TX_ENABLE)
            adapter.read_register_ulong(context.registers, hw.STATUS)
            adapter.write_register_ulong(context.registers, hw.MASK, 0)
            adapter.write_register_ulong(context.registers, hw.CAUSE, hw.ALL_CAUSES)
            adapter.read_register_ulong(context.registers, hw.CAUSE)
            context.ready = 1
        return status

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:  # NAMED HERE
        """As in the base, when all is ready."""
        if not adapter.context.ready:
            return False, False  # FLAW
        return super().isr(adapter)
