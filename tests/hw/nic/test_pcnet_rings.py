# SPDX-License-Identifier: Apache-2.0
"""Initialization block, descriptors and rings of the PCnet cards, in every software style and on both buses."""

from __future__ import annotations

import struct
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hw.nic.pcnet_rig import (
    APAD_XMT,
    ASTRP_RCV,
    BABL,
    BUFFER,
    CERR,
    DLNKTST,
    DPOLL,
    DRCVBC,
    DRCVPA,
    DRX,
    DTX,
    DXMTFCS,
    EN124,
    ENP,
    ERR,
    IDON,
    INIT,
    LOOP,
    MAC,
    MISS,
    OWN,
    PROM,
    RINT,
    RXON,
    STOP,
    STP,
    STRT,
    TDMD,
    TINT,
    TXON,
    Rig,
)

CARDS = [("pcnet", 0), ("pcnet", 1), ("pcnet", 2), ("pcnet", 3), ("pcnet-isa", 0)]
FRAME = bytes(range(64)) * 2
OTHERS = b"\x02\x00\x00\x00\x00\x09"
POLL_NS = 65536 * 30


def fcs(frame: bytes) -> bytes:
    return crc32(frame).to_bytes(4, "little")


@pytest.fixture(params=CARDS, ids=str)
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(*request.param)


# Initialization


def test_the_initialization_block_fills_the_registers(rig: Rig) -> None:
    rig.lay_out(rx=8, tx=2)
    assert rig.init(0x1234 & ~0x0E00, 0x0123456789ABCDEF, padr=b"\x02\x11\x22\x33\x44\x55") == 0x0181
    assert [rig.csr(number) for number in (12, 13, 14)] == [0x1102, 0x3322, 0x5544]
    assert [rig.csr(number) for number in (8, 9, 10, 11)] == [0xCDEF, 0x89AB, 0x4567, 0x0123]
    assert rig.csr(15) == 0x1034
    assert rig.csr(24) | rig.csr(25) << 16 == 0x10_1000 and rig.csr(30) | rig.csr(31) << 16 == 0x10_2000
    assert (rig.csr(76), rig.csr(78)) == (0xFFF8, 0xFFFE)
    assert rig.csr(6) == 0x1300
    assert rig.rules == []


@pytest.mark.parametrize("style, code, length", [(0, 0, 1), (0, 7, 128), (2, 8, 256), (2, 9, 512), (2, 10, 512), (2, 15, 512), (3, 9, 512)])
def test_ring_lengths_are_powers_of_two_with_an_upper_end(style: int, code: int, length: int) -> None:
    rig = Rig(style=style)
    rig.lay_out()
    rig.counts = {"rx": 1 << code, "tx": 1 << code}
    rig.init()
    assert -rig.csr(76) & 0xFFFF == -rig.csr(78) & 0xFFFF == length


@pytest.mark.breaks("desc-reserved")
@pytest.mark.parametrize("style, at, bit", [(0, 19, 0x01), (0, 23, 0x10), (2, 2, 0x01), (2, 3, 0x08), (2, 10, 0x01)])
def test_reserved_bits_of_the_initialization_block_are_told(style: int, at: int, bit: int) -> None:
    rig = Rig(style=style)
    rig.lay_out()
    if style:
        rig.set_bcr(20, style)
    block = bytearray(rig.init_block())
    block[at] |= bit
    rig.store("block", 0, bytes(block))
    rig.set_csr(1, 0)
    rig.set_csr(2, 0x10)
    rig.set_csr(0, INIT)
    rig.machine.settle()
    assert rig.rules == ["desc-reserved"]


@pytest.mark.keeps("desc-reserved", "pcnet-rings-first", "pcnet-stop-first", "pcnet-style")
def test_a_card_that_is_started_by_the_book_gives_no_finding(rig: Rig) -> None:
    rig.start()
    assert rig.csr(0) & (STRT | TXON | RXON) == STRT | TXON | RXON
    rig.give()
    rig.send(FRAME)
    rig.receive(FRAME)
    assert rig.rules == []


@pytest.mark.breaks("pcnet-rings-first")
def test_a_start_without_an_initialization_block_is_told(rig: Rig) -> None:
    rig.set_csr(0, STRT)
    assert rig.rules == ["pcnet-rings-first"]
    assert not rig.csr(0) & (TXON | RXON)


@pytest.mark.keeps("pcnet-rings-first")
def test_ring_registers_may_be_written_in_place_of_an_initialization_block(rig: Rig) -> None:
    rig.lay_out()
    if rig.style:
        rig.set_bcr(20, rig.style)
    for number, value in ((15, PROM), (24, 0x1000), (25, 0x10), (30, 0x2000), (31, 0x10), (76, 0xFFFC), (78, 0xFFFC)):
        rig.set_csr(number, value)
    rig.set_csr(0, STRT)
    rig.send(FRAME)
    assert rig.sent == [FRAME] and rig.rules == []


@pytest.mark.parametrize("mode, on", [(0, TXON | RXON), (DTX, RXON), (DRX, TXON), (DTX | DRX, 0)])
def test_the_mode_keeps_engines_off(rig: Rig, mode: int, on: int) -> None:
    rig.start(mode)
    assert rig.csr(0) & (TXON | RXON) == on


def test_init_and_start_may_come_in_one_write(rig: Rig) -> None:
    rig.lay_out()
    if rig.style:
        rig.set_bcr(20, rig.style)
    rig.store("block", 0, rig.init_block())
    rig.set_csr(1, 0)
    rig.set_csr(2, 0x10)
    rig.set_csr(0, INIT | STRT)
    rig.machine.settle()
    assert rig.csr(0) & (INIT | STRT | TXON | RXON | IDON | STOP) == INIT | STRT | TXON | RXON | IDON


def test_stop_wins_and_ends_everything(rig: Rig) -> None:
    rig.start()
    rig.give()
    rig.set_csr(0, INIT | STRT | STOP)
    assert rig.csr(0) == STOP
    rig.receive(FRAME)
    assert rig.flags("rx") & OWN
    assert list(rig.nic.live_pointers()) == []


def test_after_a_stop_the_rings_go_on_where_they_were(rig: Rig) -> None:
    rig.start()
    rig.send(FRAME, 0)
    rig.set_csr(0, STOP)
    rig.set_csr(0, STRT)
    rig.send(FRAME, 1)
    assert len(rig.sent) == 2 and not rig.flags("tx", 1) & OWN


def test_with_the_erratum_a_restart_begins_at_the_first_descriptor(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(rig.nic), "restart_rewinds", True)
    rig.start()
    rig.send(FRAME, 0)
    rig.set_csr(0, STOP)
    rig.set_csr(0, STRT)
    rig.send(FRAME, 0)
    assert len(rig.sent) == 2


def test_with_the_erratum_a_start_that_acknowledges_idon_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    monkeypatch.setattr(type(rig.nic), "start_with_idon_lost", True)
    rig.start()
    assert not rig.csr(0) & TXON
    rig.set_csr(0, STRT)
    assert rig.csr(0) & TXON


# Transmit


def test_a_frame_goes_out_and_its_descriptor_comes_back(rig: Rig) -> None:
    rig.start()
    rig.send(FRAME)
    assert rig.sent == [FRAME]
    assert rig.flags("tx") == STP | ENP and rig.errors_of() == 0
    assert rig.csr(0) & TINT and rig.csr(4) & 0x0008
    assert not rig.csr(0) & TDMD


def test_the_byte_count_and_the_address_of_a_descriptor_stay_as_they_are(rig: Rig) -> None:
    rig.start()
    before = rig.raw("tx", 0)
    rig.send(FRAME)
    after = rig.raw("tx", 0)
    count = 0xF000 | -len(FRAME) & 0xFFF
    if rig.wide:
        assert struct.unpack_from("<H", after, 4)[0] == count
        assert struct.unpack_from("<I", after, 8 if rig.style == 3 else 0)[0] == 0x30_0000
        assert after[12:] == before[12:]
    else:
        assert struct.unpack_from("<HHH", after) == (0, STP | ENP | 0x30, count)


def test_a_frame_may_lie_in_several_buffers(rig: Rig) -> None:
    rig.start()
    rig.send(FRAME[:10], 0, OWN | STP, demand=False)
    rig.send(FRAME[10:11], 1, OWN, demand=False)
    rig.send(FRAME[11:], 2, OWN | ENP)
    assert rig.sent == [FRAME]
    assert [rig.flags("tx", index) for index in range(3)] == [STP, 0, ENP]


def test_an_entry_without_stp_at_the_start_of_a_frame_is_skipped(rig: Rig) -> None:
    rig.start()
    rig.send(b"x" * 60, 0, OWN | ENP, demand=False)
    rig.send(FRAME, 1)
    assert rig.sent == [FRAME]
    assert not rig.flags("tx", 0) & OWN and not rig.flags("tx", 1) & OWN


def test_a_frame_without_its_end_ends_in_buff_and_uflo_and_turns_the_transmitter_off(rig: Rig) -> None:
    rig.start()
    rig.send(FRAME, 0, OWN | STP)
    assert rig.sent == []
    assert rig.flags("tx") & (OWN | ERR) == ERR
    assert rig.errors_of() == 0xC000
    assert rig.csr(0) & (TXON | TINT) == TINT


def test_dxsuflo_keeps_the_transmitter_on() -> None:
    rig = Rig(style=2).start()
    rig.set_csr(3, 0x0040)
    rig.send(FRAME, 0, OWN | STP)
    assert rig.csr(0) & TXON
    rig.send(FRAME, 1)
    assert rig.sent == [FRAME]


@pytest.mark.parametrize("length, out", [(14, 60), (59, 60), (60, 60), (61, 61)])
def test_apad_xmt_pads_with_zeros_to_60_bytes(rig: Rig, length: int, out: int) -> None:
    rig.lay_out()
    rig.init()
    rig.set_csr(4, 0x0115 | APAD_XMT)
    rig.set_csr(0, STRT)
    rig.send(FRAME[:length])
    assert rig.sent == [FRAME[:length].ljust(out, b"\0")]


def test_without_apad_xmt_a_short_frame_goes_out_as_a_runt_that_nobody_takes(rig: Rig) -> None:
    rig.start()
    rig.send(FRAME[:59])
    assert rig.sent == []
    assert rig.flags("tx") == STP | ENP


@pytest.mark.parametrize("good", [True, False])
def test_with_dxmtfcs_the_driver_brings_the_check_sequence(rig: Rig, good: bool) -> None:
    rig.start(PROM | DXMTFCS)
    rig.send(FRAME + (fcs(FRAME) if good else b"1234"))
    assert rig.sent == ([FRAME] if good else [])


@pytest.mark.parametrize("style", [0, 2, 3])
def test_add_fcs_overrides_dxmtfcs(style: int) -> None:
    rig = Rig(style=style).start(PROM | DXMTFCS)
    rig.send(FRAME, 0, OWN | STP | ENP | 0x2000)
    assert rig.sent == [FRAME]


def test_no_fcs_in_style_1_has_the_driver_bring_the_check_sequence() -> None:
    rig = Rig(style=1).start()
    rig.send(FRAME + fcs(FRAME), 0, OWN | STP | ENP | 0x2000)
    rig.send(FRAME, 1)
    assert rig.sent == [FRAME, FRAME]


def test_padding_comes_with_a_check_sequence_whatever_dxmtfcs_says(rig: Rig) -> None:
    rig.lay_out()
    rig.init(PROM | DXMTFCS)
    rig.set_csr(4, 0x0115 | APAD_XMT)
    rig.set_csr(0, STRT)
    rig.send(FRAME[:20])
    assert rig.sent == [FRAME[:20].ljust(60, b"\0")]


def test_without_a_link_a_frame_ends_in_lcar_and_cerr(rig: Rig) -> None:
    rig.start()
    rig.machine.wire.set_link(False)
    rig.send(FRAME)
    assert rig.errors_of() == 0x0800 and rig.flags("tx") & ERR
    assert rig.csr(0) & (CERR | TXON | 0x8000) == CERR | TXON | 0x8000


def test_dlnktst_does_not_look_at_the_link(rig: Rig) -> None:
    rig.start(PROM | DLNKTST)
    rig.machine.wire.set_link(False)
    rig.send(FRAME)
    assert rig.errors_of() == 0 and rig.sent == []


@pytest.mark.parametrize("length, babbles", [(1514, False), (1515, True), (1516, True)])
def test_a_frame_that_is_too_long_is_babble(rig: Rig, length: int, babbles: bool) -> None:
    rig.start()
    rig.send(bytes(length))
    assert bool(rig.csr(0) & BABL) == babbles
    assert rig.flags("tx") == STP | ENP


@pytest.mark.parametrize("effect, bits, on", [("underrun", 0x4000, False), ("late-collision", 0x1000, True), ("retry", 0x0400, True)])
def test_transmit_errors_stand_in_the_descriptor(rig: Rig, effect: str, bits: int, on: bool) -> None:
    rig.start()
    rig.machine.injector = FaultAt("frame-out", effect)  # type: ignore[assignment]
    rig.send(FRAME)
    assert rig.errors_of() == bits and rig.flags("tx") & ERR
    assert bool(rig.csr(0) & TXON) == on


def test_a_frame_that_is_never_sent_stops_the_transmitter_until_init(rig: Rig) -> None:
    rig.start()
    rig.machine.injector = FaultAt("frame-out", "never")  # type: ignore[assignment]
    rig.send(FRAME)
    rig.send(FRAME, 1)
    assert rig.flags("tx", 0) & OWN and rig.flags("tx", 1) & OWN and not rig.csr(0) & TINT


class FaultAt:
    """Stands for an injector with one effect at one point of the card."""

    def __init__(self, point: str, effect: str) -> None:
        self.point, self.effect = point, effect

    def take(self, name: str) -> str | None:
        return self.effect if name == self.point else None

    def without_effect(self, name: str, why: str) -> None:
        """Nobody asks."""


# The poll timer


def test_the_poll_timer_finds_a_frame_that_nobody_demanded(rig: Rig) -> None:
    rig.start()
    began = rig.machine.clock.now
    rig.send(FRAME, demand=False)
    rig.machine.settle()
    assert rig.sent == [FRAME]
    assert rig.machine.clock.now - began <= POLL_NS + 10_000


def test_the_polling_interval_is_csr47(rig: Rig) -> None:
    rig.lay_out()
    rig.set_csr(47, 0x10000 - 1000)
    rig.init()
    rig.set_csr(0, STRT)
    began = rig.machine.clock.now
    rig.send(FRAME, demand=False)
    rig.machine.settle()
    assert rig.sent == [FRAME] and rig.machine.clock.now - began <= 1000 * 30 + 10_000


def test_with_dpoll_only_a_demand_sends(rig: Rig) -> None:
    rig.lay_out()
    rig.init()
    rig.set_csr(4, 0x0115 | DPOLL)
    rig.set_csr(0, STRT)
    rig.send(FRAME, demand=False)
    rig.give()
    rig.receive(FRAME)
    rig.machine.settle()
    assert rig.sent == []
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.sent == [FRAME]


def test_a_received_frame_polls_the_transmit_ring(rig: Rig) -> None:
    rig.start()
    rig.give()
    rig.send(FRAME, demand=False)
    began = rig.machine.clock.now
    rig.receive(FRAME)
    assert rig.sent == [FRAME] and rig.machine.clock.now - began < POLL_NS // 2


def test_several_frames_go_out_at_one_demand(rig: Rig) -> None:
    rig.start()
    for index in range(3):
        rig.send(FRAME + bytes([index]), index, demand=index == 2)
    assert rig.sent == [FRAME + bytes([index]) for index in range(3)]


@pytest.mark.breaks("desc-before-doorbell")
def test_a_demand_shortly_before_its_descriptor_is_told(rig: Rig) -> None:
    rig.start()
    rig.set_csr(0, TDMD)
    rig.send(FRAME, demand=False)
    rig.machine.settle()
    assert rig.rules == ["desc-before-doorbell"] and rig.sent == [FRAME]


@pytest.mark.keeps("desc-before-doorbell")
def test_a_demand_that_finds_nothing_is_none_of_the_beds_business(rig: Rig) -> None:
    rig.start()
    rig.set_csr(0, TDMD)
    rig.send(FRAME)
    assert rig.rules == [] and rig.sent == [FRAME]


# What the driver must leave alone


@pytest.mark.breaks("desc-own-last")
def test_a_count_written_after_the_ownership_bit_is_told(rig: Rig) -> None:
    rig.start()
    rig.store("tx buffers", 0, FRAME * 2)
    at = {0: 4, 3: 4}.get(rig.style, 4)
    rig.descriptor("tx", 0, 0x30_0000, 64, OWN | STP | ENP)
    rig.store("tx", at, struct.pack("<H", 0xF000 | -100 & 0xFFF))
    assert rig.rules == ["desc-own-last"]
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert [len(frame) for frame in rig.sent] == [64], "the card works with what it took"


@pytest.mark.breaks("desc-owner")
def test_a_descriptor_changed_after_the_demand_is_told(rig: Rig) -> None:
    rig.start()
    rig.store("tx buffers", 0, FRAME)
    rig.descriptor("tx", 0, 0x30_0000, 64, OWN | STP | ENP)
    rig.outw(0x12, 0)
    rig.machine.bus.write(rig.nic, 0, 0x10, 2, TDMD, True)
    rig.store("tx", 4, struct.pack("<H", 0xF000 | -100 & 0xFFF))
    assert rig.rules == ["desc-owner"]


@pytest.mark.breaks("desc-owner")
def test_a_receive_descriptor_changed_long_after_it_was_given_is_told(rig: Rig) -> None:
    rig.start()
    rig.give()
    rig.machine.clock.advance(10_000)
    rig.store("rx", 4, struct.pack("<H", 0xF000 | -100 & 0xFFF))
    assert rig.rules == ["desc-owner"]


@pytest.mark.keeps("desc-owner", "desc-own-last")
@pytest.mark.parametrize("style", [2, 3])
def test_the_last_dword_of_a_wide_descriptor_is_the_drivers(style: int) -> None:
    rig = Rig(style=style).start()
    rig.give()
    rig.store("rx", 12, b"mine")
    rig.receive(FRAME)
    assert rig.rules == [] and rig.raw("rx", 0)[12:] == b"mine"


@pytest.mark.breaks("desc-reserved")
def test_a_byte_count_without_its_four_ones_is_told(rig: Rig) -> None:
    rig.start()
    rig.store("tx buffers", 0, FRAME)
    at, size = (4, 8) if rig.wide else (0, 6)
    rig.descriptor("tx", 0, 0x30_0000, 64, STP | ENP)
    raw = bytearray(rig.raw("tx", 0))
    if rig.wide:
        raw[5] &= 0x0F
        raw[7] |= 0x80
    else:
        raw[5] &= 0x0F
        raw[3] |= 0x80
    rig.store("tx", at, bytes(raw[at:at + size]))
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.rules == ["desc-reserved"]


@pytest.mark.breaks("dma-alignment")
@pytest.mark.keeps("dma-alignment")
@pytest.mark.parametrize("style, inset, broken", [(0, 0, False), (0, 8, False), (0, 4, True), (2, 0, False), (2, 8, True), (2, 16, False)])
def test_rings_are_aligned_to_the_size_of_a_descriptor(style: int, inset: int, broken: bool) -> None:
    rig = Rig(style=style)
    rig.lay_out(rx=8)
    rig.counts["rx"] = 2
    rig.init(rx=0x10_1000 + inset)
    rig.set_csr(0, STRT)
    assert rig.rules == (["dma-alignment"] if broken else [])


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
