# SPDX-License-Identifier: Apache-2.0
"""The rings of the 82540EM: what head and tail mean, and what a driver must not do with them."""

from __future__ import annotations

import pytest

from hw.nic.e1000_ring import RING_RUNNING
from tests.hw.nic.e1000_rig import (
    DD,
    EOP,
    IFCS,
    RS,
    SLU,
    TX_BUFFERS,
    TX_EN,
    TX_RING,
    Rig,
    frame,
)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def wire(rig: Rig) -> list[bytes]:
    return rig.machine.wire.sent


# Head and tail


def test_all_but_one_descriptor_can_be_announced_at_once(rig: Rig) -> None:
    rig.start_tx()
    rig.processor.store(rig.tx_buffers, 0, frame())
    for index in range(7):
        rig.tx_descriptor(index, TX_BUFFERS, 60, EOP | IFCS | RS)
    rig.set(TDT=7)
    assert (len(wire(rig)), rig.read("TDH"), rig.rules) == (7, 7, [])


@pytest.mark.breaks("ring-tail")
def test_a_tail_on_the_head_is_an_empty_ring_and_a_finding(rig: Rig) -> None:
    rig.start_tx()
    rig.processor.store(rig.tx_buffers, 0, frame())
    for index in range(8):
        rig.tx_descriptor(index, TX_BUFFERS, 60, EOP | IFCS | RS)
    rig.write("TDT", 7)
    rig.write("TDT", 0)
    rig.settle()
    assert (wire(rig), rig.rules) == ([], ["ring-tail"])
    assert "looks empty" in rig.errors[0].message


@pytest.mark.breaks("ring-tail")
def test_a_tail_that_goes_back_over_what_the_card_owns_is_a_finding(rig: Rig) -> None:
    rig.start_tx()
    rig.processor.store(rig.tx_buffers, 0, frame())
    for index in range(4):
        rig.tx_descriptor(index, TX_BUFFERS, 60, EOP | IFCS | RS)
    rig.write("TDT", 4)
    rig.write("TDT", 3)
    rig.settle()
    assert rig.rules == ["ring-tail"]


@pytest.mark.breaks("ring-tail")
@pytest.mark.keeps("ring-tail")
@pytest.mark.parametrize("tail, rules", [(6, []), (7, []), (8, ["ring-tail"]), (9, ["ring-tail"])])
def test_a_tail_beyond_the_ring_is_a_finding(rig: Rig, tail: int, rules: list[str]) -> None:
    rig.start_tx()
    rig.processor.store(rig.tx_buffers, 0, frame())
    for index in range(8):
        rig.tx_descriptor(index, TX_BUFFERS, 60, EOP | IFCS | RS)
    rig.write("TDT", tail)
    rig.machine.bus.drain()
    assert rig.rules == rules


def test_the_same_tail_once_more_is_no_news(rig: Rig) -> None:
    rig.start_tx()
    rig.send(frame())
    rig.set(TDT=1)
    assert (len(wire(rig)), rig.rules) == (1, [])


@pytest.mark.breaks("desc-owner")
def test_a_store_between_head_and_tail_is_a_finding(rig: Rig) -> None:
    rig.start_tx()
    rig.processor.store(rig.tx_buffers, 0, frame())
    rig.tx_descriptor(0, TX_BUFFERS, 60, EOP | IFCS | RS)
    rig.write("TDT", 1)
    rig.machine.bus.drain()
    rig.tx_descriptor(0, TX_BUFFERS, 61, EOP | IFCS | RS)
    assert rig.rules == ["desc-owner"]


@pytest.mark.keeps("desc-owner")
def test_a_store_behind_the_head_or_from_the_tail_on_is_none(rig: Rig) -> None:
    rig.start_tx()
    rig.send(frame())
    rig.tx_descriptor(0, TX_BUFFERS, 61, EOP | IFCS | RS)
    rig.tx_descriptor(1, TX_BUFFERS, 61, EOP | IFCS | RS)
    assert rig.rules == []


@pytest.mark.breaks("desc-before-doorbell")
def test_a_descriptor_stored_after_its_doorbell_is_a_finding_while_the_doorbell_is_on_its_way(rig: Rig) -> None:
    rig.start_tx()
    rig.processor.store(rig.tx_buffers, 0, frame())
    rig.write("TDT", 1)
    rig.tx_descriptor(0, TX_BUFFERS, 60, EOP | IFCS | RS)
    assert rig.rules == ["desc-before-doorbell"]


@pytest.mark.keeps("desc-before-doorbell")
def test_descriptors_that_are_written_again_go_round_and_round(rig: Rig) -> None:
    rig.start_tx()
    for number in range(20):
        rig.send(frame(60 + number), first=number % 8)
    assert (wire(rig), rig.rules) == ([frame(60 + number) for number in range(20)], [])


@pytest.mark.breaks("desc-before-doorbell")
def test_a_descriptor_that_nobody_wrote_again_is_a_finding(rig: Rig) -> None:
    rig.start_tx()
    for index in range(7):
        rig.send(frame(), first=index)
    rig.set(TDT=1)
    assert rig.rules == ["desc-before-doorbell"]


def test_the_write_back_is_on_its_way_until_a_register_is_read(rig: Rig) -> None:
    rig.start_tx()
    rig.processor.store(rig.tx_buffers, 0, frame())
    rig.tx_descriptor(0, TX_BUFFERS, 60, EOP | IFCS | RS)
    rig.write("TDT", 1)
    rig.passes(1_300)
    assert rig.sent(0) == 0
    rig.read("STATUS")
    assert rig.sent(0) == DD


def test_tdh_runs_ahead_of_what_was_sent(rig: Rig) -> None:
    rig.start_tx()
    rig.processor.store(rig.tx_buffers, 0, frame())
    for index in range(3):
        rig.tx_descriptor(index, TX_BUFFERS, 60, EOP | IFCS | RS)
    rig.write("TDT", 3)
    rig.passes(1_300)
    assert (rig.read("TDH"), [rig.sent(index) for index in range(3)]) == (3, [DD, 0, 0])


# Setting up


@pytest.mark.breaks("ring-length")
@pytest.mark.keeps("ring-length")
@pytest.mark.parametrize("name", ["TDLEN", "RDLEN"])
@pytest.mark.parametrize("length, kept, rules", [(127, 0, ["ring-length"]), (128, 128, []), (144, 128, ["ring-length"]), (256, 256, [])])
def test_a_length_is_a_multiple_of_128(rig: Rig, name: str, length: int, kept: int, rules: list[str]) -> None:
    rig.set(**{name: length})
    assert (rig.read(name), rig.rules) == (kept, rules)


@pytest.mark.breaks("dma-alignment")
@pytest.mark.keeps("dma-alignment")
@pytest.mark.parametrize("name", ["TDBAL", "RDBAL"])
@pytest.mark.parametrize("base, rules", [(0x1000, []), (0x1001, ["dma-alignment"]), (0x1008, ["dma-alignment"]), (0x1010, [])])
def test_a_base_is_a_multiple_of_16(rig: Rig, name: str, base: int, rules: list[str]) -> None:
    rig.set(**{name: base})
    assert (rig.read(name), rig.rules) == (base & ~15, rules)


@pytest.mark.breaks("ring-unset")
def test_a_doorbell_of_a_ring_without_length_is_a_finding(rig: Rig) -> None:
    rig.set(CTRL=SLU, TCTL=TX_EN)
    assert rig.rules == []
    rig.set(TDT=1)
    assert rig.rules == ["ring-unset"]


@pytest.mark.breaks("ring-running")
@pytest.mark.parametrize("name, value", [("TDBAL", 0x2000), ("TDLEN", 256), ("TDH", 3)])
def test_changing_a_ring_while_its_engine_runs_is_a_finding(rig: Rig, name: str, value: int) -> None:
    rig.start_tx()
    rig.set(**{name: value})
    assert rig.rules == [RING_RUNNING.id]


@pytest.mark.keeps("ring-running")
def test_changing_a_ring_while_its_engine_is_off_is_none(rig: Rig) -> None:
    rig.start_tx()
    rig.set(TCTL=0)
    rig.set(TDBAL=0x2000, TDLEN=256, TDH=3)
    assert (rig.read("TDH"), rig.rules) == (3, [])


def test_a_ring_that_leaves_its_block_is_a_finding(rig: Rig) -> None:
    rig.block("ring", TX_RING, 128)
    rig.processor.store(rig.machine.book.find(TX_RING, 128), 0, bytes(128))
    rig.block("tx buffers", TX_BUFFERS, 0x1000)
    rig.set(CTRL=SLU, TDBAL=TX_RING, TDLEN=256, TCTL=TX_EN)
    rig.set(TDT=9)
    assert "shared-bounds" in rig.rules
