# SPDX-License-Identifier: Apache-2.0
"""Gives the card the device address that NdisMAllocateSharedMemory returned, on a bus that adds an offset.

Twin of ``flawed/physical_address.py``.
"""

from __future__ import annotations

from _base import BUFFER_BYTES, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet


class PhysicalAddress(Example):
    """Works on every bus."""

    machine = {"bus_offset": 0x40_0000}

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """The address of the buffer is the device address of the block and an offset."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * BUFFER_BYTES)
        self.hand_over(adapter, context, packet, [(context.tx_buffers_address + slot * BUFFER_BYTES, length)])
