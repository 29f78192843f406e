# SPDX-License-Identifier: Apache-2.0
"""What the ISR has read of an 82540EM is kept in the adapter context until handle_interrupt has served it.

Twin of ``flawed/e1000_cause_read_twice.py``.
"""

from __future__ import annotations

from typing import Any

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.e1000 import E1000Miniport, driver
from miniport.e1000 import hardware as hw


class Context(driver.Context):
    """With the causes that the ISR has read and handle_interrupt has still to serve."""

    causes = Ulong()


class E1000CauseReadTwice(E1000Miniport):
    """Keeps what it has read."""

    machine = {"nic": "e1000"}
    context_type = Context

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? The line falls by the read; what it showed is kept."""
        context = adapter.context
        mask = adapter.read_register_ulong(context.registers, hw.IMS)
        cause = adapter.read_register_ulong(context.registers, hw.ICR)
        if cause == hw.GONE or not cause & mask:
            return False, False
        context.causes |= cause
        return True, True

    def take(self, bag: tuple[Any, list[int]]) -> bool:
        """Take the causes that are to be served. The ISR does not run meanwhile."""
        context, taken = bag
        taken.append(context.causes)
        context.causes = 0
        return True

    def handle_interrupt(self, adapter: Adapter) -> None:
        """Serve what the ISR has read."""
        context = adapter.context
        taken: list[int] = []
        adapter.synchronize_with_interrupt(context.interrupt, self.take, (context, taken))
        if taken[0]:
            super().handle_interrupt(adapter)

    def check_for_hang(self, adapter: Adapter) -> bool:
        """Leave it to NDIS to see that nothing moves."""
        return False
