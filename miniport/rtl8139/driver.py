# SPDX-License-Identifier: Apache-2.0
"""The deserialized miniport: the locks and the queue of the reference miniport, around the core for this card."""

from __future__ import annotations

from typing import Any

from miniport.adapter import Adapter
from miniport.reference.driver import ReferenceMiniport
from miniport.rtl8139.core import Rtl8139Core
from miniport.rtl8139.information import answer


class Rtl8139Miniport(ReferenceMiniport, Rtl8139Core):
    """Miniport of the RTL8139C, deserialized."""

    def query_information(self, adapter: Adapter, oid: int, length: int) -> tuple[int, bytes, int]:
        """Answer an OID; a buffer that is too short is told how much it needs."""
        return answer(adapter, oid, length)

    def _set_filter(self, adapter: Adapter, context: Any, wanted: int) -> None:
        """Under the lock: handle_interrupt writes the filter, too, where it restarts the receiver."""
        adapter.acquire_spin_lock(context.lock)
        super()._set_filter(adapter, context, wanted)
        adapter.release_spin_lock(context.lock)

    def _keep(self, adapter: Adapter, context: Any) -> None:
        """Filter and multicast table stand in the context."""

    def _restore(self, adapter: Adapter, context: Any) -> None:
        """Write the multicast table; `_start` writes the filter."""
        self._write_table(adapter, context)
