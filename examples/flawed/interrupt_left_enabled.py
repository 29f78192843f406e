# SPDX-License-Identifier: Apache-2.0
"""Halt takes its interrupt away while the card may still interrupt.

Wrong:    the engines are stopped, but MASK still lets the card pull its line.
Silicon:  a link change pulls the line, nobody answers, and the other devices on it are dead.
Expected: int-deregister-disable-first, with the line that deregisters the interrupt.
Mend:     write 0 to MASK and read it back first.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class InterruptLeftEnabled(Example):
    """Stops the engines only."""

    def halt(self, adapter: Adapter) -> None:
        """Stop the engines, give back the packets, undo initialize."""
        context = adapter.context
        adapter.write_register_ulong(context.registers, hw.CTRL, 0)
        adapter.read_register_ulong(context.registers, hw.STATUS)
        self.fail_all_sends(adapter, context)
        context.undo.close()  # FLAW
