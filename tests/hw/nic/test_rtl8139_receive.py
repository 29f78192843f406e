# SPDX-License-Identifier: Apache-2.0
"""The receive ring of the RTL8139C: layout, wrap, pointers, filters, overflow, and what a driver must not do."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.inject import parse_fault
from hw.nic.rtl8139 import Rtl8139Nic
from hw.nic.rtl8139_receive import multicast_hash
from hw.nic.rtl8139_registers import Registers
from tests.hw.nic.rtl8139_rig import (
    AAP,
    AB,
    AER,
    AM,
    APM,
    AR,
    BROADCAST,
    FOVW,
    RE,
    RER,
    RING,
    ROK,
    RXOVW,
    STATION,
    TE,
    WRAP,
    Card,
    crc,
    frame,
)

OTHER, GROUP = bytes.fromhex("021122334455"), bytes.fromhex("01005e000001")
PAM, MAR, BAR = 1 << 14, 1 << 15, 1 << 13


@pytest.fixture
def card() -> Card:
    card = Card()
    card.start()
    return card


def whole(length: int) -> int:
    """Bytes of the ring that a frame of *length* takes."""
    return (4 + length + 4 + 3) & ~3


# Layout


@pytest.mark.keeps("rx-ring-unset", "config-needs-enable", "rx-read-pointer")
@pytest.mark.parametrize("length", [60, 61, 62, 63, 1514])
def test_a_packet_is_a_header_a_frame_and_its_check_sequence(card: Card, length: int) -> None:
    card.receive(frame(length))
    assert card.packet(0) == (1 | PAM, length + 4, frame(length), crc(frame(length)))
    assert (card.read("CBR"), card.read("CR") & 1, card.read("ISR")) == (whole(length), 0, ROK)
    card.done(whole(length))
    assert card.read("CR") & 1 and card.read("CAPR") == whole(length) - 16 & 0xFFFF
    assert card.rules == []


@pytest.mark.parametrize("to, bit", [(STATION, PAM), (OTHER, 0), (GROUP, MAR), (BROADCAST, BAR)])
def test_the_header_says_whom_a_frame_is_for(card: Card, to: bytes, bit: int) -> None:
    card.receive(frame(60, to))
    assert card.packet(0)[0] == 1 | bit


def test_while_the_card_copies_the_ring_is_not_empty_and_the_length_is_fff0(card: Card) -> None:
    card.nic.receive_frame(frame())
    assert card.read("CR") & 1 == 0 and card.memory(2, 2) == b"\xf0\xff" and card.read("ISR") == 0
    card.settle()
    assert card.memory(2, 2) == b"\x40\x00" and card.read("ISR") == ROK


def test_without_the_erratum_a_packet_appears_as_a_whole() -> None:
    class Sound(Rtl8139Nic):
        shows_unfinished = False
    card = Card(Sound)
    card.start()
    card.nic.receive_frame(frame())
    assert (card.read("ISR"), card.read("CBR"), card.packet(0)[1]) == (ROK, 68, 64)


# Early receive

ERTH_HALF, MULERINT, RXFTH_WHOLE = 8 << 24, 1 << 17, 7 << 13
EROK, ERBAD, ERGOOD = 1, 4, 8


def early(card: Card, rcr: int, misr: int = 0, length: int = 1496) -> tuple[int, int] | None:
    """When and after how many bytes the card tells of a packet that it has not finished, in ns; None if it does not."""
    card.start(AAP | RXFTH_WHOLE | rcr)
    card.write("MULINT", misr)
    card.machine.bus.drain()
    began = card.machine.clock.now
    card.nic.receive_frame(frame(length))
    while card.machine.clock.now < began + 1990:
        card.machine.clock.advance(10)
        if card.nic.values[Registers.index["ISR"]] & ROK:
            return card.machine.clock.now - began, card.nic.values[Registers.index["ERBCR"]]
    return None


@pytest.mark.parametrize("rcr, misr, told", [
    (0, 0, None), (0, 64, None), (ERTH_HALF, 0, (1000, 750)), (1 << 24, 0, (130, 93)), (15 << 24, 0, (1880, 1406)),
    (ERTH_HALF, 64, (1000, 750)), (ERTH_HALF | MULERINT, 0, None), (ERTH_HALF | MULERINT, 64, (90, 64)), (MULERINT, 64, None),
    (ERTH_HALF | MULERINT, 1488, (1990, 1488)), (ERTH_HALF | MULERINT, 1500, None), (ERTH_HALF | MULERINT, 1504, None)])
def test_an_early_interrupt_comes_at_the_threshold(rcr: int, misr: int, told: tuple[int, int] | None) -> None:
    card = Card()
    assert early(card, rcr, misr) == told
    assert card.nic.values[Registers.index["ERSR"]] == EROK * (told is not None) and not card.nic.empty
    card.nic.dma.flush()
    assert card.machine.ram.read(RING + 2, 2) == b"\xf0\xff"
    card.settle()
    assert card.read("ERSR") == ERGOOD * (told is not None)


def test_after_an_early_interrupt_the_packet_is_told_when_it_is_whole() -> None:
    card = Card()
    assert early(card, ERTH_HALF)
    card.write("ISR", ROK)
    assert card.read("ISR") == 0
    card.settle()
    assert (card.read("ISR"), card.read("ERSR"), card.read("ERBCR")) == (ROK, ERGOOD, 0)
    assert card.packet(0)[1:3] == (1500, frame(1496)) and card.rules == []


@pytest.mark.parametrize("threshold, due", [(0, [60_000, 120_000, 122_560, 125_120]), (6, [60_000, 120_000, 122_560, 125_120]),
                                            (7, [1_000, 2_000])])
def test_a_packet_that_is_told_early_comes_at_the_pace_of_the_wire_unless_the_fifo_takes_it_whole(threshold: int, due: list[int]) -> None:
    card = Card()
    card.start(AAP | threshold << 13 | ERTH_HALF)
    began = card.machine.clock.now
    card.nic.receive_frame(frame(1496))
    card.nic.receive_frame(frame())
    causes, seen = Registers.index["ISR"], []
    while card.machine.clock.now < began + 130_000:
        card.machine.clock.advance(10)
        if card.nic.values[causes] & ROK:
            seen.append(card.machine.clock.now - began)
            card.nic.values[causes] = 0
    assert seen == due
    assert [card.packet(at)[1] for at in (0, 1504)] == [1500, 64] and card.rules == []


def test_a_bad_frame_is_told_early_and_then_as_bad() -> None:
    card = Card()
    card.start(AAP | AER | ERTH_HALF)
    card.nic.receive_bad_frame(frame(), "bad-crc")
    card.settle()
    assert card.read("ERSR") == ERBAD


@pytest.mark.parametrize("after_ns", [500, 1500])
def test_a_receiver_that_is_stopped_tells_nothing_of_the_packet_it_was_copying(after_ns: int) -> None:
    card = Card()
    card.start(AAP | RXFTH_WHOLE | ERTH_HALF)
    card.nic.receive_frame(frame())
    card.machine.clock.advance(after_ns)
    assert card.nic.values[Registers.index["ISR"]] == ROK * (after_ns > 1000)
    card.nic.values[Registers.index["ISR"]] = 0
    card.write("CR", TE)
    card.machine.bus.drain()
    card.settle()
    assert card.read("ISR") == 0


# Around the end


def at_the_end(card: Card, left: int) -> int:
    """Packets fill the ring, all read, until *left* bytes are left before its end; returns the offset."""
    at = 0
    while card.ring_bytes - at > left:
        rest = card.ring_bytes - at - left
        length = 1500 if rest > 3000 else 704 if rest > 1500 else rest - 8
        card.receive(frame(length))
        at += whole(length)
        card.done(at % card.ring_bytes)
    return at


@pytest.mark.parametrize("left", [4, 8, 64, 68, 72])
def test_a_packet_that_meets_the_end_goes_on_at_the_beginning(card: Card, left: int) -> None:
    at = at_the_end(card, left)
    card.receive(frame())
    assert card.packet(at) == (1 | PAM, 64, frame(), crc(frame()))
    assert card.read("CBR") == (at + 68) % 8192
    assert card.rules == []


def test_with_wrap_set_it_runs_on_beyond_the_end_and_the_next_header_follows_the_end() -> None:
    card = Card()
    card.start(AAP | WRAP, slack=1536)
    at = at_the_end(card, 8)
    card.receive(frame())
    card.read("ISR")
    assert card.machine.ram.read(RING + at + 4, 60) == frame()
    assert card.read("CBR") == (at + 68) % 8192
    card.done((at + 68) % 8192)
    card.receive(frame(61))
    assert card.packet(at + 68 - 8192)[2] == frame(61)
    assert card.rules == []


@pytest.mark.breaks("shared-bounds")
def test_with_wrap_set_and_nothing_behind_the_ring_the_card_writes_beyond_the_block() -> None:
    card = Card()
    card.start(AAP | WRAP)
    at_the_end(card, 8)
    card.receive(frame())
    assert card.rules[0] == "shared-bounds"


@pytest.mark.parametrize("size", [8192, 16384, 32768, 65536])
def test_the_ring_has_the_length_that_rcr_says(size: int) -> None:
    card = Card(ring_bytes=size)
    card.start(AAP)
    at = at_the_end(card, 4)
    card.receive(frame())
    assert card.packet(at)[2] == frame() and card.read("CBR") == 64


def test_a_ring_of_64_kb_wraps_even_with_wrap_set() -> None:
    card = Card(ring_bytes=65536)
    card.start(AAP | WRAP)
    at = at_the_end(card, 4)
    card.receive(frame())
    assert card.packet(at)[2] == frame() and card.rules == []


# Pointers


@pytest.mark.keeps("rx-read-pointer")
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_the_read_pointer_goes_as_far_as_the_card_has_written(card: Card, steps: int) -> None:
    card.receive(frame(), frame())
    card.done(68 * steps)
    assert card.rules == [] and bool(card.read("CR") & 1) is (steps == 2)


@pytest.mark.keeps("rx-read-pointer")
def test_the_write_of_capr_need_not_be_reduced(card: Card) -> None:
    card.receive(frame())
    card.write("CAPR", 8192 + 68 - 16)
    card.settle()
    assert card.read("CR") & 1 and card.read("CAPR") == 52 and card.rules == []


@pytest.mark.breaks("rx-read-pointer")
@pytest.mark.parametrize("offset", [72, 84, 8188])
def test_a_read_pointer_beyond_what_was_written_is_a_finding_and_the_ring_looks_full(card: Card, offset: int) -> None:
    card.receive(frame())
    card.done(offset)
    assert card.rules == ["rx-read-pointer"]
    assert card.read("CR") & 1 == 0


@pytest.mark.breaks("rx-read-pointer")
def test_capr_without_the_16_makes_the_card_deaf(card: Card) -> None:
    card.receive(frame())
    card.write("CAPR", 68)
    card.receive(frame())
    assert card.rules == ["rx-read-pointer"] and card.read("ISR") & RXOVW


def test_enabling_the_receiver_anew_empties_the_ring_and_writing_rcr_does_not(card: Card) -> None:
    card.receive(frame())
    card.write("RCR", AAP | APM)
    assert card.read("CBR") == 68
    card.write("CR", TE)
    card.write("CR", TE | RE)
    assert (card.read("CBR"), card.read("CAPR"), card.read("CR") & 1) == (0, 0xFFF0, 1)


def test_another_length_empties_the_ring_and_so_does_any_write_on_qemu(card: Card) -> None:
    class Qemu(Rtl8139Nic):
        configuration_resets_ring = True
    card.receive(frame())
    card.write("RCR", AAP | 1 << 11)
    assert card.read("CBR") == 0
    emulated = Card(Qemu)
    emulated.start()
    emulated.receive(frame())
    emulated.write("RCR", AAP | APM)
    assert emulated.read("CBR") == 0


def test_a_packet_that_is_being_copied_when_the_receiver_stops_is_not_finished(card: Card) -> None:
    card.nic.receive_frame(frame())
    card.write("CR", TE)
    card.settle()
    assert card.read("ISR") == 0


# Overflow


def test_a_full_ring_drops_frames_counts_them_and_goes_on_when_there_is_room(card: Card) -> None:
    fits = 8192 // whole(1514)
    card.receive(*[frame(1514)] * (fits + 2))
    assert card.read("MPC") == 2 and card.read("ISR") == ROK | RXOVW and card.nic.lost_for_want_of_descriptors == 2
    assert card.packet(0)[2] == frame(1514)
    card.write("MPC", 0xFF)
    assert card.read("MPC") == 0
    card.done(whole(1514))
    card.receive(frame(1514))
    assert card.read("MPC") == 0 and card.packet(fits * whole(1514))[2] == frame(1514)


@pytest.mark.parametrize("length, kept", [(972, True), (976, True), (980, False)])
def test_the_ring_is_never_filled_to_its_last_byte(card: Card, length: int, kept: bool) -> None:
    for size in (1512, 1512, 1512, 1512, 1096):  # 7184 bytes: 1008 are left, of which 1007 may be used
        card.receive(frame(size))
    assert card.read("CBR") == 7184
    card.receive(frame(length + 20))
    assert bool(card.read("MPC")) is not kept


# Filters


def wanted(rcr: int, table: int, to: bytes) -> bool:
    """The data sheet's words on filters, in the simplest form."""
    if rcr & AAP:
        return True
    if to == BROADCAST:
        return bool(rcr & AB)
    if to[0] & 1:
        crc_bits = f"{crc32(to) ^ 0xFFFFFFFF:032b}"[::-1]
        return bool(rcr & AM and table >> int(crc_bits[:6], 2) & 1)
    return bool(rcr & APM) and to == STATION


@given(rcr=st.integers(0, 15), table=st.integers(0, 2**64 - 1), to=st.one_of(
    st.sampled_from([STATION, OTHER, GROUP, BROADCAST]), st.binary(min_size=6, max_size=6)))
def test_filters_are_those_of_the_data_sheet(rcr: int, table: int, to: bytes) -> None:
    card = Card()
    card.start(rcr)
    card.write("MAR0", table & 0xFFFFFFFF)
    card.write("MAR4", table >> 32)
    card.settle()
    card.receive(frame(60, to))
    assert bool(card.read("CBR")) is wanted(rcr, table, to)


def test_the_hash_of_a_known_address() -> None:
    assert multicast_hash(bytes.fromhex("01005e000001")) == int(f"{crc32(GROUP) ^ 0xFFFFFFFF:032b}"[::-1][:6], 2)
    assert {multicast_hash(bytes((1, 0, 0, 0, n >> 8, n & 255))) for n in range(1000)} == set(range(64))


def test_the_station_address_is_that_of_the_registers(card: Card) -> None:
    card.write("EECR", 0xC0)
    card.write("IDR0", int.from_bytes(OTHER[:4], "little"))
    card.write("IDR4", int.from_bytes(OTHER[4:], "little"))
    card.write("RCR", APM)
    card.settle()
    card.receive(frame(60, STATION), frame(60, OTHER))
    assert card.read("CBR") == 68 and card.packet(0)[2] == frame(60, OTHER)


@pytest.mark.parametrize("why, rcr, kept, causes", [
    ("bad-crc", AAP, 0, RER), ("bad-crc", AAP | AER, 1 << 2 | PAM, RER | ROK), ("runt", AAP, 0, 0),
    ("runt", AAP | AR, 1 | 1 << 4 | PAM, ROK), ("overlong", AAP, 1 | PAM, ROK)])
def test_broken_frames_are_kept_only_if_rcr_says_so(card: Card, why: str, rcr: int, kept: int, causes: int) -> None:
    card.write("RCR", rcr)
    card.settle()
    broken = frame()[:40] if why == "runt" else frame(1600) if why == "overlong" else frame()
    card.nic.receive_bad_frame(broken, why)
    card.settle()
    assert card.read("ISR") == causes
    if kept:
        status, length, data, check = card.packet(0)
        assert (status, length, data) == (kept, len(broken) + 4, broken)
        assert (check == crc(broken)) is (why != "bad-crc")
    else:
        assert card.read("CBR") == 0


# What a driver must not do


@pytest.mark.breaks("rx-ring-unset")
def test_a_receiver_without_a_ring_is_a_finding_when_a_frame_arrives() -> None:
    card = Card()
    card.write("CR", RE)
    card.write("RCR", AAP)
    card.settle()
    assert card.rules == []
    card.receive(frame())
    assert card.rules[0] == "rx-ring-unset"


@pytest.mark.breaks("rx-ring-unset")
def test_a_reset_forgets_that_the_ring_was_set(card: Card) -> None:
    card.write("CR", 0x10)
    card.settle()
    card.write("CR", RE)
    card.write("RCR", AAP)
    card.settle()
    card.receive(frame())
    assert card.rules[0] == "rx-ring-unset"


@pytest.mark.breaks("config-needs-enable")
def test_a_configuration_before_the_receiver_is_on_is_lost_and_told_at_the_first_frame() -> None:
    card = Card()
    card.write("RCR", AAP)
    card.start(0)
    assert card.rules == []
    card.write("CR", TE)
    card.write("RCR", AAP)
    card.write("CR", TE | RE)
    card.settle()
    card.receive(frame())
    assert card.rules == ["config-needs-enable"] and card.read("CBR") == 0


@pytest.mark.keeps("config-needs-enable")
def test_a_configuration_that_is_written_again_or_says_nothing_is_no_finding() -> None:
    card = Card()
    card.write("RCR", AAP)
    card.start(AAP)
    card.receive(frame())
    card.write("CR", 0)
    card.write("RCR", 0)
    card.write("CR", RE)
    card.settle()
    card.receive(frame())
    assert card.rules == []


@pytest.mark.breaks("dma-alignment")
def test_a_ring_off_a_dword_is_a_finding(card: Card) -> None:
    card.write("RBSTART", RING + 2)
    card.settle()
    assert card.rules == ["dma-alignment"]


# Faults


def faulty(*faults: str) -> Card:
    card = Card(faults=tuple(parse_fault(fault) for fault in faults))
    card.start()
    return card


def spoil(card: Card, effect: str) -> None:
    card.nic.receive_spoiled(frame(), effect)


def test_a_frame_that_the_fifo_loses_is_counted() -> None:
    card = faulty("mac#9")
    spoil(card, "missed")
    assert (card.read("ISR"), card.read("MPC"), card.read("CBR")) == (FOVW, 1, 0)


def test_a_copy_that_takes_long_tells_twice() -> None:
    card = faulty("mac#9")
    spoil(card, "unfinished")
    assert card.read("ISR") == ROK and card.memory(2, 2) == b"\xf0\xff"
    card.write("ISR", ROK)
    card.settle()
    assert card.read("ISR") == ROK and card.packet(0)[1:3] == (64, frame())


@pytest.mark.parametrize("effect, status, length", [("bogus-length", 1 | PAM, 0x3FFF), ("bit-flip", PAM, 64)])
def test_a_header_may_come_wrong(effect: str, status: int, length: int) -> None:
    card = faulty("mac#9")
    spoil(card, effect)
    card.settle()
    assert card.packet(0)[:2] == (status, length)


def test_a_write_that_is_aborted_stops_the_card() -> None:
    card = faulty("dma-write#2=abort")
    card.receive(frame())
    assert card.read("CR") & (TE | RE) == 0 and card.nic.config.read(6, 2)[1] & 0x10
