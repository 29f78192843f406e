# SPDX-License-Identifier: Apache-2.0
"""Images: what `build` makes comes back from `parse`, and whatever is not sound is refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware import layout
from firmware.image import HEADER_BYTES, Image, ImageError, Segment, build, header_of, parse
from firmware.layout import MAX_IMAGE_BYTES, MAX_SEGMENTS, ROW_BYTES
from firmware.lines import Function, Lines, Row, build_lines
from firmware.target import RAM_BASE, RAM_BYTES, TARGET_SMART

from .conftest import CODE, LINES, STATE, changed


def reason(data: bytes, target: int = TARGET_SMART) -> str:
    with pytest.raises(ImageError) as refused:
        parse(data, target)
    return refused.value.reason


def test_what_was_built_is_read(small: bytes) -> None:
    assert parse(small) == Image((1, 2, 3), RAM_BASE + 4, (CODE, STATE), LINES)
    assert header_of(small[:HEADER_BYTES]).total_length == len(small)
    assert header_of(small) == header_of(small[:HEADER_BYTES])


def test_image_without_lines_has_none() -> None:
    assert parse(build((0, 0, 1), RAM_BASE, [CODE])).lines is None


def test_layouts_have_the_sizes_that_are_stated() -> None:
    assert layout.header().sizeof() == HEADER_BYTES and layout.row().sizeof() == ROW_BYTES


def test_same_bytes_give_the_same_object(small: bytes) -> None:
    assert parse(small) is parse(bytes(bytearray(small)))


def test_every_flipped_bit_is_refused(small: bytes) -> None:
    for bit in range(len(small) * 8):
        flipped = bytearray(small)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ImageError):
            parse(bytes(flipped))


def test_every_truncation_is_refused(small: bytes) -> None:
    for length in range(len(small)):
        with pytest.raises(ImageError):
            parse(small[:length])
    assert f"{len(small)} bytes in all; there are {len(small) + 1}" in reason(small + b"\0")


def test_header_is_good_from_its_last_byte_on(small: bytes) -> None:
    with pytest.raises(ImageError, match=f"ends after {HEADER_BYTES - 1} bytes"):
        header_of(small[:HEADER_BYTES - 1])
    assert header_of(small[:HEADER_BYTES]) == header_of(small[:HEADER_BYTES + 1])


@pytest.mark.parametrize(("fields", "text"), [
    ({"magic": b"DBFX"}, "no image begins so"),
    ({"format": 2}, "has format 2; format 1 is read"),
    ({"header_length": 40}, "states a length of 40 bytes"),
    ({"target": 2}, "is for target 2, not for 1 (smart)"),
    ({"segment_count": 0}, "states 0 segments"),
    ({"segment_count": MAX_SEGMENTS + 1}, f"1 to {MAX_SEGMENTS} are allowed"),
    ({"segment_count": 0xFFFFFFFF}, "states 4294967295 segments"),
    ({"total_length": MAX_IMAGE_BYTES + 1}, "at most"),
    ({"total_length": 0xFFFFFFFF}, "at most"),
    ({"total_length": HEADER_BYTES + 3 * ROW_BYTES - 1}, "less than header and 3 segments take"),
    ({"total_length": HEADER_BYTES + 3 * ROW_BYTES}, "bytes in all; there are"),
    ({"table_checksum": 0}, "the checksum of the segment table"),
    ({"entry": RAM_BASE - 4}, "lies in no executable segment"),
    ({"entry": RAM_BASE + 16}, "lies in no executable segment"),
    ({"entry": STATE.address}, "lies in no executable segment"),
    ({"entry": RAM_BASE + 2}, "no multiple of 4"),
])
def test_wrong_header_is_refused(small: bytes, fields: dict[str, Any], text: str) -> None:
    assert text in reason(changed(small, **fields))


def test_last_word_of_code_may_be_the_entry(small: bytes) -> None:
    assert parse(changed(small, entry=RAM_BASE + 12)).entry == RAM_BASE + 12


@pytest.mark.parametrize(("row", "fields", "text"), [
    (0, {"kind": 0}, "has kind 0"),
    (0, {"kind": 3}, "1 (LOAD) and 2 (LINES) are known"),
    (0, {"kind": 2}, "is a line table: its flags"),
    (1, {"flags": 4}, "has flags 0x4; 0x1 and 0x2 are known"),
    (1, {"memory_length": 0}, "takes no memory"),
    (1, {"memory_length": 3}, "4 bytes and room for 3"),
    (1, {"memory_length": 65}, "whole aligned words"),
    (1, {"address": STATE.address + 2}, "whole aligned words"),
    (1, {"file_length": 3}, "the checksum of segment 1"),
    (1, {"file_length": 0xFFFFFFFC}, "segment 1 has 4294967292 bytes"),
    (0, {"checksum": 0}, "the checksum of segment 0"),
    (1, {"address": RAM_BASE + 12}, "segments 0 and 1 overlap at 0x1000000c"),
    (1, {"address": RAM_BASE - 4}, "the RAM of smart is 0x10000000 to 0x10040000"),
    (1, {"address": RAM_BASE + RAM_BYTES - 60}, "the RAM of smart is"),
    (1, {"memory_length": 0xFFFFFFFC}, "the RAM of smart is"),
    (0, {"flags": 2}, "lies in no executable segment"),
    (2, {"address": 4}, "is a line table: its flags, address and memory length have to be 0"),
    (2, {"memory_length": 4}, "is a line table: its flags, address and memory length have to be 0"),
])
def test_wrong_row_is_refused(small: bytes, row: int, fields: dict[str, Any], text: str) -> None:
    assert text in reason(changed(small, row=row, **fields))


@pytest.mark.parametrize("address", [RAM_BASE + 16, RAM_BASE + RAM_BYTES - 64])
def test_segment_that_touches_another_or_the_end_of_ram_is_taken(small: bytes, address: int) -> None:
    assert parse(changed(small, row=1, address=address)).segments[1].address == address


def test_program_is_due(small: bytes) -> None:
    row = small[HEADER_BYTES + 2 * ROW_BYTES:HEADER_BYTES + 3 * ROW_BYTES]
    table = build_lines(LINES)
    fields = {**layout.header().parse(small[:HEADER_BYTES]), "segment_count": 1, "total_length": HEADER_BYTES + ROW_BYTES + len(table)}
    assert reason(changed(layout.header().build(fields) + row + table)) == "the image holds no program"


def test_bytes_behind_the_last_segment_are_refused(small: bytes) -> None:
    assert reason(changed(small + bytes(4), total_length=len(small) + 4)) == "4 bytes follow the last segment"


def test_line_table_comes_last(small: bytes) -> None:
    rows = [small[HEADER_BYTES + n * ROW_BYTES:HEADER_BYTES + (n + 1) * ROW_BYTES] for n in range(3)]
    start = HEADER_BYTES + 3 * ROW_BYTES
    code, state, table = small[start:start + 16], small[start + 16:start + 20], small[start + 20:]
    mixed = small[:HEADER_BYTES] + rows[0] + rows[2] + rows[1] + code + table + state
    assert reason(changed(mixed)) == "segment 2 stands behind the line table, which comes last"


def test_target_that_nobody_knows_is_refused(small: bytes) -> None:
    assert reason(small, 7) == "there is no target 7"
    with pytest.raises(ImageError, match="there is no target 7"):
        build((1, 0, 0), RAM_BASE, [CODE], target=7)


@pytest.mark.parametrize(("version", "entry", "segment"), [
    ((1, 0, 0x10000), RAM_BASE, CODE), ((-1, 0, 0), RAM_BASE, CODE), ((1, 0, 0), -4, CODE), ((1, 0, 0), 1 << 32, CODE),
    ((1, 0, 0), RAM_BASE, Segment(1 << 32, bytes(4), 4, True, False)),
    ((1, 0, 0), RAM_BASE, Segment(RAM_BASE, bytes(4), 1 << 32, True, False)),
    ((1, 0, 0), RAM_BASE, Segment(RAM_BASE, bytes(3), 4, True, False)),
])
def test_nothing_that_a_card_refuses_is_built(version: tuple[int, int, int], entry: int, segment: Segment) -> None:
    with pytest.raises(ImageError):
        build(version, entry, [segment])


@given(data=st.binary(max_size=200))
@example(data=b"DBFW")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        parse(data)


words = st.sampled_from([0, 1, 2, 3, 4, 5, 16, 36, 0xFFFF]) | st.integers(0, 0xFFFF)
edges = st.sampled_from([RAM_BASE - 4, RAM_BASE, RAM_BASE + 4, RAM_BASE + RAM_BYTES - 4, RAM_BASE + RAM_BYTES, 0xFFFFFFFC, 0xFFFFFFFF])
longs = words | edges


@given(header=st.fixed_dictionaries({}, optional={
           **dict.fromkeys(("format", "header_length", "target", "major"), words),
           **dict.fromkeys(("entry", "segment_count", "total_length", "table_checksum"), longs)}),
       number=st.integers(0, 2),
       row=st.fixed_dictionaries({}, optional={
           **dict.fromkeys(("kind", "flags"), words),
           **dict.fromkeys(("address", "file_length", "memory_length", "checksum"), longs)}),
       tail=st.binary(max_size=8))
def test_well_sealed_nonsense_is_read_or_refused(header: dict[str, int], number: int, row: dict[str, int], tail: bytes) -> None:
    image = build((1, 2, 3), RAM_BASE + 4, [CODE, STATE], LINES)
    try:
        read = parse(changed(changed(image, row=number, **row), **header) + tail)
    except ImageError as refused:
        assert refused.reason
        return
    assert all(one.address >= RAM_BASE and one.address + one.memory_length <= RAM_BASE + RAM_BYTES for one in read.segments)
    assert any(one.executable and one.address <= read.entry < one.address + len(one.data) for one in read.segments)


pieces = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40), st.booleans(), st.booleans()), min_size=1, max_size=6)


names = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5))


@given(version=st.tuples(*[st.integers(0, 0xFFFF)] * 3), pieces=pieces, names=names)
def test_every_sound_program_comes_back(version: tuple[int, int, int], pieces: list[tuple[int, int, bool, bool]], names: list[str]) -> None:
    segments, at = [], RAM_BASE
    for length, more, executable, writable in pieces:
        segments.append(Segment(at, bytes([length]) * 4 * length, 4 * (length + more), executable or at == RAM_BASE, writable))
        at += 4 * (length + more)
    lines = Lines(tuple(Function(RAM_BASE + 4 * n, 4, name) for n, name in enumerate(names)),
                  tuple(Row(RAM_BASE + 4 * n, name, n + 1) for n, name in enumerate(names)))
    assert parse(build(version, RAM_BASE, segments, lines)) == Image(version, RAM_BASE, tuple(segments), lines)
