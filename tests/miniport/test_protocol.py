# SPDX-License-Identifier: Apache-2.0
"""The protocol above a miniport: what it asks at bind, how it sends, what it notices in what it gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dmabed.spec import WorldSpec
from dmabed.world import run_world
from hw.processor import DISPATCH_LEVEL
from miniport import status as s
from miniport.protocol import IN_FLIGHT, padded
from verifier.errors import UsageError


def run_with(miniport_class: Any, frames: list[bytes]) -> Any:
    return run_world(WorldSpec(frames=0), miniport_class, Path(__file__).parent, frames=frames)


# Requests


def test_a_transport_binds_and_the_reference_miniport_answers_all_it_asks(live: Any, hooked: Any) -> None:
    world = live(hooked(), frames=1)
    protocol = world.ndis.protocol
    assert protocol.mac == world.nic.mac and protocol.link_up
    assert world.ndis.calls["query_information"] + world.ndis.calls["set_information"] in (10, 11)


def test_requests_come_at_dispatch_level_and_for_a_serialized_miniport_one_at_a_time(live: Any, bare: Any) -> None:
    seen = []

    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        scheduler = adapter._ndis.scheduler
        seen.append((scheduler.current.irql, scheduler.locks))
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0

    live(bare(query_information=query))
    assert set(seen) == {(DISPATCH_LEVEL, 1)}
    seen.clear()
    live(bare(query_information=query, attributes=s.NDIS_ATTRIBUTE_BUS_MASTER | s.NDIS_ATTRIBUTE_DESERIALIZE))
    assert set(seen) == {(DISPATCH_LEVEL, 0)}


@pytest.mark.breaks("oid-buffer-bound")
@pytest.mark.keeps("oid-buffer-bound")
@pytest.mark.parametrize("extra, rules", [(-1, []), (0, []), (1, ["oid-buffer-bound"])])
def test_an_answer_fits_its_buffer(live: Any, bare: Any, broken: Any, extra: int, rules: list[str]) -> None:
    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        if oid == s.OID_GEN_LINK_SPEED:
            return s.NDIS_STATUS_SUCCESS, bytes(length + extra), 0
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0

    assert broken(live(bare(query_information=query))) == rules


@pytest.mark.parametrize("oid", [s.OID_802_3_CURRENT_ADDRESS, s.OID_GEN_LINK_SPEED, s.OID_GEN_SUPPORTED_LIST])
@pytest.mark.parametrize("missing", [-1, 0, 1])
def test_the_reference_miniport_tells_how_long_a_buffer_has_to_be(live: Any, hooked: Any, oid: int, missing: int) -> None:
    got: list[Any] = []

    def ask(adapter: Any) -> None:
        miniport = adapter._ndis.miniport
        needed = len(miniport.query_information(adapter, oid, 4096)[1])
        got.append((needed, miniport.query_information(adapter, oid, needed - missing)))

    live(hooked(initialize=ask))
    [(needed, (status, data, told))] = got
    if missing > 0:
        assert (status, data, told) == (s.NDIS_STATUS_BUFFER_TOO_SHORT, b"", needed)
    else:
        assert (status, len(data), told) == (s.NDIS_STATUS_SUCCESS, needed, 0)


def test_every_oid_that_the_reference_miniport_lists_is_answered_or_only_set(live: Any, hooked: Any) -> None:
    got: dict[int, int] = {}

    def ask(adapter: Any) -> None:
        miniport = adapter._ndis.miniport
        listed = miniport.query_information(adapter, s.OID_GEN_SUPPORTED_LIST, 4096)[1]
        for at in range(0, len(listed), 4):
            oid = int.from_bytes(listed[at:at + 4], "little")
            got[oid] = miniport.query_information(adapter, oid, 4096)[0]

    live(hooked(initialize=ask))
    assert len(got) > 20
    refused = {s.oid_name(oid) for oid, status in got.items() if status != s.NDIS_STATUS_SUCCESS}
    assert refused <= {"OID_GEN_CURRENT_PACKET_FILTER", "OID_802_3_MULTICAST_LIST"}


@pytest.mark.parametrize("oid, data, status", [
    (s.OID_GEN_CURRENT_PACKET_FILTER, bytes(4), s.NDIS_STATUS_SUCCESS),
    (s.OID_GEN_CURRENT_PACKET_FILTER, bytes(3), s.NDIS_STATUS_INVALID_LENGTH),
    (s.OID_802_3_MULTICAST_LIST, bytes(6), s.NDIS_STATUS_SUCCESS), (s.OID_802_3_MULTICAST_LIST, b"", s.NDIS_STATUS_SUCCESS),
    (s.OID_802_3_MULTICAST_LIST, bytes(7), s.NDIS_STATUS_INVALID_LENGTH),
    (s.OID_GEN_LINK_SPEED, bytes(4), s.NDIS_STATUS_NOT_SUPPORTED)])
def test_the_reference_miniport_checks_what_it_is_told(live: Any, hooked: Any, oid: int, data: bytes, status: int) -> None:
    got = []
    live(hooked(initialize=lambda a: got.append(a._ndis.miniport.set_information(a, oid, data)[0])))
    assert got == [status]


# Sending


@pytest.mark.keeps("frame-changed-without-fault")
@pytest.mark.parametrize("length", [14, 15, 59, 60, 61, 1513, 1514])
def test_a_frame_arrives_unchanged_but_for_padding(live: Any, hooked: Any, length: int) -> None:
    frame = bytes(n & 0xFF for n in range(length))
    world = run_with(hooked(), [frame])
    assert world.ndis.protocol.received_frames == [frame.ljust(60, b"\0")] == [padded(frame)]
    assert world.machine.findings.errors == [] and (world.sent, world.received, world.lost) == (1, 1, 0)
    assert world.nic.padded == (length < 60)


@pytest.mark.parametrize("length", [1, 13, 1515, 1600])
def test_a_frame_that_is_none_is_refused_by_the_reference_miniport(live: Any, hooked: Any, length: int) -> None:
    world = run_with(hooked(), [bytes(length)])
    protocol = world.ndis.protocol
    assert protocol.sent == [] and protocol.failed == [bytes(length)] and world.machine.wire.sent == []


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, IN_FLIGHT, IN_FLIGHT + 1, 200])
def test_any_number_of_frames_goes_out_and_comes_back_in_order(live: Any, hooked: Any, count: int) -> None:
    world = live(hooked(), frames=count)
    protocol = world.ndis.protocol
    assert protocol.sent == world.machine.wire.sent == protocol.received_frames == world.frames
    assert len(world.frames) == count and world.machine.findings.errors == []
    assert protocol.returned == count and not world.ndis.adapter.outstanding_receives


def test_no_more_packets_than_agreed_are_out_at_once(live: Any, bare: Any) -> None:
    most: list[int] = []
    kept: list[Any] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        kept.append(packet)
        most.append(len(adapter.outstanding_sends))
        adapter._ndis.clock.at(1000, lambda: adapter.send_complete(packet, s.NDIS_STATUS_FAILURE))
        return s.NDIS_STATUS_PENDING

    live(bare(send=send), frames=3 * IN_FLIGHT)
    assert max(most) == IN_FLIGHT and len(kept) == 3 * IN_FLIGHT


def test_the_buffers_of_a_packet_hold_its_frame(live: Any, bare: Any) -> None:
    seen = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        seen.append([b.length for b in packet.buffers()])
        assert b"".join(b.view.read(0, b.length) for b in packet.buffers()) == packet.frame
        assert flags == 0 and packet.scatter_gather is None
        return s.NDIS_STATUS_FAILURE

    live(bare(send=send), frames=2)
    assert [sum(lengths) for lengths in seen] == [60, 61]


@pytest.mark.breaks("send-status")
@pytest.mark.parametrize("answer", [None, "yes", 3.5])
def test_an_answer_that_is_no_status_is_a_finding(live: Any, bare: Any, broken: Any, answer: object) -> None:
    assert "send-status" in broken(live(bare(send=lambda a, packet, flags: answer), frames=1))


def test_a_machine_without_room_for_packets_is_a_usage_error(live: Any, bare: Any) -> None:
    with pytest.raises(UsageError, match="no memory left for the packets"):
        live(bare(lambda a: a.mm_allocate_contiguous_memory(4 * 4096, 0xFFFFFF) and None, send=lambda a, p, f: s.NDIS_STATUS_FAILURE),
             frames=1, ram_ranges=((0, 4 * 4096),))


# Receiving


@pytest.mark.breaks("frame-changed-without-fault")
def test_a_frame_that_is_changed_on_its_way_up_is_told(live: Any, hooked: Any, all_broken: Any) -> None:
    def spoil(adapter: Any) -> None:
        for packet in adapter.context.rx_packets:
            view = packet.first.view
            if adapter._ndis.ram.first_unwritten(view.block.physical + view.offset, 60) is None:
                adapter._ndis.ram.write_tagged(view.block.physical + view.offset + 30, b"\xff\xff", 0)

    world = live(hooked(handle_interrupt=spoil), frames=8)
    assert "frame-changed-without-fault" in all_broken(world)
