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
from miniport.status import (
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from miniport.view import View
from verifier.address_book import Block
from verifier.rule import Severity, rule
from verifier.where import where_of_function

if TYPE_CHECKING:
    from miniport.ndis import Ndis

RECEIVE_LENGTH = rule("receive-packet-length", "set the lengths of the buffers before the packet is indicated")
TRANSFER_STATUS = rule(
    "transfer-status", "return NDIS_STATUS_SUCCESS, NDIS_STATUS_PENDING or NDIS_STATUS_FAILURE", severity=Severity.WARNING)
TRANSFER_BYTES = rule("transfer-bytes-bound", "transfer no more than BytesToTransfer, and say how much it was")

_TRANSFER_STATUSES = (NDIS_STATUS_SUCCESS, NDIS_STATUS_PENDING, NDIS_STATUS_FAILURE)
HEADER_BYTES = 14
MOST_HELD = 3
"""Packets that the protocol holds at most, and no more than one of eight that the miniport has: the card must not starve."""
LATE_NS = 1_000_000
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
        self._kept: list[Packet] = []
        """Packets that a fault keeps back."""
        self._behind: list[Packet] = []
        """Those of them that go back behind the next one."""
        self.through_halt: list[Packet] = []
        """Packets that a fault keeps until halt waits for them."""
        self.frames: list[bytes] = []
        """What was indicated, in order."""
        self._lent: dict[int, list[NdisBuffer]] = {}
        """Buffers of packets that the miniport lent, by the number of the packet."""
        self._memory: dict[int, list[Block]] = {}
        """Blocks in which those buffers lie."""
        self.returned = 0
        self.transfers: dict[int, tuple[Packet, Transfer]] = {}
        """Packets whose `transfer_data` is pending, by number."""
        self.incomplete = False
        self.whole_packets = False
        """True once a packet was indicated with NdisMIndicateReceivePacket."""
        """True from a look at a frame until the miniport says that its indications are complete."""

    def received(self, packet: Packet) -> None:
        """A packet was indicated: check whose bytes they are, copy, and give it back, at once or later."""
        ndis = self._ndis
        buffers = packet.buffers()
        spans = [buffer.span() for buffer in buffers]
        frame = self._read(spans, f"{packet!r}", packet)
        if len(frame) < HEADER_BYTES:
            ndis.findings.report(RECEIVE_LENGTH, f"{packet!r} is indicated with {len(frame)} bytes", subject=(packet,))
        self.frames.append(frame)
        if packet.status == NDIS_STATUS_RESOURCES:
            self.returned += 1
            return
        packet.owner = Owner.PROTOCOL
        for buffer in buffers:
            buffer.holder = packet
        self._lent[packet.number] = buffers
        self._memory[packet.number] = [view.block for view, _ in spans]
        adapter = ndis.adapter
        adapter.outstanding_receives[packet.number] = packet
        held, rng = self._held, self._rng
        count = len(self.frames)
        if ndis.injector is not None and self._as_asked(packet, ndis.injector.take("indicate")):
            return
        if rng.below(4) == 0 and len(held) < min(MOST_HELD, adapter.named.get("packet", 0) // 8):
            held[packet] = count
        else:
            self.give_back(packet)
        if held:
            oldest = next(iter(held))
            if count - held[oldest] >= HELD_FOR:
                self.give_back(oldest)

    def lies_in(self, packet: Packet, block: Block) -> bool:
        """True if a packet that the protocol holds has bytes in *block*."""
        return block in self._memory.get(packet.number, ())

    def _as_asked(self, packet: Packet, effect: str | None) -> bool:
        """A fault says what becomes of the packet; False if there is none."""
        ndis = self._ndis
        if effect is None or ndis.injector is None:
            return False
        if effect == "late":
            self._kept.append(packet)
            self._ndis.clock.at(LATE_NS, lambda: self._ndis.scheduler.queue_dpc(lambda: self._give_back_late(packet)))
        elif effect == "out-of-order":
            self._behind.append(packet)
            self._kept.append(packet)
        elif effect == "through-halt":
            if ndis.ndis_version < (5, 1):
                ndis.injector.without_effect("indicate", "only an NDIS 5.1 miniport has to wait in halt")
                return False
            self.through_halt.append(packet)
            ndis.protocol.at_halt.append(self._give_back_in_halt)
        else:
            self._kept.append(packet)
        return True

    def _give_back_in_halt(self) -> None:
        """Halt has begun: what is kept comes back while it waits."""
        def back() -> None:
            while self.through_halt:
                self.give_back(self.through_halt[0])
        ndis = self._ndis
        ndis.clock.at(LATE_NS, lambda: ndis.scheduler.queue_dpc(back))

    def _give_back_late(self, packet: Packet) -> None:
        if packet in self._kept:
            self.give_back(packet)

    def give_back(self, packet: Packet) -> None:
        """Return a lent packet to the miniport."""
        self._give_back(packet)
        while self._behind and self._behind[0] is not packet:
            self._give_back(self._behind.pop(0))

    def _give_back(self, packet: Packet) -> None:
        ndis = self._ndis
        if packet in self._kept:
            self._kept.remove(packet)
        if packet in self._behind:
            self._behind.remove(packet)
        if packet in self.through_halt:
            self.through_halt.remove(packet)
        packet.owner = Owner.MINIPORT
        del ndis.adapter.outstanding_receives[packet.number]
        self._held.pop(packet, None)
        del self._memory[packet.number]
        for buffer in self._lent.pop(packet.number):
            buffer.holder = buffer
        self.returned += 1
        exclusive(ndis, Handler.RETURN_PACKET, ndis.miniport.return_packet, packet)

    def give_all_back(self) -> bool:
        """Return all that is held, the last one first; True if there was any."""
        there = bool(self._held or self._kept)
        while self._kept:
            self.give_back(self._kept[-1])
        while self._held:
            self.give_back(next(reversed(self._held)))
        return there

    def looked_at(self, context: Any, header: View, header_size: int, lookahead: View, lookahead_size: int, packet_size: int) -> None:
        """The miniport shows the beginning of a frame; the protocol asks for the rest, or for all of it."""
        begin = self._read(((header, header_size), (lookahead, lookahead_size)), f"frame {len(self.frames)}",
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
            if answer[0] not in _TRANSFER_STATUSES:
                ndis.findings.report(
                    TRANSFER_STATUS, f"transfer_data returned {status_name(answer[0])}", where=where_of_function(function),
                    subject=(packet,))
            self.transferred(packet, *answer)

    def transferred(self, packet: Packet, status: int, count: int) -> None:
        """The rest of a frame is there: *count* bytes in the protocol's packet."""
        _, transfer = self.transfers.pop(packet.number)
        self._ndis.scheduler.quiet = 0
        if status == NDIS_STATUS_SUCCESS and count > packet.length:
            self._ndis.findings.report(
                TRANSFER_BYTES, f"{count} bytes were transferred into {packet!r}, which has room for {packet.length}",
                where=where_of_function(self._ndis.miniport.transfer_data), subject=(packet,))
        if status == NDIS_STATUS_SUCCESS:
            pieces, left = [], count
            for buffer in packet.buffers():
                view, size = buffer.span()
                pieces.append((view, max(min(size, left), 0)))
                left -= size
            self.frames[transfer.index] = transfer.begin + self._read(pieces, f"frame {transfer.index}", packet)
        self._packets.release(packet)

    def _read(self, spans: Sequence[tuple[View, int]], what: str, subject: Any) -> bytes:
        """The bytes of *spans*, all of which the NIC must have stored for one frame."""
        report, ram = self._ndis.findings.report, self._ndis.ram
        frame = b""
        tag = 0
        for physical, length, block in [(*piece, view.block) for view, size in spans for piece in view.block.pieces(view.offset, size)]:
            tag = tag or ram.first_tag(physical, length)
            foreign = ram.first_foreign(physical, length, tag)
            if foreign is not None:
                report(RX_BYTES, f"byte {len(frame) + foreign[0] - physical} of {what} was not stored by the NIC for this frame",
                       subject=(subject,), block=block)
            piece = ram.read(physical, length)
            if ram.unwritten is not None:
                report(RX_BYTES, f"byte {len(frame) + ram.unwritten - physical} of {what} was never stored by the NIC",
                       subject=(subject,), block=block)
            frame += piece
        return frame
