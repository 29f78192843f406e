# SPDX-License-Identifier: Apache-2.0
"""Shutdown waits with NdisStallExecution, for a bounded time.

Twin of ``flawed/shutdown_sleeps.py``.
"""

from __future__ import annotations

from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.reference import hardware as hw

GRACE_US = 50


class ShutdownSleeps(ToughExample):
    """Lets its card finish before it looks."""

    def shutdown(self, adapter: Adapter) -> None:
        """Stop the card. Nothing is freed."""
        context = adapter.context
        adapter.write_register_ulong(context.registers, hw.MASK, 0)
        adapter.write_register_ulong(context.registers, hw.CTRL, 0)
        adapter.read_register_ulong(context.registers, hw.STATUS)
        self.grace(adapter)
        self.stop(adapter, context)

    def grace(self, adapter: Adapter) -> None:
        """Time for a transfer that is under way."""
        adapter.stall_execution(GRACE_US)
