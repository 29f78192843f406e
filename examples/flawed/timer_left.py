# SPDX-License-Identifier: Apache-2.0
"""Halt forgets a periodic timer.

Wrong:    initialize sets a timer that watches the link, and halt does not cancel it.
Silicon:  the function runs when the driver has gone, and reads a context that is freed.
Expected: halt-undo-all, with the line that set the timer.
Mend:     cancel every timer in halt; where NdisMCancelTimer says FALSE, wait until the function has run.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw

PERIOD_MS = 1000


class TimerLeft(Example):
    """Looks at the link once a second."""

    def claim_interrupt(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base, and set the timer."""
        timer = adapter.initialize_timer(self.look)
        adapter.set_periodic_timer(timer, PERIOD_MS)  # FLAW: nothing cancels it
        return super().claim_interrupt(adapter, context, undo)

    def look(self, adapter: Adapter, nothing: Any) -> None:
        """Read the link."""
        context = adapter.context
        context.extra_address = adapter.read_register_ulong(context.registers, hw.STATUS) & hw.STATUS_LINK
