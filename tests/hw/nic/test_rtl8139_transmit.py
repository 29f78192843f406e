# SPDX-License-Identifier: Apache-2.0
"""The four transmit slots of the RTL8139C: turn, status bits, thresholds, aborts, and what a driver must not do."""

from __future__ import annotations

import pytest

from hw.inject import parse_fault
from hw.nic.rtl8139 import Rtl8139Nic
from tests.hw.nic.rtl8139_rig import (
    BUFFER_BYTES,
    BUFFERS,
    CRS,
    ISR_TOK,
    OWC,
    OWN,
    RE,
    SERR,
    TABT,
    TE,
    TER,
    TOK,
    TUN,
    Card,
    crc,
    frame,
)
from verifier.address import MIB

DONE = OWN | TOK | CRS


@pytest.fixture
def card() -> Card:
    card = Card()
    card.start()
    return card


@pytest.mark.keeps("desc-owner", "desc-own-last", "wire-bytes-of-this-frame", "dma-alignment", "dma-length")
@pytest.mark.parametrize("length", [60, 61, 1513, 1514])
def test_a_frame_goes_out_unchanged_and_its_slot_comes_back(card: Card, length: int) -> None:
    card.send(0, frame(length))
    assert card.machine.wire.sent == [frame(length)]
    assert (card.read("TSD0"), card.read("ISR")) == (DONE | length, ISR_TOK)
    assert card.rules == []


def test_the_buffer_is_free_before_the_frame_is_out(card: Card) -> None:
    card.processor.store(card.buffers, 0, frame(1514))  # type: ignore[arg-type]
    card.write("TSD0", 1514)
    card.machine.bus.drain()
    card.machine.clock.advance(200 + 40)
    assert card.read("TSD0") & (OWN | TOK) == OWN and card.machine.wire.sent == []
    card.machine.clock.advance(1514 * 80)
    assert card.read("TSD0") & (OWN | TOK) == OWN | TOK and len(card.machine.wire.sent) == 1


def test_slots_go_in_turn_and_one_that_is_early_waits(card: Card) -> None:
    for slot, length in ((1, 61), (2, 62), (0, 60), (3, 63)):
        card.send(slot, frame(length))
        if slot == 2:
            assert card.machine.wire.sent == [] and card.read("TSDS") == 0x0009
    assert [len(f) for f in card.machine.wire.sent] == [60, 61, 62, 63]
    card.send(0, frame(64))
    assert len(card.machine.wire.sent) == 5


def test_after_te_was_off_slot_0_is_next_and_what_waited_is_the_drivers(card: Card) -> None:
    card.send(0, frame())
    card.send(2, frame(62))
    card.write("CR", RE)
    card.settle()
    assert card.read("TSD2") & OWN
    card.write("CR", TE | RE)
    card.send(0, frame(64))
    assert [len(f) for f in card.machine.wire.sent] == [60, 64]


def test_the_card_does_not_pad(card: Card) -> None:
    card.send(0, frame(59))
    assert card.machine.wire.sent == [] and card.nic.padded == 0
    assert card.read("TSD0") & TOK


def test_the_summary_shows_all_slots(card: Card) -> None:
    card.send(0, frame())
    card.send(1, frame())
    assert card.read("TSDS") == 0x3 << 12 | 0xF


def test_the_status_bits_of_a_slot_cannot_be_written_and_a_write_clears_them(card: Card) -> None:
    card.send(0, frame())
    card.write("TSD0", OWN | TOK | TABT | 60)
    card.settle()
    assert card.read("TSD0") & (TOK | TABT | OWN) == TOK | OWN, "nothing is handed over: the status stays as it was"
    for slot in (1, 2, 3):
        card.send(slot, frame())
    card.machine.wire.sent.clear()
    card.send(0, frame(), TOK)
    assert len(card.machine.wire.sent) == 1


def test_a_card_that_always_loses_the_carrier_is_an_erratum() -> None:
    class Sound(Rtl8139Nic):
        carrier_always_lost = False
    card = Card(Sound)
    card.start()
    card.send(0, frame())
    assert card.read("TSD0") == OWN | TOK | 60


@pytest.mark.keeps("dma-length")
@pytest.mark.parametrize("length, refused", [(1791, False), (1792, False), (1793, True)])
def test_a_frame_beyond_1792_bytes_is_refused(card: Card, length: int, refused: bool) -> None:
    card.send(0, frame(length))
    assert bool(card.read("TSD0") & TABT) is refused
    assert card.rules == ["dma-length"] * refused


@pytest.mark.breaks("dma-alignment")
@pytest.mark.parametrize("offset", [1, 2, 3])
def test_a_buffer_off_a_dword_is_a_finding_and_the_card_reads_from_the_dword_on(card: Card, offset: int) -> None:
    card.processor.store(card.buffers, 0, bytes(4) + frame())  # type: ignore[arg-type]
    card.write("TSAD0", BUFFERS + offset)
    card.write("TSD0", 60)
    card.settle()
    assert card.rules == ["dma-alignment"]
    assert card.machine.wire.sent == [bytes(4) + frame()[:56]]


@pytest.mark.breaks("desc-owner")
def test_writing_a_slot_that_the_card_has_is_a_finding(card: Card) -> None:
    card.processor.store(card.buffers, 0, frame(64))  # type: ignore[arg-type]
    card.write("TSD0", 60)
    card.write("TSD0", 61)
    card.settle()
    assert card.rules == ["desc-owner"]


@pytest.mark.breaks("desc-own-last")
def test_writing_the_address_after_the_slot_was_handed_over_is_a_finding(card: Card) -> None:
    card.processor.store(card.buffers, 0, frame() + bytes(BUFFER_BYTES - 60) + frame())  # type: ignore[arg-type]
    card.write("TSD0", 60)
    card.write("TSAD0", BUFFERS + BUFFER_BYTES)
    card.settle()
    assert card.rules == ["desc-own-last"]


@pytest.mark.breaks("desc-owner")
@pytest.mark.parametrize("at, late", [(59, True), (60, False), (BUFFER_BYTES, False)])
def test_storing_into_a_frame_that_the_card_has_is_a_finding(card: Card, at: int, late: bool) -> None:
    card.processor.store(card.buffers, 0, frame() + bytes(8))  # type: ignore[arg-type]
    card.write("TSD0", 60)
    card.machine.bus.drain()
    card.processor.store(card.buffers, at, b"x")  # type: ignore[arg-type]
    card.settle()
    assert card.rules == ["desc-owner"] * late


@pytest.mark.breaks("desc-before-doorbell")
def test_storing_into_a_frame_behind_a_doorbell_that_is_on_its_way_is_a_finding(card: Card) -> None:
    card.processor.store(card.buffers, 0, frame())  # type: ignore[arg-type]
    card.write("TSD0", 60)
    card.processor.store(card.buffers, 10, b"x")  # type: ignore[arg-type]
    card.settle()
    assert card.rules == ["desc-before-doorbell"]


@pytest.mark.keeps("desc-owner", "desc-before-doorbell")
def test_a_buffer_is_stored_to_again_as_soon_as_own_is_set_or_while_the_transmitter_is_off(card: Card) -> None:
    card.send(0, frame())
    card.processor.store(card.buffers, 0, frame(61))  # type: ignore[arg-type]
    card.write("CR", RE)
    card.write("TSD1", 60)
    card.machine.bus.drain()
    card.processor.store(card.buffers, BUFFER_BYTES, frame())  # type: ignore[arg-type]
    card.settle()
    assert card.rules == []


@pytest.mark.keeps("desc-own-last")
def test_writing_the_same_address_again_or_that_of_a_free_slot_is_no_finding(card: Card) -> None:
    card.processor.store(card.buffers, 0, frame())  # type: ignore[arg-type]
    card.write("TSD0", 60)
    card.write("TSAD0", BUFFERS)
    card.write("TSAD1", BUFFERS + 3 * BUFFER_BYTES)
    card.settle()
    assert card.rules == []


@pytest.mark.breaks("wire-bytes-of-this-frame")
def test_bytes_of_another_frame_in_the_padding_are_a_finding(card: Card) -> None:
    ram = card.machine.ram
    card.processor.store(card.buffers, 0, frame())  # type: ignore[arg-type]
    ram.write_tagged(BUFFERS, frame(60)[:30], 2)
    ram.write_tagged(BUFFERS + 30, bytes(30), 1)
    card.write("TSD0", 60)
    card.settle()
    assert card.rules == ["wire-bytes-of-this-frame"]


@pytest.mark.parametrize("frame_, sent", [(frame(60) + crc(frame(60)), [frame(60)]), (frame(64), [])])
def test_with_crc_set_the_driver_brings_the_check_sequence(card: Card, frame_: bytes, sent: list[bytes]) -> None:
    card.write("TCR", 1 << 16)
    card.send(0, frame_)
    assert card.machine.wire.sent == sent


def test_in_loopback_a_frame_comes_back_and_does_not_leave(card: Card) -> None:
    card.write("TCR", 3 << 17)
    card.send(0, frame())
    assert card.machine.wire.sent == []
    assert card.packet(0)[2:] == (frame(), crc(frame()))


def test_without_a_link_a_frame_is_lost_and_the_card_does_not_know(card: Card) -> None:
    card.machine.wire.set_link(False)
    card.send(0, frame())
    assert card.machine.wire.sent == [] and card.read("TSD0") & TOK


# Faults


def faulty(*faults: str) -> Card:
    card = Card(faults=tuple(parse_fault(fault) for fault in faults))
    card.start()
    return card


@pytest.mark.parametrize("threshold, lost", [(0, True), (1, True), (2, False)])
def test_an_underrun_needs_a_threshold_below_the_frame(threshold: int, lost: bool) -> None:
    card = faulty("frame-out#1=underrun")
    card.send(0, frame(64), threshold << 16)
    assert bool(card.read("TSD0") & TUN) is lost and bool(card.read("TSD0") & TOK) is not lost
    assert card.read("ISR") == (TER if lost else ISR_TOK)
    card.send(1, frame(61))
    assert len(card.machine.wire.sent) == 2 - lost, "the next slot goes out"


@pytest.mark.parametrize("effect, bits", [("abort", TABT | 0xF << 24), ("late-collision", TABT | OWC)])
def test_an_abort_stops_the_transmitter_until_clrabt_tries_the_slot_again(effect: str, bits: int) -> None:
    card = faulty(f"frame-out#1={effect}")
    card.send(0, frame())
    card.send(1, frame(61))
    assert card.read("TSD0") == OWN | CRS | bits | 60 and card.read("ISR") == TER and card.machine.wire.sent == []
    assert card.read("TSDS") & 0x00F0 == 0x0010
    card.write("TCR", 1)
    card.settle()
    assert card.read("TSD0") == DONE | 60 and card.read("TCR") & 1 == 0
    assert [len(f) for f in card.machine.wire.sent] == [60, 61]


def test_clrabt_outside_an_abort_sends_nothing_again(card: Card) -> None:
    card.send(0, frame())
    card.write("TCR", 1)
    card.settle()
    assert len(card.machine.wire.sent) == 1


def test_a_transmitter_that_stalls_is_helped_by_a_reset_alone() -> None:
    card = faulty("frame-out#1=never")
    card.send(0, frame())
    card.write("CR", RE)
    card.write("CR", TE | RE)
    card.send(0, frame())
    assert card.machine.wire.sent == []
    card.write("CR", 0x10)
    card.settle()
    card.write("TSAD0", BUFFERS)
    card.write("CR", TE)
    card.send(0, frame())
    assert card.machine.wire.sent == [frame()]


def test_a_bus_error_stops_both_engines_and_sets_serr() -> None:
    card = faulty("dma-read#1=abort")
    card.send(0, frame())
    assert card.read("CR") & (TE | RE) == 0 and card.read("ISR") == SERR and card.nic.running() == ()
    assert list(card.nic.live_pointers()) == []


@pytest.mark.breaks("dma-stray")
def test_an_address_that_nobody_gave_is_a_finding() -> None:
    card = Card()
    card.start()
    card.write("TSAD0", 8 * MIB)
    card.write("TSD0", 60)
    card.settle()
    assert card.rules[0] == "dma-stray"


# Above 32 bits


@pytest.mark.breaks("contig-phys-64bit")
@pytest.mark.parametrize("checks", [True, False])
def test_the_low_half_of_an_address_above_4_gb_names_other_memory(checks: bool) -> None:
    """With and without checks, as under --silicon, the card reads and writes where the low 32 bits point."""
    high = 1 << 32
    card = Card(ram=high + 16 * MIB, checks=checks)
    ring, buffers = card.block("ring", high + MIB, 8192 + 16), card.block("buffers", high + 2 * MIB, 2048)
    card.processor.store(buffers, 0, frame())
    card.processor.store(ring, 0, bytes(64))
    card.write("RBSTART", (high + MIB) & 0xFFFF_FFFF)
    card.write("TSAD0", (high + 2 * MIB) & 0xFFFF_FFFF)
    card.write("CR", TE | RE)
    card.write("RCR", 1)
    card.write("TSD0", 60)
    card.settle()
    assert card.machine.wire.sent == [card.machine.ram.read(2 * MIB, 60)] != [frame()]
    card.receive(frame())
    card.read("ISR")
    assert card.machine.ram.read(MIB + 4, 60) == frame() and card.machine.ram.read(high + MIB + 4, 60) == bytes(60)
    assert set(card.rules) == ({"contig-phys-64bit"} if checks else set())
