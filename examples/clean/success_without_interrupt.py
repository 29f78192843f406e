# SPDX-License-Identifier: Apache-2.0
"""The status of NdisMRegisterInterrupt is what initialize returns.

Twin of ``flawed/success_without_interrupt.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context, Example

from miniport import status as s
from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_SUCCESS


class SuccessWithoutInterrupt(Example):
    """Looks at each status."""

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
        return status
