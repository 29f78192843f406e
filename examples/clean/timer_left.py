# SPDX-License-Identifier: Apache-2.0
"""Halt cancels the timer, and waits for a function that cannot be cancelled any more.

Twin of ``flawed/timer_left.py``.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw

PERIOD_MS, GRACE_US = 1000, 1000


class TimerLeft(Example):
    """Looks at the link once a second."""

    def claim_interrupt(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base, and set the timer."""
        timer = adapter.initialize_timer(self.look)
        adapter.set_periodic_timer(timer, PERIOD_MS)
        undo.callback(self.end_timer, adapter, timer)
        return super().claim_interrupt(adapter, context, undo)

    def end_timer(self, adapter: Adapter, timer: Any) -> None:
        """Cancel the timer; a function that is due already runs while this sleeps."""
        if not adapter.cancel_timer(timer):
            adapter.sleep(GRACE_US)

    def look(self, adapter: Adapter, nothing: Any) -> None:
        """Read the link."""
        context = adapter.context
        context.extra_address = adapter.read_register_ulong(context.registers, hw.STATUS) & hw.STATUS_LINK
