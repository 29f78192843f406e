# SPDX-License-Identifier: Apache-2.0
"""Rules of queries and sets: status, bytes written, read and needed, the list of OIDs; and of the completion of a reset."""

from __future__ import annotations

from typing import Any

import pytest

from miniport import status as s
from miniport.protocol.requests import Request
from miniport.reference import ReferenceMiniport

SPEED = (1_000_000).to_bytes(4, "little")


def said(world: Any) -> list[str]:
    """All rules that a world names, errors and notices."""
    findings = world.machine.findings
    return [f.rule.id for first in findings.errors for f in (first, *first.consequences)] + [f.rule.id for f in findings.notices]


def asked(oid: int, answer: Any, **others: Any) -> Any:
    """query_information that gives *answer* to *oid*, and says of the others that it does not know them."""

    def query(adapter: Any, wanted: int, length: int) -> Any:
        if wanted == oid:
            return answer(length) if callable(answer) else answer
        return others.get("other", (s.NDIS_STATUS_NOT_SUPPORTED, b"", 0))

    return query


def world_of(live: Any, bare: Any, request: Request, **handlers: Any) -> Any:
    """A life in which the protocol makes *request* when a frame is sent."""

    def send(adapter: Any, packet: Any, flags: int) -> int:
        adapter._ndis.protocol.requests.submit(request)
        return s.NDIS_STATUS_FAILURE

    return live(bare(send=send, **handlers), frames=1)


# Status


@pytest.mark.breaks("request-status-set")
@pytest.mark.parametrize("status", [s.NDIS_STATUS_ADAPTER_NOT_FOUND, s.NDIS_STATUS_HARD_ERRORS, 0x12345678])
def test_a_request_does_not_end_with_any_status(live: Any, bare: Any, status: int) -> None:
    assert "request-status-set" in said(live(bare(query_information=asked(s.OID_GEN_LINK_SPEED, (status, b"", 0)))))


@pytest.mark.keeps("request-status-set")
@pytest.mark.parametrize("status", [s.NDIS_STATUS_SUCCESS, s.NDIS_STATUS_INVALID_OID, s.NDIS_STATUS_NOT_ACCEPTED, s.NDIS_STATUS_FAILURE])
def test_a_request_ends_with_a_documented_status(live: Any, bare: Any, status: int) -> None:
    assert "request-status-set" not in said(live(bare(query_information=asked(s.OID_GEN_LINK_SPEED, (status, SPEED, 0)))))


@pytest.mark.keeps("request-status-set")
def test_a_card_with_room_for_fewer_addresses_says_so(live: Any, bare: Any) -> None:
    def full(adapter: Any, oid: int, data: bytes) -> tuple[int, int, int]:
        return (s.NDIS_STATUS_MULTICAST_FULL if oid == s.OID_802_3_MULTICAST_LIST else s.NDIS_STATUS_SUCCESS), len(data), 0

    assert "request-status-set" not in said(live(bare(set_information=full)))


@pytest.mark.breaks("request-status-set")
def test_a_pending_request_does_not_either(live: Any, bare: Any) -> None:
    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        if oid == s.OID_GEN_LINK_SPEED:
            adapter._ndis.clock.at(1000, lambda: adapter.query_information_complete(s.NDIS_STATUS_HARD_ERRORS))
            return s.NDIS_STATUS_PENDING, b"", 0
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0

    assert "request-status-set" in said(live(bare(query_information=query)))


# Queries


@pytest.mark.breaks("query-short-buffer")
@pytest.mark.parametrize("oid, length", [(s.OID_GEN_LINK_SPEED, 3), (s.OID_GEN_LINK_SPEED, 0), (s.OID_802_3_CURRENT_ADDRESS, 5)])
def test_a_buffer_that_is_one_byte_too_short_is_no_success(live: Any, bare: Any, oid: int, length: int) -> None:
    world = world_of(live, bare, Request(oid, length), query_information=asked(oid, lambda n: (s.NDIS_STATUS_SUCCESS, bytes(n), 0)))
    assert "query-short-buffer" in said(world)


@pytest.mark.keeps("query-short-buffer", "query-bytes-written", "query-bytes-needed")
@pytest.mark.parametrize("oid, length", [(s.OID_GEN_LINK_SPEED, 3), (s.OID_GEN_LINK_SPEED, 4), (s.OID_802_3_CURRENT_ADDRESS, 5),
                                         (s.OID_802_3_CURRENT_ADDRESS, 6), (s.OID_GEN_SUPPORTED_LIST, 6)])
def test_the_reference_miniport_refuses_short_buffers_and_tells_what_it_needs(live: Any, oid: int, length: int) -> None:
    class Asked(ReferenceMiniport):
        def send(self, adapter: Any, packet: Any, flags: int) -> int:
            if packet.number == 1:
                adapter._ndis.protocol.requests.submit(Request(oid, length))
            return super().send(adapter, packet, flags)

    assert said(live(Asked, frames=2)) == []


@pytest.mark.breaks("query-bytes-written")
@pytest.mark.parametrize("written", [0, 3])
def test_success_means_all_the_bytes_of_the_oid(live: Any, bare: Any, written: int) -> None:
    world = live(bare(query_information=asked(s.OID_GEN_LINK_SPEED, (s.NDIS_STATUS_SUCCESS, bytes(written), 0))))
    assert "query-bytes-written" in said(world)


@pytest.mark.breaks("query-bytes-needed")
@pytest.mark.keeps("query-bytes-needed")
@pytest.mark.parametrize("status", [s.NDIS_STATUS_INVALID_LENGTH, s.NDIS_STATUS_BUFFER_TOO_SHORT])
@pytest.mark.parametrize("needed", [0, 4, 5])
def test_bytes_needed_are_more_than_the_buffer_has(live: Any, bare: Any, status: int, needed: int) -> None:
    world = live(bare(query_information=asked(s.OID_GEN_LINK_SPEED, (status, b"", needed))))
    assert ("query-bytes-needed" in said(world)) == (needed <= 4)


# Sets


@pytest.mark.breaks("set-short-refused")
@pytest.mark.keeps("set-short-refused")
@pytest.mark.parametrize("length", [0, 3, 4, 5])
def test_a_set_that_is_too_short_is_no_success(live: Any, bare: Any, length: int) -> None:
    world = world_of(live, bare, Request(s.OID_GEN_CURRENT_LOOKAHEAD, length, bytes(length)),
                     set_information=lambda adapter, oid, data: (s.NDIS_STATUS_SUCCESS, len(data), 0))
    assert ("set-short-refused" in said(world)) == (length < 4)


@pytest.mark.breaks("set-bytes-read")
@pytest.mark.keeps("set-bytes-read")
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_no_more_is_read_than_a_set_has(live: Any, bare: Any, more: int) -> None:
    world = live(bare(set_information=lambda adapter, oid, data: (s.NDIS_STATUS_SUCCESS, len(data) + more, 0)))
    assert ("set-bytes-read" in said(world)) == (more > 0)


@pytest.mark.keeps("set-short-refused", "set-bytes-read")
@pytest.mark.parametrize("oid", [s.OID_GEN_CURRENT_LOOKAHEAD, s.OID_GEN_CURRENT_PACKET_FILTER])
@pytest.mark.parametrize("length", [0, 3])
def test_the_reference_miniport_refuses_short_sets(live: Any, oid: int, length: int) -> None:
    class Asked(ReferenceMiniport):
        def send(self, adapter: Any, packet: Any, flags: int) -> int:
            if packet.number == 1:
                adapter._ndis.protocol.requests.submit(Request(oid, length, bytes(length), lasting=False))
            return super().send(adapter, packet, flags)

    assert said(live(Asked, frames=2)) == []


# Which OIDs


@pytest.mark.breaks("oid-mandatory")
@pytest.mark.parametrize("status", [s.NDIS_STATUS_NOT_SUPPORTED, s.NDIS_STATUS_INVALID_OID])
def test_a_mandatory_oid_is_answered(live: Any, bare: Any, status: int) -> None:
    assert "oid-mandatory" in said(live(bare(query_information=lambda adapter, oid, length: (status, b"", 0))))


@pytest.mark.breaks("oid-supported-list")
def test_the_supported_list_names_what_is_answered(live: Any, bare: Any) -> None:
    listed = asked(s.OID_GEN_SUPPORTED_LIST, (s.NDIS_STATUS_SUCCESS, s.OID_GEN_SUPPORTED_LIST.to_bytes(4, "little"), 0))
    world = live(bare(query_information=listed, set_information=lambda adapter, oid, data: (s.NDIS_STATUS_SUCCESS, len(data), 0)))
    assert "oid-supported-list" in said(world)


@pytest.mark.breaks("oid-supported-list")
def test_what_the_supported_list_names_is_answered(live: Any, bare: Any) -> None:
    names = s.OID_GEN_CURRENT_PACKET_FILTER.to_bytes(4, "little")
    world = live(bare(query_information=asked(s.OID_GEN_SUPPORTED_LIST, (s.NDIS_STATUS_SUCCESS, names, 0))))
    assert "oid-supported-list" in said(world)


@pytest.mark.breaks("oid-supported-list")
@pytest.mark.keeps("oid-supported-list")
@pytest.mark.parametrize("length", [3, 4, 5, 8])
def test_the_supported_list_has_4_bytes_for_each_oid(live: Any, bare: Any, length: int) -> None:
    world = live(bare(query_information=asked(s.OID_GEN_SUPPORTED_LIST, (s.NDIS_STATUS_SUCCESS, bytes(length), 0))))
    assert ("oid-supported-list" in said(world)) == (length % 4 != 0)


@pytest.mark.keeps("oid-mandatory", "oid-supported-list")
def test_the_reference_miniport_answers_what_it_lists(live: Any) -> None:
    assert said(live(ReferenceMiniport, frames=8)) == []


def test_one_request_is_outstanding_at_a_time(live: Any, bare: Any) -> None:
    pending: list[int] = []
    most: list[int] = []

    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        pending.append(oid)
        most.append(len(pending))
        adapter._ndis.clock.at(1000, lambda: (pending.pop(), adapter.query_information_complete(s.NDIS_STATUS_NOT_SUPPORTED)))
        return s.NDIS_STATUS_PENDING, b"", 0

    def send(adapter: Any, packet: Any, flags: int) -> int:
        for _ in range(3):
            adapter._ndis.protocol.requests.submit(Request(s.OID_GEN_VENDOR_ID, 4))
        return s.NDIS_STATUS_FAILURE

    world = live(bare(query_information=query, send=send), frames=1)
    assert max(most) == 1 and len(most) >= 10 and "oid-complete-once" not in said(world)


# The completion of a reset


@pytest.mark.breaks("reset-complete-irql")
@pytest.mark.keeps("reset-complete-irql")
@pytest.mark.parametrize("passive", [True, False])
def test_a_reset_is_completed_at_dispatch_level(live: Any, bare: Any, passive: bool) -> None:
    done: list[int] = []

    def complete(adapter: Any, context: Any) -> None:
        adapter.reset_complete(s.NDIS_STATUS_SUCCESS, False)

    def reset(adapter: Any) -> tuple[int, bool]:
        done.append(1)
        if passive:
            adapter.schedule_work_item(complete)
        else:
            adapter.set_timer(adapter.initialize_timer(complete), 1)
        return s.NDIS_STATUS_PENDING, False

    world = live(bare(reset=reset, check_for_hang=lambda adapter: not done))
    assert done and ("reset-complete-irql" in said(world)) == passive
