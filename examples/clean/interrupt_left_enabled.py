# SPDX-License-Identifier: Apache-2.0
"""Halt masks the card and reads the mask back before it takes the interrupt away.

Twin of ``flawed/interrupt_left_enabled.py``.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class InterruptLeftEnabled(Example):
    """Masks first."""

    def halt(self, adapter: Adapter) -> None:
        """Mask the interrupts, stop the engines, read STATUS, give back the packets, undo initialize."""
        context = adapter.context
        adapter.write_register_ulong(context.registers, hw.MASK, 0)
        adapter.write_register_ulong(context.registers, hw.CTRL, 0)
        adapter.read_register_ulong(context.registers, hw.STATUS)
        self.fail_all_sends(adapter, context)
        context.undo.close()
