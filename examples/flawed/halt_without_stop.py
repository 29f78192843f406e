# SPDX-License-Identifier: Apache-2.0
"""Halt masks the interrupts but leaves the card's engines running, and frees their memory.

Wrong:    the next frame from the wire is written into memory that belongs to somebody else by then.
Silicon:  corruption of foreign memory, long after the driver is gone.
Expected: shared-free-nic-stopped, with the line that frees the first block which the card can still reach.
Mend:     stop the engines and wait until the card says that they are off.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class HaltWithoutStop(Example):
    """A card that does not interrupt is not a card that does nothing."""

    def halt(self, adapter: Adapter) -> None:
        """Mask the interrupts, give back the packets, undo initialize."""
        context = adapter.context
        adapter.write_register_ulong(context.registers, hw.MASK, 0)
        adapter.read_register_ulong(context.registers, hw.MASK)
        self.fail_all_sends(adapter, context)
        context.undo.close()  # FLAW: CTRL still enables both engines
