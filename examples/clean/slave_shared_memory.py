# SPDX-License-Identifier: Apache-2.0
"""The buffer comes from the pool; NdisMSetupDmaTransfer copies what the controller cannot reach.

Twin of ``flawed/slave_shared_memory.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from miniport import status as s
from miniport.adapter import Adapter
from miniport.slave import SlaveMiniport, driver
from miniport.slave.driver import BUFFER_BYTES


class SlaveSharedMemory(SlaveMiniport):
    """Sends from the pool."""

    machine = {"nic": "isa-slave", "windows": "2000"}

    def _buffers(self, adapter: Adapter, context: driver.Context, undo: ExitStack) -> int:
        """As in the miniport; what is sent lies in a block of its own."""
        status: int
        status = super()._buffers(adapter, context, undo)
        if status != s.NDIS_STATUS_SUCCESS:
            return status
        status, memory = adapter.allocate_memory_with_tag(BUFFER_BYTES, "Slav")
        if memory is None:
            return status
        adapter.zero_memory(memory, BUFFER_BYTES)
        undo.callback(adapter.free_memory, memory, BUFFER_BYTES)
        status, context.tx_buffer = adapter.allocate_buffer(None, memory, BUFFER_BYTES)
        if status == s.NDIS_STATUS_SUCCESS:
            undo.callback(adapter.free_buffer, context.tx_buffer)
        return status
