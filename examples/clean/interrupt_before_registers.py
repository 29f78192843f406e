# SPDX-License-Identifier: Apache-2.0
"""The registers are mapped, and the card is reset, before the interrupt is connected.

Twin of ``flawed/interrupt_before_registers.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_SUCCESS


class InterruptBeforeRegisters(Example):
    """Claims first what the ISR touches."""

    def claim_registers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The registers, then the interrupt: the ISR touches nothing else."""
        status = super().claim_registers(adapter, context, undo)
        if status == NDIS_STATUS_SUCCESS:
            status = super().claim_interrupt(adapter, context, undo)
        return status

    def claim_interrupt(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Claimed already."""
        return NDIS_STATUS_SUCCESS

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? Then mask the card."""
        registers = adapter.context.registers
        mask = adapter.read_register_ulong(registers, hw.MASK)
        cause = adapter.read_register_ulong(registers, hw.CAUSE)
        if cause == hw.GONE or not cause & mask:
            return False, False
        adapter.write_register_ulong(registers, hw.MASK, 0)
        adapter.read_register_ulong(registers, hw.MASK)
        return True, True
