# SPDX-License-Identifier: Apache-2.0
"""The address that an administrator has set is used whatever its length.

Wrong:    the code reads six bytes from the address, and the registry may hold five.
Silicon:  the sixth byte is what lies behind it: a station address that changes from boot to boot.
Expected: miniport-exception, with the line that reads the address, under NdisReadNetworkAddress#1=short.
Mend:     take the address only if it has six bytes, is no multicast address and not all zeros.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context
from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_SUCCESS

ADDRESS_BYTES = 6


class AddressOfFiveBytes(ToughExample):
    """Lets the administrator choose its address."""

    def claim_registers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base, and give the card the address from the registry."""
        status = super().claim_registers(adapter, context, undo)
        if status == NDIS_STATUS_SUCCESS:
            self.set_address(adapter, context)
        return status

    def set_address(self, adapter: Adapter, context: Context) -> None:
        """Read the address, and write it to the card if there is one."""
        status, configuration = adapter.open_configuration()
        if status != NDIS_STATUS_SUCCESS or configuration is None:
            return
        status, address = adapter.read_network_address(configuration)
        adapter.close_configuration(configuration)
        if status != NDIS_STATUS_SUCCESS or address is None:
            return
        low, high = address[0] | address[1] << 8 | address[2] << 16 | address[3] << 24, address[4] | address[5] << 8  # FLAW
        adapter.write_register_ulong(context.registers, hw.MAC_LO, low)
        adapter.write_register_ulong(context.registers, hw.MAC_HI, high)
