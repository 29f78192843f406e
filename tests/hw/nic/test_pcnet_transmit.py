# SPDX-License-Identifier: Apache-2.0
"""The transmitter of the PCnet cards, in every software style and on both buses."""

from __future__ import annotations

import struct

import pytest

from tests.hw.nic.pcnet_rig import (
    APAD_XMT,
    BABL,
    CARDS,
    CERR,
    DLNKTST,
    DPOLL,
    DXMTFCS,
    ENP,
    ERR,
    FRAME,
    OWN,
    POLL_NS,
    PROM,
    STP,
    STRT,
    TDMD,
    TINT,
    TXON,
    FaultAt,
    Rig,
    fcs,
)


@pytest.fixture(params=CARDS, ids=str)
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(*request.param)


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


@pytest.mark.parametrize("control, flags, tells", [
    (0, 0, True), (0x8000, 0, False), (0x4000, 0, False), (0x4000, 0x1000, True), (0xC000, 0x1000, True), (0x8000, 0x1000, False)])
def test_tokintd_and_ltinten_keep_tint_back_for_frames_that_went_well(control: int, flags: int, tells: bool) -> None:
    rig = Rig(style=2).start()
    rig.set_csr(5, control)
    rig.send(FRAME, 0, OWN | STP | ENP | flags)
    assert bool(rig.csr(0) & TINT) == tells
    rig.machine.wire.set_link(False)
    rig.send(FRAME, 1)
    assert rig.csr(0) & TINT, "errors are always told"


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
