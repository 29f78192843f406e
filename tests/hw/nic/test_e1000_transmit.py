# SPDX-License-Identifier: Apache-2.0
"""The transmit ring of the 82540EM: every field of its descriptors, and what the card adds to a frame."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.nic import e1000_descriptors as d
from tests.hw.nic.e1000_rig import (
    BROADCAST,
    DD,
    DEXT,
    EOP,
    IC,
    IFCS,
    PSP,
    RS,
    RST,
    SLU,
    TX_BUFFERS,
    TX_EN,
    TX_RING,
    TXD_LOW,
    TXDW,
    TXQE,
    VLE,
    VME,
    Rig,
    frame,
    to,
)
from verifier.address import GIB, MIB
from verifier.errors import NotModelledError

TSE = 1 << 2


@pytest.fixture
def rig() -> Rig:
    return Rig()


def wire(rig: Rig) -> list[bytes]:
    return rig.machine.wire.sent


# A frame


@pytest.mark.keeps("desc-before-doorbell", "ring-tail", "ring-length", "ring-unset")
@pytest.mark.parametrize("length", [60, 61, 64, 1513, 1514])
def test_a_frame_goes_out_unchanged_and_dd_tells(rig: Rig, length: int) -> None:
    rig.start_tx()
    rig.read("ICR")
    rig.send(frame(length))
    assert wire(rig) == [frame(length)]
    assert (rig.sent(0), rig.read("TDH"), rig.rules) == (DD, 1, [])
    assert rig.read("ICR") == TXDW | TXQE | TXD_LOW


def test_without_rs_nothing_is_written_back_and_txdw_stays_0(rig: Rig) -> None:
    rig.start_tx()
    rig.send(frame(), command=IFCS)
    assert (wire(rig), rig.sent(0), rig.read("TDH")) == ([frame()], 0, 1)
    assert not rig.read("ICR") & TXDW


def test_the_write_back_leaves_the_other_fields_alone(rig: Rig) -> None:
    ring = rig.start_tx()
    rig.send(frame(), special=0x1234, css=7)
    raw = rig.machine.ram.read(ring.physical, 16)
    assert raw == struct.pack("<QHBBBBH", TX_BUFFERS, 60, 0, EOP | IFCS | RS, DD, 7, 0x1234)


def test_a_frame_of_several_descriptors_goes_out_as_one(rig: Rig) -> None:
    rig.start_tx()
    rig.send(frame()[:1], frame()[1:14], b"", frame()[14:])
    assert (wire(rig), rig.read("TDH")) == ([frame()], 4)
    assert [rig.sent(index) for index in range(5)] == [DD] * 4 + [0]


def test_a_frame_without_eop_waits_for_its_end(rig: Rig) -> None:
    rig.start_tx()
    rig.tx_descriptor(0, TX_BUFFERS, 30, IFCS | RS)
    rig.processor.store(rig.tx_buffers, 0, frame())
    rig.set(TDT=1)
    assert (wire(rig), rig.sent(0)) == ([], 0)
    rig.tx_descriptor(1, TX_BUFFERS + 30, 30, EOP | IFCS | RS)
    rig.set(TDT=2)
    assert (wire(rig), rig.read("TDH")) == ([frame()], 2)


@pytest.mark.parametrize("address, length", [(0, 60), (TX_BUFFERS, 0)])
def test_a_null_descriptor_transfers_nothing_and_says_dd(rig: Rig, address: int, length: int) -> None:
    rig.start_tx()
    rig.tx_descriptor(0, address, length, EOP | IFCS | RS)
    rig.set(TDT=1)
    assert (wire(rig), rig.sent(0), rig.rules) == ([], DD, [])


@pytest.mark.keeps("dma-length")
@pytest.mark.breaks("dma-length")
@pytest.mark.parametrize("length, rules", [(16287, []), (16288, []), (16289, ["dma-length"])])
def test_a_descriptor_holds_16288_bytes_at_most(rig: Rig, length: int, rules: list[str]) -> None:
    rig.start_tx()
    rig.processor.store(rig.tx_buffers, 0, frame(17000))
    rig.tx_descriptor(0, TX_BUFFERS, length, EOP | IFCS | RS)
    rig.set(TDT=1)
    assert rig.rules == rules


@pytest.mark.breaks("dma-width")
@pytest.mark.keeps("dma-width")
@pytest.mark.parametrize("beyond, rules", [(-1, []), (0, []), (1, ["dma-width"])])
def test_the_last_byte_below_4_gb_is_the_last_one_in_reach(beyond: int, rules: list[str]) -> None:
    rig = Rig(ram=4 * GIB + 16 * MIB)
    rig.start_tx()
    rig.processor.store(rig.block("edge", 4 * GIB - 0x1000, 0x2000), 0, frame(0x2000))
    rig.tx_descriptor(0, 4 * GIB - 60 + beyond, 60, EOP | IFCS | RS)
    rig.set(TDT=1)
    assert rig.rules == rules
    assert len(wire(rig)) == (not rules)


# Padding, check sequence, checksums, tag


@pytest.mark.breaks("short-frame")
@pytest.mark.keeps("short-frame")
@pytest.mark.parametrize("length, rules", [(47, ["short-frame"]), (48, []), (49, []), (59, []), (60, [])])
def test_psp_pads_to_60_bytes_what_has_48(rig: Rig, length: int, rules: list[str]) -> None:
    rig.start_tx()
    rig.send(frame(length))
    assert wire(rig) == [frame(length).ljust(60, b"\0")]
    assert [finding.rule.id for finding in rig.machine.findings.notices] == rules
    assert rig.nic.padded == int(length < 60)


def test_without_psp_a_short_frame_is_a_runt(rig: Rig) -> None:
    rig.start_tx(control=0)
    rig.send(frame(59))
    assert (wire(rig), rig.sent(0)) == ([], DD)


@pytest.mark.parametrize("tail, out", [(crc32(frame()).to_bytes(4, "little"), [frame()]), (b"\0\0\0\0", [])])
def test_without_ifcs_the_driver_brings_the_check_sequence(rig: Rig, tail: bytes, out: list[bytes]) -> None:
    rig.start_tx()
    rig.send(frame() + tail, command=RS)
    assert (wire(rig), rig.sent(0)) == (out, DD)


@given(data=st.binary(min_size=60, max_size=80), start=st.integers(0, 40), at=st.integers(0, 100))
def test_the_checksum_makes_the_sum_of_its_bytes_all_ones(data: bytes, start: int, at: int) -> None:
    whole = bytearray(data)
    if start <= at and at + 2 <= len(data) and (at - start) % 2 == 0:
        whole[at:at + 2] = b"\0\0"
        d.Checksum(start, at, 0).insert(whole)
        words = bytes(whole[start:]).ljust((len(whole) - start + 1) // 2 * 2, b"\0")
        total = sum(struct.unpack(f">{len(words) // 2}H", words))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        assert total == 0xFFFF
    else:
        before = bytes(whole)
        d.Checksum(start, at, 0).insert(whole)
        assert len(whole) == len(before)


@pytest.mark.parametrize("data, total", [(b"", 0), (b"\0\0", 0), (b"\xff\xff", 0xFFFF), (b"\xff\xff\0\1", 1), (b"\1", 0x100)])
def test_the_ones_complement_sum(data: bytes, total: int) -> None:
    assert d.ones_complement_sum(data) == total


def test_ic_inserts_a_checksum_where_the_descriptor_says(rig: Rig) -> None:
    rig.start_tx()
    data = frame()[:16] + b"\0\0" + frame()[18:]
    rig.send(data, command=IFCS | RS | IC, css=14, cso=16)
    expected = bytearray(data)
    d.Checksum(14, 16, 0).insert(expected)
    assert wire(rig) == [bytes(expected)]


def context(rig: Rig, index: int, low: int, command: int = DEXT | RS) -> None:
    rig.processor.store(rig.tx_ring, index * 16, struct.pack("<QQ", low, command << 24))


def data_descriptor(rig: Rig, index: int, length: int, options: int, command: int = EOP | IFCS | RS | DEXT) -> None:
    rig.processor.store(rig.tx_ring, index * 16, struct.pack("<QQ", TX_BUFFERS, length | 1 << 20 | command << 24 | options << 40))


@pytest.mark.parametrize("options", [0, 1, 2, 3])
def test_a_context_and_a_data_descriptor_insert_the_checksums_that_popts_names(rig: Rig, options: int) -> None:
    rig.start_tx()
    data = bytearray(frame())
    data[24:26] = data[40:42] = b"\0\0"
    rig.processor.store(rig.tx_buffers, 0, bytes(data))
    context(rig, 0, 14 | 24 << 8 | 33 << 16 | 34 << 32 | 40 << 40)
    data_descriptor(rig, 1, 60, options)
    rig.set(TDT=2)
    if options & 2:
        d.Checksum(34, 40, 0).insert(data)
    if options & 1:
        d.Checksum(14, 24, 33).insert(data)
    assert (wire(rig), rig.sent(0), rig.sent(1)) == ([bytes(data)], DD, DD)


@pytest.mark.parametrize("index", [0, 1])
def test_segmentation_is_loud(rig: Rig, index: int) -> None:
    rig.start_tx()
    rig.processor.store(rig.tx_buffers, 0, frame())
    context(rig, 0, 0, DEXT | RS | (TSE if index == 0 else 0))
    data_descriptor(rig, 1, 60, 0, EOP | IFCS | RS | DEXT | TSE)
    with pytest.raises(NotModelledError, match="TSE"):
        rig.set(TDT=2)


def test_an_unknown_type_of_descriptor_is_loud(rig: Rig) -> None:
    rig.start_tx()
    rig.processor.store(rig.tx_ring, 0, struct.pack("<QQ", 0, DEXT << 24 | 2 << 20))
    with pytest.raises(NotModelledError, match="DTYP"):
        rig.set(TDT=1)


@pytest.mark.parametrize("vme, command, tagged", [(VME, VLE, True), (0, VLE, False), (VME, 0, False)])
def test_vle_inserts_the_tag_if_vme_is_set(rig: Rig, vme: int, command: int, tagged: bool) -> None:
    rig.start_tx()
    rig.set(CTRL=SLU | vme)
    rig.send(frame(100), command=IFCS | RS | command, special=0x6123)
    assert wire(rig) == [frame(100)[:12] + b"\x81\x00\x61\x23" + frame(100)[12:] if tagged else frame(100)]


# Stopping


def test_without_a_link_frames_wait_and_go_out_later(rig: Rig) -> None:
    rig.start_tx()
    rig.machine.wire.set_link(False)
    rig.send(frame())
    assert (wire(rig), rig.sent(0)) == ([], 0)
    rig.machine.wire.set_link(True)
    rig.settle()
    assert (wire(rig), rig.sent(0)) == ([frame()], DD)


def test_a_stopped_transmitter_goes_on_where_it_was(rig: Rig) -> None:
    rig.start_tx()
    rig.send(frame())
    rig.set(TCTL=0)
    rig.send(frame(61), first=1)
    assert len(wire(rig)) == 1
    rig.set(TCTL=TX_EN | PSP)
    assert wire(rig) == [frame(), frame(61)]


def test_a_reset_forgets_the_ring(rig: Rig) -> None:
    rig.start_tx()
    rig.send(frame())
    rig.write("CTRL", RST)
    rig.passes(2_000)
    assert (rig.read("TDH"), rig.read("TDT"), list(rig.nic.live_pointers())) == (0, 0, [])


def test_live_pointers_are_the_ring_and_the_buffers_that_were_taken(rig: Rig) -> None:
    rig.start_tx()
    rig.machine.wire.set_link(False)
    rig.send(frame())
    rig.nic.tx.fetch()
    assert [(p.what, p.logical, p.length) for p in rig.nic.live_pointers()] == [
        ("transmit ring", TX_RING, 128), ("transmit buffer of descriptor 0", TX_BUFFERS, 60)]


def test_a_context_descriptor_has_no_buffer(rig: Rig) -> None:
    rig.start_tx()
    rig.machine.wire.set_link(False)
    context(rig, 0, 0x1234_5678)
    rig.set(TDT=1)
    rig.nic.tx.fetch()
    assert [pointer.what for pointer in rig.nic.live_pointers()] == ["transmit ring"]


# Statistics


@pytest.mark.parametrize("address, counter", [(BROADCAST, "BPTC"), (b"\1\0\0\0\0\1", "MPTC"), (b"\2\0\0\0\0\1", None)])
def test_frames_that_went_out_count(rig: Rig, address: bytes, counter: str | None) -> None:
    rig.start_tx()
    rig.send(to(address, 60))
    rig.send(to(address, 100), first=1)
    expected = {"GPTC": 2, "TPT": 2, "PTC64": 1, "PTC127": 1, "GOTCL": 168, "TOTL": 168, "BPTC": 0, "MPTC": 0}
    expected |= {counter: 2} if counter else {}
    assert {name: rig.read(name) for name in expected} == expected
    assert {name: rig.read(name) for name in ("GPTC", "TPT", "PTC64", "GOTCL", "GOTCH")} == {
        "GPTC": 0, "TPT": 0, "PTC64": 0, "GOTCL": 168, "GOTCH": 0}
    assert rig.read("GOTCL") == 0


def test_a_counter_stays_at_its_largest_value(rig: Rig) -> None:
    index = rig.nic.registers.index["GPTC"]
    for before, after in ((0xFFFF_FFFE, 0xFFFF_FFFF), (0xFFFF_FFFF, 0xFFFF_FFFF)):
        rig.nic.values[index] = before
        rig.nic.count("GPTC")
        assert rig.read("GPTC") == after


def test_octets_carry_into_the_high_dword(rig: Rig) -> None:
    rig.nic.values[rig.nic.registers.index["GOTCL"]] = 0xFFFF_FFC0
    rig.start_tx()
    rig.send(frame())
    assert (rig.read("GOTCL"), rig.read("GOTCH"), rig.read("GOTCL")) == (0, 1, 0)
