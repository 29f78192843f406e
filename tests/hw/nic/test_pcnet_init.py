# SPDX-License-Identifier: Apache-2.0
"""Initialization block, start and stop of the PCnet cards, in every software style and on both buses."""

from __future__ import annotations

import struct

import pytest

from tests.hw.nic.pcnet_rig import (
    CARDS,
    DRX,
    DTX,
    ENP,
    FRAME,
    IDON,
    INIT,
    OWN,
    PROM,
    RXON,
    STOP,
    STP,
    STRT,
    TDMD,
    TXON,
    Rig,
)


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


def test_stop_clears_causes_of_csr4_and_the_counters(rig: Rig) -> None:
    rig.start()
    rig.nic.cause_4(0x022A)
    rig.receive(FRAME)
    assert rig.csr(112) == 1
    rig.set_csr(0, STOP)
    assert rig.csr(4) == 0x0115 and rig.csr(112) == 0


def test_init_counts_only_behind_a_stop(rig: Rig) -> None:
    rig.start()
    rig.send(FRAME, 0)
    rig.set_csr(0, INIT)
    rig.machine.settle()
    assert not rig.csr(0) & IDON
    rig.send(FRAME, 1)
    assert len(rig.sent) == 2, "the rings did not begin anew"


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


def test_what_the_card_does_with_old_content_is_no_news(rig: Rig) -> None:
    rig.start()
    ram = rig.machine.ram
    ram.write_tagged(0x30_0000, FRAME[:32], 7)
    ram.write_tagged(0x30_0020, FRAME[32:64], 8)
    rig.descriptor("tx", 0, 0x30_0000, 64, OWN | STP | ENP)
    rig.store("tx", 4, struct.pack("<H", 0xF000 | -32 & 0xFFF))
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.rules == ["desc-own-last"]


@pytest.mark.breaks("wire-bytes-of-this-frame")
def test_bytes_of_another_frame_on_the_wire_are_told(rig: Rig) -> None:
    rig.start()
    ram = rig.machine.ram
    ram.write_tagged(0x30_0000, FRAME[:32], 7)
    ram.write_tagged(0x30_0020, FRAME[32:64], 8)
    rig.descriptor("tx", 0, 0x30_0000, 64, OWN | STP | ENP)
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.rules == ["wire-bytes-of-this-frame"]


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


@pytest.mark.breaks("desc-owner")
def test_what_was_given_before_the_start_belongs_to_the_card_from_the_start_on(rig: Rig) -> None:
    rig.lay_out()
    rig.init()
    rig.give()
    rig.store("rx", 4, struct.pack("<H", 0xF000 | -200 & 0xFFF))
    assert rig.rules == []
    rig.set_csr(0, STRT)
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
