# SPDX-License-Identifier: Apache-2.0
"""Capture files, judged by two independent readers and writers (dpkt, python-pcapng), and the test frames."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import struct
from pathlib import Path

import dpkt
import pcapng
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pcapng import blocks

from hw import frames
from hw.capture import CaptureError, CaptureWriter, parse_frames, read_frames
from hw.frames import test_frames
from verifier.errors import UsageError

# python-pcapng warns about its own declaration of a field of unknown type.
pytestmark = pytest.mark.filterwarnings("ignore:Field type should not be:DeprecationWarning")

MIXED = Path(__file__).parents[1] / "data" / "mixed.pcap"
SOURCE, DESTINATION = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
SIX = test_frames(6, 1, SOURCE, DESTINATION)
ORDERS = pytest.mark.parametrize("order", ["<", ">"])


def pcap(
    order: str, *records: bytes, magic: int = 0xA1B2C3D4, version: tuple[int, int] = (2, 4), link: int = 1
) -> bytes:
    return struct.pack(order + "IHHiIII", magic, *version, 0, 0, 65535, link) + b"".join(records)


def record(order: str, frame: bytes, captured: int | None = None, original: int | None = None) -> bytes:
    captured = len(frame) if captured is None else captured
    return struct.pack(order + "IIII", 1, 2, captured, captured if original is None else original) + frame


def block(order: str, kind: int, body: bytes, total: int | None = None, again: int | None = None) -> bytes:
    total = 12 + len(body) if total is None else total
    return struct.pack(order + "II", kind, total) + body + struct.pack(order + "I", total if again is None else again)


def section(order: str, major: int = 1) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, major, 0, -1))


def interface(order: str, link: int = 1, snap_length: int = 0) -> bytes:
    return block(order, 1, struct.pack(order + "HHI", link, 0, snap_length))


def padded(frame: bytes) -> bytes:
    return frame + bytes(-len(frame) % 4)


def enhanced(
    order: str, frame: bytes, index: int = 0, captured: int | None = None, original: int | None = None
) -> bytes:
    captured = len(frame) if captured is None else captured
    original = captured if original is None else original
    return block(order, 6, struct.pack(order + "IIIII", index, 0, 5, captured, original) + padded(frame))


def simple(order: str, frame: bytes, original: int | None = None) -> bytes:
    return block(order, 3, struct.pack(order + "I", len(frame) if original is None else original) + padded(frame))


def obsolete(order: str, frame: bytes, index: int = 0) -> bytes:
    return block(order, 2, struct.pack(order + "HHIIII", index, 7, 0, 5, len(frame), len(frame)) + padded(frame))


def refusal(data: bytes) -> str:
    with pytest.raises(CaptureError) as caught:
        parse_frames(data, "x.pcap")
    assert caught.value.remedy
    assert "x.pcap" in caught.value.message
    return caught.value.message


def written(*added: bytes) -> CaptureWriter:
    writer = CaptureWriter()
    for time_ns, frame in enumerate(added):
        writer.add(time_ns, frame, inbound=True)
    return writer


# Reading pcap


def test_a_real_capture_gives_the_frames_that_dpkt_reads() -> None:
    with MIXED.open("rb") as file:
        expected = [frame for _, frame in dpkt.pcap.Reader(file)]
    assert len(expected) == 431
    assert read_frames(MIXED) == expected


@ORDERS
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
def test_pcap_is_read_in_both_byte_orders_and_both_time_units(order: str, magic: int) -> None:
    assert parse_frames(pcap(order, *(record(order, f) for f in SIX), magic=magic), "x") == SIX


@pytest.mark.parametrize("nano", [False, True])
def test_pcap_written_by_dpkt_is_read(nano: bool) -> None:
    file = io.BytesIO()
    writer = dpkt.pcap.Writer(file, nano=nano)
    for frame in SIX:
        writer.writepkt(frame, ts=1.5)
    assert parse_frames(file.getvalue(), "x") == SIX


def test_pcap_without_frames_is_legal() -> None:
    assert parse_frames(pcap("<"), "x") == []


@pytest.mark.parametrize("missing", [1, 2, 1514])
def test_cut_off_record_is_refused_by_number(missing: int) -> None:
    message = refusal(pcap("<", record("<", SIX[0]), record("<", SIX[5]))[:-missing])
    assert message == f"record 2 of x.pcap is cut off: 1514 bytes stated, {1514 - missing} left"


@pytest.mark.parametrize("left", [1, 2, 15])
def test_cut_off_record_header_is_refused_by_number(left: int) -> None:
    data = pcap("<", record("<", SIX[0])) + bytes(left)
    assert refusal(data) == f"record 2 of x.pcap is cut off: its header has 16 bytes, {left} left"


@pytest.mark.parametrize("size", [4, 22, 23])
def test_cut_off_file_header_is_refused(size: int) -> None:
    assert f"24 bytes needed, {size} there" in refusal(pcap("<")[:size])


def test_huge_stated_length_is_refused_without_allocating_it() -> None:
    assert "4294967295 bytes stated, 60 left" in refusal(pcap("<", record("<", SIX[0], captured=0xFFFF_FFFF)))


@pytest.mark.parametrize(
    ("original", "words"), [(59, "of a frame of 59"), (61, "first 60 of 61"), (62, "first 60 of 62")]
)
def test_captured_and_original_length_must_agree(original: int, words: str) -> None:
    message = refusal(pcap(">", record(">", SIX[0], original=original)))
    assert message.startswith("record 1 of x.pcap ")
    assert words in message


def test_frames_of_14_and_1514_bytes_are_the_limits() -> None:
    legal = [bytes(14), bytes(15), bytes(1513), bytes(1514)]
    assert parse_frames(pcap("<", *(record("<", f) for f in legal)), "x") == legal


@pytest.mark.parametrize("size", [0, 12, 13, 1515, 1516])
def test_frame_beyond_the_limits_is_refused_by_number(size: int) -> None:
    for data in (
        pcap("<", record("<", SIX[0]), record("<", bytes(size))),
        section("<") + interface("<") + enhanced("<", SIX[0]) + enhanced("<", bytes(size)),
    ):
        assert refusal(data).startswith(f"record 2 of x.pcap is a frame of {size} bytes")


@pytest.mark.parametrize("link", [0, 2, 113])
def test_pcap_of_another_link_type_is_refused(link: int) -> None:
    assert f"link type {link}," in refusal(pcap("<", link=link))


def test_pcap_that_announces_a_frame_check_sequence_is_refused() -> None:
    assert "frame check sequence" in refusal(pcap("<", link=0x2400_0001))


@pytest.mark.parametrize("version", [(2, 3), (2, 5), (1, 4)])
def test_pcap_of_another_version_is_refused(version: tuple[int, int]) -> None:
    assert f"version {version[0]}.{version[1]}" in refusal(pcap("<", version=version))


# Files that are no captures


def test_empty_file_is_refused() -> None:
    assert refusal(b"") == "x.pcap is empty"


@pytest.mark.parametrize("data", [b"\xd4", b"\xd4\xc3\xb2", b"MZ\x90\x00", b"\x0a\x0d\x0d\x0b" + bytes(100)])
def test_unknown_magic_is_refused_with_its_bytes(data: bytes) -> None:
    assert f"starts with {data[:4].hex(' ')}" in refusal(data)


def test_compressed_file_is_called_compressed(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(gzip.compress(MIXED.read_bytes()))
    with pytest.raises(CaptureError, match=r"^x\.pcap is compressed \(gzip\)") as caught:
        read_frames(path)
    assert "gunzip" in caught.value.remedy


def test_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="is a directory"):
        read_frames(tmp_path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"^none\.pcap does not exist"):
        read_frames(tmp_path / "none.pcap")


@pytest.mark.parametrize("name", ["x\0y", "x" * 300])
def test_impossible_file_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CaptureError):
        read_frames(tmp_path / name)


# Reading pcapng


@ORDERS
def test_every_kind_of_packet_block_is_read_in_both_byte_orders(order: str) -> None:
    data = section(order) + interface(order) + enhanced(order, SIX[1]) + simple(order, SIX[4]) + obsolete(order, SIX[5])
    assert parse_frames(data, "x") == [SIX[1], SIX[4], SIX[5]]


@ORDERS
def test_pcapng_written_by_python_pcapng_is_read(order: str) -> None:
    header = blocks.SectionHeader(endianness=order, options={"shb_userappl": "other"})
    header.new_member(blocks.InterfaceDescription, link_type=1, options={"if_name": "eth0"})
    file = io.BytesIO()
    writer = pcapng.FileWriter(file, header)
    for frame in SIX:
        packet = header.new_member(blocks.EnhancedPacket, options={"opt_comment": "hello"})
        packet.packet_data = frame
        writer.write_block(packet)
    assert parse_frames(file.getvalue(), "x") == SIX


def test_pcapng_written_by_dpkt_is_read() -> None:
    file = io.BytesIO()
    writer = dpkt.pcapng.Writer(file)
    for frame in SIX:
        writer.writepkt(frame, ts=1.5)
    assert parse_frames(file.getvalue(), "x") == SIX


def test_byte_order_may_change_from_section_to_section() -> None:
    data = b"".join(section(o) + interface(o) + enhanced(o, f) for o, f in zip("<>><<>", SIX, strict=True))
    assert parse_frames(data, "x") == SIX


def test_interfaces_end_with_their_section() -> None:
    data = section("<") + interface("<") + enhanced("<", SIX[0]) + section("<") + enhanced("<", SIX[1])
    assert refusal(data) == "record 2 of x.pcap belongs to interface 0, but its section has described 0 so far"


@pytest.mark.parametrize("make", [enhanced, obsolete])
@pytest.mark.parametrize("index", [2, 3])
def test_interface_that_is_not_described_is_refused(make: object, index: int) -> None:
    assert callable(make)
    start = section("<") + interface("<") + interface("<")
    assert parse_frames(start + make("<", SIX[0], 1), "x") == [SIX[0]]
    assert f"record 1 of x.pcap belongs to interface {index}" in refusal(start + make("<", SIX[0], index))


def test_simple_packet_before_any_interface_is_refused() -> None:
    assert "belongs to interface 0" in refusal(section("<") + simple("<", SIX[0]))


@ORDERS
def test_unknown_blocks_are_skipped(order: str) -> None:
    unknown = block(order, 5, bytes(8)) + block(order, 0xBAD, bytes(4)) + block(order, 0x8000_0001, b"")
    data = section(order) + unknown + interface(order) + unknown + enhanced(order, SIX[0]) + unknown
    assert parse_frames(data, "x") == [SIX[0]]


@pytest.mark.parametrize("data", [section("<"), section(">") + interface(">"), CaptureWriter().to_bytes()])
def test_pcapng_without_frames_is_legal(data: bytes) -> None:
    assert parse_frames(data, "x") == []


def test_packet_of_another_link_type_is_refused_by_number() -> None:
    start = section("<") + interface("<") + interface("<", link=113) + enhanced("<", SIX[0])
    assert parse_frames(start, "x") == [SIX[0]]
    assert refusal(start + enhanced("<", SIX[1], 1)).startswith("record 2 of x.pcap has link type 113")


@pytest.mark.parametrize(("snap_length", "whole"), [(0, True), (59, False), (60, True), (61, True)])
def test_simple_packet_is_whole_only_within_the_snap_length(snap_length: int, whole: bool) -> None:
    start = section("<") + interface("<", snap_length=snap_length)
    if whole:
        assert parse_frames(start + simple("<", SIX[0]), "x") == [SIX[0]]
    else:
        assert "holds only the first 59 of 60 bytes" in refusal(start + simple("<", SIX[0][:59], original=60))


def test_snapped_enhanced_packet_is_refused_by_number() -> None:
    data = section("<") + interface("<") + enhanced("<", SIX[0], original=61)
    assert refusal(data) == "record 1 of x.pcap holds only the first 60 of 61 bytes of its frame"


@pytest.mark.parametrize("captured", [61, 62, 0xFFFF_FFFF])
def test_packet_longer_than_its_block_is_refused(captured: int) -> None:
    data = section("<") + interface("<") + enhanced("<", SIX[0], captured=captured) + enhanced("<", SIX[1])
    assert refusal(data) == f"record 1 of x.pcap is cut off: {captured} bytes stated, 60 left"


@pytest.mark.parametrize("total", [0, 8, 11, 13, 14, 15, 0x7FFF_FFFF])
def test_block_length_that_cannot_be_is_refused(total: int) -> None:
    message = refusal(section("<") + block("<", 5, bytes(8), total=total))
    assert message.startswith(f"block 2 of x.pcap, at record 1, states a length of {total} bytes")


@pytest.mark.parametrize("total", [24, 28, 0xFFFF_FFFC])
def test_block_longer_than_the_file_is_refused(total: int) -> None:
    message = refusal(section("<") + block("<", 5, bytes(8), total=total))
    assert message == f"block 2 of x.pcap, at record 1, is cut off: {total} bytes stated, 20 left"


@pytest.mark.parametrize("again", [0, 16, 24])
def test_block_whose_lengths_disagree_is_refused(again: int) -> None:
    message = refusal(section("<") + block("<", 5, bytes(8), again=again))
    assert f"states 20 bytes at its start but {again} at its end" in message


@pytest.mark.parametrize("left", [1, 4, 11])
def test_remainder_too_short_for_a_block_is_refused(left: int) -> None:
    message = refusal(written(SIX[0]).to_bytes() + bytes(left))
    assert message == f"block 4 of x.pcap, at record 2, is cut off: a block has at least 12 bytes, {left} left"


@pytest.mark.parametrize(("kind", "need"), [(0x0A0D0D0A, 16), (1, 8), (2, 20), (3, 4), (6, 20)])
def test_block_too_short_for_its_fields_is_refused(kind: int, need: int) -> None:
    body = struct.pack("<I", 0x1A2B3C4D) * (need // 4 - 1)
    assert f"need {need} bytes, it holds {need - 4}" in refusal(section("<") + block("<", kind, body))


def test_unknown_byte_order_magic_is_refused() -> None:
    assert "byte order magic 4d 3c 2b 1b" in refusal(section("<").replace(b"\x4d\x3c\x2b\x1a", b"\x4d\x3c\x2b\x1b"))


@pytest.mark.parametrize("major", [0, 2])
def test_pcapng_of_another_version_is_refused(major: int) -> None:
    assert f"pcapng version {major}.0" in refusal(section(">", major))


# Robustness

VALID = [
    pcap("<", *(record("<", f) for f in SIX[:3])),
    pcap(">", record(">", SIX[0]), magic=0xA1B23C4D),
    section(">") + interface(">", snap_length=64) + enhanced(">", SIX[1]) + simple(">", SIX[0]) + obsolete(">", SIX[2]),
    written(*SIX[:3]).to_bytes(),
]
STARTS = [b"", *(data[:n] for data in VALID for n in (4, 12, 24, 28))]
EDITS = st.lists(st.tuples(st.integers(0, 600), st.integers(0, 4), st.binary(max_size=4)), min_size=1, max_size=4)


def frames_or_refusal(data: bytes) -> None:
    try:
        read = parse_frames(data, "x.pcap")
    except CaptureError as error:
        assert "x.pcap" in error.message
        assert error.remedy
    else:
        assert all(14 <= len(frame) <= 1514 for frame in read)
        assert sum(map(len, read)) < len(data)


@given(st.sampled_from(STARTS), st.binary(max_size=120))
def test_arbitrary_bytes_give_frames_or_a_refusal(start: bytes, rest: bytes) -> None:
    frames_or_refusal(start + rest)


@settings(max_examples=200)
@given(st.sampled_from(VALID), EDITS)
def test_damaged_captures_give_frames_or_a_refusal(data: bytes, edits: list[tuple[int, int, bytes]]) -> None:
    for at, removed, inserted in edits:
        data = data[:at] + inserted + data[at + removed :]
    frames_or_refusal(data)


@pytest.mark.parametrize("data", VALID)
def test_a_capture_cut_anywhere_gives_whole_frames_or_a_refusal(data: bytes) -> None:
    whole = parse_frames(data, "x.pcap")
    for size in range(len(data)):
        try:
            read = parse_frames(data[:size], "x.pcap")
        except CaptureError:
            continue
        assert read == whole[: len(read)]
        assert len(read) < len(whole)


# Writing


def test_written_capture_is_read_by_python_pcapng() -> None:
    writer = CaptureWriter("bed", "nic7")
    writer.add((1 << 32) + 3, SIX[1], inbound=True, comments=["tx descriptor 3", "fault größer"])
    writer.add(2_000_000_001, SIX[5], inbound=False)
    header, described, first, second = list(pcapng.FileScanner(io.BytesIO(writer.to_bytes())))
    assert header.options["shb_userappl"] == "bed"
    assert (described.link_type, described.options["if_name"]) == (1, "nic7")
    assert described.timestamp_resolution == pytest.approx(1e-9)
    assert (first.packet_data, second.packet_data) == (SIX[1], SIX[5])
    assert (first.timestamp_high << 32 | first.timestamp_low) == (1 << 32) + 3
    assert (second.timestamp_high << 32 | second.timestamp_low) == 2_000_000_001
    assert (first.captured_len, first.packet_len) == (61, 61)
    assert first.options.get_all("opt_comment") == ["tx descriptor 3", "fault größer"]
    assert first.options["epb_flags"].inout == "inbound"
    assert second.options["epb_flags"].inout == "outbound"


def test_written_capture_is_read_by_dpkt() -> None:
    writer = written(*SIX)
    read = list(dpkt.pcapng.Reader(io.BytesIO(writer.to_bytes())))
    assert [frame for _, frame in read] == SIX
    assert [float(time) for time, _ in read] == pytest.approx([n * 1e-9 for n in range(6)])


def test_written_bytes_are_pinned() -> None:
    writer = CaptureWriter()
    writer.add(5, bytes(range(15)), inbound=False, comments=["hi"])
    assert writer.to_bytes().hex(" ", -4) == (
        "0a0d0d0a 2c000000 4d3c2b1a 01000000 ffffffff ffffffff 04000600 646d6162 65640000 00000000 2c000000 "
        "01000000 28000000 01000000 00000000 02000400 6e696330 09000100 09000000 00000000 28000000 "
        "06000000 44000000 00000000 00000000 05000000 0f000000 0f000000 00010203 04050607 08090a0b 0c0d0e00 "
        "02000400 02000000 01000200 68690000 00000000 44000000"
    )


TIMES, FRAMES = st.integers(0, 2**64 - 1), st.binary(min_size=14, max_size=80)


@given(st.lists(st.tuples(TIMES, FRAMES, st.booleans(), st.lists(st.text()))))
def test_what_is_written_is_read_back(added: list[tuple[int, bytes, bool, list[str]]]) -> None:
    writer = CaptureWriter()
    for time_ns, frame, inbound, comments in added:
        writer.add(time_ns, frame, inbound=inbound, comments=comments)
    assert parse_frames(writer.to_bytes(), "x") == [frame for _, frame, _, _ in added]


@pytest.mark.parametrize("size", [0, 13, 1515])
def test_frames_that_break_the_limits_are_captured_as_they_are(size: int) -> None:
    _, _, packet = pcapng.FileScanner(io.BytesIO(written(bytes(size)).to_bytes()))
    assert packet.packet_data == bytes(size)


@pytest.mark.parametrize("time_ns", [-1, 1 << 64, (1 << 64) + 1])
def test_time_beyond_64_bits_is_refused_and_nothing_is_added(time_ns: int) -> None:
    writer = CaptureWriter()
    before = writer.to_bytes()
    with pytest.raises(UsageError, match=str(time_ns)):
        writer.add(time_ns, SIX[0], inbound=True)
    assert writer.to_bytes() == before


def test_comment_of_65535_bytes_is_the_longest() -> None:
    writer = CaptureWriter()
    writer.add(0, SIX[0], inbound=True, comments=["x" * 65535])
    for size in (65536, 65537):
        with pytest.raises(UsageError, match=str(size)):
            writer.add(0, SIX[0], inbound=True, comments=["x" * size])
    assert parse_frames(writer.to_bytes(), "x") == [SIX[0]]


def test_frame_of_262144_bytes_is_the_longest() -> None:
    writer = CaptureWriter()
    writer.add(0, bytes(262144), inbound=True)
    for size in (262145, 262146):
        with pytest.raises(UsageError, match=str(size)):
            writer.add(0, bytes(size), inbound=True)


def test_comment_with_a_lone_surrogate_is_written_escaped() -> None:
    writer = CaptureWriter()
    writer.add(0, SIX[0], inbound=True, comments=["\ud800"])
    _, _, packet = pcapng.FileScanner(io.BytesIO(writer.to_bytes()))
    assert packet.options["opt_comment"] == "\\ud800"


def test_saved_file_holds_the_bytes_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    writer = written(*SIX)
    writer.save(tmp_path / "x.pcapng")
    assert [path.name for path in tmp_path.iterdir()] == ["x.pcapng"]
    assert (tmp_path / "x.pcapng").read_bytes() == writer.to_bytes()
    assert read_frames(tmp_path / "x.pcapng") == SIX


def test_saving_again_replaces_the_file(tmp_path: Path) -> None:
    writer = written(SIX[0])
    writer.save(tmp_path / "x.pcapng")
    writer.add(9, SIX[1], inbound=False)
    writer.save(tmp_path / "x.pcapng")
    assert read_frames(tmp_path / "x.pcapng") == SIX[:2]


def test_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "x.pcapng"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"x\.pcapng cannot be written: No space left") as caught:
        written(SIX[0]).save(path)
    assert caught.value.remedy
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.pcapng"]


@pytest.mark.parametrize("name", ["none/x.pcapng", ".", "x" * 300, "x\0y"])
def test_impossible_target_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        written(SIX[0]).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_save_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("x.pcapng")
    written(SIX[0]).save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert read_frames(tmp_path / "x.pcapng") == [SIX[0]]


@pytest.mark.skipif(os.name == "nt", reason="link loops need POSIX")
def test_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(CaptureError):
        read_frames(tmp_path / "a")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        writer = written(*SIX)
        writer.save(pipe)
        assert os.read(reader, 65536) == writer.to_bytes()
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


# Test frames


def test_test_frames_cycle_the_six_lengths() -> None:
    assert [len(f) for f in test_frames(8, 1, SOURCE, DESTINATION)] == [60, 61, 64, 512, 1513, 1514, 60, 61]


def test_test_frames_carry_addresses_type_and_number() -> None:
    for number, frame in enumerate(SIX):
        assert frame[:18] == DESTINATION + SOURCE + b"\x88\xb5" + number.to_bytes(4, "big")


def test_test_frames_are_pinned_for_every_python() -> None:
    digest = hashlib.sha256(b"".join(test_frames(12, 7, SOURCE, DESTINATION))).hexdigest()
    assert digest == "4f58210432b0366ae8e06dd82d21426510818646d595819540d4adfb055b4a19"


def test_seed_decides_the_content() -> None:
    other = test_frames(6, 2, SOURCE, DESTINATION)
    assert [f[:18] for f in other] == [f[:18] for f in SIX]
    assert all(a[18:] != b[18:] for a, b in zip(SIX, other, strict=True))


@given(st.integers(0, 20), st.integers(0, 20), st.integers())
def test_fewer_test_frames_are_the_first_of_more(few: int, more: int, seed: int) -> None:
    few, more = sorted((few, more))
    longer = test_frames(more, seed, SOURCE, DESTINATION)
    assert test_frames(few, seed, SOURCE, DESTINATION) == longer[:few]


def test_changing_the_list_does_not_change_the_next_one() -> None:
    test_frames(6, 1, SOURCE, DESTINATION).clear()
    assert test_frames(6, 1, SOURCE, DESTINATION) == SIX


@pytest.mark.parametrize("size", [0, 5, 7])
def test_address_that_is_not_six_bytes_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"source address has {size} bytes"):
        test_frames(1, 1, bytes(size), DESTINATION)
    with pytest.raises(UsageError, match=f"destination address has {size} bytes"):
        test_frames(1, 1, SOURCE, bytes(size))


def test_negative_count_is_refused() -> None:
    with pytest.raises(UsageError, match="-1 test frames"):
        test_frames(-1, 1, SOURCE, DESTINATION)


# Differences


def test_equal_frames_have_no_difference() -> None:
    assert frames.describe_difference(SIX[0], SIX[0]) == "no difference: both frames have the same 60 bytes"


def test_difference_shows_two_rows_on_each_side() -> None:
    expected = bytes(range(128))
    text = frames.describe_difference(expected, expected[:64] + b"\xff" + expected[65:])
    assert text.splitlines() == [
        "byte 64 (0x0040) differs: expected 0x40, got 0xff (128 bytes expected, 128 bytes got)",
        "    0x0020 both      20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f",
        "    0x0030 both      30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e 3f",
        "  > 0x0040 expected  40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f",
        "  > 0x0040 got       ff 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f",
        "    0x0050 both      50 51 52 53 54 55 56 57 58 59 5a 5b 5c 5d 5e 5f",
        "    0x0060 both      60 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f",
    ]


def test_missing_bytes_are_shown_as_gaps() -> None:
    text = frames.describe_difference(bytes(4), bytes(2))
    assert text.splitlines() == [
        "byte 2 (0x0002) differs: expected 0x00, got the end of the frame (4 bytes expected, 2 bytes got)",
        "  > 0x0000 expected  00 00 00 00",
        "  > 0x0000 got       00 00 -- --",
    ]


@given(st.binary(max_size=70), st.binary(max_size=70), st.binary(max_size=70))
def test_difference_names_the_first_differing_byte(common: bytes, a: bytes, b: bytes) -> None:
    expected, actual = common + a, common + b
    text = frames.describe_difference(expected, actual)
    if expected == actual:
        assert text.startswith("no difference")
    else:
        first = int(text.split()[1])
        assert expected[:first] == actual[:first]
        assert expected[first : first + 1] != actual[first : first + 1]
