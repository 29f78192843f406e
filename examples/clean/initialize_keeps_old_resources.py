# SPDX-License-Identifier: Apache-2.0
"""Every initialize asks the system for the resources: after a rebalance they are others.

The twin ``flawed/initialize_keeps_old_resources.py`` asks once and keeps the answer.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_ADAPTER_NOT_FOUND, NDIS_STATUS_SUCCESS


class InitializeKeepsOldResources(Example):
    """Remembers nothing of an earlier life."""

    machine = {"life": "rebalance"}

    def claim_registers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Map the registers where they are now."""
        status: int
        status, resources = adapter.query_adapter_resources()
        memory = next((r for r in resources if r.kind == "memory"), None)
        if status != NDIS_STATUS_SUCCESS or memory is None:
            return NDIS_STATUS_ADAPTER_NOT_FOUND
        status, context.registers = adapter.map_io_space(memory.start, memory.length)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.unmap_io_space, context.registers, memory.length)
        return self.reset_card(adapter, context)
