# SPDX-License-Identifier: Apache-2.0
"""Halt waits until the card says that its engines are off.

Wrong:    the loop has no bound, and a card that is gone reads all ones.
Silicon:  after a surprise removal halt never returns.
Expected: surprise-all-ones, with the wait.
Mend:     leave the loop when all bits are 1, and after a count in any case.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw

ACTIVE = hw.STATUS_TX_ACTIVE | hw.STATUS_RX_ACTIVE
SECOND_US = 1_000_000


class PollsForEver(Example):
    """Has never seen a card go."""

    machine = {"life": "surprise"}

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, wait for it, give back the packets, undo initialize."""
        context = adapter.context
        adapter.write_register_ulong(context.registers, hw.MASK, 0)
        adapter.write_register_ulong(context.registers, hw.CTRL, 0)
        while adapter.read_register_ulong(context.registers, hw.STATUS) & ACTIVE:  # FLAW
            adapter.sleep(SECOND_US)  # NAMED HERE
        self.fail_all_sends(adapter, context)
        context.undo.close()
