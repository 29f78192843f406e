# SPDX-License-Identifier: Apache-2.0
"""A start that failed is cleaned up by halt, which takes everything for present.

Wrong:    where the interrupt is refused, initialize calls the code of halt: it deregisters an interrupt that never was.
Silicon:  NDIS follows a handle of zeros, and the system stops with a blue screen.
Expected: int-deregister-where, with the call, under NdisMRegisterInterrupt#1.
Mend:     undo what was done, no more: a list of undoings, or a test of each handle.
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
        """Disconnect the interrupt."""
        adapter.deregister_interrupt(context.interrupt)  # FLAW: there may be none
