# SPDX-License-Identifier: Apache-2.0
"""Without memory for its log the miniport goes on without a log.

Twin of ``flawed/null_written.py``.
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
        if log is not None:
            log.fill(0, LOG_BYTES)
            undo.callback(adapter.free_memory, log, LOG_BYTES)
        return super().claim_receive_packet(adapter, context, undo)
