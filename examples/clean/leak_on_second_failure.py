# SPDX-License-Identifier: Apache-2.0
"""Each block registers its undoing as soon as it is there: whatever fails, those before it are freed.

Twin of ``flawed/leak_on_second_failure.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context
from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_SUCCESS

TABLE_BYTES = 256


class LeakOnSecondFailure(ToughExample):
    """Keeps three tables."""

    def claim_receive_packet(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The tables, and as in the base."""
        status: int
        status, addresses = adapter.allocate_memory_with_tag(TABLE_BYTES, "Addr")
        if addresses is None:
            return status
        undo.callback(adapter.free_memory, addresses, TABLE_BYTES)
        status, counts = adapter.allocate_memory_with_tag(TABLE_BYTES, "Cnts")
        if counts is None:
            return status
        undo.callback(adapter.free_memory, counts, TABLE_BYTES)
        status, times = adapter.allocate_memory_with_tag(TABLE_BYTES, "Time")
        if times is None:
            return status
        undo.callback(adapter.free_memory, times, TABLE_BYTES)
        return super().claim_receive_packet(adapter, context, undo) if status == NDIS_STATUS_SUCCESS else status
