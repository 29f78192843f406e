# SPDX-License-Identifier: Apache-2.0
"""The causes are acknowledged before the rings are looked at.

Twin of ``flawed/acked_after_scan.py``.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class AckedAfterScan(Example):
    """Acknowledges what it is going to serve."""

    def handle_interrupt(self, adapter: Adapter) -> None:
        """Acknowledge, look at both rings, leave the card some time for more."""
        context = adapter.context
        if adapter.read_register_ulong(context.registers, hw.STATUS) == hw.GONE:
            return
        adapter.write_register_ulong(context.registers, hw.CAUSE, hw.ALL_CAUSES)
        adapter.read_register_ulong(context.registers, hw.CAUSE)
        self.receive(adapter, context)
        self.reclaim(adapter, context)
        for _ in range(4):
            adapter.stall_execution(50)
