# SPDX-License-Identifier: Apache-2.0
"""The interrupt is connected before the registers of the card are mapped.

Wrong:    the ISR reads a register, and may run from NdisMRegisterInterrupt on.
Silicon:  another device on the shared line interrupts, and the ISR follows a pointer that is not set yet: bug check 0xD1.
Expected: init-ready-before-interrupt, with the read.
Mend:     connect the interrupt when everything is in place that the ISR touches.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_SUCCESS


class InterruptBeforeRegisters(Example):
    """Claims its resources in the order in which the system lists them."""

    def claim_registers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The interrupt, then the registers."""
        status = super().claim_interrupt(adapter, context, undo)  # FLAW
        if status == NDIS_STATUS_SUCCESS:
            status = super().claim_registers(adapter, context, undo)
        return status

    def claim_interrupt(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Claimed already."""
        return NDIS_STATUS_SUCCESS

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? Then mask the card."""
        registers = adapter.context.registers
        mask = adapter.read_register_ulong(registers, hw.MASK)  # NAMED HERE
        cause = adapter.read_register_ulong(registers, hw.CAUSE)
        if cause == hw.GONE or not cause & mask:
            return False, False
        adapter.write_register_ulong(registers, hw.MASK, 0)
        adapter.read_register_ulong(registers, hw.MASK)
        return True, True
