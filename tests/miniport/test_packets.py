# SPDX-License-Identifier: Apache-2.0
"""Pools, packets and buffers; completions and indications with their owners."""

from __future__ import annotations

from typing import Any

import pytest

from miniport import status as s
from miniport.packet import Owner

PAGE = 4096


class Receiver:
    """A miniport's receive packets, made by hand: as many as asked for, each with one buffer of 64 bytes."""

    def __init__(self, adapter: Any, count: int = 1, content: bytes = bytes(60)) -> None:
        self.adapter = adapter
        _, self.pool = adapter.allocate_packet_pool(count)
        _, self.buffers = adapter.allocate_buffer_pool(count)
        self.packets = []
        self.memory = []
        for _ in range(count):
            _, memory = adapter.allocate_memory_with_tag(64, "Test")
            memory.write(0, content)
            _, packet = adapter.allocate_packet(self.pool)
            _, buffer = adapter.allocate_buffer(self.buffers, memory, len(content))
            adapter.chain_buffer_at_back(packet, buffer)
            packet.status = s.NDIS_STATUS_SUCCESS
            self.packets.append(packet)
            self.memory.append(memory)

    def free(self) -> None:
        for packet, memory in zip(self.packets, self.memory, strict=True):
            self.adapter.free_buffer(packet.first)
            self.adapter.free_packet(packet)
            self.adapter.free_memory(memory, 64)
        self.adapter.free_buffer_pool(self.buffers)
        self.adapter.free_packet_pool(self.pool)


# Pools


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_pool_gives_as_many_packets_as_it_has(live: Any, bare: Any, broken: Any, count: int) -> None:
    def initialize(adapter: Any) -> None:
        status, pool = adapter.allocate_packet_pool(count)
        assert status == s.NDIS_STATUS_SUCCESS
        packets = [adapter.allocate_packet(pool)[1] for _ in range(count)]
        assert None not in packets and len(set(packets)) == count
        assert adapter.allocate_packet(pool) == (s.NDIS_STATUS_RESOURCES, None)
        for packet in packets:
            adapter.free_packet(packet)
        assert count == 0 or adapter.allocate_packet(pool)[0] == s.NDIS_STATUS_SUCCESS
        adapter.free_packet_pool(pool)

    world = live(bare(initialize))
    assert broken(world) == [] and "NdisAllocatePacket" in world.ndis.failed_routines


def test_a_freed_pool_gives_no_packet(live: Any, bare: Any) -> None:
    def initialize(adapter: Any) -> None:
        _, pool = adapter.allocate_packet_pool(1)
        adapter.free_packet_pool(pool)
        assert adapter.allocate_packet(pool) == (s.NDIS_STATUS_RESOURCES, None)

    assert live(bare(initialize)).outcome == "ran"


@pytest.mark.parametrize("kind", ["packet", "buffer"])
def test_a_pool_that_is_never_freed_is_a_leak(live: Any, bare: Any, broken: Any, kind: str) -> None:
    world = live(bare(lambda adapter: getattr(adapter, f"allocate_{kind}_pool")(4) and None))
    assert broken(world) == ["halt-undo-all"]
    assert world.machine.findings.errors[0].owner == f"{kind} pool #1"


# Packets and buffers


def test_buffers_are_chained_in_order_and_counted(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        _, pool = adapter.allocate_packet_pool(1)
        _, buffers = adapter.allocate_buffer_pool(3)
        _, packet = adapter.allocate_packet(pool)
        _, memory = adapter.allocate_memory_with_tag(3 * PAGE, "Test")
        assert adapter.query_packet(packet) == (0, 0, None, 0)
        spans = ((0, 1), (PAGE - 1, 2), (PAGE, PAGE))
        chain = []
        for at, length in spans:
            _, buffer = adapter.allocate_buffer(buffers, memory + at, length)
            adapter.chain_buffer_at_back(packet, buffer)
            chain.append(buffer)
        assert adapter.query_packet(packet) == (4, 3, chain[0], PAGE + 3)
        assert [adapter.query_buffer(b) for b in chain] == [(memory + at, length) for at, length in spans]
        assert [adapter.get_next_buffer(b) for b in chain] == [chain[1], chain[2], None]
        adapter.adjust_buffer_length(chain[2], 5)
        assert adapter.query_buffer(chain[2])[1] == 5 and packet.length == 8
        adapter.reinitialize_packet(packet)
        assert adapter.query_packet(packet) == (0, 0, None, 0)
        for buffer in chain:
            adapter.free_buffer(buffer)
        adapter.free_packet(packet)
        assert packet.owner is Owner.FREE
        adapter.free_memory(memory, 3 * PAGE)
        adapter.free_buffer_pool(buffers)
        adapter.free_packet_pool(pool)

    assert broken(live(bare(initialize))) == []


# Sends


def sender(bare: Any, send: Any, **more: Any) -> Any:
    return bare(send=send, **more)


@pytest.mark.parametrize("status, sent", [(s.NDIS_STATUS_SUCCESS, 1), (s.NDIS_STATUS_FAILURE, 0), (s.NDIS_STATUS_INVALID_PACKET, 0)])
def test_a_status_other_than_pending_gives_the_packet_back_at_once(live: Any, bare: Any, status: int, sent: int) -> None:
    seen: list[Any] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        assert packet.owner is Owner.MINIPORT
        seen.append(packet)
        return status

    world = live(sender(bare, send), frames=1)
    assert seen[0].owner is Owner.PROTOCOL
    protocol = world.ndis.protocol
    assert (len(protocol.sent), len(protocol.failed)) == (sent, 1 - sent) and not protocol.accepted


@pytest.mark.breaks("send-complete-once")
@pytest.mark.keeps("send-complete-once")
@pytest.mark.parametrize("times, rules", [(1, []), (2, ["send-complete-once"])])
def test_a_pending_packet_is_completed_once(live: Any, bare: Any, broken: Any, times: int, rules: list[str]) -> None:
    def send(adapter: Any, packet: Any, flags: int) -> int:
        for _ in range(times):
            adapter.send_complete(packet, s.NDIS_STATUS_FAILURE)
        return s.NDIS_STATUS_PENDING

    assert [r for r in broken(live(sender(bare, send), frames=1)) if r.startswith("send")] == rules


@pytest.mark.breaks("send-complete-once")
def test_a_packet_that_was_completed_is_not_also_answered_with_success(live: Any, bare: Any, broken: Any) -> None:
    def send(adapter: Any, packet: Any, flags: int) -> int:
        adapter.send_complete(packet, s.NDIS_STATUS_SUCCESS)
        return s.NDIS_STATUS_SUCCESS

    assert "send-complete-once" in broken(live(sender(bare, send), frames=1))


@pytest.mark.breaks("send-complete-once")
def test_a_packet_is_not_completed_after_success_was_returned(live: Any, bare: Any, broken: Any) -> None:
    kept: list[Any] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        if kept:
            adapter.send_complete(kept[0], s.NDIS_STATUS_SUCCESS)
        kept.append(packet)
        return s.NDIS_STATUS_FAILURE

    assert "send-complete-once" in broken(live(sender(bare, send), frames=2))


@pytest.mark.breaks("send-status")
def test_a_completion_with_pending_is_a_finding(live: Any, bare: Any, broken: Any) -> None:
    def send(adapter: Any, packet: Any, flags: int) -> int:
        adapter.send_complete(packet, s.NDIS_STATUS_PENDING)
        return s.NDIS_STATUS_PENDING

    assert "send-status" in broken(live(sender(bare, send), frames=1))


def test_a_packet_that_is_never_completed_is_told(live: Any, bare: Any, all_broken: Any) -> None:
    world = live(sender(bare, lambda adapter, packet, flags: s.NDIS_STATUS_PENDING), frames=1)
    assert "lost-cause" in all_broken(world) and "send-complete-once" in all_broken(world)


@pytest.mark.breaks("send-status")
@pytest.mark.keeps("send-status")
@pytest.mark.parametrize("attributes, rules", [
    (s.NDIS_ATTRIBUTE_BUS_MASTER, []), (s.NDIS_ATTRIBUTE_BUS_MASTER | s.NDIS_ATTRIBUTE_DESERIALIZE, ["send-status"])])
def test_only_a_serialized_miniport_answers_resources_and_ndis_asks_again(live: Any, bare: Any, broken: Any, attributes: int,
                                                                          rules: list[str]) -> None:
    seen: list[Any] = []
    kept: list[Any] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        seen.append(packet.number)
        if packet.number == 2 and seen.count(2) == 1:
            return s.NDIS_STATUS_RESOURCES
        kept.append(packet)
        if packet.number == 1:
            adapter._ndis.clock.at(1000, lambda: adapter.send_complete(packet, s.NDIS_STATUS_FAILURE))
            return s.NDIS_STATUS_PENDING
        return s.NDIS_STATUS_FAILURE

    world = live(sender(bare, send, attributes=attributes), frames=2)
    assert [r for r in broken(world) if r.startswith("send")] == rules
    assert seen == ([1, 2] if rules else [1, 2, 2])


@pytest.mark.keeps("frame-lost-without-fault")
def test_resources_that_are_announced_let_ndis_ask_again(live: Any, bare: Any, broken: Any) -> None:
    seen: list[Any] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        seen.append(packet.number)
        if len(seen) == 1:
            adapter._ndis.clock.at(1000, adapter.send_resources_available)
            return s.NDIS_STATUS_RESOURCES
        return s.NDIS_STATUS_FAILURE

    world = live(sender(bare, send), frames=1)
    assert seen == [1, 1] and [r for r in broken(world) if r.startswith("send")] == []


@pytest.mark.breaks("frame-lost-without-fault")
def test_without_an_announcement_ndis_never_asks_again(live: Any, bare: Any, all_broken: Any) -> None:
    seen: list[Any] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        seen.append(packet.number)
        return s.NDIS_STATUS_RESOURCES

    world = live(sender(bare, send), frames=3)
    assert seen == [1] and world.lost == 3 and world.outcome == "ran"
    assert "frame-lost-without-fault" in all_broken(world)


@pytest.mark.breaks("frame-lost-without-fault")
def test_a_frame_that_never_reached_the_wire_is_lost(live: Any, bare: Any, all_broken: Any) -> None:
    world = live(sender(bare, lambda adapter, packet, flags: s.NDIS_STATUS_SUCCESS), frames=1)
    assert "frame-lost-without-fault" in all_broken(world) and world.lost == 1


# Indications


@pytest.mark.keeps("receive-own-until-return")
@pytest.mark.parametrize("status, returns", [(s.NDIS_STATUS_SUCCESS, 1), (s.NDIS_STATUS_RESOURCES, 0)])
def test_a_packet_comes_back_through_return_packet_unless_its_status_is_resources(live: Any, bare: Any, status: int,
                                                                                  returns: int) -> None:
    kept: list[Receiver] = []
    back: list[Any] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        kept[0].packets[0].status = status
        adapter.indicate_receive_packet(kept[0].packets)
        assert kept[0].packets[0].owner is Owner.MINIPORT
        return s.NDIS_STATUS_FAILURE

    world = live(bare(lambda a: kept.append(Receiver(a)), send=send, return_packet=lambda a, packet: back.append(packet),
                      halt=lambda a: kept[0].free()), frames=1)
    assert back == kept[0].packets * returns
    assert world.ndis.protocol.received_frames == [bytes(60)] and world.ndis.protocol.returned == 1


@pytest.mark.keeps("init-no-protocol-traffic", "receive-status")
def test_several_packets_are_indicated_in_order(live: Any, bare: Any) -> None:
    kept: list[Receiver] = []
    back: list[Any] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        adapter.indicate_receive_packet(kept[0].packets)
        return s.NDIS_STATUS_FAILURE

    live(bare(lambda a: kept.append(Receiver(a, 3)), send=send, return_packet=lambda a, packet: back.append(packet),
              halt=lambda a: kept[0].free()), frames=1)
    assert back == kept[0].packets


@pytest.mark.breaks("receive-status")
@pytest.mark.parametrize("status", [s.NDIS_STATUS_PENDING, s.NDIS_STATUS_FAILURE])
def test_the_status_of_an_indicated_packet_is_success_or_resources(live: Any, bare: Any, broken: Any, status: int) -> None:
    kept: list[Receiver] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        kept[0].packets[0].status = status
        adapter.indicate_receive_packet(kept[0].packets)
        return s.NDIS_STATUS_FAILURE

    world = live(bare(lambda a: kept.append(Receiver(a)), send=send, return_packet=lambda a, packet: None,
                      halt=lambda a: kept[0].free()), frames=1)
    assert "receive-status" in broken(world)


@pytest.mark.breaks("init-no-protocol-traffic")
def test_nothing_is_indicated_before_initialize_has_returned(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        receiver = Receiver(adapter)
        adapter.indicate_receive_packet(receiver.packets)
        receiver.free()

    assert "init-no-protocol-traffic" in broken(live(bare(initialize, return_packet=lambda a, packet: None)))


@pytest.mark.breaks("receive-own-until-return")
def test_a_free_packet_is_not_indicated(live: Any, bare: Any, broken: Any) -> None:
    def send(adapter: Any, packet: Any, flags: int) -> int:
        receiver = Receiver(adapter)
        first = receiver.packets[0]
        receiver.free()
        adapter.indicate_receive_packet([first])
        return s.NDIS_STATUS_FAILURE

    assert "receive-own-until-return" in broken(live(sender(bare, send), frames=1))


@pytest.mark.breaks("rx-bytes-of-this-frame")
def test_bytes_that_were_never_stored_are_not_indicated(live: Any, bare: Any, broken: Any) -> None:
    kept: list[Receiver] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        adapter.adjust_buffer_length(kept[0].packets[0].first, 61)
        adapter.indicate_receive_packet(kept[0].packets)
        return s.NDIS_STATUS_FAILURE

    world = live(bare(lambda a: kept.append(Receiver(a)), send=send, return_packet=lambda a, packet: None,
                      halt=lambda a: kept[0].free()), frames=1)
    assert "rx-bytes-of-this-frame" in broken(world)


@pytest.mark.parametrize("status, up", [(s.NDIS_STATUS_MEDIA_DISCONNECT, False), (s.NDIS_STATUS_MEDIA_CONNECT, True)])
def test_an_indicated_status_reaches_the_protocol(live: Any, bare: Any, status: int, up: bool) -> None:
    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        adapter.indicate_status(status)
        adapter.indicate_status_complete()
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0

    assert live(bare(query_information=query)).ndis.protocol.link_up == up
