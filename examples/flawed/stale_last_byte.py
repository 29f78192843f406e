# SPDX-License-Identifier: Apache-2.0
"""The copy of a fragment leaves out the last byte of an odd length: what an older frame left there goes to the wire.

Wrong:    fragments are copied in words of two bytes, and the length is rounded down.
Silicon:  each such frame carries a byte of an older one to whoever listens (the leak known as Etherleak).
Expected: wire-bytes-of-this-frame, with the store that gives the buffer to the card.
Mend:     copy all bytes of a fragment.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.view import View


class StaleLastByte(Example):
    """Copies by words."""

    machine = {"frames": 16}

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base, and cleared."""
        status = super().claim_transmit_buffers(adapter, context, undo)
        if context.tx_buffers is not None:
            adapter.zero_memory(context.tx_buffers, SLOTS * BUFFER_BYTES)
        return status

    def copy(self, adapter: Adapter, packet: Packet, data: View) -> int:
        """Copy all fragments, each in whole words."""
        length = 0
        _, _, buffer, _ = adapter.query_packet(packet)
        while buffer is not None:
            source, size = adapter.query_buffer(buffer)
            data.write(length, source.read(0, size & ~1))  # FLAW
            length += size
            buffer = adapter.get_next_buffer(buffer)
        return length

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * BUFFER_BYTES)
        descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.tx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, length)
        descriptor.write_ulong(CONTROL, hw.OWN | hw.END)  # NAMED HERE
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % SLOTS
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, context.tx_next)
