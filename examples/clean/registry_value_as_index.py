# SPDX-License-Identifier: Apache-2.0
"""A number from the registry that is out of range is replaced by the usual one.

Twin of ``flawed/registry_value_as_index.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context
from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_SUCCESS

ROOM = (256, 1024, 4096)
USUAL = 1


class RegistryValueAsIndex(ToughExample):
    """Keeps a log that is small, usual or large."""

    def claim_receive_packet(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The log, and as in the base."""
        status: int
        wanted = self.wanted(adapter)
        length = ROOM[wanted if 0 <= wanted < len(ROOM) else USUAL]
        status, log = adapter.allocate_memory_with_tag(length, "Log ")
        if log is None:
            return status
        undo.callback(adapter.free_memory, log, length)
        return super().claim_receive_packet(adapter, context, undo)

    def wanted(self, adapter: Adapter) -> int:
        """What the registry says, or the usual where it says no number."""
        status, configuration = adapter.open_configuration()
        if status != NDIS_STATUS_SUCCESS or configuration is None:
            return USUAL
        status, value = adapter.read_configuration(configuration, "LogSize")
        adapter.close_configuration(configuration)
        return value if status == NDIS_STATUS_SUCCESS and isinstance(value, int) else USUAL
