# SPDX-License-Identifier: Apache-2.0
"""The upper edge of one adapter: it binds, asks and sets OIDs, sends frames, and keeps the books that the verdict needs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hw.processor import Random
from miniport import rules
from miniport.handlers import Handler
from miniport.packet import Owner, Packet
from miniport.protocol.exclusive import exclusive
from miniport.protocol.hang import HangWatch
from miniport.protocol.packets import Packets
from miniport.protocol.receiving import Receiving
from miniport.protocol.requests import Requests
from miniport.status import (
    NDIS_PACKET_TYPE_BROADCAST,
    NDIS_PACKET_TYPE_DIRECTED,
    NDIS_PACKET_TYPE_PROMISCUOUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_MEDIA_CONNECT,
    NDIS_STATUS_MEDIA_DISCONNECT,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_REQUEST_ABORTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
    OID_802_3_CURRENT_ADDRESS,
    OID_802_3_MULTICAST_LIST,
    OID_GEN_CURRENT_LOOKAHEAD,
    OID_GEN_CURRENT_PACKET_FILTER,
    OID_GEN_LINK_SPEED,
    OID_GEN_MAC_OPTIONS,
    OID_GEN_MAXIMUM_FRAME_SIZE,
    OID_GEN_MAXIMUM_SEND_PACKETS,
    OID_GEN_MAXIMUM_TOTAL_SIZE,
    OID_GEN_MEDIA_CONNECT_STATUS,
    OID_GEN_SUPPORTED_LIST,
    status_name,
)
from verifier.where import where_of_function

if TYPE_CHECKING:
    from hw.machine import Machine
    from miniport.ndis import Ndis

_ASKED_AT_BIND = (
    (OID_802_3_CURRENT_ADDRESS, 6), (OID_GEN_MAXIMUM_FRAME_SIZE, 4), (OID_GEN_MAXIMUM_TOTAL_SIZE, 4), (OID_GEN_LINK_SPEED, 4),
    (OID_GEN_MAC_OPTIONS, 4), (OID_GEN_MEDIA_CONNECT_STATUS, 4), (OID_GEN_SUPPORTED_LIST, 512),
)
"""What a transport asks when it binds (the OIDs that NDIS 5 makes mandatory and a transport uses)."""

IN_FLIGHT = 32
"""Packets that the protocol leaves with the miniport at once."""
NO_STATUS = 0xFFFFFFFF
"""The status of a packet before `send_packets` sets one."""


class Protocol:
    """The upper edge of one adapter."""

    def __init__(self, ndis: Ndis) -> None:
        self._ndis = ndis
        seed = ndis.machine.seed ^ 0x3C6EF372FE94F82B ^ ndis.nic.adapter << 32
        self._rng = Random(seed)
        self._packets = Packets(ndis, self._rng)
        self.requests = Requests(ndis, Random(seed ^ 0xA54FF53A))
        self.receiving = Receiving(ndis, self._packets, Random(seed ^ 0x510E527F))
        self.hang = HangWatch(ndis)
        self._offered: deque[bytes] = deque()
        self._again: deque[bytes] = deque()
        """Frames that a reset took off the card; each is sent once more."""
        self._second_try: set[int] = set()
        self._waiting: deque[Packet] = deque()
        self._blocked = False
        self._arrays = ndis.miniport.overrides("send_packets")
        self._array_limit = 1
        self.sent: list[bytes] = []
        """Frames of packets that the miniport completed with success, in the order of sending."""
        self.failed: list[bytes] = []
        self.accepted: dict[int, Packet] = {}
        """Packets that the miniport has, by number."""
        self.received_frames = self.receiving.frames
        self.mac = b""
        self.link_up = True

    @property
    def returned(self) -> int:
        """Receive packets that the miniport has back."""
        return self.receiving.returned

    # Binding

    def bind(self, *, promiscuous: bool) -> None:
        """Ask what a transport asks, then open the filter."""
        self.hang.start()
        for oid, length in _ASKED_AT_BIND:
            answer = self.requests.query(oid, length)
            if oid == OID_802_3_CURRENT_ADDRESS:
                self.mac = answer or b""
        if self._arrays:
            most = int.from_bytes(self.requests.query(OID_GEN_MAXIMUM_SEND_PACKETS, 4) or b"", "little")
            self._array_limit = min(max(most, 1), IN_FLIGHT)
        set_to = self.requests.set
        set_to(OID_GEN_CURRENT_LOOKAHEAD, (1500).to_bytes(4, "little"))
        set_to(OID_802_3_MULTICAST_LIST, b"\x01\x00\x5e\x00\x00\x01")
        wanted = NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_BROADCAST
        set_to(OID_GEN_CURRENT_PACKET_FILTER, (wanted | (NDIS_PACKET_TYPE_PROMISCUOUS if promiscuous else 0)).to_bytes(4, "little"))

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
    def at_work(self) -> tuple[int, ...]:
        """How many packets the miniport has, how many it refused for now, how many frames wait, how many transfers and
        requests pend; all 0 when done."""
        return (len(self.accepted), len(self._waiting), len(self._offered) + len(self._again), len(self.receiving.transfers),
                self.requests.current is not None)

    def push(self) -> None:
        """Hand down what the miniport may take now, and give it something else to do."""
        handed = False
        while self.can_go_on:
            self._hand_down(self._next())
            handed = True
        if handed and self._ndis.up:
            self.requests.bother()

    @property
    def can_go_on(self) -> bool:
        """True if `push` would hand something down."""
        if not self._ndis.up or self._blocked or self.hang.resetting:
            return False
        if self._waiting:
            return True
        return len(self.accepted) < IN_FLIGHT and bool(self._offered or self._again)

    def _next(self) -> list[Packet]:
        """The packets to hand down next: those that were refused first, as many as the miniport takes at once."""
        limit = 1 if self._array_limit == 1 else 1 + self._rng.below(self._array_limit)
        packets = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        while len(packets) < limit and not self._waiting and len(self.accepted) + len(packets) < IN_FLIGHT:
            if self._again:
                packet = self._packets.make(self._again.popleft())
                self._second_try.add(packet.number)
            elif self._offered:
                packet = self._packets.make(self._offered.popleft())
            else:
                break
            packets.append(packet)
        return packets

    def _hand_down(self, packets: list[Packet]) -> None:
        ndis = self._ndis
        adapter = ndis.adapter
        for packet in packets:
            packet.owner = Owner.MINIPORT
            adapter.outstanding_sends[packet.number] = self.accepted[packet.number] = packet
            if adapter.scatter_gather and packet.scatter_gather is None:
                self._packets.map(packet)
        if self._arrays:
            self._send_array(packets)
        else:
            self._send(packets[0])

    def _send(self, packet: Packet) -> None:
        """MiniportSend; its result is the status."""
        ndis = self._ndis
        function = ndis.miniport.send
        status = exclusive(ndis, Handler.SEND, function, packet, 0, tag=packet.number)
        if status == NDIS_STATUS_PENDING:
            return
        if not isinstance(status, int):
            ndis.findings.report(
                rules.SEND_STATUS, f"send returned {status!r} for {packet!r}, which is no status",
                where=where_of_function(function), subject=(packet,))
            status = NDIS_STATUS_FAILURE
        if packet.number not in self.accepted:
            ndis.findings.report(
                rules.SEND_ONCE, f"send returned {status_name(status)} for {packet!r}, which it had completed already",
                where=where_of_function(function), subject=(packet,))
            return
        if status == NDIS_STATUS_RESOURCES and self._may_refuse(packet, function):
            self._take_back([packet])
            return
        self.send_completed(packet, status)

    def _send_array(self, packets: list[Packet]) -> None:
        """MiniportSendPackets. A serialized miniport leaves a status in each packet; from the first with RESOURCES on, packets
        go back into the queue. A deserialized one completes each packet with NdisMSendComplete."""
        ndis = self._ndis
        function = ndis.miniport.send_packets
        for packet in packets:
            packet.status = NO_STATUS
        exclusive(ndis, Handler.SEND_PACKETS, function, list(packets), tag=packets[0].number if len(packets) == 1 else 0)
        if not ndis.adapter.serialized:
            for packet in packets:
                if packet.number in self.accepted and packet.status == NDIS_STATUS_RESOURCES:
                    self._may_refuse(packet, function)
                    self.send_completed(packet, NDIS_STATUS_RESOURCES)
            return
        for number, packet in enumerate(packets):
            status = packet.status
            if packet.number not in self.accepted:
                continue  # completed with NdisMSendComplete in between
            if status == NDIS_STATUS_RESOURCES:
                later = [p for p in packets[number:] if p.number in self.accepted]
                if len(later) < len(packets) - number:
                    ndis.findings.report(
                        rules.SEND_STATUS, f"send_packets refused {packet!r} and completed a later packet of the array",
                        where=where_of_function(function), subject=(packet,))
                self._take_back(later)
                return
            if status == NO_STATUS:
                ndis.findings.report(
                    rules.SEND_STATUS, f"send_packets set no status in {packet!r}", where=where_of_function(function),
                    subject=(packet,))
                status = NDIS_STATUS_FAILURE
            if status != NDIS_STATUS_PENDING:
                self.send_completed(packet, status)

    def _may_refuse(self, packet: Packet, function: Callable[..., Any]) -> bool:
        """True if the miniport is serialized; a finding else."""
        if self._ndis.adapter.serialized:
            return True
        self._ndis.findings.report(
            rules.SEND_STATUS, f"a deserialized miniport returned NDIS_STATUS_RESOURCES for {packet!r}",
            where=where_of_function(function), subject=(packet,))
        return False

    def _take_back(self, packets: list[Packet]) -> None:
        """The miniport refused *packets* for now: they go first when it takes packets again."""
        for packet in reversed(packets):
            del self.accepted[packet.number], self._ndis.adapter.outstanding_sends[packet.number]
            packet.owner = Owner.PROTOCOL
            self._waiting.appendleft(packet)
        self._blocked = True

    def send_completed(self, packet: Packet, status: int) -> None:
        """The miniport is done with a packet."""
        self.accepted.pop(packet.number, None)
        self._ndis.adapter.outstanding_sends.pop(packet.number, None)
        self._packets.release(packet)
        self._blocked = False
        if status == NDIS_STATUS_SUCCESS:
            self.sent.append(packet.frame)
        elif self.hang.resetting and packet.number not in self._second_try:
            self._again.append(packet.frame)
        else:
            self.failed.append(packet.frame)

    def resources_available(self) -> None:
        """A miniport that refused packets can take them again."""
        self._blocked = False

    def reset_done(self) -> None:
        """A reset is complete: NDIS takes back what a serialized miniport had; a deserialized one has completed all itself."""
        ndis = self._ndis
        self._blocked = False
        for packet in list(self.accepted.values()):
            if not ndis.adapter.serialized:
                ndis.findings.report(
                    rules.SEND_ONCE, f"the reset is complete, and {packet!r}, handed down before it, never was",
                    where=where_of_function(ndis.miniport.reset), subject=(packet,))
            self.send_completed(packet, NDIS_STATUS_REQUEST_ABORTED)

    # Receiving

    def status_indicated(self, status: int) -> None:
        """The miniport told of a change."""
        if status == NDIS_STATUS_MEDIA_CONNECT:
            self.link_up = True
        elif status == NDIS_STATUS_MEDIA_DISCONNECT:
            self.link_up = False


def exchange(protocols: Sequence[Protocol], machine: Machine) -> None:
    """Let the protocols send all that was offered, at once, until each frame is completed or nothing moves any more. What was
    held of the receives is back then."""
    while True:
        for protocol in protocols:
            protocol.push()
        before = [protocol.at_work for protocol in protocols]
        if any(map(any, before)):
            machine.settle()
            if [p.at_work for p in protocols] != before or any(p.can_go_on for p in protocols):
                continue
        # Nothing moves: give back what is held, and let NDIS wait as long as it does.
        back = [protocol.receiving.give_all_back() for protocol in protocols]
        awaited = [protocol.hang.expect() for protocol in protocols]
        if not any(back) and not (any(awaited) and any(map(any, before))):
            return
        machine.settle()
        if [p.at_work for p in protocols] == before and not any(p.can_go_on for p in protocols):
            return
