# SPDX-License-Identifier: Apache-2.0
"""Memory that was refused is written.

Wrong:    the status of an allocation is not looked at, and the pointer is used.
Silicon:  the store goes to address 0, and the system stops with a blue screen.
Expected: miniport-exception, with the store, under NdisAllocateMemoryWithTag#2.
Mend:     test the pointer; refuse to start, or go on without what it was for.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context
from _tough import ToughExample

from miniport.adapter import Adapter

LOG_BYTES = 1024


class NullWritten(ToughExample):
    """Keeps a log."""

    def claim_receive_packet(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The log, and as in the base."""
        _, log = adapter.allocate_memory_with_tag(LOG_BYTES, "Log ")
        log.fill(0, LOG_BYTES)  # type: ignore[union-attr]  # FLAW
        undo.callback(adapter.free_memory, log, LOG_BYTES)  # type: ignore[arg-type]
        return super().claim_receive_packet(adapter, context, undo)
