# SPDX-License-Identifier: Apache-2.0
"""The card is told of one descriptor more than the receive ring has.

Wrong:    the count of the ring is one too large: the miniport goes back to slot 0 after the last one, and the card does not.
Silicon:  the card takes what lies behind the ring for a descriptor, and stores the next frame where it points.
Expected: shared-bounds, with the doorbell that lets the card read on.
Mend:     write the number of descriptors.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, RING_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

COUNT = SLOTS + 1  # FLAW


class RingCountTooLarge(Example):
    """Counts its descriptors from 1 to `COUNT`."""

    machine = {"frames": 4}

    def claim_rings(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The transmit ring as in the base, the receive ring exactly as long as it must be."""
        context.tx_ring, context.tx_ring_address = self.shared(adapter, RING_BYTES, RING_BYTES, undo)
        context.rx_ring, context.rx_ring_address = adapter.allocate_shared_memory(RING_BYTES, False)
        if context.rx_ring is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, RING_BYTES, False, context.rx_ring, context.rx_ring_address)
        return NDIS_STATUS_RESOURCES if context.tx_ring is None else NDIS_STATUS_SUCCESS

    def name_ring(self, adapter: Adapter, context: Context, address: int, lo: int, hi: int, count: int) -> None:
        """As in the base, but for the count of the receive ring."""
        super().name_ring(adapter, context, address, lo, hi, count)
        if count == hw.RX_COUNT:
            adapter.write_register_ulong(context.registers, count, COUNT)

    def give_receive_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """As in the base."""
        descriptor = context.rx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.rx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, BUFFER_BYTES)
        descriptor.write_ulong(CONTROL, hw.OWN)
        adapter.write_register_ulong(context.registers, hw.RX_TAIL, (slot + 1) % SLOTS)  # NAMED HERE
