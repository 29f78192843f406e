# SPDX-License-Identifier: Apache-2.0
"""Both ways out undo only what there is.

Twin of ``flawed/halt_on_half_an_adapter.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context
from _tough import ToughExample

from miniport import status as s
from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_SUCCESS


class HaltOnHalfAnAdapter(ToughExample):
    """Has one function that takes everything apart."""

    def claim_interrupt(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Connect the interrupt."""
        status: int
        status, resources = adapter.query_adapter_resources()
        line = next((r for r in resources if r.kind == "interrupt"), None)
        if status != NDIS_STATUS_SUCCESS or line is None:
            return s.NDIS_STATUS_ADAPTER_NOT_FOUND
        undo.callback(self.disconnect, adapter, context)
        status, context.interrupt = adapter.register_interrupt(
            line.start, line.level, request_isr=True, shared_interrupt=True, mode=line.mode)
        return status

    def disconnect(self, adapter: Adapter, context: Context) -> None:
        """Disconnect the interrupt, if there is one."""
        if context.interrupt is not None:
            adapter.deregister_interrupt(context.interrupt)
