# SPDX-License-Identifier: Apache-2.0
"""Halt stops the card with a posted write and frees its memory before the write has arrived.

Wrong:    nothing is read from the card between the write of CTRL and the free.
Silicon:  the write waits in a bridge; the card receives one frame more, into memory that is freed.
Expected: mmio-flush-before-free, with the line that frees.
Mend:     read any register after the write, best the one that says that the engines are off.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class StopNotFlushed(Example):
    """Takes a write for done when the instruction is done."""

    def halt(self, adapter: Adapter) -> None:
        """Mask the interrupts, stop the engines, give back the packets, undo initialize."""
        context = adapter.context
        adapter.write_register_ulong(context.registers, hw.MASK, 0)
        adapter.write_register_ulong(context.registers, hw.CTRL, 0)
        self.fail_all_sends(adapter, context)
        context.undo.close()  # FLAW: no register was read since
