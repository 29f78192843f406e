# SPDX-License-Identifier: Apache-2.0
"""Requests to the miniport: one at a time, at once or pending until it is completed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw.processor import Random
from miniport import rules
from miniport.handlers import Handler
from miniport.protocol.answers import Answers
from miniport.protocol.exclusive import exclusive
from miniport.protocol.packets import EXTRA_FRAME
from miniport.status import (
    NDIS_PACKET_TYPE_ALL_MULTICAST,
    NDIS_PACKET_TYPE_MULTICAST,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_SUCCESS,
    OID_802_3_CURRENT_ADDRESS,
    OID_802_3_MULTICAST_LIST,
    OID_GEN_CURRENT_PACKET_FILTER,
    OID_GEN_LINK_SPEED,
    OID_GEN_MEDIA_CONNECT_STATUS,
    OID_GEN_RCV_NO_BUFFER,
    OID_GEN_RCV_OK,
    OID_GEN_SUPPORTED_LIST,
    OID_GEN_XMIT_OK,
    OID_PNP_SET_POWER,
    oid_name,
    status_name,
)
from verifier.where import where_of_function

if TYPE_CHECKING:
    from miniport.ndis import Ndis

_ADDRESSING = (OID_GEN_CURRENT_PACKET_FILTER, OID_802_3_MULTICAST_LIST)
"""What NDIS sets again after a reset that lost it."""
_ASKED_AT_ANY_TIME = (
    (OID_GEN_LINK_SPEED, 4), (OID_GEN_MEDIA_CONNECT_STATUS, 4), (OID_GEN_XMIT_OK, 4), (OID_GEN_RCV_OK, 8), (OID_GEN_RCV_NO_BUFFER, 4),
    (OID_802_3_CURRENT_ADDRESS, 5), (OID_GEN_SUPPORTED_LIST, 6),
)
"""OIDs with lengths of buffers; some are too short."""
STORM = 16
FILTER_BACK_NS = 1_000_000
_GROUPS = (b"\x01\x00\x5e\x00\x00\x01", b"\x01\x80\xc2\x00\x00\x00", b"\x33\x33\x00\x00\x00\x01")


@dataclass(eq=False, slots=True)
class Request:
    """One query (*data* None) or set of an OID."""

    oid: int
    length: int
    data: bytes | None = None
    lasting: bool = True
    """False for a set that nobody sets again."""
    status: int | None = None
    """None until it is done."""
    answer: bytes = b""

    def __repr__(self) -> str:
        return f"the {'query' if self.data is None else 'set'} of {oid_name(self.oid)}"


class Requests:
    """The requests of one protocol."""

    def __init__(self, ndis: Ndis, rng: Random) -> None:
        self._ndis = ndis
        self._rng = rng
        self._waiting: deque[Request] = deque()
        self._entered = False
        self._answers = Answers(ndis)
        self.current: Request | None = None
        """What the miniport works on."""
        self.held = False
        """True while a reset goes on: NDIS passes no request down."""
        self.asleep = False
        """True from OID_PNP_SET_POWER to D3 until the card is back: NDIS passes nothing else down."""
        self.set_to: dict[int, bytes] = {}
        """What was set last, by OID."""
        self._failed_sets: dict[int, bytes] = {}
        """Sets that the miniport refused and that no later set replaced."""

    def query(self, oid: int, length: int) -> bytes | None:
        """Query an OID into a buffer of *length* bytes and wait; None where the miniport refuses or does not complete it."""
        request = Request(oid, length)
        self.submit(request)
        self._wait(request)
        return request.answer if request.status == NDIS_STATUS_SUCCESS else None

    def set(self, oid: int, data: bytes) -> int | None:
        """Set an OID and wait; the status, None where the miniport does not complete it."""
        return self.carry_out(Request(oid, len(data), data))

    def carry_out(self, request: Request) -> int | None:
        """Pass a request down and wait; the status, None where the miniport does not complete it."""
        self.submit(request)
        self._wait(request)
        return request.status

    def submit(self, request: Request) -> None:
        """Pass a request down as soon as the ones before it are done."""
        if request.data is not None and request.lasting:
            self.set_to[request.oid] = request.data
        if request.oid == OID_PNP_SET_POWER:
            self._waiting.appendleft(request)
        else:
            self._waiting.append(request)
        self.pass_down()

    def restore(self) -> None:
        """Set filter and multicast list again, as NDIS does after a reset that lost them."""
        for oid in _ADDRESSING:
            if oid in self.set_to:
                self.submit(Request(oid, len(self.set_to[oid]), self.set_to[oid]))

    def repeat_failed_sets(self) -> None:
        """Set once more what the miniport refused."""
        for oid, data in list(self._failed_sets.items()):
            self.submit(Request(oid, len(data), data))

    def bother(self) -> None:
        """Now and then a request at a bad moment: a query, or a change of the filter that loses nothing."""
        rng = self._rng
        if rng.below(4) or self._waiting or OID_GEN_CURRENT_PACKET_FILTER not in self.set_to:
            return
        kind = rng.below(4)
        if kind == 0:
            bit = (NDIS_PACKET_TYPE_MULTICAST, NDIS_PACKET_TYPE_ALL_MULTICAST)[rng.below(2)]
            wanted = int.from_bytes(self.set_to[OID_GEN_CURRENT_PACKET_FILTER], "little") ^ bit
            self.submit(Request(OID_GEN_CURRENT_PACKET_FILTER, 4, wanted.to_bytes(4, "little")))
        elif kind == 1:
            groups = b"".join(_GROUPS[:rng.below(len(_GROUPS) + 1)])
            self.submit(Request(OID_802_3_MULTICAST_LIST, len(groups), groups))
        else:
            oid, length = _ASKED_AT_ANY_TIME[rng.below(len(_ASKED_AT_ANY_TIME))]
            self.submit(Request(oid, length))

    def _as_asked(self, effect: str | None) -> None:
        """What a fault does at a request."""
        if effect == "filter-0":
            if OID_GEN_CURRENT_PACKET_FILTER not in self.set_to:
                assert self._ndis.injector is not None
                self._ndis.injector.without_effect("request", "no filter has been set yet")
                return
            self._waiting.append(Request(OID_GEN_CURRENT_PACKET_FILTER, 4, bytes(4)))
            self._ndis.clock.at(FILTER_BACK_NS, self.restore)
        elif effect == "frame":
            self._ndis.nic.receive_frame(EXTRA_FRAME)
        elif effect is not None:
            for number in range(STORM):
                self._waiting.append(Request(*_ASKED_AT_ANY_TIME[number % len(_ASKED_AT_ANY_TIME)]))

    def pass_down(self) -> None:
        """Enter the miniport with what waits, while it takes requests."""
        while self._waiting and self.current is None and not self.held and not self._entered and self._ndis.up:
            if self.asleep and self._waiting[0].oid != OID_PNP_SET_POWER:
                return
            self._enter(self._waiting.popleft())

    def completed(self, routine: str, query: bool, status: int, answer: bytes) -> None:
        """The miniport completes the request that it left pending."""
        report = self._ndis.findings.report
        request = self.current
        if request is None:
            report(rules.OID_ONCE, f"{routine} while no request is pending", subject=("request",))
            return
        if query != (request.data is None):
            report(rules.OID_CURRENT, f"{routine} while {request!r} is pending", subject=(request,))
        if status == NDIS_STATUS_PENDING:
            report(rules.OID_STATUS, f"{routine} of {request!r} with NDIS_STATUS_PENDING", subject=(request,))
        self._done(request, status, answer)
        self._answers.judge(request, status, request.answer if request.data is None else None, 0, None)
        self._ndis.scheduler.quiet = 0
        if not self._entered:
            self._ndis.scheduler.queue_dpc(self.pass_down)

    def _enter(self, request: Request) -> None:
        ndis = self._ndis
        miniport, query = ndis.miniport, request.data is None
        handler = Handler.QUERY_INFORMATION if query else Handler.SET_INFORMATION
        function = miniport.query_information if query else miniport.set_information
        self.current = request
        self._entered = True
        if ndis.injector is not None:
            self._as_asked(ndis.injector.take("request"))
        try:
            answer = exclusive(ndis, handler, function, request.oid, request.length if query else request.data)
        finally:
            self._entered = False
        if not ndis.answer(handler, function, answer, int, bytes if query else int, int):
            self.current = None
            return
        status = answer[0]
        if status == NDIS_STATUS_PENDING:
            return
        if self.current is not request:
            ndis.findings.report(
                rules.OID_ONCE, f"{request!r} was completed and then answered with {status_name(status)}",
                where=where_of_function(function), subject=(request,))
            return
        self._done(request, status, answer[1] if query else b"")
        self._answers.judge(request, status, request.answer if query else None, 0 if query else answer[1], answer[2])

    def _done(self, request: Request, status: int, answer: bytes) -> None:
        ndis = self._ndis
        self.current = None
        request.status = status
        request.answer = bytes(answer)
        if request.data is not None and request.lasting:
            self._failed_sets.pop(request.oid, None)
            if status != NDIS_STATUS_SUCCESS:
                self._failed_sets[request.oid] = request.data
        if request.data is None and status == NDIS_STATUS_SUCCESS and len(answer) > request.length:
            ndis.findings.report(
                rules.OID_BUFFER, f"{oid_name(request.oid)}: {len(answer)} bytes written into a buffer of {request.length}",
                where=where_of_function(ndis.miniport.query_information), subject=(request.oid,))

    def _wait(self, request: Request) -> None:
        """Let the machine run until the request is done, or NDIS has given up waiting for it."""
        ndis = self._ndis
        if request.status is not None or self.current is not request:
            return
        ndis.machine.settle()
        if request.status is None and ndis.protocol.hang.expect():
            ndis.machine.settle()
