# SPDX-License-Identifier: Apache-2.0
"""Short frames are padded to 60 bytes with whatever an older frame left in the buffer (the leak known as Etherleak).

Wrong:    the length is raised to the minimum of Ethernet, but nothing clears the bytes between.
Silicon:  each short frame carries a piece of an older one to whoever listens.
Expected: wire-bytes-of-this-frame, with the store that gives the buffer to the card.
Mend:     clear the buffer up to 60 bytes, or leave the padding to the card.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import ADDRESS, BUFFER_BYTES, CONTROL, DESCRIPTOR_BYTES, LENGTH, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw

MINIMUM_FRAME = 60


class StalePadding(Example):
    """Pads without clearing. The capture holds eight frames of 200 bytes and then eight of 42."""

    machine = {"pcap": "../short_frames.pcapng"}

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base, and cleared once."""
        status = super().claim_transmit_buffers(adapter, context, undo)
        if context.tx_buffers is not None:
            adapter.zero_memory(context.tx_buffers, SLOTS * BUFFER_BYTES)
        return status

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base, but for the length."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * BUFFER_BYTES)
        length = max(length, MINIMUM_FRAME)  # FLAW
        descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.tx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, length)
        descriptor.write_ulong(CONTROL, hw.OWN | hw.END)  # NAMED HERE
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % SLOTS
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, context.tx_next)
