# SPDX-License-Identifier: Apache-2.0
"""The protocol is unkind: fragments, held receives, requests at bad moments. The seed decides, and nothing gets lost by it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.processor import DISPATCH_LEVEL, Random
from miniport import status as s
from miniport.protocol.fragments import MOST_FRAGMENTS, SPLITS, crossing, fragments
from miniport.protocol.receiving import HELD_FOR, MOST_HELD
from verifier.address import PAGE_SIZE


@given(st.integers(0, 1600), st.integers(0, 2**64 - 1))
def test_fragments_add_up_and_are_not_too_many(length: int, seed: int) -> None:
    lengths = fragments(length, Random(seed))
    assert sum(lengths) == length and min(lengths) >= 0 and 1 <= len(lengths) <= MOST_FRAGMENTS


def test_every_kind_of_fragment_comes_up() -> None:
    rng = Random(1)
    shapes = [fragments(1514, rng) for _ in range(1000)]
    assert {shape[0] for shape in shapes if len(shape) == 2} >= set(SPLITS)
    assert [1514] in shapes and any(0 in shape for shape in shapes) and any(shape[-1] == 0 for shape in shapes)
    assert any(shape[:3] == [1, 1, 1] for shape in shapes) and max(map(len, shapes)) == MOST_FRAGMENTS
    assert 2 <= sum(map(len, shapes)) / len(shapes) < 4


def spans_of_packets(live: Any, bare: Any, seed: int = 1, frames: int = 200) -> list[list[tuple[int, int]]]:
    seen: list[list[tuple[int, int]]] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        assert b"".join(b.view.read(0, b.length) for b in packet.buffers() if b.length) == packet.frame
        seen.append([(int(b.view), b.length) for b in packet.buffers()])
        return s.NDIS_STATUS_FAILURE

    live(bare(send=send), frames=frames, seed=seed)
    return seen


def test_fragments_lie_apart_and_some_end_with_their_page(live: Any, bare: Any) -> None:
    packets = spans_of_packets(live, bare)
    gaps = [b - (a + size) for packet in packets for (a, size), (b, _) in pairwise(packet)]
    assert min(gaps) == 0 and max(gaps) > 0
    last = [at + size for packet in packets for at, size in packet[-1:]]
    assert any(end % PAGE_SIZE == 0 for end in last) and any(end % PAGE_SIZE for end in last)
    across = [packet for packet in packets if any(at // PAGE_SIZE != (at + size - 1) // PAGE_SIZE for at, size in packet if size)]
    assert len(packets) // 8 < len(across) < len(packets) // 2


def test_a_packet_over_several_pages_is_scattered_in_physical_memory(live: Any, bare: Any, broken: Any) -> None:
    seen = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        block = packet.first.view.block
        seen.append(len(block.runs))
        assert all(second.start != first.end for first, second in pairwise(block.runs))
        pages = {at // PAGE_SIZE for b in packet.buffers() for at in (int(b.view), int(b.view) + b.length - 1) if b.length}
        assert len(pages) == max(len(block.runs), 1)
        physical = [adapter.mm_get_physical_address(b.view) for b in packet.buffers()]
        assert physical == [block.physical_at(b.view.offset) for b in packet.buffers()]
        assert adapter.query_packet(packet)[0] == sum(b.pages() for b in packet.buffers())
        return s.NDIS_STATUS_FAILURE

    world = live(bare(send=send), frames=200)
    assert {0, 2, 3} == set(seen) and broken(world) == ["frame-lost-without-fault"]


@given(st.integers(1, 1600), st.integers(0, 2**64 - 1))
def test_fragments_keep_their_order_and_cross_exactly_the_ends_of_their_pages(length: int, seed: int) -> None:
    rng = Random(seed)
    lengths = fragments(length, rng)
    pages, places = crossing(lengths, [rng.below(8) for _ in lengths], rng)
    ends = [at + size for at, size in zip(places, lengths, strict=True)]
    assert places[0] >= 0 and ends[-1] <= pages * PAGE_SIZE
    assert all(end <= at for end, at in zip(ends, places[1:], strict=False))
    crossed = {end // PAGE_SIZE for at, end in zip(places, ends, strict=True) if at // PAGE_SIZE != (end - 1) // PAGE_SIZE and end > at}
    assert crossed == set(range(1, pages))


def test_the_seed_decides(live: Any, bare: Any) -> None:
    shapes = [[[size for _, size in packet] for packet in spans_of_packets(live, bare, seed)] for seed in (1, 1, 2)]
    assert shapes[0] == shapes[1] != shapes[2]


def test_a_copy_of_the_first_buffers_length_alone_is_found(live: Any, hooked: Any, broken: Any) -> None:
    class OneBuffer(hooked()):  # type: ignore[misc]
        def send(self, adapter: Any, packet: Any, flags: int) -> int:
            size = packet.length
            packet.first.next, packet.first.length = None, size
            return int(super().send(adapter, packet, flags))

    assert broken(live(OneBuffer, frames=40)) != []


def held_lives(live: Any, hooked: Any, seed: int) -> tuple[list[int], list[int], Any]:
    lent: list[int] = []
    order: list[int] = []

    class Watching(hooked()):  # type: ignore[misc]
        def return_packet(self, adapter: Any, packet: Any) -> None:
            order.append(packet.number)
            super().return_packet(adapter, packet)

        def handle_interrupt(self, adapter: Any) -> None:
            super().handle_interrupt(adapter)
            lent.append(len(adapter.outstanding_receives))

    return lent, order, live(Watching, frames=100, seed=seed)


@pytest.mark.parametrize("seed", range(1, 6))
def test_receives_are_held_and_come_back_out_of_order_all_before_halt(live: Any, hooked: Any, seed: int) -> None:
    lent, order, world = held_lives(live, hooked, seed)
    assert 0 < max(lent) <= MOST_HELD < 16 and HELD_FOR < 16
    assert len(order) == 100 and any((b - a) % 16 != 1 for a, b in pairwise(order))
    assert world.machine.findings.errors == [] and world.received == 100 and not world.ndis.adapter.outstanding_receives


def test_a_miniport_with_few_packets_gets_them_back_at_once(live: Any, bare: Any) -> None:
    lent: list[int] = []
    made: list[Any] = []

    def initialize(adapter: Any) -> None:
        _, pool = adapter.allocate_packet_pool(7)
        _, buffers = adapter.allocate_buffer_pool(7)
        _, memory = adapter.allocate_memory_with_tag(64, "Test")
        memory.write(0, bytes(60))
        for _ in range(7):
            made.append(adapter.allocate_packet(pool)[1])
            adapter.chain_buffer_at_back(made[-1], adapter.allocate_buffer(buffers, memory, 60)[1])

    def send(adapter: Any, packet: Any, flags: int) -> int:
        adapter.indicate_receive_packet(made)
        lent.append(len(adapter.outstanding_receives))
        return s.NDIS_STATUS_FAILURE

    live(bare(initialize, send=send, return_packet=lambda a, packet: None), frames=20)
    assert set(lent) == {0}


def test_requests_come_while_packets_are_out_and_some_change_the_filter(live: Any, hooked: Any) -> None:
    queries: list[tuple[int, int]] = []
    sets: list[int] = []

    class Asked(hooked()):  # type: ignore[misc]
        def query_information(self, adapter: Any, oid: int, length: int) -> Any:
            queries.append((len(adapter.outstanding_sends), adapter._ndis.scheduler.current.irql))
            return super().query_information(adapter, oid, length)

        def set_information(self, adapter: Any, oid: int, data: bytes) -> Any:
            if adapter.outstanding_sends:
                sets.append(oid)
            return super().set_information(adapter, oid, data)

    for seed in range(1, 8):
        world = live(Asked, frames=400, seed=seed)
        assert world.machine.findings.errors == [] and world.lost == 0
    assert any(out for out, _ in queries) and {irql for _, irql in queries} == {DISPATCH_LEVEL}
    assert set(sets) == {s.OID_GEN_CURRENT_PACKET_FILTER, s.OID_802_3_MULTICAST_LIST}


@pytest.mark.breaks("oid-buffer-bound")
def test_a_miniport_that_ignores_the_length_of_a_query_is_found(live: Any, hooked: Any, broken: Any) -> None:
    class Careless(hooked()):  # type: ignore[misc]
        def query_information(self, adapter: Any, oid: int, length: int) -> Any:
            return super().query_information(adapter, oid, 4096)

    assert any(broken(live(Careless, frames=200, seed=seed)) == ["oid-buffer-bound"] for seed in range(1, 9))


@pytest.mark.parametrize("life", ["halt", "power-off", "bug-check", "surprise"])
@pytest.mark.parametrize("seed", range(1, 5))
def test_the_reference_miniport_stays_clean(live: Any, hooked: Any, broken: Any, life: str, seed: int) -> None:
    world = live(hooked(), frames=100, life=life, seed=seed)
    assert broken(world) == [] and (world.sent, world.received) == (100, 100)


@pytest.mark.parametrize("seed", range(1, 5))
def test_arrays_of_packets_reach_the_wire_in_order(live: Any, hooked: Any, broken: Any, seed: int) -> None:
    lengths: list[int] = []

    class Arrays(hooked()):  # type: ignore[misc]
        def send_packets(self, adapter: Any, packets: list[Any]) -> None:
            lengths.append(len(packets))
            for packet in packets:
                assert self.send(adapter, packet, 0) == s.NDIS_STATUS_PENDING

        def query_information(self, adapter: Any, oid: int, length: int) -> Any:
            if oid == s.OID_GEN_MAXIMUM_SEND_PACKETS:
                return s.NDIS_STATUS_SUCCESS, (6).to_bytes(4, "little"), 0
            return super().query_information(adapter, oid, length)

    world = live(Arrays, frames=200, seed=seed)
    assert broken(world) == [] and (world.sent, world.received) == (200, 200)
    assert max(lengths) == 6 and sum(lengths) == 200


@pytest.mark.parametrize("frames, seed, processors", [(9, 7, 4), (40, 6, 1), (40, 6, 2)])
def test_a_cause_that_comes_while_the_isr_looks_is_its_own(live: Any, hooked: Any, broken: Any, frames: int, seed: int,
                                                           processors: int) -> None:
    """Two cards share the line: one pulls it, and the other's cause comes while its ISR reads registers."""
    assert broken(live(hooked(), adapters=2, frames=frames, seed=seed, processors=processors)) == []
