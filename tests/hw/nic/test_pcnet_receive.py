# SPDX-License-Identifier: Apache-2.0
"""The receiver of the PCnet cards, in every software style and on both buses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hw.nic.pcnet_rig import (
    ASTRP_RCV,
    BUFFER,
    CARDS,
    DRCVBC,
    DRCVPA,
    EN124,
    ENP,
    ERR,
    FRAME,
    LOOP,
    MAC,
    MISS,
    OTHERS,
    OWN,
    PROM,
    RINT,
    STP,
    STRT,
    Rig,
    fcs,
)


@pytest.fixture(params=CARDS, ids=str)
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(*request.param)


# Receive


def test_a_frame_comes_in_with_its_check_sequence(rig: Rig) -> None:
    rig.start()
    rig.give()
    rig.receive(FRAME)
    assert rig.buffer(0, len(FRAME) + 4) == FRAME + fcs(FRAME)
    assert rig.flags("rx") == STP | ENP
    assert rig.status("rx") == len(FRAME) + 4
    assert rig.csr(0) & RINT and not rig.csr(0) & MISS


def test_a_frame_goes_over_several_buffers(rig: Rig) -> None:
    rig.start()
    for index in range(3):
        rig.give(index, 64)
    rig.receive(FRAME)
    assert [rig.flags("rx", index) for index in range(3)] == [STP, 0, ENP]
    assert [rig.status("rx", index) for index in range(3)] == [0, 0, len(FRAME) + 4]
    assert rig.buffer(0, 64) + rig.buffer(1, 64) == FRAME and rig.buffer(2, 4) == fcs(FRAME)


def test_a_frame_for_which_the_next_buffer_is_missing_ends_in_buff(rig: Rig) -> None:
    rig.start()
    rig.give(0, 64)
    rig.receive(FRAME)
    assert rig.flags("rx") == ERR | STP | 0x1400
    assert rig.csr(0) & RINT


def test_without_a_descriptor_a_frame_is_missed_and_counted(rig: Rig) -> None:
    rig.start()
    rig.receive(FRAME)
    rig.receive(FRAME)
    assert rig.csr(0) & (MISS | 0x8000) == MISS | 0x8000
    assert rig.csr(112) == 2
    assert rig.nic.lost_for_want_of_descriptors == 2


def test_the_counter_of_missed_frames_overflows_into_mfco(rig: Rig) -> None:
    rig.start()
    rig.nic.set_csr(112, 0xFFFF)
    rig.receive(FRAME)
    assert rig.csr(112) == 0 and rig.csr(4) & 0x0200


def test_the_look_ahead_does_not_search_the_ring(rig: Rig) -> None:
    rig.start()
    rig.give(1)
    rig.receive(FRAME)
    assert rig.csr(0) & MISS and rig.flags("rx", 1) & OWN


@pytest.mark.parametrize("length, stripped", [(1, 15), (45, 59), (46, 64), (47, 65)])
def test_astrp_rcv_strips_pad_and_check_sequence_of_802_3_frames(rig: Rig, length: int, stripped: int) -> None:
    rig.lay_out()
    rig.init()
    rig.set_csr(4, 0x0115 | ASTRP_RCV)
    rig.set_csr(0, STRT)
    rig.give()
    frame = (OTHERS * 2 + length.to_bytes(2, "big")).ljust(max(60, 14 + length), b"\x55")
    rig.receive(frame)
    assert rig.status("rx") == (stripped if length < 46 else len(frame) + 4)


@pytest.mark.parametrize("why, frame, flags", [
    ("bad-crc", FRAME, ERR | STP | ENP | 0x0800), ("overlong", bytes(1600), STP | ENP), ("runt", bytes(40), OWN)])
def test_broken_frames(rig: Rig, why: str, frame: bytes, flags: int) -> None:
    rig.start()
    rig.give()
    rig.nic.receive_bad_frame(frame, why)
    rig.machine.settle()
    assert rig.flags("rx") == flags


def test_rpa_takes_runts(rig: Rig) -> None:
    rig.lay_out()
    rig.init()
    rig.set_csr(4, 0x0115 | EN124)
    rig.set_csr(124, 0x0008)
    rig.set_csr(0, STRT)
    rig.give()
    rig.nic.receive_bad_frame(bytes(40), "runt")
    rig.machine.settle()
    assert rig.status("rx") == 44


@pytest.mark.parametrize("effect, flags", [("overflow", ERR | STP | 0x1000), ("missed", OWN)])
def test_receive_faults(rig: Rig, effect: str, flags: int) -> None:
    rig.start()
    rig.give()
    rig.nic.receive_spoiled(FRAME, effect)
    rig.machine.settle()
    assert rig.flags("rx") == flags
    assert bool(rig.csr(0) & MISS) == (effect == "missed")


def test_loopback_brings_the_frame_back_inside_the_card(rig: Rig) -> None:
    rig.start(PROM | LOOP)
    rig.give()
    rig.send(FRAME)
    assert rig.sent == [] and rig.buffer(0, len(FRAME)) == FRAME
    rig.receive(FRAME)
    assert rig.csr(112) == 0


# Address match


def reflected_top_bits(address: bytes) -> int:
    """The hash by the book: 48 bits through the shift register of the CRC, lowest bit of each byte first; its six highest bits."""
    register = 0xFFFFFFFF
    for byte in address:
        for bit in range(8):
            register, out = register >> 1, (register ^ byte >> bit) & 1
            if out:
                register ^= 0xEDB88320
    return register >> 26


@pytest.mark.parametrize("style", [0, 2])
@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=6, max_size=6), st.integers(0, 0xFFFFFFFFFFFFFFFF))
def test_the_logical_address_filter_takes_what_the_data_sheet_says(style: int, address: bytes, ladrf: int) -> None:
    address = bytes([address[0] | 1]) + address[1:]
    rig = Rig(style=style).start(0, ladrf=ladrf)
    wanted = address == b"\xff" * 6 or bool(ladrf >> reflected_top_bits(address) & 1)
    assert (rig.nic.match(address) >= 0) == wanted


MULTICAST = b"\x01\x00\x5e\x00\x00\x01"


@pytest.mark.parametrize("mode, destination, ladrf, flag", [
    (0, MAC, 0, 0x40), (DRCVPA, MAC, 0, None), (0, OTHERS, 0, None), (PROM, OTHERS, 0, 0), (PROM, MAC, 0, 0),
    (0, b"\xff" * 6, 0, 0x10), (DRCVBC, b"\xff" * 6, 0, None), (DRCVBC, b"\xff" * 6, 0xFFFFFFFFFFFFFFFF, 0x20),
    (0, MULTICAST, 0, None), (0, MULTICAST, 0xFFFFFFFFFFFFFFFF, 0x20)])
def test_the_match_stands_in_a_wide_descriptor(rig: Rig, mode: int, destination: bytes, ladrf: int, flag: int | None) -> None:
    rig.start(mode, ladrf=ladrf)
    rig.give()
    rig.receive(destination + FRAME[6:])
    if flag is None:
        assert rig.flags("rx") & OWN
    else:
        assert rig.flags("rx") == STP | ENP | (flag if rig.wide else 0)


# The whole way


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(CARDS), st.lists(st.integers(60, 1514), min_size=1, max_size=12))
def test_frames_of_any_length_go_both_ways_in_order(card: tuple[str, int], lengths: list[int]) -> None:
    rig = Rig(*card).start()
    frames = [bytes([number]) * length for number, length in enumerate(lengths)]
    for number, frame in enumerate(frames):
        rig.send(frame, number % 4)
        rig.give(number % 4)
        rig.receive(frame)
        assert rig.buffer(number % 4, len(frame)) == frame and rig.status("rx", number % 4) == len(frame) + 4
    assert rig.sent == frames and rig.rules == []


def pointers(rig: Rig) -> list[Any]:
    return [(pointer.what, pointer.logical, pointer.length) for pointer in rig.nic.live_pointers()]


def test_rings_and_taken_buffers_are_live_pointers(rig: Rig) -> None:
    rig.start()
    rig.give(1)
    assert pointers(rig) == [
        ("transmit ring", 0x10_2000, 4 * rig.size), ("receive ring", 0x10_1000, 4 * rig.size),
        ("receive buffer of descriptor 1", 0x20_0000 + BUFFER, BUFFER)]
