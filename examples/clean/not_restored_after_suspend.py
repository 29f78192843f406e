# SPDX-License-Identifier: Apache-2.0
"""OID_PNP_SET_POWER to D0 writes rings, filter and interrupt mask again: in D3 the card has lost all of its registers.

NDIS restores nothing for a miniport that it did not halt. The twin ``flawed/not_restored_after_suspend.py`` believes that the card
goes on where it stopped.
"""

from __future__ import annotations

from _base import Context
from _power import PowerExample

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class NotRestoredAfterSuspend(PowerExample):
    """Begins anew."""

    def wake(self, adapter: Adapter, context: Context) -> None:
        """As after power-up: the rings begin at slot 0, for the driver as for the card."""
        self.set_asleep(adapter, context, 0)
        context.tx_next = context.tx_done = context.rx_next = 0
        self.start(adapter, context)
        adapter.write_register_ulong(context.registers, hw.FILTER, hw.FILTER_PROMISCUOUS)
