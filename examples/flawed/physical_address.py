# SPDX-License-Identifier: Apache-2.0
"""The card is given the physical address of shared memory where it needs the logical one.

Wrong:    MmGetPhysicalAddress of the buffer goes into the descriptor, instead of the address that NDIS returned.
Silicon:  on a bus that adds an offset the card reads other memory, or none.
Expected: shared-pa-is-logical, with the store that gives the buffer to the card.
Mend:     use the device address that NdisMAllocateSharedMemory returned.
"""

from __future__ import annotations

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw


class PhysicalAddress(Example):
    """Works only where the bus adds nothing."""

    machine = {"bus_offset": 0x40_0000}

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base, but for the address."""
        slot = context.tx_next
        data = context.tx_buffers + slot * BUFFER_BYTES
        length = self.copy(adapter, packet, data)
        descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, adapter.mm_get_physical_address(data))  # FLAW
        descriptor.write_ulong(LENGTH, length)
        descriptor.write_ulong(CONTROL, hw.OWN | hw.END)  # NAMED HERE
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % SLOTS
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, context.tx_next)
