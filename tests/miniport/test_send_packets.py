# SPDX-License-Identifier: Apache-2.0
"""Arrays of packets: their sizes, the status of each packet, and what a refusal does to the rest of an array."""

from __future__ import annotations

from typing import Any

import pytest

from miniport import status as s
from miniport.packet import Owner
from miniport.protocol import IN_FLIGHT

SERIALIZED = s.NDIS_ATTRIBUTE_BUS_MASTER
DESERIALIZED = s.NDIS_ATTRIBUTE_BUS_MASTER | s.NDIS_ATTRIBUTE_DESERIALIZE


def at_most(count: int) -> Any:
    """query_information of a miniport that takes arrays of *count* packets; None: that does not say."""

    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        if oid == s.OID_GEN_MAXIMUM_SEND_PACKETS and count is not None:
            return s.NDIS_STATUS_SUCCESS, count.to_bytes(4, "little"), 0
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0

    return query


def of_sends(ids: list[str]) -> list[str]:
    return [rule for rule in ids if rule.startswith("send")]


def fail_each(seen: list[int]) -> Any:
    def send_packets(adapter: Any, packets: list[Any]) -> None:
        seen.append(len(packets))
        for packet in packets:
            packet.status = s.NDIS_STATUS_FAILURE

    return send_packets


@pytest.mark.parametrize("most, longest", [(None, 1), (0, 1), (1, 1), (2, 2), (8, 8), (1000, IN_FLIGHT)])
def test_arrays_are_as_long_as_the_miniport_takes_and_no_longer(live: Any, bare: Any, most: Any, longest: int) -> None:
    seen: list[int] = []
    world = live(bare(send_packets=fail_each(seen), query_information=at_most(most)), frames=200)
    assert sum(seen) == 200 and max(seen) <= longest and (longest > 8 or max(seen) == longest)
    assert len(world.ndis.protocol.failed) == 200


@pytest.mark.keeps("miniport-characteristics")
def test_with_both_handlers_send_packets_wins(live: Any, bare: Any) -> None:
    seen: list[int] = []
    world = live(bare(send=lambda a, packet, flags: pytest.fail("send was called"), send_packets=fail_each(seen)), frames=3)
    assert sum(seen) == 3 and "send" not in world.ndis.calls


@pytest.mark.breaks("miniport-characteristics")
def test_without_either_a_send_is_a_finding(live: Any, bare: Any, broken: Any) -> None:
    assert "miniport-characteristics" in broken(live(bare(), frames=1))


@pytest.mark.parametrize("status", [s.NDIS_STATUS_SUCCESS, s.NDIS_STATUS_FAILURE, s.NDIS_STATUS_PENDING])
def test_each_packet_is_done_as_its_status_says(live: Any, bare: Any, all_broken: Any, status: int) -> None:
    owners: list[Any] = []

    def send_packets(adapter: Any, packets: list[Any]) -> None:
        for packet in packets:
            assert packet.owner is Owner.MINIPORT
            packet.status = status
            if status == s.NDIS_STATUS_PENDING:
                adapter._ndis.clock.at(1000, lambda done=packet: adapter.send_complete(done, s.NDIS_STATUS_FAILURE))
            owners.append(packet)

    world = live(bare(send_packets=send_packets, query_information=at_most(4)), frames=9)
    protocol = world.ndis.protocol
    assert all(packet.owner is Owner.PROTOCOL for packet in owners) and not protocol.accepted
    assert len(protocol.sent) == (9 if status == s.NDIS_STATUS_SUCCESS else 0) and len(protocol.sent) + len(protocol.failed) == 9
    assert of_sends(all_broken(world)) == []


def test_a_packet_without_a_status_is_a_finding(live: Any, bare: Any, broken: Any) -> None:
    assert "send-status" in broken(live(bare(send_packets=lambda a, packets: None), frames=1))


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_from_a_refused_packet_on_an_array_is_handed_down_again_in_order(live: Any, bare: Any, broken: Any, refused: int) -> None:
    order: list[int] = []
    refusals: list[int] = []

    def send_packets(adapter: Any, packets: list[Any]) -> None:
        full = False
        for place, packet in enumerate(packets):
            if place == refused and packet.number not in refusals:
                full = True
                refusals.append(packet.number)
                packet.status = s.NDIS_STATUS_RESOURCES
                adapter._ndis.clock.at(1000, adapter.send_resources_available)
            elif full:
                packet.status = s.NDIS_STATUS_SUCCESS  # counts for nothing behind a refused one
            else:
                packet.status = s.NDIS_STATUS_FAILURE
                order.append(packet.number)

    world = live(bare(send_packets=send_packets, query_information=at_most(4)), frames=20)
    assert refusals and order == list(range(1, 21))
    assert of_sends(broken(world)) == [] and len(world.ndis.protocol.failed) == 20


def test_refused_packets_wait_for_resources(live: Any, bare: Any) -> None:
    calls: list[int] = []

    def send_packets(adapter: Any, packets: list[Any]) -> None:
        calls.append(len(packets))
        for packet in packets:
            packet.status = s.NDIS_STATUS_RESOURCES

    world = live(bare(send_packets=send_packets, query_information=at_most(4)), frames=9)
    assert len(calls) == 1 and world.lost == 9


def test_completing_a_packet_behind_a_refused_one_is_a_finding(live: Any, bare: Any, broken: Any) -> None:
    def send_packets(adapter: Any, packets: list[Any]) -> None:
        for packet in packets:
            packet.status = s.NDIS_STATUS_FAILURE
        if len(packets) > 1:
            packets[0].status = s.NDIS_STATUS_RESOURCES
            adapter.send_complete(packets[1], s.NDIS_STATUS_FAILURE)

    assert "send-status" in broken(live(bare(send_packets=send_packets, query_information=at_most(8)), frames=20))


def test_a_deserialized_miniport_may_not_refuse(live: Any, bare: Any, broken: Any) -> None:
    def send_packets(adapter: Any, packets: list[Any]) -> None:
        for packet in packets:
            packet.status = s.NDIS_STATUS_RESOURCES

    world = live(bare(send_packets=send_packets, attributes=DESERIALIZED), frames=1)
    assert "send-status" in broken(world)


def test_the_status_of_a_deserialized_miniport_is_not_looked_at(live: Any, bare: Any, all_broken: Any) -> None:
    def send_packets(adapter: Any, packets: list[Any]) -> None:
        for packet in packets:
            packet.status = s.NDIS_STATUS_SUCCESS

    world = live(bare(send_packets=send_packets, attributes=DESERIALIZED), frames=1)
    assert world.ndis.protocol.sent == [] and "lost-cause" in all_broken(world)


def test_a_serialized_miniport_is_entered_under_the_lock_of_ndis(live: Any, bare: Any) -> None:
    seen: list[int] = []

    def send_packets(adapter: Any, packets: list[Any]) -> None:
        seen.append(adapter._ndis.scheduler.locks)
        for packet in packets:
            adapter.send_complete(packet, s.NDIS_STATUS_FAILURE)

    live(bare(send_packets=send_packets), frames=1)
    live(bare(send_packets=send_packets, attributes=DESERIALIZED), frames=1)
    assert seen == [1, 0]
