# SPDX-License-Identifier: Apache-2.0
"""A miniport of a slave card keeps its buffers in shared memory, on Windows 2000.

Wrong:    before Windows XP SP1, NdisMAllocateSharedMemory serves bus masters only, and nobody tests what it gave.
Silicon:  the call gives no memory: the system crashes in the start of the miniport.
Expected: shared-alloc-check-required, with the first use; the notice shared-alloc-slave-old tells why.
Mend:     take memory from the pool, as NdisMSetupDmaTransfer copies what the controller cannot reach.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from miniport import status as s
from miniport.adapter import Adapter
from miniport.slave import SlaveMiniport, driver
from miniport.slave.driver import BUFFER_BYTES


class SlaveSharedMemory(SlaveMiniport):
    """Sends from shared memory."""

    machine = {"nic": "isa-slave", "windows": "2000"}

    def _buffers(self, adapter: Adapter, context: driver.Context, undo: ExitStack) -> int:
        """As in the miniport; what is sent lies in shared memory."""
        status: int = super()._buffers(adapter, context, undo)
        if status != s.NDIS_STATUS_SUCCESS:
            return status
        virtual: Any
        virtual, address = adapter.allocate_shared_memory(BUFFER_BYTES, False)  # FLAW
        adapter.zero_memory(virtual, BUFFER_BYTES)  # NAMED HERE
        undo.callback(adapter.free_shared_memory, BUFFER_BYTES, False, virtual, address)
        status, context.tx_buffer = adapter.allocate_buffer(None, virtual, BUFFER_BYTES)
        if status == s.NDIS_STATUS_SUCCESS:
            undo.callback(adapter.free_buffer, context.tx_buffer)
        return status
