# SPDX-License-Identifier: Apache-2.0
"""Where NdisMCancelTimer says FALSE, halt waits until the function has run.

Twin of ``flawed/timer_cancel_ignored.py``.
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
