# SPDX-License-Identifier: Apache-2.0
"""An address that has not six bytes, or can be no station's, is ignored.

Twin of ``flawed/address_of_five_bytes.py``.
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
        if len(address) != ADDRESS_BYTES or address[0] & 1 or not any(address):
            return
        low, high = int.from_bytes(address[:4], "little"), int.from_bytes(address[4:], "little")
        adapter.write_register_ulong(context.registers, hw.MAC_LO, low)
        adapter.write_register_ulong(context.registers, hw.MAC_HI, high)
