# SPDX-License-Identifier: Apache-2.0
"""The upper edge of one adapter: it binds, asks and sets OIDs, sends frames, and keeps the books that the verdict needs."""

from __future__ import annotations

from bisect import bisect
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hw.processor import Random
from miniport import rules
from miniport.handlers import Handler
from miniport.packet import Owner, Packet
from miniport.protocol.exclusive import exclusive
from miniport.protocol.hang import HangWatch
from miniport.protocol.packets import EXTRA_FRAME, Packets
from miniport.protocol.power import Power
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
BURST = 160
HALT_RUNS_NS = 1_000
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
        self.power = Power(ndis, Random(seed ^ 0x9B05688C))
        self.paused = False
        """True while NDIS keeps sends back: the adapter is about to stop or to sleep, or does."""
        self._offered: deque[bytes] = deque()
        self._again: deque[bytes] = deque()
        """Frames that a reset took off the card; each is sent once more."""
        self._second_try: set[int] = set()
        self._waiting: deque[Packet] = deque()
        self._blocked = False
        self._at_once = IN_FLIGHT
        self._in_reset: set[int] = set()
        """Packets that were handed down while a reset ran, by number."""
        self._arrays = ndis.miniport.overrides("send_packets")
        self._array_limit = 1
        self.at_halt: list[Callable[[], None]] = []
        """What a fault has put off until halt runs."""
        self.sent: list[bytes] = []
        """Frames of packets that the miniport completed with success, in the order in which they were handed down."""
        self.sent_numbers: list[int] = []
        """The numbers of their packets."""
        self.failed: list[bytes] = []
        self.accepted: dict[int, Packet] = {}
        """Packets that the miniport has, by number."""
        self.received_frames = self.receiving.frames
        self.mac = b""
        self.link_up = True
        self._after_removal: set[int] = set()
        """Packets handed down after the miniport was told that its card is gone."""
        self.status_incomplete = False
        """True from a status indication until the miniport says that it is complete."""

    @property
    def returned(self) -> int:
        """Receive packets that the miniport has back."""
        return self.receiving.returned

    # Binding

    def bind(self, *, promiscuous: bool) -> None:
        """Ask what a transport asks, then open the filter."""
        self.hang.start()
        self.power.tell_source()
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
    def refused(self) -> Packet | None:
        """The first packet that the miniport refused and did not ask for again; None if it takes packets."""
        return self._waiting[0] if self._blocked and self._waiting else None

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
            packets = self._next()
            if not packets:
                break
            self._hand_down(packets)
            handed = True
        if handed and self._ndis.up:
            self.requests.bother()
            self.power.bother()

    @property
    def can_go_on(self) -> bool:
        """True if `push` would hand something down."""
        if not self._ndis.up or self._blocked or self.paused or self.hang.resetting:
            return False
        if self._waiting:
            return True
        return len(self.accepted) < self._at_once and bool(self._offered or self._again)

    def drain(self) -> None:
        """Keep sends back and let the machine run until the miniport has completed what it has, or nothing moves any more."""
        self.paused = True
        machine = self._ndis.machine
        while True:
            before = self.at_work
            machine.settle()
            if not (self.accepted or self.receiving.transfers or self.requests.current):
                return
            if self.at_work == before:
                if self.hang.expect():
                    machine.settle()
                if self.at_work == before:
                    return

    def withdraw(self) -> None:
        """The adapter stops: packets that the miniport refused are made anew when it starts again."""
        while self._waiting:
            packet = self._waiting.pop()
            self._offered.appendleft(packet.frame)
            self._packets.release(packet)
        self._blocked = False

    def _next(self) -> list[Packet]:
        """The packets to hand down next: those that were refused first, as many as the miniport takes at once."""
        limit = 1 if self._array_limit == 1 else 1 + self._rng.below(self._array_limit)
        packets = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        while len(packets) < limit and not self._waiting and len(self.accepted) + len(packets) < self._at_once:
            frames = self._again or self._offered
            if not frames:
                break
            packet = self._packets.make(frames[0])
            if packet is None:  # no more at once than there is memory for
                self._at_once = max(len(self.accepted) + len(packets), 1)
                break
            if frames is self._again:
                self._second_try.add(packet.number)
            frames.popleft()
            packets.append(packet)
        return packets

    def _hand_down(self, packets: list[Packet]) -> None:
        ndis = self._ndis
        adapter = ndis.adapter
        if ndis.injector is not None:
            self._as_asked(packets[0].frame, ndis.injector.take("send"))
        if not ndis.nic.present and "pnp_event_notify" in ndis.calls:
            self._after_removal.update(packet.number for packet in packets)
        for packet in packets:
            packet.owner = Owner.MINIPORT
            adapter.outstanding_sends[packet.number] = self.accepted[packet.number] = packet
            if adapter.scatter_gather and packet.scatter_gather is None:
                if len(packet.frame) > adapter.longest_mapping:
                    ndis.findings.report(
                        rules.SG_MAX_MAPPING, f"a packet of {len(packet.frame)} bytes is handed down; MaximumPhysicalMapping is "
                        f"{adapter.longest_mapping}", where=adapter.scatter_gather_at, subject=("scatter/gather",))
                self._packets.map(packet)
        if self._arrays:
            self._send_array(packets)
        else:
            self._send(packets[0])

    def _as_asked(self, frame: bytes, effect: str | None) -> None:
        """What a fault does at a packet that is handed down."""
        if effect == "concurrent":
            self._push_beside("send")
        elif effect is not None:
            self._offered.extendleft([frame] * BURST)
            self._at_once = max(IN_FLIGHT, len(self.accepted) + BURST + 1)

    def _push_beside(self, point: str) -> None:
        """Hand one packet more down as soon as another processor may, whatever this one does."""
        ndis = self._ndis
        scheduler, injector = ndis.scheduler, ndis.injector
        other = next((processor for processor in scheduler.processors if processor is not scheduler.current), None)
        if injector is not None and (ndis.adapter.serialized or other is None):
            injector.without_effect(point, "NDIS calls a serialized miniport one handler at a time" if ndis.adapter.serialized else
                                    "the machine has one processor")
            return
        if not self._offered:
            self._offered.append(EXTRA_FRAME)
        scheduler.queue_dpc(self._push_one, other)

    def send_beside_reset(self) -> None:
        """A packet for a miniport that is being reset, as far as NDIS hands it down."""
        self._push_beside("reset")

    def _push_one(self) -> None:
        if self._ndis.up and (self._offered or self._waiting):
            packets = self._next()
            if not packets:
                return  # as many as may be are out: what waits goes down later
            if self.hang.resetting:
                self._in_reset.update(packet.number for packet in packets)
            self._hand_down(packets)

    def halting(self) -> None:
        """The adapter is about to be halted: what a fault does at this moment."""
        ndis = self._ndis
        for action in self.at_halt:
            ndis.clock.at(HALT_RUNS_NS, action)
        effect = ndis.injector.take("halt") if ndis.injector is not None else None
        if effect == "receive":
            ndis.nic.receive_frame(EXTRA_FRAME)
        elif effect is not None:
            packet = self._packets.make(EXTRA_FRAME)
            if packet is not None:
                self._hand_down([packet])
            elif ndis.injector is not None:
                ndis.injector.without_effect("halt", "the protocol has no memory for a packet")

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
            if packet.number not in self.accepted:
                continue  # completed with NdisMSendComplete in between
            status = packet.status
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
        if status == NDIS_STATUS_SUCCESS and packet.number in self._after_removal:
            self._ndis.findings.report(
                rules.SURPRISE_NOTE, f"{packet!r} was handed down after pnp_event_notify told of the removal, and ends with success",
                where=where_of_function(self._ndis.miniport.pnp_event_notify), subject=(packet,))
        self.accepted.pop(packet.number, None)
        self._ndis.adapter.outstanding_sends.pop(packet.number, None)
        self._packets.release(packet)
        self._blocked = False
        if status == NDIS_STATUS_SUCCESS:
            at = bisect(self.sent_numbers, packet.number)
            self.sent_numbers.insert(at, packet.number)
            self.sent.insert(at, packet.frame)
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
        in_reset, self._in_reset = self._in_reset, set()
        for packet in list(self.accepted.values()):
            if packet.number in in_reset:
                continue
            if not ndis.adapter.serialized:
                ndis.findings.report(
                    rules.RESET_PENDING_WORK, f"the reset is complete, and {packet!r}, handed down before it, never was",
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
