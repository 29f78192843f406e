# SPDX-License-Identifier: Apache-2.0
"""Requests that stay pending: one at a time, completed once, by the right routine, before halt."""

from __future__ import annotations

from typing import Any

import pytest

from miniport import status as s

SPEED = (1_000_000).to_bytes(4, "little")


def later(adapter: Any, action: Any) -> None:
    adapter._ndis.clock.at(1000, action)


def pending_queries(times: int = 1, data: bytes = SPEED, status: int = s.NDIS_STATUS_SUCCESS, wrong: bool = False) -> Any:
    """query_information that leaves the link speed pending and completes it *times* times."""

    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        if oid != s.OID_GEN_LINK_SPEED:
            return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0
        for _ in range(times):
            if wrong:
                later(adapter, lambda: adapter.set_information_complete(status))
            else:
                later(adapter, lambda: adapter.query_information_complete(status, data))
        return s.NDIS_STATUS_PENDING, b"", 0

    return query


@pytest.mark.breaks("oid-complete-once")
@pytest.mark.keeps("oid-complete-once")
@pytest.mark.parametrize("times, rules", [(0, ["oid-complete-once"]), (1, []), (2, ["oid-complete-once"])])
def test_a_pending_query_is_completed_once(live: Any, bare: Any, broken: Any, times: int, rules: list[str]) -> None:
    assert broken(live(bare(query_information=pending_queries(times)))) == rules


@pytest.mark.breaks("oid-complete-once")
@pytest.mark.keeps("oid-complete-once")
@pytest.mark.parametrize("times, rules", [(0, ["oid-complete-once"]), (1, []), (2, ["oid-complete-once"])])
def test_a_pending_set_is_completed_once(live: Any, bare: Any, broken: Any, times: int, rules: list[str]) -> None:
    def set_information(adapter: Any, oid: int, data: bytes) -> tuple[int, int, int]:
        if oid != s.OID_GEN_CURRENT_PACKET_FILTER:
            return s.NDIS_STATUS_SUCCESS, len(data), 0
        for _ in range(times):
            later(adapter, lambda: adapter.set_information_complete(s.NDIS_STATUS_SUCCESS))
        return s.NDIS_STATUS_PENDING, 0, 0

    assert broken(live(bare(set_information=set_information))) == rules


@pytest.mark.keeps("oid-complete-current", "oid-status-set")
def test_an_answer_that_comes_later_reaches_who_asked(live: Any, bare: Any) -> None:
    world = live(bare(query_information=pending_queries()))
    assert world.ndis.protocol.requests.query(s.OID_GEN_VENDOR_ID, 4) is None
    got: list[Any] = []

    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        if oid == s.OID_802_3_CURRENT_ADDRESS:
            later(adapter, lambda: adapter.query_information_complete(s.NDIS_STATUS_SUCCESS, b"\x02abcde"))
            return s.NDIS_STATUS_PENDING, b"", 0
        got.append(oid)
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0

    assert live(bare(query_information=query)).ndis.protocol.mac == b"\x02abcde" and len(got) == 6


def test_while_one_request_is_pending_no_other_is_passed_down(live: Any, bare: Any, broken: Any) -> None:
    pending: list[int] = []
    most: list[int] = []

    def request(adapter: Any, oid: int, *rest: Any) -> int:
        pending.append(oid)
        most.append(len(pending))
        return s.NDIS_STATUS_PENDING

    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        later(adapter, lambda: (pending.clear(), adapter.query_information_complete(s.NDIS_STATUS_NOT_SUPPORTED)))
        return request(adapter, oid), b"", 0

    def set_information(adapter: Any, oid: int, data: bytes) -> tuple[int, int, int]:
        later(adapter, lambda: (pending.clear(), adapter.set_information_complete(s.NDIS_STATUS_SUCCESS)))
        return request(adapter, oid), 0, 0

    world = live(bare(query_information=query, set_information=set_information, send=lambda a, p, f: s.NDIS_STATUS_FAILURE), frames=200)
    assert set(most) == {1} and len(most) > 10 and [r for r in broken(world) if r.startswith("oid")] == []


@pytest.mark.keeps("lock-not-across-upcall")
def test_a_completion_inside_the_handler_counts(live: Any, bare: Any, broken: Any) -> None:
    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        adapter.query_information_complete(s.NDIS_STATUS_NOT_SUPPORTED)
        return s.NDIS_STATUS_PENDING, b"", 0

    assert broken(live(bare(query_information=query))) == []


@pytest.mark.breaks("oid-complete-once")
def test_a_request_is_not_completed_and_answered_as_well(live: Any, bare: Any, broken: Any) -> None:
    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        adapter.query_information_complete(s.NDIS_STATUS_NOT_SUPPORTED)
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0

    assert "oid-complete-once" in broken(live(bare(query_information=query)))


@pytest.mark.breaks("oid-complete-current")
def test_a_query_is_completed_by_the_routine_for_queries(live: Any, bare: Any, broken: Any) -> None:
    assert broken(live(bare(query_information=pending_queries(wrong=True)))) == ["oid-complete-current"]


@pytest.mark.breaks("oid-status-set")
def test_a_request_is_not_completed_with_pending(live: Any, bare: Any, broken: Any) -> None:
    assert broken(live(bare(query_information=pending_queries(status=s.NDIS_STATUS_PENDING)))) == ["oid-status-set"]


@pytest.mark.breaks("oid-buffer-bound")
@pytest.mark.keeps("oid-buffer-bound")
@pytest.mark.parametrize("length, rules", [(3, []), (4, []), (5, ["oid-buffer-bound"])])
def test_a_late_answer_fits_its_buffer_too(live: Any, bare: Any, broken: Any, length: int, rules: list[str]) -> None:
    assert broken(live(bare(query_information=pending_queries(data=bytes(length))))) == rules


@pytest.mark.breaks("lock-not-across-upcall")
def test_no_spin_lock_is_held_while_a_request_is_completed(live: Any, bare: Any, broken: Any) -> None:
    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        adapter.query_information_complete(s.NDIS_STATUS_NOT_SUPPORTED)
        adapter.release_spin_lock(lock)
        adapter.free_spin_lock(lock)
        return s.NDIS_STATUS_PENDING, b"", 0

    assert "lock-not-across-upcall" in broken(live(bare(query_information=query)))


def test_halt_may_complete_what_is_still_pending(live: Any, bare: Any, broken: Any) -> None:
    world = live(bare(query_information=pending_queries(0),
                      halt=lambda a: a.query_information_complete(s.NDIS_STATUS_REQUEST_ABORTED)))
    assert broken(world) == []


def test_the_mac_options_have_the_bits_of_ntddndis_h() -> None:
    assert (s.NDIS_MAC_OPTION_COPY_LOOKAHEAD_DATA, s.NDIS_MAC_OPTION_RECEIVE_SERIALIZED, s.NDIS_MAC_OPTION_TRANSFERS_NOT_PEND,
            s.NDIS_MAC_OPTION_NO_LOOPBACK, s.NDIS_MAC_OPTION_FULL_DUPLEX) == (0x01, 0x02, 0x04, 0x08, 0x10)
