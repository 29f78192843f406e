# SPDX-License-Identifier: Apache-2.0
"""What NdisMCancelTimer says is not looked at.

Wrong:    halt cancels the timer and goes on, though FALSE says that the function may still run.
Silicon:  on the other processor the function reads a register that is unmapped by now.
Expected: timer-cancel-false-wait, with the line that set the timer, under NdisMCancelTimer#1=fired.
Mend:     where NdisMCancelTimer says FALSE, wait until the function has run.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from _base import Context
from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.reference import hardware as hw

PERIOD_MS, GRACE_US = 1000, 10_000


class TimerCancelIgnored(ToughExample):
    """Looks at the link once a second."""

    def claim_interrupt(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base, and set the timer."""
        timer = adapter.initialize_timer(self.look)
        adapter.set_periodic_timer(timer, PERIOD_MS)  # NAMED HERE
        undo.callback(self.end_timer, adapter, timer)
        return super().claim_interrupt(adapter, context, undo)

    def end_timer(self, adapter: Adapter, timer: Any) -> None:
        """Cancel the timer."""
        adapter.cancel_timer(timer)  # FLAW

    def look(self, adapter: Adapter, nothing: Any) -> None:
        """Read the link."""
        context = adapter.context
        context.extra_address = adapter.read_register_ulong(context.registers, hw.STATUS) & hw.STATUS_LINK
