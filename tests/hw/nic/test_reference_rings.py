# SPDX-License-Identifier: Apache-2.0
"""The engines of the reference NIC: when a descriptor is taken, what each of its fields does, and what the driver gets back."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.inject import parse_fault
from hw.limits import PRESETS, custom
from hw.nic.reference_engines import BYTE_NS, FETCH_NS, multicast_hash
from hw.wire import loopback
from verifier.address import MIB

if TYPE_CHECKING:
    from tests.hw.conftest import Rig

OWN, END, ERROR = 1 << 31, 1 << 30, 1 << 29
TX_DONE, RX_DONE, RX_NO_DESCRIPTOR, LINK_CHANGE, DMA_ERROR, TX_ERROR = (1 << bit for bit in range(6))
TX_BUFFERS, RX_BUFFERS, BUFFER_SIZE = 0x20_0000, 0x30_0000, 0x800
STATION = bytes.fromhex("020dbed00001")
BROADCAST = b"\xff" * 6


def frame(length: int = 60, first: int = 1) -> bytes:
    return bytes((first + i) % 251 for i in range(length))


def to(destination: bytes, length: int = 60) -> bytes:
    return destination + frame(length - 6)


# Transmission: what goes to the wire


@pytest.mark.keeps("desc-before-doorbell", "desc-own-last")
@pytest.mark.parametrize("length", [60, 61, 64, 1513, 1514])
def test_a_frame_goes_out_unchanged_and_its_descriptor_comes_back(rig: Rig, length: int) -> None:
    ring = rig.start_tx()
    rig.send(frame(length))
    assert rig.machine.wire.sent == [frame(length)]
    assert rig.control(ring, 0) == END
    assert (rig.read("TX_HEAD"), rig.read("STAT_TX"), rig.read("STAT_TX_ERRORS")) == (1, 1, 0)
    assert rig.read("CAUSE") == TX_DONE
    assert rig.rules == []


def test_the_pieces_of_a_frame_go_out_in_order_and_each_comes_back(rig: Rig) -> None:
    ring = rig.start_tx()
    rig.send(frame()[:1], frame()[1:14], b"", frame()[14:])
    assert rig.machine.wire.sent == [frame()]
    assert [rig.control(ring, index) for index in range(5)] == [0, 0, 0, END, 0]
    assert rig.read("TX_HEAD") == 4


@pytest.mark.parametrize("pieces, sent", [(1, True), (7, True), (8, True), (9, False), (10, False)])
def test_8_pieces_go_out_and_9_are_refused(rig: Rig, pieces: int, sent: bool) -> None:
    ring = rig.start_tx(16)
    rig.send(*[frame(20, i) for i in range(pieces - 1)], frame(60))
    assert (len(rig.machine.wire.sent) == 1) is sent
    flag = 0 if sent else ERROR
    assert [rig.control(ring, index) for index in range(pieces)] == [flag] * (pieces - 1) + [END | flag]
    assert rig.read("CAUSE") == (TX_DONE if sent else TX_DONE | TX_ERROR)
    assert (rig.read("STAT_TX"), rig.read("STAT_TX_ERRORS")) == (int(sent), int(not sent))
    assert rig.rules == []


def test_a_refused_frame_stops_nothing(rig: Rig) -> None:
    rig.start_tx(16)
    index = rig.send(*[frame(20)] * 9)
    rig.send(frame(), first=index)
    assert rig.machine.wire.sent == [frame()]


@pytest.mark.parametrize("length", [1, 14, 58, 59, 60, 61])
@pytest.mark.parametrize("pad", [False, True])
def test_a_frame_under_60_bytes_is_padded_with_zeros_or_refused(rig: Rig, length: int, pad: bool) -> None:
    ring = rig.start_tx(ctrl=8 if pad else 0)
    rig.send(frame(length))
    if length >= 60 or pad:
        assert rig.machine.wire.sent == [frame(length).ljust(60, b"\0")]
        assert rig.control(ring, 0) == END
    else:
        assert rig.machine.wire.sent == []
        assert rig.control(ring, 0) == END | ERROR
        assert rig.read("CAUSE") == TX_DONE | TX_ERROR
    assert rig.nic.padded == int(pad and length < 60)


@pytest.mark.parametrize("length, sent", [(1513, True), (1514, True), (1515, False), (1516, False)])
def test_a_frame_over_1514_bytes_is_refused(rig: Rig, length: int, sent: bool) -> None:
    ring = rig.start_tx(ctrl=8)
    rig.send(frame(1000), frame(length - 1000))
    assert (len(rig.machine.wire.sent) == 1) is sent
    assert rig.control(ring, 1) == END | (0 if sent else ERROR)


def test_without_a_link_a_frame_is_refused(rig: Rig) -> None:
    ring = rig.start_tx()
    rig.machine.wire.set_link(False)
    rig.send(frame())
    assert rig.control(ring, 0) == END | ERROR
    assert rig.read("CAUSE") == TX_DONE | TX_ERROR | LINK_CHANGE


@pytest.mark.breaks("dma-width")
@pytest.mark.keeps("dma-width")
@pytest.mark.parametrize("beyond, finding", [(0, []), (1, ["dma-width"]), (2, ["dma-width"])])
def test_every_bit_of_the_buffer_address_counts(make_rig: Callable[..., Rig], beyond: int, finding: list[str]) -> None:
    rig = make_rig(ram=128 * MIB)
    ring = rig.start_tx()
    start = 0x0400_0000 - 60 + beyond
    rig.processor.store(rig.block("high", 0x03FF_F000, 0x2000), 0, frame(0x2000))
    rig.descriptor(ring, 0, start, 60, OWN | END)
    rig.write("TX_TAIL", 1)
    rig.settle()
    assert rig.rules == finding
    assert rig.machine.wire.sent == [rig.machine.ram.read(start, 60 - beyond) + rig.machine.ram.read(0x0300_0000, beyond)]


@pytest.mark.breaks("dma-stray")
def test_the_high_dword_of_the_address_counts(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(limits=custom(PRESETS["reference"], 64, 0))
    ring = rig.start_tx()
    rig.fill(frame())
    rig.descriptor(ring, 0, 1 << 32 | TX_BUFFERS, 60, OWN | END)
    rig.write("TX_TAIL", 1)
    rig.settle()
    assert rig.rules == ["dma-stray"]
    assert rig.read("DMA_ERROR_LO") == TX_BUFFERS
    assert rig.read("DMA_ERROR_HI") == 1


def test_the_length_decides_how_many_bytes_go_out(rig: Rig) -> None:
    ring = rig.start_tx()
    address = rig.fill(frame(200))
    for index, length in enumerate((60, 61, 199)):
        rig.descriptor(ring, index, address, length, OWN | END)
    rig.write("TX_TAIL", 3)
    rig.settle()
    assert rig.machine.wire.sent == [frame(60), frame(61), frame(199)]


def test_without_end_the_card_waits_for_the_rest_of_the_frame(rig: Rig) -> None:
    ring = rig.start_tx()
    address = rig.fill(frame(60))
    rig.descriptor(ring, 0, address, 30, OWN)
    rig.write("TX_TAIL", 1)
    rig.settle()
    assert (rig.machine.wire.sent, rig.read("CAUSE"), rig.read("TX_HEAD")) == ([], 0, 0)
    rig.descriptor(ring, 1, address + 30, 30, OWN | END)
    rig.write("TX_TAIL", 2)
    rig.settle()
    assert rig.machine.wire.sent == [frame(60)]


def test_a_whole_frame_is_told_although_the_next_one_is_announced_in_part(rig: Rig) -> None:
    ring = rig.start_tx()
    address = rig.fill(frame(60))
    rig.descriptor(ring, 0, address, 60, OWN | END)
    rig.descriptor(ring, 1, address, 30, OWN)
    rig.write("TX_TAIL", 2)
    rig.settle()
    assert rig.machine.wire.sent == [frame(60)]
    assert rig.read("CAUSE") == TX_DONE


def test_a_frame_follows_when_the_bits_of_the_one_before_have_passed(rig: Rig) -> None:
    ring = rig.start_tx()
    address = rig.fill(frame(1514))
    rig.descriptor(ring, 0, address, 1514, OWN | END)
    rig.descriptor(ring, 1, address, 60, OWN | END)
    rig.write("TX_TAIL", 2)
    rig.settle()
    times = [row["time_ns"] for row in rig.machine.events.as_dicts() if row["kind"] == "frame_out"]
    assert times[1] - times[0] == 1514 * BYTE_NS + FETCH_NS


@pytest.mark.breaks("wire-bytes-of-this-frame")
def test_bytes_of_another_frame_in_the_buffer_are_told(rig: Rig) -> None:
    ring = rig.start_tx()
    rig.machine.ram.tag = 1
    address = rig.fill(frame(100))
    rig.machine.ram.tag = 2
    rig.fill(frame(50))
    rig.machine.ram.tag = 0
    rig.descriptor(ring, 0, address, 60, OWN | END)
    rig.write("TX_TAIL", 1)
    rig.settle()
    assert rig.rules == ["wire-bytes-of-this-frame"]
    assert "byte 50 of the frame" in rig.errors[0].message


@pytest.mark.breaks("shared-init-value")
def test_a_buffer_that_was_never_written_is_told(rig: Rig) -> None:
    ring = rig.start_tx()
    rig.fill(frame(59))
    rig.descriptor(ring, 0, TX_BUFFERS, 60, OWN | END)
    rig.write("TX_TAIL", 1)
    rig.settle()
    assert rig.rules == ["shared-init-value"]
    assert rig.machine.wire.sent == [frame(59) + b"\xa5"]


# When a descriptor is taken


def test_a_descriptor_is_taken_in_the_instant_in_which_ownership_is_stored(rig: Rig) -> None:
    ring = rig.start_tx()
    address = rig.fill(frame(100))
    rig.processor.store(ring, 0, struct.pack("<QI", address, 60))
    assert rig.nic.tx.taken == {}
    rig.processor.store(ring, 12, struct.pack("<I", OWN | END))
    assert rig.nic.tx.taken == {0: struct.pack("<QII", address, 60, OWN | END)}


@pytest.mark.breaks("desc-own-last")
def test_a_length_stored_after_ownership_comes_too_late(rig: Rig) -> None:
    ring = rig.start_tx()
    rig.machine.where.depth = 1
    address = rig.fill(frame(100))
    rig.processor.store(ring, 0, struct.pack("<QI", address, 60))
    rig.processor.store(ring, 12, struct.pack("<I", OWN | END))
    rig.processor.store(ring, 8, struct.pack("<I", 100))
    rig.write("TX_TAIL", 1)
    rig.settle()
    assert rig.rules == ["desc-own-last"]
    assert (rig.errors[0].times, rig.errors[0].owner) == (1, "tx ring")
    assert [what for what, _ in rig.errors[0].related] == ["the store that came too late"]
    assert rig.machine.wire.sent == [frame(60)]


def test_a_store_that_changes_nothing_is_no_change(rig: Rig) -> None:
    ring = rig.start_tx()
    address = rig.fill(frame())
    rig.descriptor(ring, 0, address, 60, OWN | END)
    rig.processor.store(ring, 0, struct.pack("<QII", address, 60, OWN | END))
    assert rig.rules == []


@pytest.mark.breaks("desc-owner")
def test_a_change_after_the_doorbell_is_a_change_of_what_the_card_owns(rig: Rig) -> None:
    ring = rig.start_tx()
    address = rig.fill(frame(100))
    rig.descriptor(ring, 0, address, 60, OWN | END)
    rig.write("TX_TAIL", 1)
    rig.machine.bus.drain()
    rig.processor.store(ring, 8, struct.pack("<I", 100))
    rig.settle()
    assert rig.rules == ["desc-owner"]
    assert rig.machine.wire.sent == [frame(60)]


@pytest.mark.breaks("desc-own-last")
def test_taking_ownership_back_before_the_doorbell_comes_too_late_as_well(rig: Rig) -> None:
    ring = rig.start_tx()
    address = rig.fill(frame())
    rig.descriptor(ring, 0, address, 60, OWN | END)
    rig.processor.store(ring, 12, bytes(4))
    assert rig.rules == ["desc-own-last"]


def test_one_store_of_the_whole_descriptor_hands_it_over(rig: Rig) -> None:
    ring = rig.start_tx()
    rig.processor.store(ring, 16, struct.pack("<QII", 1, 2, OWN))
    assert list(rig.nic.tx.taken) == [1]


def test_a_store_across_several_descriptors_hands_over_those_that_have_the_bit(rig: Rig) -> None:
    ring = rig.start_tx()
    rig.processor.store(ring, 0, struct.pack("<QII", 1, 2, OWN) + bytes(16) + struct.pack("<QII", 3, 4, OWN))
    assert list(rig.nic.tx.taken) == [0, 2]


@pytest.mark.parametrize("index, taken", [(6, [6]), (7, [7]), (8, []), (9, [])])
def test_a_store_behind_the_ring_in_the_same_block_hands_nothing_over(rig: Rig, index: int, taken: list[int]) -> None:
    block = rig.block("rings", 0x10_0000, 0x200)
    rig.processor.store(block, 0, bytes(0x200))
    rig.program("TX", 0x10_0000, 8)
    rig.write("CTRL", 2)
    rig.settle()
    rig.processor.store(block, index * 16, struct.pack("<QII", 1, 2, OWN))
    assert list(rig.nic.tx.taken) == taken


def test_a_stopped_engine_takes_nothing(rig: Rig) -> None:
    ring = rig.start_tx()
    rig.write("CTRL", 0)
    rig.settle()
    rig.descriptor(ring, 0, rig.fill(frame()), 60, OWN | END)
    rig.write("TX_TAIL", 1)
    rig.settle()
    assert rig.nic.tx.taken == {}
    assert rig.machine.wire.sent == []
    assert rig.control(ring, 0) == OWN | END


@pytest.mark.parametrize("gone", [True, False])
def test_a_card_that_cannot_master_the_bus_takes_nothing_and_minds_no_store(rig: Rig, gone: bool) -> None:
    ring = rig.start_tx()
    rig.descriptor(ring, 0, rig.fill(frame()), 60, OWN | END)
    if gone:
        rig.nic.remove()
    else:
        rig.nic.config.command = 3
    rig.processor.store(ring, 0, bytes(16))
    rig.descriptor(ring, 1, TX_BUFFERS, 60, OWN | END)
    assert list(rig.nic.tx.taken) == [0]
    assert rig.rules == []


@pytest.mark.breaks("desc-own-last")
def test_two_rings_in_one_block_are_watched_once_each(rig: Rig) -> None:
    block = rig.block("rings", 0x10_0000, 0x200)
    rig.processor.store(block, 0, bytes(0x200))
    rig.program("TX", 0x10_0000, 8)
    rig.program("RX", 0x10_0100, 8)
    rig.write("CTRL", 6)
    rig.settle()
    rig.processor.store(block, 0x0C, struct.pack("<I", OWN | END))
    rig.processor.store(block, 0x08, struct.pack("<I", 60))
    assert [(finding.rule.id, finding.times) for finding in rig.errors] == [("desc-own-last", 1)]
    rig.write("CTRL", 4)
    rig.settle()
    rig.processor.store(block, 0x1C, struct.pack("<I", OWN))
    rig.processor.store(block, 0x10C, struct.pack("<I", OWN))
    assert (list(rig.nic.tx.taken), list(rig.nic.rx.taken)) == ([], [0])
    rig.write("CTRL", 0)
    rig.settle()
    assert block.watchers == []


def test_descriptors_handed_over_before_the_start_are_fetched_at_the_doorbell(rig: Rig) -> None:
    rig.start_rx(handed=3)
    assert list(rig.nic.rx.taken) == [0, 1, 2]
    rig.receive(frame())
    assert rig.read("RX_HEAD") == 1


# Doorbells


def test_nothing_goes_out_without_a_doorbell(rig: Rig) -> None:
    ring = rig.start_tx()
    rig.descriptor(ring, 0, rig.fill(frame()), 60, OWN | END)
    rig.settle()
    assert rig.machine.wire.sent == []


def test_the_transmitter_fetches_200_ns_after_the_doorbell(rig: Rig) -> None:
    ring = rig.start_tx()
    rig.descriptor(ring, 0, rig.fill(frame()), 60, OWN | END)
    rig.write("TX_TAIL", 1)
    rig.machine.bus.drain()
    rig.machine.clock.advance(199)
    assert rig.machine.wire.sent == []
    rig.machine.clock.advance(1)
    assert rig.machine.wire.sent == [frame()]


def test_the_doorbell_announces_up_to_its_index_and_no_further(rig: Rig) -> None:
    ring = rig.start_tx()
    address = rig.fill(frame(100))
    for index in range(3):
        rig.descriptor(ring, index, address, 60 + index, OWN | END)
    for tail in (1, 3):
        rig.write("TX_TAIL", tail)
        rig.settle()
        assert len(rig.machine.wire.sent) == tail
        assert rig.read("TX_HEAD") == tail
    assert rig.rules == []


@pytest.mark.breaks("desc-before-doorbell")
def test_a_doorbell_for_a_descriptor_that_is_not_handed_over_is_told_at_its_line(rig: Rig) -> None:
    ring = rig.start_tx()
    rig.machine.where.depth = 1
    rig.descriptor(ring, 0, rig.fill(frame()), 60, OWN | END)
    rig.processor.store(ring, 16, struct.pack("<QI", TX_BUFFERS, 60))
    rig.write("TX_TAIL", 2)
    rig.settle()
    assert rig.rules == ["desc-before-doorbell"]
    finding = rig.errors[0]
    assert finding.owner == "tx ring"
    assert "up to 2, but number 1" in finding.message
    assert finding.where is not None
    assert finding.where[0].co_name == "write"
    assert rig.machine.wire.sent == [frame()]


@pytest.mark.breaks("desc-before-doorbell")
def test_a_descriptor_completed_after_a_hasty_doorbell_goes_out_with_the_next(rig: Rig) -> None:
    ring = rig.start_tx()
    rig.write("TX_TAIL", 1)
    rig.settle()
    assert rig.rules == ["desc-before-doorbell"]
    rig.descriptor(ring, 0, rig.fill(frame()), 60, OWN | END)
    rig.write("TX_TAIL", 1)
    rig.settle()
    assert rig.machine.wire.sent == [frame()]


def test_the_card_fetches_all_announced_descriptors_in_one_burst(rig: Rig) -> None:
    rig.start_rx(8, handed=5)
    reads = [(row["logical"], row["length"]) for row in rig.machine.events.as_dicts() if row["kind"] == "dma_read"]
    assert reads == [(0x10_2000, 5 * 16)]


def test_a_frame_between_handing_over_and_the_doorbell_finds_no_descriptor_and_harms_none(rig: Rig) -> None:
    ring = rig.start_rx(4, handed=1)
    rig.receive(frame())
    rig.rx_descriptor(1)
    rig.receive(frame())
    assert rig.read("STAT_MISSED") == 1
    rig.write("RX_TAIL", 2)
    rig.settle()
    rig.receive(frame(61))
    assert rig.control(ring, 1) == END | 61
    assert rig.rules == []


# Wrapping


@pytest.mark.parametrize("count", [2, 3, 8, 255, 256])
def test_both_rings_wrap_at_their_count(make_rig: Callable[..., Rig], count: int) -> None:
    rig = make_rig()
    rig.start_tx(count)
    index = 0
    for number in range(2 * min(count, 8) + 1 if count < 255 else count + 1):
        index = rig.send(frame(60, number), first=index)
        assert index == (number + 1) % count
    assert rig.machine.wire.sent == [frame(60, number) for number in range(len(rig.machine.wire.sent))]
    assert len(rig.machine.wire.sent) > count
    assert rig.read("TX_HEAD") == len(rig.machine.wire.sent) % count
    assert rig.rules == []


@pytest.mark.parametrize("count", [2, 3, 8])
def test_the_receive_ring_goes_round_as_descriptors_are_given_back(rig: Rig, count: int) -> None:
    ring = rig.start_rx(count)
    for number in range(3 * count):
        index = number % count
        rig.receive(frame(60 + number))
        assert rig.control(ring, index) == END | 60 + number
        assert rig.machine.ram.read(RX_BUFFERS + index * BUFFER_SIZE, 60 + number) == frame(60 + number)
        rig.rx_descriptor((index - 1) % count)
        rig.write("RX_TAIL", index)
        rig.settle()
    assert rig.read("STAT_RX") == 3 * count
    assert rig.rules == []


def test_a_burst_over_the_end_of_the_ring_goes_on_at_its_start(rig: Rig) -> None:
    ring = rig.start_tx(4)
    index = rig.send(frame())
    index = rig.send(frame(), first=index)
    address = rig.fill(frame(60))
    for at, piece in ((2, 20), (3, 20), (0, 20)):
        rig.descriptor(ring, at, address, piece, OWN | (END if at == 0 else 0))
    rig.write("TX_TAIL", 1)
    rig.settle()
    assert rig.machine.wire.sent[2:] == [frame(20) * 3]
    assert rig.read("TX_HEAD") == 1
    reads = [row for row in rig.machine.events.as_dicts() if row["kind"] == "dma_read" and "descriptor" in row["purpose"]]
    assert [(row["logical"], row["length"]) for row in reads[-2:]] == [(0x10_0020, 32), (0x10_0000, 16)]


@pytest.mark.parametrize("count, works", [(0, False), (1, False), (2, True), (3, True), (255, True), (256, True), (257, False),
                                          (258, False), (511, False)])
@pytest.mark.parametrize("prefix, bit", [("TX", 2), ("RX", 4)])
def test_a_ring_has_2_to_256_descriptors(rig: Rig, prefix: str, bit: int, count: int, works: bool) -> None:
    rig.processor.store(rig.block("ring", 0x10_0000, 0x2000), 0, bytes(0x2000))
    rig.program(prefix, 0x10_0000, count)
    rig.write(f"{prefix}_TAIL", 1)
    rig.write("CTRL", bit)
    rig.machine.bus.drain()
    rig.serve()
    assert rig.read("CTRL") == (bit if works else 0)
    assert rig.read("CAUSE") == (0 if works else DMA_ERROR)
    if not works:
        rig.settle()
        assert rig.read("DMA_ERROR_LO") == 0x10_0000
        assert [row for row in rig.machine.events.as_dicts() if row["kind"].startswith("dma")] == []


def test_the_receiver_does_not_start_where_the_transmitter_of_the_same_write_failed(rig: Rig) -> None:
    rig.processor.store(rig.block("ring", 0x10_2000, 0x100), 0, bytes(0x100))
    rig.program("TX", 0x10_0000, 1)
    rig.program("RX", 0x10_2000, 8)
    rig.write("RX_TAIL", 3)
    rig.write("CTRL", 6)
    rig.settle()
    assert rig.read("CTRL") == 0
    assert list(rig.nic.live_pointers()) == []
    assert [row for row in rig.machine.events.as_dicts() if row["kind"] == "dma_read"] == []
    assert rig.rules == []


@pytest.mark.parametrize("base, rule", [(0x0100_0000 - 128, None), (0x0100_0000 - 112, "dma-boundary"), (0x0100_0000 - 96, "dma-boundary"),
                                        (0x0400_0000 - 128, None), (0x0400_0000 - 112, "dma-width")])
def test_a_ring_is_held_against_the_limits_to_its_last_descriptor_when_it_starts(
        make_rig: Callable[..., Rig], base: int, rule: str | None) -> None:
    rig = make_rig(ram=128 * MIB)
    rig.start_tx(8, base=base)
    assert rig.rules == ([] if rule is None else [rule])
    for index in range(3):
        rig.send(frame(), first=index)
    assert rig.rules == ([] if rule is None else [rule])
    assert len(rig.machine.wire.sent) == 3


# Reception


@pytest.mark.parametrize("size, stored", [(1512, False), (1513, False), (1514, True), (1515, True)])
def test_a_frame_longer_than_the_buffer_is_refused_and_its_descriptor_comes_back(rig: Rig, size: int, stored: bool) -> None:
    ring = rig.start_rx(size=size)
    rig.receive(frame(1514))
    assert rig.control(ring, 0) == (END | 1514 if stored else END | ERROR)
    assert (rig.machine.ram.first_unwritten(RX_BUFFERS, 1) is None) is stored
    assert (rig.read("CAUSE"), rig.read("STAT_RX"), rig.read("RX_HEAD")) == (RX_DONE, 1, 1)
    rig.receive(frame(60))
    assert rig.control(ring, 1) == END | 60


@pytest.mark.parametrize("length, stored", [(1513, True), (1514, True), (1515, False), (1516, False)])
def test_a_frame_over_1514_bytes_is_refused_in_any_buffer(rig: Rig, length: int, stored: bool) -> None:
    ring = rig.start_rx()
    rig.receive(frame(length))
    assert rig.control(ring, 0) == (END | length if stored else END | ERROR)


def test_a_received_frame_goes_to_the_address_of_its_descriptor_and_only_there(rig: Rig) -> None:
    rig.start_rx()
    rig.receive(frame(60))
    assert rig.machine.ram.read(RX_BUFFERS, 60) == frame(60)
    assert rig.machine.ram.first_unwritten(RX_BUFFERS, 61) == RX_BUFFERS + 60
    assert rig.machine.ram.first_tag(RX_BUFFERS, 60) == -1
    rig.receive(frame(60))
    assert rig.machine.ram.first_tag(RX_BUFFERS + BUFFER_SIZE, 60) == -2


def test_without_a_descriptor_a_frame_is_missed_and_counted(rig: Rig) -> None:
    rig.start_rx(4)
    for number in range(5):
        rig.receive(frame(60 + number))
    assert (rig.read("STAT_RX"), rig.read("STAT_MISSED"), rig.nic.lost_for_want_of_descriptors) == (3, 2, 2)
    assert rig.read("CAUSE") == RX_DONE | RX_NO_DESCRIPTOR
    assert rig.rules == []


def test_the_status_of_a_frame_may_come_after_its_interrupt_until_a_register_is_read(rig: Rig) -> None:
    ring = rig.start_rx()
    rig.write("MASK", RX_DONE)
    rig.settle()
    rig.nic.receive_frame(frame())
    rig.serve()
    assert rig.nic.interrupting
    assert rig.control(ring, 0) == OWN
    assert rig.read("CAUSE") == RX_DONE
    assert rig.control(ring, 0) == END | 60


def test_a_receiver_that_is_off_takes_nothing(rig: Rig) -> None:
    ring = rig.start_rx()
    rig.write("CTRL", 0)
    rig.settle()
    rig.receive(frame())
    assert rig.control(ring, 0) == OWN
    assert (rig.read("STAT_RX"), rig.read("STAT_MISSED"), rig.read("CAUSE")) == (0, 0, 0)


def test_a_loopback_brings_a_frame_home(rig: Rig) -> None:
    rig.machine.wire.far_end = loopback
    rig.start_rx()
    rig.start_tx()
    rig.send(frame(1514))
    assert rig.machine.ram.read(RX_BUFFERS, 1514) == frame(1514)
    assert rig.read("CAUSE") == TX_DONE | RX_DONE
    assert rig.rules == []


# Filters


OTHER, MULTICAST = bytes.fromhex("020dbeffff01"), bytes.fromhex("01005e000001")


@pytest.mark.parametrize("accept, received", [
    (0x00, []), (0x01, [STATION]), (0x02, [BROADCAST]), (0x04, []), (0x08, [MULTICAST]),
    (0x10, [STATION, OTHER, BROADCAST, MULTICAST]), (0x0B, [STATION, BROADCAST, MULTICAST])])
def test_the_filter_lets_through_what_its_bits_say(rig: Rig, accept: int, received: list[bytes]) -> None:
    rig.start_rx()
    rig.write("FILTER", accept)
    rig.settle()
    for destination in (STATION, OTHER, BROADCAST, MULTICAST):
        rig.receive(to(destination))
    count = rig.read("STAT_RX")
    assert [rig.machine.ram.read(RX_BUFFERS + i * BUFFER_SIZE, 6) for i in range(count)] == received
    assert rig.read("STAT_MISSED") == 0


def ethernet_crc_top_six(address: bytes) -> int:
    """IEEE 802.3, 3.2.9, bit by bit: reflected, preset to ones, complemented at the end; its top six bits."""
    crc = 0xFFFF_FFFF
    for byte in address:
        for bit in range(8):
            carry = (crc ^ byte >> bit) & 1
            crc = crc >> 1 ^ (0xEDB8_8320 if carry else 0)
    return (crc ^ 0xFFFF_FFFF) >> 26


@given(st.binary(min_size=6, max_size=6))
def test_the_hash_of_an_address_is_the_top_six_bits_of_its_crc(address: bytes) -> None:
    assert multicast_hash(address) == ethernet_crc_top_six(address)


@pytest.mark.parametrize("last", range(0, 64, 7))
def test_a_multicast_frame_passes_where_its_hash_bit_is_set_and_only_there(rig: Rig, last: int) -> None:
    address = bytes([1, 0, 0x5E, 0, 0, last])
    bit = ethernet_crc_top_six(address)
    rig.start_rx()
    rig.write("FILTER", 4)
    for own, received in ((False, 0), (True, 1)):
        table = 1 << bit if own else ~(1 << bit)
        rig.write("HASH_LO", table & 0xFFFF_FFFF)
        rig.write("HASH_HI", table >> 32 & 0xFFFF_FFFF)
        rig.settle()
        rig.receive(to(address))
        assert rig.read("STAT_RX") == received


def test_the_hash_lets_no_frame_through_while_multicast_is_off(rig: Rig) -> None:
    rig.start_rx()
    for name in ("HASH_LO", "HASH_HI"):
        rig.write(name, 0xFFFF_FFFF)
    rig.write("FILTER", 3)
    rig.settle()
    rig.receive(to(MULTICAST))
    assert rig.read("STAT_RX") == 0


# Errors


@pytest.mark.parametrize("point, address", [
    ("dma-read#1", 0x10_0000), ("dma-read#2", TX_BUFFERS), ("dma-write#1", 0x10_000C)])
def test_a_cycle_that_fails_while_sending_stops_both_engines_and_keeps_the_address(
        make_rig: Callable[..., Rig], point: str, address: int) -> None:
    rig = make_rig(faults=(parse_fault(f"{point}=abort"),))
    rig.program("RX", 0x10_2000, 8)
    rig.write("CTRL", 4)
    rig.settle()
    ring = rig.start_tx()
    assert rig.read("CTRL") == 6
    rig.write("MASK", DMA_ERROR)
    rig.send(frame())
    assert rig.read("CTRL") == 0
    assert rig.read("CAUSE") == DMA_ERROR
    assert rig.nic.interrupting
    assert (rig.read("DMA_ERROR_HI"), rig.read("DMA_ERROR_LO")) == (0, address)
    assert rig.control(ring, 0) == OWN | END
    assert list(rig.nic.live_pointers()) == []
    assert rig.rules == []


@pytest.mark.parametrize("point, address", [
    ("dma-read#1", 0x10_2000), ("dma-write#1", RX_BUFFERS), ("dma-write#2", 0x10_200C)])
def test_a_cycle_that_fails_while_receiving_stops_both_engines_and_keeps_the_address(
        make_rig: Callable[..., Rig], point: str, address: int) -> None:
    rig = make_rig(faults=(parse_fault(f"{point}=abort"),))
    ring = rig.start_rx()
    rig.receive(frame())
    assert (rig.read("CTRL"), rig.read("CAUSE"), rig.read("DMA_ERROR_LO")) == (0, DMA_ERROR, address)
    assert rig.control(ring, 0) == OWN
    rig.receive(frame())
    assert rig.read("STAT_RX") == 0


def test_after_an_error_the_card_goes_on_from_a_reset(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(faults=(parse_fault("dma-read#1=abort"),))
    ring = rig.start_tx()
    rig.send(frame())
    assert rig.read("CTRL") == 0
    rig.write("CTRL", 1)
    rig.settle()
    assert (rig.read("CAUSE"), rig.read("DMA_ERROR_LO")) == (0, 0x10_0000)
    rig.bring_up()
    rig.processor.store(ring, 0, bytes(128))
    rig.program("TX", 0x10_0000, 8)
    rig.write("CTRL", 2)
    rig.settle()
    rig.send(frame())
    assert rig.machine.wire.sent == [frame()]
    assert rig.rules == []


def test_with_bus_mastering_off_the_first_cycle_fails(rig: Rig) -> None:
    rig.start_tx()
    rig.nic.config.command = 3
    rig.send(frame())
    assert (rig.read("CTRL"), rig.read("CAUSE"), rig.machine.wire.sent) == (0, DMA_ERROR, [])


def test_after_removal_nothing_moves(rig: Rig) -> None:
    tx, rx = rig.start_tx(), rig.start_rx()
    rig.descriptor(tx, 0, rig.fill(frame()), 60, OWN | END)
    rig.write("TX_TAIL", 1)
    rig.machine.bus.drain()
    before = len([row for row in rig.machine.events.as_dicts() if row["kind"].startswith("dma")])
    rig.nic.remove()
    rig.settle()
    rig.receive(frame())
    assert rig.machine.wire.sent == []
    assert (rig.control(tx, 0), rig.control(rx, 0)) == (OWN | END, OWN)
    assert len([row for row in rig.machine.events.as_dicts() if row["kind"].startswith("dma")]) == before


def test_data_on_their_way_when_the_card_is_pulled_still_arrive(rig: Rig) -> None:
    ring = rig.start_rx()
    rig.nic.receive_frame(frame())
    rig.serve()
    rig.nic.remove()
    assert rig.control(ring, 0) == END | 60


# Reset and stop


def test_a_reset_in_the_middle_of_sending_ends_it(rig: Rig) -> None:
    ring = rig.start_tx()
    address = rig.fill(frame(1514))
    for index in range(3):
        rig.descriptor(ring, index, address, 1514, OWN | END)
    rig.write("TX_TAIL", 3)
    rig.machine.bus.drain()
    rig.machine.clock.advance(1_000)
    rig.serve()
    assert len(rig.machine.wire.sent) == 1
    rig.write("CTRL", 1)
    rig.settle()
    assert len(rig.machine.wire.sent) == 1
    assert [rig.control(ring, index) for index in range(3)] == [END, OWN | END, OWN | END]
    assert ring.watchers == []
    assert list(rig.nic.live_pointers()) == []
    assert (rig.read("CAUSE"), rig.read("TX_HEAD"), rig.read("TX_TAIL")) == (0, 0, 0)
    rig.processor.store(ring, 0, bytes(128))
    assert rig.rules == []


def test_a_reset_brings_data_on_their_way_home_first(rig: Rig) -> None:
    ring = rig.start_rx()
    rig.nic.receive_frame(frame())
    rig.serve()
    rig.write("CTRL", 1)
    rig.machine.bus.drain()
    assert rig.control(ring, 0) == END | 60


def test_a_stopped_engine_ends_between_two_frames_and_starts_at_0_again(rig: Rig) -> None:
    ring = rig.start_tx()
    index = rig.send(frame())
    rig.send(frame(61), first=index)
    rig.write("CTRL", 0)
    rig.settle()
    assert rig.read("TX_HEAD") == 2
    rig.processor.store(ring, 0, bytes(128))
    rig.write("TX_TAIL", 0)
    rig.write("CTRL", 2)
    rig.settle()
    assert rig.read("TX_HEAD") == 0
    rig.send(frame(62))
    assert rig.machine.wire.sent == [frame(60), frame(61), frame(62)]
    assert rig.rules == []


def test_stopping_one_engine_leaves_the_other_running(rig: Rig) -> None:
    rig.start_rx()
    rig.start_tx()
    rig.write("CTRL", 4)
    rig.settle()
    rig.receive(frame())
    assert rig.read("STAT_RX") == 1
    assert next(rig.nic.live_pointers()).what == "receive ring"


# Live pointers


def test_an_idle_card_reaches_no_memory(rig: Rig) -> None:
    rig.program("TX", 0x10_0000, 8)
    rig.settle()
    assert list(rig.nic.live_pointers()) == []


def test_a_running_card_reaches_its_rings_and_the_buffers_that_it_took(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(bus_offset=0x0100_0000)
    rig.start_rx(4, handed=2, size=1514)
    rig.start_tx(8)
    assert [(pointer.what, pointer.logical, pointer.length) for pointer in rig.nic.live_pointers()] == [
        ("transmit ring", 0x0110_0000, 128), ("receive ring", 0x0110_2000, 64),
        ("receive buffer of descriptor 0", 0x0130_0000, 1514), ("receive buffer of descriptor 1", 0x0130_0800, 1514)]
    rig.receive(frame())
    assert "receive buffer of descriptor 0" not in {pointer.what for pointer in rig.nic.live_pointers()}
    rig.descriptor(rig.tx_ring, 0, 0x0120_0000, 60, OWN | END)
    assert ("transmit buffer of descriptor 0", 0x0120_0000, 60) in {
        (pointer.what, pointer.logical, pointer.length) for pointer in rig.nic.live_pointers()}
    rig.write("CTRL", 0)
    rig.settle()
    assert list(rig.nic.live_pointers()) == []


# Interrupts


@pytest.mark.parametrize("mask, pulled", [(TX_DONE, True), (RX_DONE, False), (0, False), (0x3F, True)])
def test_a_sent_frame_pulls_the_line_where_the_mask_lets_it(rig: Rig, mask: int, pulled: bool) -> None:
    rig.start_tx()
    rig.write("MASK", mask)
    rig.send(frame())
    assert rig.nic.interrupting is pulled
    assert rig.read("CAUSE") == TX_DONE


def test_the_line_falls_with_the_acknowledge_and_rises_with_the_next_cause(rig: Rig) -> None:
    rig.start_rx()
    rig.write("MASK", RX_DONE)
    rig.receive(frame())
    assert rig.nic.interrupting
    rig.write("CAUSE", RX_DONE)
    assert rig.nic.interrupting
    rig.read("STATUS")
    assert not rig.nic.interrupting
    rig.receive(frame())
    assert rig.nic.interrupting


def test_every_frame_of_a_burst_is_told_of_at_the_latest_with_the_last(rig: Rig) -> None:
    ring = rig.start_tx(16)
    address = rig.fill(frame())
    for index in range(15):
        rig.descriptor(ring, index, address, 60, OWN | END)
    rig.write("TX_TAIL", 15)
    rig.settle()
    assert rig.read("TX_HEAD") == 15
    assert rig.read("CAUSE") == TX_DONE
    rig.write("CAUSE", TX_DONE)
    rig.send(frame(), first=15)
    assert rig.read("CAUSE") == TX_DONE


@pytest.mark.parametrize("up", [True, False])
def test_a_change_of_the_link_is_a_cause(rig: Rig, up: bool) -> None:
    rig.write("MASK", LINK_CHANGE)
    rig.settle()
    rig.machine.wire.set_link(up)
    rig.serve()
    assert rig.nic.interrupting
    assert rig.read("CAUSE") == LINK_CHANGE
