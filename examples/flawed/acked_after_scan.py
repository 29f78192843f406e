# SPDX-License-Identifier: Apache-2.0
"""The causes are acknowledged after the rings have been looked at.

Wrong:    what happens between the look and the acknowledge is acknowledged unseen.
Silicon:  the last frame of a burst stays in the ring until the next one comes; its packet hangs.
Expected: lost-cause, with handle_interrupt.
Mend:     acknowledge first, then look at the rings.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class AckedAfterScan(Example):
    """Acknowledges what it believes to have served."""

    def handle_interrupt(self, adapter: Adapter) -> None:  # NAMED HERE
        """Look at both rings, leave the card some time for more, then acknowledge."""
        context = adapter.context
        if adapter.read_register_ulong(context.registers, hw.STATUS) == hw.GONE:
            return
        self.receive(adapter, context)
        self.reclaim(adapter, context)
        for _ in range(4):
            adapter.stall_execution(50)
        adapter.write_register_ulong(context.registers, hw.CAUSE, hw.ALL_CAUSES)  # FLAW
        adapter.read_register_ulong(context.registers, hw.CAUSE)
