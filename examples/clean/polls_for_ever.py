# SPDX-License-Identifier: Apache-2.0
"""The wait is bounded by a count, and ends when the card is gone.

Twin of ``flawed/polls_for_ever.py``.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw

ACTIVE = hw.STATUS_TX_ACTIVE | hw.STATUS_RX_ACTIVE
SECOND_US, MOST_WAITS = 1_000_000, 10


class PollsForEver(Example):
    """Has seen a card go."""

    machine = {"life": "surprise"}

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, wait for it, give back the packets, undo initialize."""
        context = adapter.context
        adapter.write_register_ulong(context.registers, hw.MASK, 0)
        adapter.write_register_ulong(context.registers, hw.CTRL, 0)
        for _ in range(MOST_WAITS):
            status = adapter.read_register_ulong(context.registers, hw.STATUS)
            if status == hw.GONE or not status & ACTIVE:
                break
            adapter.sleep(SECOND_US)
        self.fail_all_sends(adapter, context)
        context.undo.close()
