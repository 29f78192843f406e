# SPDX-License-Identifier: Apache-2.0
"""A short frame is padded after its transmit slot went to the RTL8139.

Wrong:    TSD is written, which hands the slot over, and only then are the bytes behind the frame cleared.
Silicon:  the write waits on the bus, or it does not: now and then a frame leaves with what an older one left in the buffer.
Expected: desc-before-doorbell, with the write of TSD.
Mend:     pad first, write TSD last.
"""

from __future__ import annotations

from typing import Any

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.rtl8139 import Rtl8139Miniport
from miniport.rtl8139 import hardware as hw
from miniport.rtl8139.core import PADDED_FRAME, TX_BYTES, TX_SLOTS


class PaddedAfterDoorbell(Rtl8139Miniport):
    """Pads too late. The capture holds eight frames of 200 bytes and then eight of 42."""

    machine = {"nic": "rtl8139", "pcap": "../short_frames.pcapng"}

    def _transmit(self, adapter: Adapter, context: Any, packet: Packet) -> None:
        """As in the miniport, in another order."""
        number = context.tx_next
        slot = number % TX_SLOTS
        data = context.buffers + slot * TX_BYTES
        _, _, buffer, _ = adapter.query_packet(packet)
        length = 0
        while buffer is not None:
            source, size = adapter.query_buffer(buffer)
            data.write(length, source.read(0, size))
            length += size
            buffer = adapter.get_next_buffer(buffer)
        context.tx_packets[slot] = packet
        context.tx_next = (number + 1) % (2 * TX_SLOTS)
        whole = max(length, PADDED_FRAME)
        adapter.write_register_ulong(context.registers, hw.TSD + 4 * slot, context.threshold << 16 | whole)  # NAMED HERE
        data.fill(length, whole - length)  # FLAW
