# SPDX-License-Identifier: Apache-2.0
"""Packets and buffers as bytes: every routine and macro on them, and who may touch them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.processor import DISPATCH_LEVEL
from miniport import packet_layout as layout
from miniport import status as s
from miniport.library.packet_queries import HIGH_PAGE_PRIORITY, LOW_PAGE_PRIORITY

PAGE = 4096


class Kit:
    """A packet pool, and buffers of no pool over one stretch of pool memory that holds its own offsets."""

    def __init__(self, adapter: Any, packets: int = 2, size: int = 2 * PAGE) -> None:
        self.adapter = adapter
        _, self.pool = adapter.allocate_packet_pool(packets, 20)
        _, self.memory = adapter.allocate_memory_with_tag(size, "Kit ")
        self.memory.write(0, bytes(n * 7 & 0xFF for n in range(size)))
        self.packets = [adapter.allocate_packet(self.pool)[1] for _ in range(packets)]
        self.buffers: list[Any] = []

    def buffer(self, at: int, length: int) -> Any:
        status, buffer = self.adapter.allocate_buffer(None, self.memory + at, length)
        assert status == s.NDIS_STATUS_SUCCESS
        self.buffers.append(buffer)
        return buffer

    def free(self) -> None:
        for buffer in self.buffers:
            self.adapter.free_buffer(buffer)
        for packet in self.packets:
            self.adapter.free_packet(packet)
        self.adapter.free_memory(self.memory, self.memory.length)
        self.adapter.free_packet_pool(self.pool)


def kit_life(live: Any, bare: Any, body: Any, **options: Any) -> Any:
    """One life in whose initialize *body* works with a kit."""
    def initialize(adapter: Any) -> None:
        kit = Kit(adapter)
        body(adapter, kit)
        kit.free()

    return live(bare(initialize), **options)


def without_lost(rules: list[str]) -> list[str]:
    """The rules but for the loss of a frame that a test fails on purpose."""
    return [rule for rule in rules if rule != "frame-lost-without-fault"]


# The bytes


def test_a_fresh_packet_is_zero_but_for_what_ndis_keeps(live: Any, bare: Any, broken: Any) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        packet = kit.packets[0]
        raw = packet.pointer().read(0, layout.packet_bytes(20))
        head = layout.PRIVATE.struct.unpack_from(raw)
        assert head == (0, 0, 0, 0, kit.pool.block.virtual, 0, 0, 0, layout.PACKET_ALLOCATED_BY_NDIS, layout.oob_offset(20))
        assert not any(raw[layout.PRIVATE.size:])
        assert int(kit.packets[1]) - int(packet) == layout.packet_bytes(20)
        assert adapter._ndis.descriptors.packets[int(packet)] is packet

    assert broken(kit_life(live, bare, body)) == []


def test_what_is_set_through_the_handle_is_in_the_bytes_and_back(live: Any, bare: Any, broken: Any) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        packet = kit.packets[0]
        packet.status, packet.header_size, packet.flags = s.NDIS_STATUS_RESOURCES, 14, 0x80
        packet.time_to_send, packet.time_received = 1 << 40, 3
        packet.set_info("PacketCancelId", 77)
        oob = layout.OOB.struct.unpack(packet.oob.read(0, layout.OOB.size))
        assert oob == (1 << 40, 3, 14, 0, 0, s.NDIS_STATUS_RESOURCES)
        assert packet.time_sent == 1 << 40 and packet.cancel_id == 77 and packet.scatter_gather is None
        packet.oob.write_ulong(layout.OOB["Status"], s.NDIS_STATUS_FAILURE)
        packet.pointer(layout.FLAGS).write_ulong(0, 5)
        assert packet.status == s.NDIS_STATUS_FAILURE and packet.flags == 5 and packet.header_size == 14
        assert packet.time_received == 3 and packet.info("PacketCancelId") == 77
        packet.time_sent = 9
        packet.protocol_reserved.write(0, b"\xff" * 20)
        assert packet.time_to_send == 9 and packet.status == s.NDIS_STATUS_FAILURE

    assert broken(kit_life(live, bare, body)) == []


@pytest.mark.parametrize("value", [0, 1, 2**64 - 1, None])
def test_reserved_holds_a_number_as_it_is(live: Any, bare: Any, value: Any) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        packet = kit.packets[0]
        assert packet.reserved is None
        packet.reserved = value
        assert packet.reserved == value and packet.miniport_reserved.read_ulonglong() == (value or 0)
        packet.miniport_reserved.write_ulonglong(0, 5)
        assert packet.reserved == 5

    assert kit_life(live, bare, body).outcome == "ran"


def test_reserved_holds_pointers_as_addresses_and_objects_as_handles(live: Any, bare: Any) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        packet, other = kit.packets
        for value in (other, kit.memory, kit.buffer(0, 1)):
            packet.reserved = value
            assert packet.reserved is value and packet.miniport_reserved.read_ulonglong() == int(value)
        first, second = object(), "text"
        packet.reserved, other.reserved = first, second
        assert packet.reserved is first and other.reserved is second
        assert packet.miniport_reserved.read_ulonglong() != other.miniport_reserved.read_ulonglong()

    assert kit_life(live, bare, body).outcome == "ran"


# Pools


@pytest.mark.parametrize("count, overflow, given", [
    (0xFFFE, 0, True), (0xFFFF, 0, True), (0x10000, 0, False), (0xFFFF, 1, True), (0xFFFE, 1, True), (0x10000, 1, False)])
def test_a_pool_of_more_than_65535_packets_is_refused_and_an_overflow_is_cut(live: Any, bare: Any, count: int, overflow: int,
                                                                             given: bool) -> None:
    def initialize(adapter: Any) -> None:
        status, pool = adapter.allocate_packet_pool_ex(count, overflow)
        assert (status, pool is not None) == ((s.NDIS_STATUS_SUCCESS, True) if given else (s.NDIS_STATUS_RESOURCES, False))
        if pool is not None:
            assert pool.count == min(count + overflow, 0xFFFF)
            adapter.free_packet_pool(pool)

    assert live(bare(initialize), ram=1 << 28).outcome == "ran"


def test_overflow_descriptors_are_given_when_the_others_are_out(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        _, pool = adapter.allocate_packet_pool_ex(1, 2)
        packets = [adapter.allocate_packet(pool)[1] for _ in range(3)]
        assert None not in packets and adapter.allocate_packet(pool) == (s.NDIS_STATUS_RESOURCES, None)
        for packet in packets:
            adapter.free_packet(packet)
        adapter.free_packet_pool(pool)

    assert broken(live(bare(initialize))) == []


def test_more_buffers_than_the_pool_has_and_buffers_of_no_pool_come_from_the_system(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        _, pool = adapter.allocate_buffer_pool(1)
        _, memory = adapter.allocate_memory_with_tag(64, "Test")
        buffers = [adapter.allocate_buffer(source, memory, n)[1] for n, source in enumerate((pool, pool, *(None,) * 100))]
        assert len({int(buffer) for buffer in buffers}) == 102 and [buffer.length for buffer in buffers] == list(range(102))
        assert buffers[0].block is pool.block and buffers[1].block is not pool.block
        for buffer in buffers:
            adapter.free_buffer(buffer)
        adapter.free_buffer_pool(None)
        adapter.free_buffer_pool(pool)
        adapter.free_memory(memory, 64)

    assert broken(live(bare(initialize))) == []


def test_the_dpr_forms_work_at_dispatch_level(live: Any, hooked: Any, broken: Any) -> None:
    done = []

    def interrupt(adapter: Any) -> None:
        assert adapter._ndis.scheduler.current.irql == DISPATCH_LEVEL
        _, pool = adapter.allocate_packet_pool(1)
        _, packet = adapter.dpr_allocate_packet(pool)
        assert adapter.dpr_allocate_packet(pool) == (s.NDIS_STATUS_RESOURCES, None)
        adapter.dpr_free_packet(packet)
        adapter.free_packet_pool(pool)
        done.append(packet.number)

    assert broken(live(hooked(handle_interrupt=interrupt), frames=1)) == [] and done


# Chains


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["front", "back", "off front", "off back", "all off", "count"]), max_size=12))
def test_a_chain_is_what_a_list_would_be(steps: list[str]) -> None:
    from pathlib import Path

    from dmabed.spec import WorldSpec
    from dmabed.world import run_world
    from miniport.reference import ReferenceMiniport

    def body(adapter: Any) -> None:
        kit = Kit(adapter)
        packet, model = kit.packets[0], []
        for number, step in enumerate(steps):
            if step == "front":
                model.insert(0, kit.buffer(PAGE - 3, number))
                adapter.chain_buffer_at_front(packet, model[0])
            elif step == "back":
                model.append(kit.buffer(0, number))
                adapter.chain_buffer_at_back(packet, model[-1])
            elif step == "off front":
                assert adapter.unchain_buffer_at_front(packet) is (model.pop(0) if model else None)
            elif step == "off back":
                assert adapter.unchain_buffer_at_back(packet) is (model.pop() if model else None)
            elif step == "all off":
                adapter.reinitialize_packet(packet)
                for buffer in model:
                    buffer.next = None
                model.clear()
            assert packet.buffers() == model
            total = sum(buffer.length for buffer in model)
            assert adapter.query_packet(packet) == (sum(b.pages() for b in model), len(model), model[0] if model else None, total)
            assert (packet.first, packet.last) == ((model[0], model[-1]) if model else (None, None))
        kit.free()

    class Chains(ReferenceMiniport):
        def initialize(self, adapter: Any) -> int:
            body(adapter)
            return int(super().initialize(adapter))

    world = run_world(WorldSpec(frames=0), Chains, Path(__file__).parent)
    assert [f.message for f in world.machine.findings.errors] == []


def test_the_counts_stand_until_the_chain_changes(live: Any, bare: Any, broken: Any) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        packet = kit.packets[0]
        first = kit.buffer(0, 10)
        adapter.chain_buffer_at_back(packet, first)
        assert adapter.query_packet_length(packet) == 10
        adapter.adjust_buffer_length(first, 4)
        assert adapter.query_packet_length(packet) == 10 and packet.length == 4
        adapter.chain_buffer_at_front(packet, kit.buffer(0, 1))
        assert adapter.query_packet_length(packet) == packet.length == 5

    assert broken(kit_life(live, bare, body)) == []


def test_a_chain_of_buffers_is_appended_and_put_in_front_as_a_whole(live: Any, bare: Any, broken: Any) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        packet = kit.packets[0]
        chain = [kit.buffer(n, 1) for n in range(5)]
        chain[1].next, chain[3].next = chain[2], chain[4]
        for buffer, where in ((chain[0], "back"), (chain[1], "back"), (chain[3], "front")):
            getattr(adapter, f"chain_buffer_at_{where}")(packet, buffer)
        assert packet.buffers() == [*chain[3:], *chain[:3]] and packet.last is chain[2]

    assert broken(kit_life(live, bare, body)) == []


@pytest.mark.breaks("packet-chain")
def test_a_chain_that_leads_to_a_freed_buffer_is_a_finding(live: Any, bare: Any, broken: Any) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        packet = kit.packets[0]
        adapter.chain_buffer_at_back(packet, kit.buffer(0, 1))
        adapter.free_buffer(kit.buffers.pop())
        assert packet.buffers() == [] and packet.first is None

    assert broken(kit_life(live, bare, body)) == ["packet-chain"]


@pytest.mark.keeps("packet-chain")
def test_a_buffer_that_is_unchained_first_may_be_freed(live: Any, bare: Any, broken: Any) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        packet = kit.packets[0]
        adapter.chain_buffer_at_back(packet, kit.buffer(0, 1))
        adapter.free_buffer(adapter.unchain_buffer_at_front(packet))
        kit.buffers.clear()
        assert packet.buffers() == [] and packet.first is None

    assert broken(kit_life(live, bare, body)) == []


@pytest.mark.breaks("packet-chain")
def test_a_chain_in_a_circle_is_a_finding_and_no_hang(live: Any, bare: Any, broken: Any) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        buffer = kit.buffer(0, 1)
        adapter.chain_buffer_at_back(kit.packets[0], buffer)
        buffer.next = buffer
        kit.packets[0].buffers()

    assert broken(kit_life(live, bare, body)) == ["packet-chain"]


# Queries


def test_the_first_buffer_and_its_offset_in_the_page(live: Any, bare: Any, broken: Any) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        packet = kit.packets[0]
        assert adapter.get_first_buffer_from_packet(packet) == (None, None, 0, 0)
        at = PAGE - 1
        for length in (2, 5):
            adapter.chain_buffer_at_back(packet, kit.buffer(at, length))
        wanted = (kit.buffers[0], kit.memory + at, 2, 7)
        assert adapter.get_first_buffer_from_packet(packet) == wanted
        assert adapter.get_first_buffer_from_packet_safe(packet, HIGH_PAGE_PRIORITY) == wanted
        assert adapter.query_buffer_safe(kit.buffers[1], LOW_PAGE_PRIORITY) == (kit.memory + at, 5)
        assert adapter.query_buffer_offset(kit.buffers[0]) == (int(kit.memory + at) % PAGE, 2)
        assert kit.buffers[0].view == kit.memory + at

    assert broken(kit_life(live, bare, body)) == []


@pytest.mark.parametrize("fault", ["NdisQueryBufferSafe", "NdisGetFirstBufferFromPacketSafe", "NdisCopyFromPacketToPacketSafe",
                                   "NdisCopyBuffer", "NdisAllocatePacketPoolEx", "NdisDprAllocatePacket"])
def test_a_fault_is_the_documented_failure(live: Any, hooked: Any, fault: str) -> None:
    def body(adapter: Any) -> None:
        kit = Kit(adapter)
        packet, buffer = kit.packets[0], kit.buffer(3, 9)
        adapter.chain_buffer_at_back(packet, buffer)
        answers = {
            "NdisQueryBufferSafe": (lambda: adapter.query_buffer_safe(buffer), (None, 9)),
            "NdisGetFirstBufferFromPacketSafe": (lambda: adapter.get_first_buffer_from_packet_safe(packet), (buffer, None, 9, 9)),
            "NdisCopyFromPacketToPacketSafe": (lambda: adapter.copy_from_packet_to_packet_safe(packet, 0, 9, packet, 0), 0),
            "NdisCopyBuffer": (lambda: adapter.copy_buffer(None, buffer, 0, 9), (s.NDIS_STATUS_FAILURE, None)),
            "NdisAllocatePacketPoolEx": (lambda: adapter.allocate_packet_pool_ex(1, 1), (s.NDIS_STATUS_RESOURCES, None)),
            "NdisDprAllocatePacket": (lambda: adapter.dpr_allocate_packet(kit.pool), (s.NDIS_STATUS_RESOURCES, None))}
        call, wanted = answers[fault]
        assert call() == wanted
        kit.free()

    world = live(hooked(initialize=body), faults=(f"{fault}#1",))
    assert world.outcome == "ran" and world.not_fired == []


# Copies


@pytest.mark.parametrize("offset, length, parts", [
    (0, 0, [(0, 0)]), (0, 3, [(0, 3)]), (0, 4, [(0, 3), (100, 1)]), (2, 9, [(2, 1), (100, 8)]), (3, 8, [(100, 8)]), (11, 0, [(100 + 8, 0)]),
    (11, 1, None), (0, 12, None), (12, 0, None)])
def test_a_copied_buffer_describes_the_range_where_it_lies(live: Any, bare: Any, broken: Any, offset: int, length: int,
                                                          parts: Any) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        first, second = kit.buffer(0, 3), kit.buffer(100, 8)
        first.next = second
        live_before = len(adapter._ndis.descriptors.buffers)
        status, copy = adapter.copy_buffer(None, first, offset, length)
        if parts is None:
            assert (status, copy) == (s.NDIS_STATUS_FAILURE, None)
            assert len(adapter._ndis.descriptors.buffers) == live_before
            return
        got = []
        while copy is not None:
            view, size = adapter.query_buffer(copy)
            got.append((int(view) - int(kit.memory), size))
            kit.buffers.append(copy)
            copy = adapter.get_next_buffer(copy)
        assert status == s.NDIS_STATUS_SUCCESS and (got == parts or length == 0)

    assert broken(kit_life(live, bare, body)) == []


@pytest.mark.parametrize("to, count, origin, copied", [
    (0, 10, 0, 10), (1, 10, 2, 9), (0, 11, 0, 10), (5, 5, 5, 5), (9, 5, 0, 1), (10, 5, 0, 0), (0, 5, 11, 0), (0, 0, 0, 0)])
@pytest.mark.parametrize("safe", [False, True])
def test_data_are_copied_until_either_packet_ends(live: Any, bare: Any, broken: Any, to: int, count: int, origin: int, copied: int,
                                                  safe: bool) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        target, source = kit.packets
        for packet, spans in ((source, ((PAGE, 3), (PAGE + 10, 0), (PAGE + 20, 8))), (target, ((0, 4), (8, 6)))):
            for at, size in spans:
                adapter.chain_buffer_at_back(packet, kit.buffer(at, size))
        before, there = (b"".join(b.view.read(0, b.length) for b in p.buffers()) for p in (target, source))
        call = adapter.copy_from_packet_to_packet_safe if safe else adapter.copy_from_packet_to_packet
        assert call(target, to, count, source, origin) == copied
        after = b"".join(b.view.read(0, b.length) for b in target.buffers())
        assert after == before[:to] + there[origin:origin + copied] + before[to + copied:]

    assert broken(kit_life(live, bare, body)) == []


# Owners


@pytest.mark.breaks("packet-owner")
@pytest.mark.parametrize("touch", [
    lambda a, p: p.status, lambda a, p: setattr(p, "status", 0), lambda a, p: p.first, lambda a, p: p.reserved,
    lambda a, p: setattr(p, "reserved", 1), lambda a, p: p.buffers(), lambda a, p: a.query_packet(p), lambda a, p: a.free_packet(p),
    lambda a, p: a.reinitialize_packet(p), lambda a, p: p.scatter_gather])
def test_a_packet_that_was_freed_is_not_touched(live: Any, bare: Any, broken: Any, touch: Any) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        packet = kit.packets.pop()
        adapter.free_packet(packet)
        touch(adapter, packet)

    assert broken(kit_life(live, bare, body)) == ["packet-owner"]


@pytest.mark.breaks("packet-owner")
def test_a_buffer_that_was_freed_is_not_touched(live: Any, bare: Any, broken: Any) -> None:
    def body(adapter: Any, kit: Kit) -> None:
        buffer = kit.buffer(0, 1)
        adapter.free_buffer(kit.buffers.pop())
        assert buffer.length == 1

    assert broken(kit_life(live, bare, body)) == ["packet-owner"]


def test_a_packet_whose_pool_was_freed_is_not_touched(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        _, pool = adapter.allocate_packet_pool(1)
        packet = adapter.allocate_packet(pool)[1]
        adapter.free_packet_pool(pool)
        packet.status = 1

    assert broken(live(bare(initialize))) == ["contig-no-use-after-free"]


@pytest.mark.breaks("packet-owner")
@pytest.mark.keeps("packet-owner")
@pytest.mark.parametrize("late", [False, True])
def test_a_packet_of_the_protocol_is_the_miniports_until_it_completes_it(live: Any, bare: Any, broken: Any, late: bool) -> None:
    def send(adapter: Any, packet: Any, flags: int) -> int:
        buffer = packet.first
        assert packet.length == sum(b.length for b in packet.buffers()) and packet.reserved not in (None, 0)
        if late:
            adapter.send_complete(packet, s.NDIS_STATUS_FAILURE)
            assert buffer.length >= 0
            return s.NDIS_STATUS_PENDING
        packet.reserved = 5
        assert buffer.length >= 0 and packet.reserved == 5
        adapter.send_complete(packet, s.NDIS_STATUS_FAILURE)
        return s.NDIS_STATUS_PENDING

    assert without_lost(broken(live(bare(send=send), frames=1))) == (["packet-owner"] if late else [])


@pytest.mark.breaks("packet-owner")
@pytest.mark.parametrize("free", ["packet", "buffer"])
def test_the_protocols_descriptors_are_not_the_miniports_to_free(live: Any, bare: Any, broken: Any, free: str) -> None:
    def send(adapter: Any, packet: Any, flags: int) -> int:
        adapter.free_packet(packet) if free == "packet" else adapter.free_buffer(packet.first)
        return s.NDIS_STATUS_FAILURE

    assert broken(live(bare(send=send), frames=1)) == ["packet-owner"]


@pytest.mark.breaks("receive-own-until-return")
@pytest.mark.keeps("receive-own-until-return")
@pytest.mark.parametrize("status, touch, rule", [
    (s.NDIS_STATUS_SUCCESS, "packet", True), (s.NDIS_STATUS_SUCCESS, "buffer", True), (s.NDIS_STATUS_RESOURCES, "packet", False),
    (s.NDIS_STATUS_RESOURCES, "buffer", False)])
def test_a_lent_packet_and_its_buffers_are_left_alone_until_they_are_back(live: Any, bare: Any, broken: Any, status: int, touch: str,
                                                                        rule: bool) -> None:
    kits: list[Kit] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        kit = kits[0]
        mine = kit.packets[0]
        adapter._ndis.protocol.receiving._rng = Greedy()
        adapter.named["packet"] = 64
        mine.status = status
        adapter.indicate_receive_packet([mine])
        assert mine.status >= 0 if touch == "packet" else kit.buffers[0].length == 60
        return s.NDIS_STATUS_FAILURE

    def initialize(adapter: Any) -> None:
        kits.append(Kit(adapter))
        adapter.chain_buffer_at_back(kits[0].packets[0], kits[0].buffer(0, 60))

    world = live(bare(initialize, send=send, return_packet=lambda a, p: p.status, halt=lambda a: kits[0].free()), frames=1)
    assert without_lost(broken(world)) == (["receive-own-until-return"] if rule else [])


class Greedy:
    """A protocol that holds every packet that it may."""

    def below(self, n: int) -> int:
        return 0


# Scatter/gather


def test_the_scatter_gather_list_is_bytes_behind_the_extension(live: Any, hooked: Any) -> None:
    seen = []

    class Sg(hooked()):  # type: ignore[misc]
        def initialize(self, adapter: Any) -> int:
            status = super().initialize(adapter)
            adapter.scatter_gather, adapter.dma_bits = True, 32
            return int(status)

        def send(self, adapter: Any, packet: Any, flags: int) -> int:
            address, ram = packet.info("ScatterGatherListPacketInfo"), adapter._ndis.ram
            assert address
            pieces = packet.scatter_gather
            view = packet.pointer(address - int(packet))
            assert view.read_ulong() == len(pieces)
            assert [(view.read_ulonglong(16 + 24 * n), view.read_ulong(24 + 24 * n)) for n in range(len(pieces))] == list(pieces)
            assert b"".join(ram.read(a, n) for a, n in pieces) == packet.frame
            seen.append(len(pieces) > sum(b.length > 0 for b in packet.buffers()))
            return int(super().send(adapter, packet, flags))

    assert live(Sg, frames=60).outcome == "ran"
    assert {False, True} == set(seen)
