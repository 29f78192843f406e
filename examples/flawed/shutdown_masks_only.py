# SPDX-License-Identifier: Apache-2.0
"""The shutdown handler masks the interrupts and leaves the receiver running.

Wrong:    a card that does not interrupt still writes what the wire brings.
Silicon:  frames are written over the next system that starts, or over the crash dump.
Expected: shutdown-quiesce, with the store that gave the receive buffer to the card.
Mend:     stop both engines, and read a register back before shutdown returns.
"""

from __future__ import annotations

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class ShutdownMasksOnly(Example):
    """Takes silence for rest."""

    machine = {"life": "power-off"}

    def shutdown(self, adapter: Adapter) -> None:
        """Mask the interrupts."""
        registers = adapter.context.registers
        adapter.write_register_ulong(registers, hw.MASK, 0)  # FLAW: CTRL stays as it is
        adapter.read_register_ulong(registers, hw.MASK)

    def give_receive_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """As in the base."""
        descriptor = context.rx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.rx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, BUFFER_BYTES)
        descriptor.write_ulong(CONTROL, hw.OWN)  # NAMED HERE
        adapter.write_register_ulong(context.registers, hw.RX_TAIL, (slot + 1) % SLOTS)
