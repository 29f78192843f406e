# SPDX-License-Identifier: Apache-2.0
"""On the way into D3 the miniport masks the interrupts and leaves the engines running.

Wrong:    a card that does not interrupt still writes what the wire brings, until the bus driver takes its power.
Silicon:  the power goes in the middle of a transfer; some cards hang the bus, some come back with half a descriptor.
Expected: power-d3-quiet, with the store that gave the receive buffer to the card.
Mend:     stop both engines and read a register back before OID_PNP_SET_POWER is complete.
"""

from __future__ import annotations

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context
from _power import PowerExample

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class DmaLeftOnInD3(PowerExample):
    """Takes silence for rest."""

    def sleep(self, adapter: Adapter, context: Context) -> None:
        """Mask the interrupts."""
        self.set_asleep(adapter, context, 1)
        adapter.write_register_ulong(context.registers, hw.MASK, 0)  # FLAW: CTRL stays as it is
        adapter.read_register_ulong(context.registers, hw.MASK)

    def give_receive_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """As in the base."""
        descriptor = context.rx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.rx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, BUFFER_BYTES)
        descriptor.write_ulong(CONTROL, hw.OWN)  # NAMED HERE
        adapter.write_register_ulong(context.registers, hw.RX_TAIL, (slot + 1) % SLOTS)
