# SPDX-License-Identifier: Apache-2.0
"""The receiver of the 82540EM: filters against brute force, the packet buffer, every field of its descriptors."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.nic import e1000_descriptors as d
from hw.nic.e1000_receive import multicast_hash
from tests.hw.nic.e1000_rig import (
    BAM,
    BROADCAST,
    BSEX,
    DD,
    IPCS,
    IXSM,
    LPE,
    MPE,
    PIF,
    RX_BUFFERS,
    RX_EN,
    RX_EOP,
    RXDMT0,
    RXO,
    RXT0,
    SBP,
    SECRC,
    SLU,
    STATION,
    TCPCS,
    UPE,
    VFE,
    VME,
    VP,
    Rig,
    frame,
    to,
)

OTHER = bytes.fromhex("020dbed00002")
GROUP = bytes.fromhex("01005e0000fb")


@pytest.fixture
def rig() -> Rig:
    return Rig()


# A frame


@pytest.mark.parametrize("length", [60, 61, 1513, 1514])
def test_a_frame_is_stored_and_its_descriptor_says_how_much(rig: Rig, length: int) -> None:
    rig.start_rx()
    rig.read("ICR")
    rig.receive(frame(length))
    got, checksum, status, errors, special = rig.received(0)
    assert (got, status, errors, special) == (length, DD | RX_EOP | IXSM, 0, 0)
    assert checksum == d.ones_complement_sum(frame(length))
    assert (rig.buffer(0, length), rig.read("RDH"), rig.read("ICR"), rig.rules) == (frame(length), 1, RXT0, [])


def test_without_secrc_the_check_sequence_is_stored_and_counted_too(rig: Rig) -> None:
    rig.start_rx(control=UPE)
    rig.receive(frame())
    assert rig.received(0)[0] == 64
    assert rig.buffer(0, 64) == frame() + crc32(frame()).to_bytes(4, "little")


def test_the_address_in_the_descriptor_stays(rig: Rig) -> None:
    ring = rig.start_rx()
    rig.receive(frame())
    assert rig.machine.ram.read(ring.physical, 8) == RX_BUFFERS.to_bytes(8, "little")


@pytest.mark.parametrize("size, extended, bytes_each", [
    (0, 0, 2048), (1, 0, 1024), (2, 0, 512), (3, 0, 256), (1, 1, 16384), (2, 1, 8192), (3, 1, 4096)])
def test_a_frame_takes_as_many_buffers_as_it_needs(rig: Rig, size: int, extended: int, bytes_each: int) -> None:
    rig.start_rx(control=UPE | SECRC | size << 16 | (BSEX if extended else 0))
    rig.receive(frame(1500))
    count = -(-1500 // bytes_each)
    assert rig.read("RDH") == count
    lengths = [rig.received(index)[0] for index in range(count)]
    assert (sum(lengths), max(lengths)) == (1500, min(bytes_each, 1500))
    assert [rig.received(index)[2] & RX_EOP for index in range(count)] == [0] * (count - 1) + [RX_EOP]
    assert b"".join(rig.buffer(index, lengths[index]) for index in range(count)) == frame(1500)


def test_a_descriptor_without_an_address_is_skipped_and_handed_back_empty(rig: Rig) -> None:
    rig.start_rx(handed=0)
    rig.processor.store(rig.rx_ring, 0, bytes(16))
    rig.rx_descriptor(1)
    rig.set(RDT=2)
    rig.receive(frame())
    assert (rig.received(0)[:3], rig.received(1)[0], rig.buffer(1, 60)) == ((0, 0, DD), 60, frame())


@pytest.mark.parametrize("on, link", [(False, True), (True, False)])
def test_a_receiver_that_is_off_or_without_link_takes_nothing(rig: Rig, on: bool, link: bool) -> None:
    rig.start_rx()
    if not on:
        rig.set(RCTL=UPE)
    if not link:
        rig.set(CTRL=0)
    rig.receive(frame())
    assert (rig.read("RDH"), rig.read("GPRC")) == (0, 0)


# Descriptors and the packet buffer


def test_head_on_tail_leaves_none_and_frames_wait_in_the_packet_buffer(rig: Rig) -> None:
    rig.start_rx(handed=1)
    for number in range(3):
        rig.receive(frame(60 + number))
    assert (rig.read("RDH"), rig.read("RNBC"), rig.read("MPC"), rig.nic.lost_for_want_of_descriptors) == (1, 2, 0, 0)
    rig.rx_descriptor(1)
    rig.rx_descriptor(2)
    rig.set(RDT=3)
    assert [rig.received(index)[0] for index in range(3)] == [60, 61, 62]
    assert rig.read("RDH") == 3


def test_a_full_packet_buffer_loses_frames_sets_rxo_and_counts_mpc(rig: Rig) -> None:
    rig.start_rx(handed=0)
    rig.set(PBA=8)
    rig.read("ICR")
    for _ in range(8):
        rig.receive(frame(1500))
    assert (rig.read("MPC"), rig.nic.lost_for_want_of_descriptors, rig.read("ICR")) == (3, 3, RXO)


def test_the_receiver_that_stops_forgets_the_packet_buffer(rig: Rig) -> None:
    rig.start_rx(handed=0)
    rig.receive(frame())
    rig.set(RCTL=0)
    rig.set(RCTL=RX_EN | UPE)
    rig.rx_descriptor(0)
    rig.set(RDT=1)
    assert rig.read("RDH") == 0


@pytest.mark.parametrize("rdmts, at", [(0, 4), (1, 2), (2, 1)])
def test_rxdmt0_says_when_few_descriptors_are_left(rig: Rig, rdmts: int, at: int) -> None:
    rig.start_rx(control=UPE | SECRC | rdmts << 8)
    rig.read("ICR")
    for left in range(6, -1, -1):
        rig.receive(frame())
        assert bool(rig.read("ICR") & RXDMT0) is (left <= at)


@pytest.mark.breaks("ring-unset")
def test_a_receiver_started_on_an_unset_ring_is_a_finding(rig: Rig) -> None:
    rig.set(CTRL=SLU, RCTL=RX_EN)
    assert rig.rules == ["ring-unset"]


@pytest.mark.keeps("ring-unset")
def test_a_receiver_started_on_a_ring_without_descriptors_is_none(rig: Rig) -> None:
    rig.start_rx(handed=0)
    assert rig.rules == []


@pytest.mark.breaks("ring-running")
@pytest.mark.parametrize("name, value", [("RDBAL", 0x2000), ("RDBAH", 0), ("RDLEN", 256), ("RDH", 3)])
def test_changing_the_receive_ring_while_it_runs_is_a_finding(rig: Rig, name: str, value: int) -> None:
    rig.start_rx()
    rig.set(**{name: value})
    assert rig.rules == ([] if name == "RDBAH" else ["ring-running"])


@pytest.mark.breaks("ring-tail")
def test_handing_all_receive_descriptors_over_leaves_the_card_with_none(rig: Rig) -> None:
    rig.start_rx()
    rig.rx_descriptor(7)
    rig.set(RDT=0)
    assert rig.rules == ["ring-tail"]


@pytest.mark.breaks("desc-owner")
def test_a_store_into_a_receive_descriptor_of_the_card_is_a_finding(rig: Rig) -> None:
    rig.start_rx()
    rig.processor.store(rig.rx_ring, 0, struct.pack("<Q", RX_BUFFERS + 64))
    assert rig.rules == ["desc-owner"]


def test_a_receive_buffer_at_the_end_of_its_block_is_overrun_by_a_long_frame(rig: Rig) -> None:
    rig.start_rx(handed=0)
    small = rig.block("small buffer", 0x50_0000, 0x100)
    rig.processor.store(rig.rx_ring, 0, struct.pack("<QQ", small.physical, 0))
    rig.set(RDT=1)
    rig.receive(frame(0x100))
    assert rig.rules == []
    rig.processor.store(rig.rx_ring, 16, struct.pack("<QQ", small.physical, 0))
    rig.set(RDT=2)
    rig.receive(frame(0x101))
    assert rig.rules == ["shared-bounds"]


# Filters


@given(address=st.binary(min_size=6, max_size=6), upe=st.booleans(), mpe=st.booleans(), bam=st.booleans(), mo=st.integers(0, 3),
       exact=st.lists(st.sampled_from([STATION, OTHER, GROUP]), max_size=3), listed=st.booleans(), valid=st.booleans())
def test_the_address_filter_against_brute_force(address: bytes, upe: bool, mpe: bool, bam: bool, mo: int, exact: list[bytes], listed: bool,
                                                valid: bool) -> None:
    rig = Rig()
    values, index = rig.nic.values, rig.nic.registers.index
    values[index["RCTL"]] = UPE * upe | MPE * mpe | BAM * bam | mo << 12
    values[index["RAH0"]] = 0
    for number, one in enumerate(exact):
        values[index[f"RAL{3 * number}"]] = int.from_bytes(one[:4], "little")
        values[index[f"RAH{3 * number}"]] = int.from_bytes(one[4:], "little") | (1 << 31 if valid else 0)
    bits = f"{int.from_bytes(address[4:], 'little'):016b}"
    low = (4, 3, 2, 0)[mo]
    hashed = int(bits[16 - low - 12:16 - low], 2)
    if listed:
        values[index[f"MTA{hashed // 32}"]] |= 1 << hashed % 32
    for one in (address, STATION, OTHER, GROUP, BROADCAST):
        group = one[0] % 2 == 1
        expected = ((group and mpe) or (not group and upe) or (one == BROADCAST and bam) or (valid and one in exact)
                    or (group and listed and multicast_hash(one, mo) == hashed))
        assert rig.nic.wanted(to(one)) is bool(expected)


@pytest.mark.parametrize("offset, bit", [(0, 0xFB0), (1, 0xF60), (2, 0xEC0), (3, 0xB00)])
def test_the_hash_of_an_address(offset: int, bit: int) -> None:
    assert multicast_hash(GROUP, offset) == bit & 0xFFF


def vlan(tag: int, kind: bytes = b"\x81\x00") -> bytes:
    return frame(12) + kind + tag.to_bytes(2, "big") + frame(60)


@pytest.mark.parametrize("vfe, listed, cfi, wanted", [
    (0, False, 0, True), (VFE, False, 0, False), (VFE, True, 0, True), (VFE, True, 1 << 19, True), (VFE, True, 3 << 19, False)])
def test_the_vlan_filter(rig: Rig, vfe: int, listed: bool, cfi: int, wanted: bool) -> None:
    rig.set(RCTL=UPE | vfe | cfi)
    if listed:
        rig.set(VFTA9=1 << 3)
    assert rig.nic.wanted(vlan(9 * 32 + 3)) is wanted
    assert rig.nic.wanted(vlan(9 * 32 + 3, b"\x08\x00"))


def test_vme_takes_the_tag_out(rig: Rig) -> None:
    rig.start_rx()
    rig.set(CTRL=SLU | VME)
    rig.receive(vlan(0x6123))
    assert rig.received(0)[0::2] == (72, DD | RX_EOP | IXSM | VP, 0x6123)
    assert rig.buffer(0, 72) == frame(12) + frame(60)


@pytest.mark.parametrize("address, pif", [(STATION, 0), (BROADCAST, 0), (GROUP, PIF)])
def test_pif_marks_what_only_the_hash_let_through(rig: Rig, address: bytes, pif: int) -> None:
    rig.start_rx(control=UPE | MPE)
    rig.receive(to(address))
    assert rig.received(0)[2] & PIF == pif


# Broken frames


@pytest.mark.parametrize("why, length, counter", [("bad-crc", 60, "CRCERRS"), ("runt", 40, "RFC"), ("overlong", 1600, "ROC")])
@pytest.mark.parametrize("sbp", [0, SBP])
def test_a_broken_frame_counts_and_is_kept_only_with_sbp(rig: Rig, why: str, length: int, counter: str, sbp: int) -> None:
    rig.start_rx(control=UPE | SECRC | sbp)
    rig.nic.receive_bad_frame(frame(length), why)
    rig.settle()
    assert (rig.read(counter), rig.read("RLEC"), rig.read("GPRC"), rig.read("RDH")) == (1, int(why != "bad-crc"), 0, int(bool(sbp)))
    if sbp:
        assert rig.received(0)[3] == d.CE


def test_lpe_takes_a_long_frame(rig: Rig) -> None:
    rig.start_rx(control=UPE | SECRC | LPE)
    rig.nic.receive_bad_frame(frame(1600), "overlong")
    rig.settle()
    assert (rig.received(0)[0], rig.received(0)[3], rig.read("ROC")) == (1600, 0, 0)


@pytest.mark.parametrize("length, kept", [(1517, 1), (1518, 1), (1519, 0)])
def test_1522_bytes_with_the_check_sequence_are_the_longest_without_lpe(rig: Rig, length: int, kept: int) -> None:
    rig.start_rx()
    rig.receive(frame(length))
    assert (rig.read("RDH"), rig.read("ROC")) == (kept, 1 - kept)


# Checksums of received frames


def ip(protocol: int, segment: bytes, spoil: int = 0) -> bytes:
    header = bytearray(struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 1, 0, 64, protocol, 0, b"\x0a\0\0\1", b"\x0a\0\0\2"))
    header[10:12] = (d.ones_complement_sum(bytes(header)) ^ 0xFFFF ^ spoil).to_bytes(2, "big")
    return frame(12) + b"\x08\0" + bytes(header) + segment


def udp(spoil: int = 0, checksum: bool = True) -> bytes:
    body = struct.pack(">HHHH", 1, 2, 30, 0) + frame(22)
    pseudo = b"\x0a\0\0\1\x0a\0\0\2" + bytes((0, 17)) + struct.pack(">H", 30)
    value = (d.ones_complement_sum(pseudo + body) ^ 0xFFFF ^ spoil) if checksum else 0
    return body[:6] + value.to_bytes(2, "big") + body[8:]


@pytest.mark.parametrize("control, data, status, errors", [
    (0, ip(17, udp()), IXSM, 0),
    (0x300, ip(17, udp()), IPCS | TCPCS, 0),
    (0x100, ip(17, udp()), IPCS, 0),
    (0x200, ip(17, udp()), TCPCS, 0),
    (0x300, ip(17, udp(1)), IPCS | TCPCS, d.TCPE),
    (0x300, ip(17, udp(), 1), IPCS | TCPCS, d.IPE),
    (0x300, ip(17, udp(checksum=False)), IPCS, 0),
    (0x300, ip(1, udp()), IPCS, 0),
    (0x300, frame(60), IXSM, 0)])
def test_rxcsum_lets_the_card_look_at_checksums(rig: Rig, control: int, data: bytes, status: int, errors: int) -> None:
    rig.start_rx()
    rig.set(RXCSUM=control)
    rig.receive(data)
    assert rig.received(0)[2:4] == (DD | RX_EOP | status, errors)


@pytest.mark.parametrize("start", [0, 14, 15, 59, 60])
def test_the_packet_checksum_begins_at_pcss(rig: Rig, start: int) -> None:
    rig.start_rx()
    rig.set(RXCSUM=start)
    rig.receive(frame())
    assert rig.received(0)[1] == d.ones_complement_sum(frame()[start:])
