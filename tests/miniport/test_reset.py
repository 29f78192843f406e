# SPDX-License-Identifier: Apache-2.0
"""Check for hang, time-outs of packets and requests, and the reset that follows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from hw.clock import SECOND
from miniport import status as s
from miniport.pcnet import PcnetIsaMiniport
from miniport.protocol.hang import MOST_RESETS, interval_of
from miniport.protocol.requests import Request

SERIALIZED = s.NDIS_ATTRIBUTE_BUS_MASTER
DESERIALIZED = s.NDIS_ATTRIBUTE_BUS_MASTER | s.NDIS_ATTRIBUTE_DESERIALIZE


def now(adapter: Any) -> int:
    return int(adapter._ndis.clock.now)


def once(value: Any, otherwise: Any) -> Any:
    """A handler that says *value* the first time it is called and *otherwise* after."""
    said: list[int] = []

    def handler(adapter: Any) -> Any:
        said.append(1)
        return value if len(said) == 1 else otherwise

    return handler


@pytest.mark.parametrize("seconds, interval", [(0, 2), (1, 2), (2, 2), (3, 2), (4, 4), (5, 4), (61, 60)])
def test_the_interval_is_a_multiple_of_two_seconds(seconds: int, interval: int) -> None:
    assert interval_of(seconds) == interval * SECOND


def test_check_for_hang_is_called_at_its_interval_at_dispatch_level(live: Any, hooked: Any, bare: Any) -> None:
    seen: list[tuple[int, int]] = []

    def check(adapter: Any) -> bool:
        seen.append((now(adapter), adapter._ndis.scheduler.current.irql))
        return False

    world = live(bare(check_for_hang=check))
    assert len(seen) >= 2 and {irql for _, irql in seen} == {2}
    assert {b - a for (a, _), (b, _) in pairwise(seen)} == {2 * SECOND}
    assert world.outcome == "ran" and world.ndis.calls["check_for_hang"] == len(seen)


@pytest.mark.keeps("handler-result")
def test_a_check_that_finds_nothing_changes_nothing(live: Any, hooked: Any) -> None:
    class Checked(hooked()):  # type: ignore[misc]
        def check_for_hang(self, adapter: Any) -> bool:
            return False

    world = live(Checked, frames=40)
    assert world.machine.findings.errors == [] and (world.sent, world.received, world.lost) == (40, 40, 0)


@pytest.mark.breaks("handler-result")
@pytest.mark.parametrize("answer", [None, 1, "no"])
def test_check_for_hang_says_true_or_false(live: Any, bare: Any, broken: Any, answer: object) -> None:
    assert "handler-result" in broken(live(bare(check_for_hang=lambda a: answer)))


@pytest.mark.breaks("miniport-characteristics")
def test_true_brings_a_reset_and_without_a_handler_a_finding(live: Any, bare: Any, broken: Any) -> None:
    world = live(bare(check_for_hang=once(True, False), reset=lambda a: (s.NDIS_STATUS_SUCCESS, False)))
    assert world.ndis.calls["reset"] == 1 and broken(world) == []
    assert broken(live(bare(check_for_hang=once(True, False)))) == ["miniport-characteristics"]


def test_a_card_that_always_hangs_is_reset_a_few_times_only(live: Any, bare: Any) -> None:
    world = live(bare(check_for_hang=lambda a: True, reset=lambda a: (s.NDIS_STATUS_SUCCESS, False)))
    assert world.ndis.calls["reset"] == MOST_RESETS and world.outcome == "ran"


@pytest.mark.parametrize("addressing", [False, True])
def test_a_reset_that_lost_the_addresses_has_them_set_again(live: Any, bare: Any, addressing: bool) -> None:
    sets: list[tuple[int, bytes]] = []
    marks: list[int] = []

    def reset(adapter: Any) -> tuple[int, bool]:
        marks.append(len(sets))
        return s.NDIS_STATUS_SUCCESS, addressing

    def set_information(adapter: Any, oid: int, data: bytes) -> tuple[int, int, int]:
        sets.append((oid, data))
        return s.NDIS_STATUS_SUCCESS, len(data), 0

    live(bare(check_for_hang=once(True, False), reset=reset, set_information=set_information))
    again = sets[marks[0]:]
    assert marks == [3]
    assert sorted(again) == sorted(entry for entry in sets[:3] if entry[0] != s.OID_GEN_CURRENT_LOOKAHEAD) * addressing


@pytest.mark.breaks("reset-complete-once")
@pytest.mark.keeps("reset-complete-once")
@pytest.mark.parametrize("times, rules", [(0, ["reset-complete-once"]), (1, []), (2, ["reset-complete-once"])])
def test_a_pending_reset_is_completed_once(live: Any, bare: Any, broken: Any, times: int, rules: list[str]) -> None:
    def reset(adapter: Any) -> tuple[int, bool]:
        for _ in range(times):
            adapter.reset_complete(s.NDIS_STATUS_SUCCESS, False)
        return s.NDIS_STATUS_PENDING, False

    assert broken(live(bare(check_for_hang=once(True, False), reset=reset))) == rules


@pytest.mark.keeps("reset-complete-no-lock")
def test_a_reset_completes_from_another_handler_later(live: Any, bare: Any, broken: Any) -> None:
    resets: list[int] = []

    def check(adapter: Any) -> bool:
        if len(resets) == 1:
            adapter.reset_complete(s.NDIS_STATUS_SUCCESS, False)
            resets.append(2)
        return not resets

    world = live(bare(check_for_hang=check, reset=lambda a: (resets.append(1), (s.NDIS_STATUS_PENDING, False))[1]))
    assert resets == [1, 2] and broken(world) == [] and not world.ndis.protocol.hang.resetting


@pytest.mark.breaks("reset-complete-once")
def test_a_reset_that_is_not_pending_is_not_completed(live: Any, bare: Any, broken: Any) -> None:
    def reset(adapter: Any) -> tuple[int, bool]:
        adapter.reset_complete(s.NDIS_STATUS_SUCCESS, False)
        return s.NDIS_STATUS_SUCCESS, False

    assert broken(live(bare(check_for_hang=once(True, False), reset=reset))) == ["reset-complete-once"]


@pytest.mark.breaks("reset-status")
@pytest.mark.keeps("reset-status")
@pytest.mark.parametrize("status, rules", [(s.NDIS_STATUS_HARD_ERRORS, []), (s.NDIS_STATUS_SOFT_ERRORS, []),
                                           (s.NDIS_STATUS_NOT_RESETTABLE, []), (s.NDIS_STATUS_FAILURE, ["reset-status"])])
def test_the_status_of_a_reset_is_a_documented_one(live: Any, bare: Any, broken: Any, status: int, rules: list[str]) -> None:
    assert broken(live(bare(check_for_hang=once(True, False), reset=lambda a: (status, False)))) == rules


@pytest.mark.breaks("reset-complete-no-lock")
def test_no_spin_lock_is_held_while_a_reset_is_completed(live: Any, bare: Any, broken: Any) -> None:
    def reset(adapter: Any) -> tuple[int, bool]:
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        adapter.reset_complete(s.NDIS_STATUS_SUCCESS, False)
        adapter.release_spin_lock(lock)
        adapter.free_spin_lock(lock)
        return s.NDIS_STATUS_PENDING, False

    assert broken(live(bare(check_for_hang=once(True, False), reset=reset))) == ["reset-complete-no-lock"]


# Time-outs


@pytest.mark.breaks("lost-cause")
def test_a_packet_that_stays_too_long_resets_a_serialized_miniport_which_forgets_it(live: Any, bare: Any, all_broken: Any) -> None:
    seen: list[Any] = []
    times: list[int] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        seen.append((now(adapter), packet.frame))
        return s.NDIS_STATUS_PENDING if len(seen) == 1 else s.NDIS_STATUS_FAILURE

    def reset(adapter: Any) -> tuple[int, bool]:
        times.append(now(adapter))
        return s.NDIS_STATUS_SUCCESS, False

    world = live(bare(send=send, reset=reset), frames=1)
    assert len(times) == 1 and 4 * SECOND <= times[0] - seen[0][0] < 5 * SECOND
    assert [frame for _, frame in seen] == [world.frames[0]] * 2, "NDIS sends it again"
    assert "lost-cause" in all_broken(world) and "send-complete-once" not in all_broken(world)


def test_packets_of_a_deserialized_miniport_do_not_time_out(live: Any, bare: Any) -> None:
    world = live(bare(send=lambda a, packet, flags: s.NDIS_STATUS_PENDING, attributes=DESERIALIZED,
                      reset=lambda a: (s.NDIS_STATUS_SUCCESS, False)), frames=1)
    assert "reset" not in world.ndis.calls


@pytest.mark.breaks("reset-complete-pending-work")
@pytest.mark.keeps("send-complete-once", "reset-complete-pending-work")
@pytest.mark.parametrize("completes", [False, True])
def test_a_deserialized_miniport_completes_its_packets_before_a_reset_is_over(live: Any, bare: Any, all_broken: Any,
                                                                              completes: bool) -> None:
    kept: list[Any] = []

    def reset(adapter: Any) -> tuple[int, bool]:
        while completes and kept:
            adapter.send_complete(kept.pop(), s.NDIS_STATUS_REQUEST_ABORTED)
        return s.NDIS_STATUS_SUCCESS, False

    def send(adapter: Any, packet: Any, flags: int) -> int:
        if "reset" in adapter._ndis.calls:
            return s.NDIS_STATUS_FAILURE
        kept.append(packet)
        return s.NDIS_STATUS_PENDING

    world = live(bare(send=send, attributes=DESERIALIZED, check_for_hang=lambda a: bool(a.outstanding_sends), reset=reset), frames=2)
    assert ("reset-complete-pending-work" in all_broken(world)) == (not completes) and world.ndis.calls["reset"] == 1


@pytest.mark.breaks("lost-cause")
def test_a_request_that_stays_too_long_resets_any_miniport(live: Any, bare: Any, broken: Any) -> None:
    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        return s.NDIS_STATUS_PENDING if oid == s.OID_GEN_LINK_SPEED else s.NDIS_STATUS_NOT_SUPPORTED, b"", 0

    def reset(adapter: Any) -> tuple[int, bool]:
        adapter.query_information_complete(s.NDIS_STATUS_REQUEST_ABORTED)
        return s.NDIS_STATUS_SUCCESS, False

    world = live(bare(query_information=query, attributes=DESERIALIZED, reset=reset))
    assert world.ndis.calls["reset"] == 1 and broken(world) == ["lost-cause"]
    assert world.ndis.calls["query_information"] == 7, "the other requests follow"


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_card_that_is_reset_in_the_middle_of_its_traffic_goes_on(live: Any, hooked: Any, all_broken: Any, seed: int) -> None:
    class Resetting(hooked()):  # type: ignore[misc]
        def check_for_hang(self, adapter: Any) -> bool:
            return "reset" not in adapter._ndis.calls

        def reset(self, adapter: Any) -> tuple[int, bool]:
            self._fail_all_sends(adapter, adapter.context)
            return s.NDIS_STATUS_SUCCESS, True

    world = live(Resetting, frames=100, seed=seed)
    protocol = world.ndis.protocol
    assert protocol.hang.resets == 1 and sorted(protocol.sent) == sorted(world.frames) and all_broken(world) == []


def test_another_packet_in_the_slot_that_was_seen_before_is_no_hang(live: Any, all_broken: Any) -> None:
    """Three cards of 10 Mbit/s send at every check, and after as many frames as the ring has slots the same slot is the oldest."""
    world = live(PcnetIsaMiniport, nic="pcnet-isa", adapters=3, frames=33, processors=1)
    assert all_broken(world) == [] and not any(seat.ndis.calls.get("reset") for seat in world.seats)


@pytest.mark.breaks("reset-complete-once")
def test_while_a_reset_is_pending_nothing_goes_down(live: Any, bare: Any, broken: Any) -> None:
    calls: list[str] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        calls.append("send")
        return s.NDIS_STATUS_PENDING

    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        calls.append("query")
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0

    def reset(adapter: Any) -> tuple[int, bool]:
        calls.append("reset")
        for packet in list(adapter.outstanding_sends.values()):
            adapter.send_complete(packet, s.NDIS_STATUS_REQUEST_ABORTED)
        adapter._ndis.protocol.requests.submit(Request(s.OID_GEN_LINK_SPEED, 4))
        return s.NDIS_STATUS_PENDING, False

    world = live(bare(send=send, query_information=query, reset=reset), frames=100)
    assert calls.count("reset") == 1 and calls[-1] == "reset" and calls.count("send") == 32
    assert "reset-complete-once" in broken(world)
