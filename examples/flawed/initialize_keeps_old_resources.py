# SPDX-License-Identifier: Apache-2.0
"""The driver asks for its resources once and keeps the address of the registers in a global.

Wrong:    the system may stop an adapter, give its card other resources and start it again.
Silicon:  the registers are mapped where another device is by now, or nobody: the driver programs a stranger.
Expected: resources-current, with the line that maps the old address.
Mend:     call NdisMQueryAdapterResources in every initialize.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_ADAPTER_NOT_FOUND, NDIS_STATUS_SUCCESS


class InitializeKeepsOldResources(Example):
    """Takes what was for what is."""

    machine = {"life": "rebalance"}

    def __init__(self) -> None:
        self.registers_at: dict[int, tuple[int, int]] = {}
        """A global of the driver: address and length of the registers, by adapter."""

    def claim_registers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Map the registers where they were when the driver was loaded."""
        status: int
        if adapter.number not in self.registers_at:
            status, resources = adapter.query_adapter_resources()
            memory = next((r for r in resources if r.kind == "memory"), None)
            if status != NDIS_STATUS_SUCCESS or memory is None:
                return NDIS_STATUS_ADAPTER_NOT_FOUND
            self.registers_at[adapter.number] = memory.start, memory.length
        start, length = self.registers_at[adapter.number]
        status, context.registers = adapter.map_io_space(start, length)  # FLAW
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.unmap_io_space, context.registers, length)
        return self.reset_card(adapter, context)
