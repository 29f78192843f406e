# SPDX-License-Identifier: Apache-2.0
"""OID_PNP_SET_POWER to D0 lets the card interrupt again and writes neither rings nor filter.

Wrong:    the bus driver restores base addresses and the command register, nobody the registers of the card.
Silicon:  both engines stay off and no frame passes: the network is dead until somebody reloads the driver.
Expected: power-restored, with the handler that answered OID_PNP_SET_POWER.
Mend:     write rings, filter and interrupt mask again, as initialize does.
"""

from __future__ import annotations

from _power import PowerExample

from miniport import status as s
from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_SUCCESS


class NotRestoredAfterSuspend(PowerExample):
    """Believes that a card sleeps as a processor does."""

    def set_information(self, adapter: Adapter, oid: int, data: bytes) -> tuple[int, int, int]:  # NAMED HERE
        """Undo what `sleep` did."""
        context = adapter.context
        if oid != s.OID_PNP_SET_POWER or int.from_bytes(data[:4], "little") != s.NDIS_DEVICE_STATE_D0:
            return super().set_information(adapter, oid, data)
        self.set_asleep(adapter, context, 0)
        adapter.write_register_ulong(context.registers, hw.MASK, hw.ALL_CAUSES)  # FLAW: rings and filter are lost
        return NDIS_STATUS_SUCCESS, 4, 0
