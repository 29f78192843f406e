# SPDX-License-Identifier: Apache-2.0
"""Rules of packets on their way down and up, of transfers, and of status indications."""

from __future__ import annotations

from typing import Any

import pytest

from miniport import status as s
from miniport.reference import ReferenceMiniport, SerializedReferenceMiniport
from tests.miniport.test_packets import Receiver
from tests.miniport.test_transfer_data import Shower


def said(world: Any) -> list[str]:
    """All rules that a world names, errors and notices."""
    findings = world.machine.findings
    return [f.rule.id for first in findings.errors for f in (first, *first.consequences)] + [f.rule.id for f in findings.notices]


# Sending


@pytest.mark.breaks("send-resources-announced")
@pytest.mark.keeps("send-resources-announced")
@pytest.mark.parametrize("announces", [True, False])
def test_a_refused_packet_is_asked_for_again(live: Any, bare: Any, announces: bool) -> None:
    seen: list[int] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        seen.append(packet.number)
        if len(seen) > 1:
            return s.NDIS_STATUS_FAILURE
        if announces:
            adapter._ndis.clock.at(1000, adapter.send_resources_available)
        return s.NDIS_STATUS_RESOURCES

    world = live(bare(send=send), frames=1)
    assert ("send-resources-announced" in said(world)) == (not announces)


@pytest.mark.keeps("send-resources-announced", "send-resources-serialized")
@pytest.mark.parametrize("seed", range(3))
def test_a_full_ring_of_the_serialized_miniport_is_announced(live: Any, seed: int) -> None:
    assert said(live(SerializedReferenceMiniport, frames=80, seed=seed)) == []


@pytest.mark.breaks("send-resources-serialized")
@pytest.mark.parametrize("flag", [0, s.NDIS_ATTRIBUTE_DESERIALIZE])
def test_a_deserialized_miniport_announces_no_resources(live: Any, bare: Any, flag: int) -> None:
    def send(adapter: Any, packet: Any, flags: int) -> int:
        adapter.send_resources_available()
        return s.NDIS_STATUS_FAILURE

    world = live(bare(send=send, attributes=s.NDIS_ATTRIBUTE_BUS_MASTER | flag), frames=1)
    assert ("send-resources-serialized" in said(world)) == bool(flag)


# Receiving


@pytest.mark.breaks("receive-packet-length")
@pytest.mark.keeps("receive-packet-length")
@pytest.mark.parametrize("length", [0, 13, 14, 60])
def test_an_indicated_packet_has_an_ethernet_header(live: Any, bare: Any, length: int) -> None:
    kept: list[Receiver] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        adapter.adjust_buffer_length(kept[0].packets[0].first, length)
        adapter.indicate_receive_packet(kept[0].packets)
        return s.NDIS_STATUS_FAILURE

    world = live(bare(lambda a: kept.append(Receiver(a)), send=send, return_packet=lambda a, packet: None,
                      halt=lambda a: kept[0].free()), frames=1)
    assert ("receive-packet-length" in said(world)) == (length < 14)


@pytest.mark.breaks("transfer-bytes-bound")
@pytest.mark.keeps("transfer-bytes-bound")
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_no_more_is_transferred_than_was_asked_for(live: Any, bare: Any, more: int) -> None:
    def answer(adapter: Any, packet: Any, offset: int, count: int) -> tuple[int, int]:
        shower.copy(adapter, packet, offset, count)
        return s.NDIS_STATUS_SUCCESS, count + more

    shower = Shower(bare, answer=answer)
    assert ("transfer-bytes-bound" in said(live(shower.miniport, frames=1))) == (more > 0)


@pytest.mark.breaks("transfer-status")
@pytest.mark.keeps("transfer-status")
@pytest.mark.parametrize("status", [s.NDIS_STATUS_SUCCESS, s.NDIS_STATUS_FAILURE, s.NDIS_STATUS_NOT_SUPPORTED])
def test_a_transfer_succeeds_or_fails(live: Any, bare: Any, status: int) -> None:
    def answer(adapter: Any, packet: Any, offset: int, count: int) -> tuple[int, int]:
        shower.copy(adapter, packet, offset, count)
        return status, count

    shower = Shower(bare, answer=answer)
    assert ("transfer-status" in said(live(shower.miniport, frames=1))) == (status == s.NDIS_STATUS_NOT_SUPPORTED)


@pytest.mark.breaks("receive-no-transfer-complete")
@pytest.mark.keeps("receive-no-transfer-complete")
@pytest.mark.parametrize("whole", [True, False])
def test_who_indicates_whole_packets_transfers_nothing(live: Any, bare: Any, whole: bool) -> None:

    def answer(adapter: Any, packet: Any, offset: int, count: int) -> tuple[int, int]:
        shower.copy(adapter, packet, offset, count)
        if whole:
            receiver = Receiver(adapter)
            receiver.packets[0].status = s.NDIS_STATUS_RESOURCES
            adapter.indicate_receive_packet(receiver.packets)
            receiver.free()
        adapter._ndis.clock.at(1000, lambda: adapter.transfer_data_complete(packet, s.NDIS_STATUS_SUCCESS, count))
        return s.NDIS_STATUS_PENDING, 0

    shower = Shower(bare, answer=answer)
    assert ("receive-no-transfer-complete" in said(live(shower.miniport, frames=1))) == whole


# Status


def tell(adapter: Any, complete: bool = True) -> None:
    adapter.indicate_status(s.NDIS_STATUS_MEDIA_CONNECT)
    if complete:
        adapter.indicate_status_complete()


@pytest.mark.breaks("status-while-up")
@pytest.mark.parametrize("handler", ["initialize", "halt"])
def test_no_status_is_indicated_in_initialize_and_halt(live: Any, bare: Any, handler: str) -> None:
    assert "status-while-up" in said(live(bare(**{handler: tell})))


@pytest.mark.breaks("status-complete-follows")
@pytest.mark.keeps("status-while-up", "status-complete-follows")
@pytest.mark.parametrize("complete", [True, False])
def test_status_indications_are_completed(live: Any, bare: Any, complete: bool) -> None:
    def send(adapter: Any, packet: Any, flags: int) -> int:
        tell(adapter, complete)
        return s.NDIS_STATUS_FAILURE

    rules = said(live(bare(send=send), frames=1))
    assert "status-while-up" not in rules and ("status-complete-follows" in rules) == (not complete)


@pytest.mark.keeps("status-complete-follows")
def test_one_completion_is_enough_for_several_indications(live: Any, bare: Any) -> None:
    def send(adapter: Any, packet: Any, flags: int) -> int:
        tell(adapter, False)
        tell(adapter)
        return s.NDIS_STATUS_FAILURE

    assert "status-complete-follows" not in said(live(bare(send=send), frames=1))


@pytest.mark.breaks("lock-not-across-upcall")
@pytest.mark.parametrize("call", [lambda adapter: adapter.indicate_status(s.NDIS_STATUS_MEDIA_CONNECT),
                                  lambda adapter: adapter.indicate_status_complete()])
def test_status_is_indicated_without_a_lock(live: Any, call: Any) -> None:
    class Locked(ReferenceMiniport):
        def send(self, adapter: Any, packet: Any, flags: int) -> int:
            adapter.acquire_spin_lock(adapter.context.lock)
            call(adapter)
            adapter.release_spin_lock(adapter.context.lock)
            return super().send(adapter, packet, flags)

    assert "lock-not-across-upcall" in said(live(Locked, frames=1))
