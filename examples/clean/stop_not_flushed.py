# SPDX-License-Identifier: Apache-2.0
"""Halt stops the card and reads a register back before it frees the card's memory.

Twin of ``flawed/stop_not_flushed.py``.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class StopNotFlushed(Example):
    """Brings the posted write home."""

    def halt(self, adapter: Adapter) -> None:
        """Mask the interrupts, stop the engines, read STATUS, give back the packets, undo initialize."""
        context = adapter.context
        adapter.write_register_ulong(context.registers, hw.MASK, 0)
        adapter.write_register_ulong(context.registers, hw.CTRL, 0)
        adapter.read_register_ulong(context.registers, hw.STATUS)
        self.fail_all_sends(adapter, context)
        context.undo.close()
