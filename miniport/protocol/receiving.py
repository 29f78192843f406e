# SPDX-License-Identifier: Apache-2.0
"""What the protocol receives: whole packets, lent and returned, or a look at a frame whose rest it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hw.dma_rules import RX_BYTES
from hw.processor import Random
from miniport.handlers import Handler
from miniport.packet import NdisBuffer, Owner, Packet
from miniport.protocol.exclusive import exclusive
from miniport.protocol.packets import Packets
from miniport.status import NDIS_STATUS_PENDING, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from miniport.view import View

if TYPE_CHECKING:
    from miniport.ndis import Ndis

MOST_HELD = 3
"""Packets that the protocol holds at most, and no more than one of eight that the miniport has: the card must not starve."""
HELD_FOR = 3
"""Receives after which a packet that is held goes back at the latest: a ring that is refilled in order waits for it."""


@dataclass(slots=True)
class Transfer:
    """A frame of which the miniport has still to bring a part: its place in the order, and the bytes that came before."""

    index: int
    begin: bytes


class Receiving:
    """The receives of one protocol."""

    def __init__(self, ndis: Ndis, packets: Packets, rng: Random) -> None:
        self._ndis = ndis
        self._packets = packets
        self._rng = rng
        self._held: dict[Packet, int] = {}
        """Packets that are held, the oldest first, and how many frames had come before each."""
        self.frames: list[bytes] = []
        """What was indicated, in order."""
        self.returned = 0
        self.transfers: dict[int, tuple[Packet, Transfer]] = {}
        """Packets whose `transfer_data` is pending, by number."""
        self.incomplete = False
        """True from a look at a frame until the miniport says that its indications are complete."""

    def received(self, packet: Packet) -> None:
        """A packet was indicated: check whose bytes they are, copy, and give it back, at once or later."""
        ndis = self._ndis
        self.frames.append(self._read(packet.buffers(), f"{packet!r}", packet))
        if packet.status == NDIS_STATUS_RESOURCES:
            self.returned += 1
            return
        packet.owner = Owner.PROTOCOL
        adapter = ndis.adapter
        adapter.outstanding_receives[packet.number] = packet
        held, rng = self._held, self._rng
        count = len(self.frames)
        if rng.below(4) == 0 and len(held) < min(MOST_HELD, adapter.named.get("packet", 0) // 8):
            held[packet] = count
        else:
            self.give_back(packet)
        if held:
            oldest = next(iter(held))
            if count - held[oldest] >= HELD_FOR:
                self.give_back(oldest)

    def give_back(self, packet: Packet) -> None:
        """Return a lent packet to the miniport."""
        ndis = self._ndis
        packet.owner = Owner.MINIPORT
        del ndis.adapter.outstanding_receives[packet.number]
        self._held.pop(packet, None)
        self.returned += 1
        exclusive(ndis, Handler.RETURN_PACKET, ndis.miniport.return_packet, packet)

    def give_all_back(self) -> bool:
        """Return all that is held, the last one first; True if there was any."""
        there = bool(self._held)
        while self._held:
            self.give_back(next(reversed(self._held)))
        return there

    def looked_at(self, context: Any, header: View, header_size: int, lookahead: View, lookahead_size: int, packet_size: int) -> None:
        """The miniport shows the beginning of a frame; the protocol asks for the rest, or for all of it."""
        begin = self._read((NdisBuffer(header, header_size), NdisBuffer(lookahead, lookahead_size)), f"frame {len(self.frames)}",
                           ("lookahead", len(self.frames)))
        head, look = begin[:header_size], begin[header_size:header_size + packet_size]
        rng = self._rng
        index = len(self.frames)
        if len(look) == packet_size and rng.below(4):
            self.frames.append(head + look)
            return
        offset = (0, len(look), len(look) // 2)[rng.below(3)]
        self.frames.append(b"")
        packet = self._packets.blank(packet_size - offset)
        packet.owner = Owner.MINIPORT
        self.transfers[packet.number] = packet, Transfer(index, head + look[:offset])
        ndis = self._ndis
        function = ndis.miniport.transfer_data
        answer = exclusive(ndis, Handler.TRANSFER_DATA, function, packet, context, offset, packet_size - offset)
        if not ndis.answer(Handler.TRANSFER_DATA, function, answer, int, int):
            self.transfers.pop(packet.number, None)
        elif answer[0] != NDIS_STATUS_PENDING and packet.number in self.transfers:
            self.transferred(packet, *answer)

    def transferred(self, packet: Packet, status: int, count: int) -> None:
        """The rest of a frame is there: *count* bytes in the protocol's packet."""
        _, transfer = self.transfers.pop(packet.number)
        self._ndis.scheduler.quiet = 0
        if status == NDIS_STATUS_SUCCESS:
            pieces, left = [], count
            for buffer in packet.buffers():
                pieces.append(NdisBuffer(buffer.view, max(min(buffer.length, left), 0)))
                left -= buffer.length
            self.frames[transfer.index] = transfer.begin + self._read(pieces, f"frame {transfer.index}", packet)
        self._packets.release(packet)

    def _read(self, buffers: Sequence[NdisBuffer], what: str, subject: Any) -> bytes:
        """The bytes of *buffers*, all of which the NIC must have stored for one frame."""
        report, ram = self._ndis.findings.report, self._ndis.ram
        frame = b""
        tag = 0
        for buffer in buffers:
            view, length = buffer.view, buffer.length
            physical = view.block.physical + view.offset
            tag = tag or ram.first_tag(physical, length)
            foreign = ram.first_foreign(physical, length, tag)
            if foreign is not None:
                report(RX_BYTES, f"byte {len(frame) + foreign[0] - physical} of {what} was not stored by the NIC for this frame",
                       subject=(subject,), block=view.block)
            piece = ram.read(physical, length)
            if ram.unwritten is not None:
                report(RX_BYTES, f"byte {len(frame) + ram.unwritten - physical} of {what} was never stored by the NIC",
                       subject=(subject,), block=view.block)
            frame += piece
        return frame
