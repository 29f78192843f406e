# SPDX-License-Identifier: Apache-2.0
"""The miniport of `_base`, aware of power management: NDIS does not halt it when the system sleeps.

The folders ``clean`` and ``flawed`` hold the same copy of this file.
"""

from __future__ import annotations

from _base import Context, Example

from miniport import status as s
from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.reference.information import answer
from miniport.status import NDIS_STATUS_SUCCESS


class PowerExample(Example):
    """Answers OID_PNP_CAPABILITIES. `extra_address` of the context is 1 while the card sleeps."""

    machine = {"life": "suspend"}

    def query_information(self, adapter: Adapter, oid: int, length: int) -> tuple[int, bytes, int]:
        """As the base, and OID_PNP_CAPABILITIES: the card wakes nobody. OID_PNP_QUERY_POWER: it may sleep at any time."""
        return answer(adapter, oid, length, aware=True)

    def set_information(self, adapter: Adapter, oid: int, data: bytes) -> tuple[int, int, int]:
        """OID_PNP_SET_POWER to D0 wakes the card, to any other state puts it to sleep."""
        if oid != s.OID_PNP_SET_POWER:
            return super().set_information(adapter, oid, data)
        if int.from_bytes(data[:4], "little") == s.NDIS_DEVICE_STATE_D0:
            self.wake(adapter, adapter.context)
        else:
            self.sleep(adapter, adapter.context)
        return NDIS_STATUS_SUCCESS, 4, 0

    def sleep(self, adapter: Adapter, context: Context) -> None:
        """Say so to the other handlers, then stop the card."""
        self.set_asleep(adapter, context, 1)
        self.stop(adapter, context)

    def wake(self, adapter: Adapter, context: Context) -> None:
        """The card has lost everything: begin at the first slots again, as `initialize` did, and open the receiver."""
        self.set_asleep(adapter, context, 0)
        context.tx_next = context.tx_done = context.rx_next = 0
        self.start(adapter, context)
        adapter.write_register_ulong(context.registers, hw.FILTER, hw.FILTER_PROMISCUOUS)

    def set_asleep(self, adapter: Adapter, context: Context, asleep: int) -> None:
        """Under the lock, so that no handler unmasks the card behind it."""
        adapter.acquire_spin_lock(context.lock)
        context.extra_address = asleep
        adapter.release_spin_lock(context.lock)

    def enable_interrupt(self, adapter: Adapter) -> None:
        """After `handle_interrupt`: let the card interrupt again, unless it went to sleep meanwhile."""
        context = adapter.context
        adapter.dpr_acquire_spin_lock(context.lock)
        if not context.extra_address:
            super().enable_interrupt(adapter)
        adapter.dpr_release_spin_lock(context.lock)
