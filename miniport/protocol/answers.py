# SPDX-License-Identifier: Apache-2.0
"""What a miniport says to requests: the status, the bytes, and how many more it needs."""

from __future__ import annotations

from struct import unpack
from typing import TYPE_CHECKING

from miniport import status as s
from miniport.status import oid_name, status_name
from verifier.rule import Rule, Severity, rule
from verifier.where import where_of_function

if TYPE_CHECKING:
    from miniport.ndis import Ndis
    from miniport.protocol.requests import Request

STATUS_SET = rule(
    "request-status-set", "answer with NDIS_STATUS_SUCCESS, _PENDING, _INVALID_OID, _NOT_SUPPORTED, _INVALID_LENGTH, _INVALID_DATA, "
    "_BUFFER_TOO_SHORT, _NOT_ACCEPTED, _RESOURCES or _FAILURE", severity=Severity.WARNING)
SHORT_QUERY = rule("query-short-buffer", "refuse a buffer that is too short, with NDIS_STATUS_INVALID_LENGTH or _BUFFER_TOO_SHORT")
BYTES_WRITTEN = rule(
    "query-bytes-written", "set BytesWritten to the number of bytes that the OID has", severity=Severity.WARNING)
BYTES_NEEDED = rule(
    "query-bytes-needed", "set BytesNeeded to the bytes that the OID takes, when the buffer is too short", severity=Severity.WARNING)
SHORT_SET = rule("set-short-refused", "refuse a set with fewer bytes than the OID has, with NDIS_STATUS_INVALID_LENGTH")
BYTES_READ = rule("set-bytes-read", "set BytesRead to what was read, never to more than the request has")
MANDATORY = rule("oid-mandatory", "answer the OIDs that NDIS 5 makes mandatory for Ethernet", severity=Severity.WARNING)
SUPPORTED_LIST = rule(
    "oid-supported-list", "let OID_GEN_SUPPORTED_LIST name the OIDs that the miniport knows, 4 bytes each", severity=Severity.WARNING)

_STATUSES = frozenset((
    s.NDIS_STATUS_SUCCESS, s.NDIS_STATUS_PENDING, s.NDIS_STATUS_INVALID_OID, s.NDIS_STATUS_NOT_SUPPORTED, s.NDIS_STATUS_INVALID_LENGTH,
    s.NDIS_STATUS_INVALID_DATA, s.NDIS_STATUS_BUFFER_TOO_SHORT, s.NDIS_STATUS_NOT_ACCEPTED, s.NDIS_STATUS_RESOURCES,
    s.NDIS_STATUS_FAILURE, s.NDIS_STATUS_RESET_IN_PROGRESS, s.NDIS_STATUS_REQUEST_ABORTED, s.NDIS_STATUS_MULTICAST_FULL))
_UNKNOWN = (s.NDIS_STATUS_NOT_SUPPORTED, s.NDIS_STATUS_INVALID_OID)
_TOO_SHORT = (s.NDIS_STATUS_INVALID_LENGTH, s.NDIS_STATUS_BUFFER_TOO_SHORT)
_SIZE = {
    s.OID_802_3_CURRENT_ADDRESS: 6, s.OID_802_3_PERMANENT_ADDRESS: 6, s.OID_GEN_MAXIMUM_FRAME_SIZE: 4, s.OID_GEN_MAXIMUM_TOTAL_SIZE: 4,
    s.OID_GEN_LINK_SPEED: 4, s.OID_GEN_MAC_OPTIONS: 4, s.OID_GEN_MEDIA_CONNECT_STATUS: 4, s.OID_GEN_MAXIMUM_LOOKAHEAD: 4,
    s.OID_GEN_CURRENT_LOOKAHEAD: 4, s.OID_GEN_CURRENT_PACKET_FILTER: 4, s.OID_GEN_MAXIMUM_SEND_PACKETS: 4,
    s.OID_GEN_HARDWARE_STATUS: 4, s.OID_GEN_VENDOR_ID: 4,
}
"""Bytes of OIDs that have a size of their own; the 32-bit counters may be 64 bits wide and are not among them."""
_MANDATORY = frozenset((
    s.OID_802_3_CURRENT_ADDRESS, s.OID_GEN_MAXIMUM_FRAME_SIZE, s.OID_GEN_MAXIMUM_TOTAL_SIZE, s.OID_GEN_LINK_SPEED, s.OID_GEN_MAC_OPTIONS,
    s.OID_GEN_SUPPORTED_LIST, s.OID_GEN_CURRENT_PACKET_FILTER))


class Answers:
    """Judges the answers of one miniport."""

    __slots__ = ("_listed", "_ndis")

    def __init__(self, ndis: Ndis) -> None:
        self._ndis = ndis
        self._listed: frozenset[int] | None = None
        """What OID_GEN_SUPPORTED_LIST named, once it was answered."""

    def judge(self, request: Request, status: int, data: bytes | None, count: int, needed: int | None) -> None:
        """A request was answered or completed with *status*. *data*: what a query wrote, None of a set; *count*: bytes written or
        read; *needed*: BytesNeeded, None where the call does not tell it."""
        if not self._ndis.nic.present:
            return
        query, size = data is not None, _SIZE.get(request.oid, 0)
        if status not in _STATUSES:
            self._report(STATUS_SET, request, f"{request!r} ends with {status_name(status)}")
        if status in _TOO_SHORT and query and needed is not None and needed <= request.length:
            self._report(BYTES_NEEDED, request, f"{request!r} is refused with {status_name(status)} for a buffer of {request.length} "
                         f"bytes, and BytesNeeded is {needed}")
        if status in _UNKNOWN and request.oid in _MANDATORY and self._ndis.miniport.overrides("query_information"):
            self._report(MANDATORY, request, f"{request!r} is refused with {status_name(status)}")
        if self._listed is not None and (status == s.NDIS_STATUS_SUCCESS) != (request.oid in self._listed):
            if status == s.NDIS_STATUS_SUCCESS:
                self._report(SUPPORTED_LIST, request, f"{request!r} succeeds, and OID_GEN_SUPPORTED_LIST does not name it")
            elif status in _UNKNOWN:
                self._report(SUPPORTED_LIST, request, f"{request!r} is refused with {status_name(status)}, and OID_GEN_SUPPORTED_LIST "
                             "names it")
        if status != s.NDIS_STATUS_SUCCESS:
            return
        if data is None:
            if request.length < size:
                self._report(SHORT_SET, request, f"{request!r} with {request.length} bytes succeeds; it has {size}")
            if count > request.length:
                self._report(BYTES_READ, request, f"{request!r} has {request.length} bytes, and BytesRead is {count}")
        elif request.length < size:
            self._report(SHORT_QUERY, request, f"{request!r} into a buffer of {request.length} bytes succeeds; it has {size}")
        elif len(data) < size:
            self._report(BYTES_WRITTEN, request, f"{request!r} succeeds with {len(data)} bytes; it has {size}")
        elif request.oid == s.OID_GEN_SUPPORTED_LIST:
            if len(data) % 4:
                self._report(SUPPORTED_LIST, request, f"the supported list has {len(data)} bytes, which is no multiple of 4")
            whole = data + bytes(-len(data) % 4)
            self._listed = frozenset(unpack(f"<{len(whole) // 4}I", whole))

    def _report(self, rule: Rule, request: Request, message: str) -> None:
        miniport = self._ndis.miniport
        function = miniport.query_information if request.data is None else miniport.set_information
        self._ndis.findings.report(rule, message, where=where_of_function(function), subject=("request", oid_name(request.oid)))
