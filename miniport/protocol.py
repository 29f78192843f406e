# SPDX-License-Identifier: Apache-2.0
"""The protocol above the miniport: it binds, asks and sets OIDs, sends frames and takes what is received.

It keeps the books that the verdict needs: which packet went where, which frame came back, what got lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from allocator.memory_manager import MAXULONG64
from hw.dma_rules import RX_BYTES
from hw.processor import DISPATCH_LEVEL
from hw.wire import MINIMUM_FRAME
from miniport import rules
from miniport.handlers import Handler
from miniport.packet import NdisBuffer, Owner, Packet
from miniport.status import (
    NDIS_PACKET_TYPE_BROADCAST,
    NDIS_PACKET_TYPE_DIRECTED,
    NDIS_PACKET_TYPE_PROMISCUOUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_MEDIA_CONNECT,
    NDIS_STATUS_MEDIA_DISCONNECT,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
    OID_802_3_CURRENT_ADDRESS,
    OID_802_3_MULTICAST_LIST,
    OID_GEN_CURRENT_LOOKAHEAD,
    OID_GEN_CURRENT_PACKET_FILTER,
    OID_GEN_LINK_SPEED,
    OID_GEN_MAC_OPTIONS,
    OID_GEN_MAXIMUM_FRAME_SIZE,
    OID_GEN_MAXIMUM_TOTAL_SIZE,
    OID_GEN_MEDIA_CONNECT_STATUS,
    OID_GEN_SUPPORTED_LIST,
    oid_name,
    status_name,
)
from miniport.view import View
from verifier.address_book import Block, BlockKind
from verifier.errors import NotModelledError, UsageError
from verifier.where import where_of_function

if TYPE_CHECKING:
    from hw.machine import Machine
    from miniport.ndis import Ndis

_ASKED_AT_BIND = (
    (OID_802_3_CURRENT_ADDRESS, 6), (OID_GEN_MAXIMUM_FRAME_SIZE, 4), (OID_GEN_MAXIMUM_TOTAL_SIZE, 4), (OID_GEN_LINK_SPEED, 4),
    (OID_GEN_MAC_OPTIONS, 4), (OID_GEN_MEDIA_CONNECT_STATUS, 4), (OID_GEN_SUPPORTED_LIST, 512),
)
"""What a transport asks when it binds (the OIDs that NDIS 5 makes mandatory and a transport uses)."""

SLOT_BYTES = 2048
IN_FLIGHT = 32
"""Packets that the protocol leaves with the miniport at once."""


class Protocol:
    """The upper edge of one adapter."""

    def __init__(self, ndis: Ndis) -> None:
        self._ndis = ndis
        self._slots: list[Block] = []
        self._free: list[int] = []
        self._slot_of: dict[int, int] = {}
        self._waiting: deque[Packet] = deque()
        self._blocked = False
        self._number = 0
        self.sent: list[bytes] = []
        """Frames of packets that the miniport completed with success, in the order of sending."""
        self.failed: list[bytes] = []
        self.accepted: dict[int, Packet] = {}
        """Packets that the miniport has, by number."""
        self.received_frames: list[bytes] = []
        self.returned = 0
        self.mac = b""
        self.link_up = True
        self._offered: deque[bytes] = deque()

    # Binding

    def bind(self, *, promiscuous: bool) -> None:
        """Ask what a transport asks, then open the filter."""
        for oid, length in _ASKED_AT_BIND:
            answer = self.query(oid, length)
            if oid == OID_802_3_CURRENT_ADDRESS:
                self.mac = answer or b""
        self.set(OID_GEN_CURRENT_LOOKAHEAD, (1500).to_bytes(4, "little"))
        self.set(OID_802_3_MULTICAST_LIST, b"\x01\x00\x5e\x00\x00\x01")
        wanted = NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_BROADCAST
        self.set(OID_GEN_CURRENT_PACKET_FILTER, (wanted | (NDIS_PACKET_TYPE_PROMISCUOUS if promiscuous else 0)).to_bytes(4, "little"))

    def query(self, oid: int, length: int) -> bytes | None:
        """MiniportQueryInformation with a buffer of *length* bytes; None where the miniport refuses."""
        ndis = self._ndis
        function = ndis.miniport.query_information
        answer = self._exclusive(Handler.QUERY_INFORMATION, function, oid, length)
        if not ndis.answer(Handler.QUERY_INFORMATION, function, answer, int, bytes, int):
            return None
        status, data, _ = answer
        self._no_pending(oid, status, function)
        if status == NDIS_STATUS_SUCCESS and len(data) > length:
            ndis.findings.report(
                rules.OID_BUFFER, f"{oid_name(oid)}: {len(data)} bytes written into a buffer of {length}",
                where=where_of_function(function), subject=(oid,))
        return bytes(data) if status == NDIS_STATUS_SUCCESS else None

    def set(self, oid: int, data: bytes) -> int | None:
        """MiniportSetInformation; returns its status."""
        ndis = self._ndis
        function = ndis.miniport.set_information
        answer = self._exclusive(Handler.SET_INFORMATION, function, oid, data)
        if not ndis.answer(Handler.SET_INFORMATION, function, answer, int, int, int):
            return None
        status: int = answer[0]
        self._no_pending(oid, status, function)
        return status

    def _no_pending(self, oid: int, status: int, function: Callable[..., Any]) -> None:
        if status == NDIS_STATUS_PENDING:
            raise NotModelledError(
                f"{oid_name(oid)}: the miniport left the request pending, and this bed does not model pending requests",
                "answer requests at once")

    # Sending

    def send_frames(self, frames: list[bytes]) -> None:
        """Send *frames* in order, as fast as statuses allow; returns when each is completed or nothing moves any more."""
        self.offer(frames)
        exchange([self], self._ndis.machine)

    def offer(self, frames: list[bytes]) -> None:
        """Frames to send, in order, behind those that wait."""
        self._offered.extend(frames)

    @property
    def unsent(self) -> int:
        """Frames that the miniport never took."""
        return len(self._offered)

    @property
    def at_work(self) -> tuple[int, int, int]:
        """How many packets the miniport has, how many it refused for now, how many frames wait; all 0 when done."""
        return len(self.accepted), len(self._waiting), len(self._offered)

    def push(self) -> None:
        """Hand down what the miniport may take now."""
        while self._waiting and not self._blocked and self._ndis.up:
            self._send(self._waiting.popleft())
        while self._offered and self._ndis.up and self._can_send():
            self._send(self._packet(self._offered.popleft()))

    @property
    def can_go_on(self) -> bool:
        """True if `push` would hand something down."""
        ready = self._can_send() if self._offered else bool(self._waiting) and not self._blocked
        return self._ndis.up and ready

    def _can_send(self) -> bool:
        return not self._waiting and len(self.accepted) < IN_FLIGHT

    def _packet(self, frame: bytes) -> Packet:
        self._number += 1
        packet = Packet(self._number)
        packet.frame = frame
        packet.owner = Owner.PROTOCOL
        block = self._slot(packet)
        ram = self._ndis.ram
        ram.write_tagged(block.physical, frame, packet.number)
        view = View(self._ndis.port, block)
        header = min(14, len(frame))
        packet.chain_back(NdisBuffer(view, header))
        if len(frame) > header:
            packet.chain_back(NdisBuffer(view + header, len(frame) - header))
        return packet

    def _slot(self, packet: Packet) -> Block:
        if not self._free:
            memory, adapter = self._ndis.memory, self._ndis.adapter
            lowest, highest = 0, MAXULONG64
            if adapter.scatter_gather:  # NDIS copies a packet that lies out of reach before it builds the list
                offset = self._ndis.machine.bus.logical_offset
                lowest, highest = max(0, -offset), (1 << adapter.dma_bits) - 1 - offset
            block = memory.allocate(
                BlockKind.OTHER, "protocol", f"packet buffer {len(self._slots)} of the protocol", SLOT_BYTES, lowest=lowest,
                highest=highest, owner="the protocol", adapter=adapter.number)
            if block is None:
                raise UsageError("the machine has no memory left for the packets of the protocol", "give the machine more RAM")
            self._slots.append(block)
            self._free.append(len(self._slots) - 1)
        index = self._free.pop()
        self._slot_of[packet.number] = index
        return self._slots[index]

    def _send(self, packet: Packet) -> None:
        ndis = self._ndis
        adapter = ndis.adapter
        packet.owner = Owner.MINIPORT
        adapter.outstanding_sends[packet.number] = packet
        self.accepted[packet.number] = packet
        if adapter.scatter_gather:
            self._map(packet)
        status = self._exclusive(Handler.SEND, ndis.miniport.send, packet, 0, irql=DISPATCH_LEVEL, tag=packet.number)
        if status == NDIS_STATUS_PENDING:
            return
        if not isinstance(status, int):
            ndis.findings.report(
                rules.SEND_STATUS, f"send returned {status!r} for {packet!r}, which is no status",
                where=where_of_function(ndis.miniport.send), subject=(packet,))
            status = NDIS_STATUS_FAILURE
        if packet.number not in self.accepted:
            ndis.findings.report(
                rules.SEND_ONCE, f"send returned {status_name(status)} for {packet!r}, which it had completed already",
                where=where_of_function(ndis.miniport.send), subject=(packet,))
            return
        if status == NDIS_STATUS_RESOURCES:
            if not adapter.serialized:
                ndis.findings.report(
                    rules.SEND_STATUS, f"a deserialized miniport returned NDIS_STATUS_RESOURCES for {packet!r}",
                    where=where_of_function(ndis.miniport.send), subject=(packet,))
                self.send_completed(packet, status)
                return
            del self.accepted[packet.number], adapter.outstanding_sends[packet.number]
            packet.owner = Owner.PROTOCOL
            self._waiting.append(packet)
            self._blocked = True
            return
        self.send_completed(packet, status)

    def send_completed(self, packet: Packet, status: int) -> None:
        """The miniport is done with a packet."""
        self.accepted.pop(packet.number, None)
        self._ndis.adapter.outstanding_sends.pop(packet.number, None)
        packet.owner = Owner.PROTOCOL
        self._blocked = False
        index = self._slot_of.pop(packet.number)
        block = self._slots[index]
        if packet.scatter_gather is not None:
            block.device_reads -= len(packet.scatter_gather)
            packet.scatter_gather = None
        self._free.append(index)
        (self.sent if status == NDIS_STATUS_SUCCESS else self.failed).append(packet.frame)

    def resources_available(self) -> None:
        """A miniport that refused packets can take them again."""
        self._blocked = False

    def _map(self, packet: Packet) -> None:
        """Build the packet's scatter/gather list, as NDIS does before the miniport sees the packet."""
        bus = self._ndis.machine.bus
        pieces = []
        for buffer in packet.buffers():
            block = buffer.view.block
            physical = block.physical + buffer.view.offset
            block.device_reads += 1
            block.was_mapped = True
            pieces.append((bus.to_logical(physical), buffer.length))
        packet.scatter_gather = tuple(pieces)

    # Receiving

    def received(self, packet: Packet) -> None:
        """A packet was indicated: check whose bytes they are, copy, and give it back."""
        ndis = self._ndis
        ram = ndis.ram
        frame = b""
        tag = 0
        for buffer in packet.buffers():
            view, length = buffer.view, buffer.length
            physical = view.block.physical + view.offset
            tag = tag or ram.first_tag(physical, length)
            foreign = ram.first_foreign(physical, length, tag)
            if foreign is not None:
                at = len(frame) + foreign[0] - physical
                ndis.findings.report(
                    RX_BYTES, f"byte {at} of {packet!r} was not stored by the NIC for this frame", subject=(packet,),
                    block=view.block)
            piece = ram.read(physical, length)
            if ram.unwritten is not None:
                ndis.findings.report(
                    RX_BYTES, f"byte {len(frame) + ram.unwritten - physical} of {packet!r} was never stored by the NIC",
                    subject=(packet,), block=view.block)
            frame += piece
        self.received_frames.append(frame)
        if packet.status == NDIS_STATUS_RESOURCES:
            self.returned += 1
            return
        packet.owner = Owner.PROTOCOL
        ndis.adapter.outstanding_receives[packet.number] = packet
        self.give_back(packet)

    def give_back(self, packet: Packet) -> None:
        """Return a lent packet to the miniport."""
        ndis = self._ndis
        packet.owner = Owner.MINIPORT
        del ndis.adapter.outstanding_receives[packet.number]
        self.returned += 1
        ndis.call(Handler.RETURN_PACKET, ndis.miniport.return_packet, packet, irql=DISPATCH_LEVEL)

    def status_indicated(self, status: int) -> None:
        """The miniport told of a change."""
        if status == NDIS_STATUS_MEDIA_CONNECT:
            self.link_up = True
        elif status == NDIS_STATUS_MEDIA_DISCONNECT:
            self.link_up = False

    # Helpers

    def _exclusive(self, handler: int, function: Callable[..., Any], *arguments: Any, irql: int = DISPATCH_LEVEL,
                   tag: int = 0) -> Any:
        """Enter a handler; for a serialized miniport under the lock that NDIS holds."""
        ndis = self._ndis
        scheduler = ndis.scheduler
        if not ndis.adapter.serialized:
            return ndis.call(handler, function, *arguments, irql=irql, tag=tag)
        scheduler.locks += 1
        try:
            return ndis.call(handler, function, *arguments, irql=irql, tag=tag)
        finally:
            scheduler.locks -= 1


def exchange(protocols: Sequence[Protocol], machine: Machine) -> None:
    """Let the protocols send all that was offered, at once, until each frame is completed or nothing moves any more."""
    while True:
        for protocol in protocols:
            protocol.push()
        before = [protocol.at_work for protocol in protocols]
        if not any(map(any, before)):
            return
        machine.settle()
        if [protocol.at_work for protocol in protocols] == before and not any(p.can_go_on for p in protocols):
            return


def padded(frame: bytes) -> bytes:
    """*frame* as the wire carries it: zeros up to 60 bytes."""
    return frame.ljust(MINIMUM_FRAME, b"\0")

