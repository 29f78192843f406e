# SPDX-License-Identifier: Apache-2.0
"""Initialize succeeds although its last step failed.

Wrong:    the status of NdisMRegisterInterrupt is not looked at.
Silicon:  the adapter is up, and nothing ever arrives.
Expected: init-success-without-resources, with initialize, under NdisMRegisterInterrupt#1.
Mend:     return the status of each step that failed, after undoing those before it.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context, Example

from miniport import status as s
from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_SUCCESS


class SuccessWithoutInterrupt(Example):
    """Believes that an interrupt is always there."""

    def initialize(self, adapter: Adapter) -> int:  # NAMED HERE
        """As in the base."""
        return super().initialize(adapter)

    def claim_interrupt(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Connect the interrupt."""
        status: int
        status, resources = adapter.query_adapter_resources()
        line = next((r for r in resources if r.kind == "interrupt"), None)
        if status != NDIS_STATUS_SUCCESS or line is None:
            return s.NDIS_STATUS_ADAPTER_NOT_FOUND
        status, context.interrupt = adapter.register_interrupt(
            line.start, line.level, request_isr=True, shared_interrupt=True, mode=line.mode)
        if context.interrupt is not None:
            undo.callback(adapter.deregister_interrupt, context.interrupt)
        return NDIS_STATUS_SUCCESS  # FLAW
