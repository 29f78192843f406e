# SPDX-License-Identifier: Apache-2.0
"""The program of the card joins two pieces of a frame into one transfer, over a border that the card cannot cross.

Wrong:    boundary/gather.c fetches pieces that adjoin in one transfer. Each of them lies within 16 MB, as it has to.
Silicon:  the counter has no carry beyond bit 23: the second piece is read 16 MB lower.
Expected: dma-boundary, with the line of the firmware that starts the transfer, and the block that it crosses in.
Mend:     one transfer for each piece, as firmware/src/gather.c does.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.reference.core import BUFFER_BYTES, TX_SLOTS
from miniport.smart import SmartMiniport
from miniport.smart.boot import IMAGE_FILE

HEADER_BYTES = 14
PLACE = struct.Struct("<QI")
"""Address and length in a descriptor."""


class Boundary(SmartMiniport):
    """Keeps the Ethernet header of a frame at the end of one buffer, and what follows it at the start of the next: two pieces that
    adjoin, but for the last buffer. Each has a descriptor; the packet stands with the second one."""

    files = {IMAGE_FILE: Path(__file__).with_name("boundary.img").read_bytes()}
    machine = {"nic": "smart", "address_bits": 32}

    def _transmit(self, adapter: Adapter, context: Any, packet: Packet) -> None:
        frame = self._copied(adapter, packet)
        slot, start = context.tx_next, context.tx_next * BUFFER_BYTES
        border = start + BUFFER_BYTES
        pieces = [(start, frame)]
        if slot + 1 < TX_SLOTS:
            pieces = [(border - HEADER_BYTES, frame[:HEADER_BYTES]), (border, frame[HEADER_BYTES:])]
        for number, (offset, data) in enumerate(pieces, 1):
            at, last = slot * hw.DESCRIPTOR_BYTES, number == len(pieces)
            (context.buffers + offset).write(0, data)
            context.tx_ring.write(at, PLACE.pack(context.buffers_address + offset, len(data)))
            context.tx_ring.write_ulong(at + hw.CONTROL, hw.OWN | (hw.END if last else 0))
            context.tx_packets[slot] = packet if last else None
            slot = (slot + 1) % TX_SLOTS
        context.tx_next = slot
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, slot)

    def _copied(self, adapter: Adapter, packet: Packet) -> bytes:
        _, _, buffer, _ = adapter.query_packet(packet)
        frame = b""
        while buffer is not None:
            source, size = adapter.query_buffer(buffer)
            frame += source.read(0, size) if size else b""
            buffer = adapter.get_next_buffer(buffer)
        return frame

    def _full(self, context: Any) -> bool:
        """A frame may need two slots."""
        return super()._full(context) or (context.tx_next + 2) % TX_SLOTS == context.tx_done

    def _reclaim(self, adapter: Adapter, context: Any) -> list[tuple[Packet, int]]:
        """First pieces have no packet."""
        return [done for done in super()._reclaim(adapter, context) if done[0] is not None]

    def _all_sends(self, context: Any) -> list[Packet]:
        """First pieces have no packet."""
        return [packet for packet in super()._all_sends(context) if packet is not None]
