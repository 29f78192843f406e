# SPDX-License-Identifier: Apache-2.0
"""The line table of an image: which function and line an address has, and tables that are refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.errors import ImageError
from firmware.lines import MAX_ENTRIES, Function, Lines, Row, SourceLine, build_lines, parse_lines
from firmware.target import RAM_BASE

from .conftest import LINES


@pytest.mark.parametrize(("offset", "place"), [
    (-1, None), (0, SourceLine("start", "main.c", 10)), (3, SourceLine("start", "main.c", 10)), (4, SourceLine("start", "main.c", 12)),
    (7, SourceLine("start", "main.c", 12)), (8, SourceLine("work", "lib/work.c", 3)), (11, SourceLine("work", "lib/work.c", 3)),
    (12, SourceLine("work", "", 0)), (15, SourceLine("work", "", 0)), (16, None), (-RAM_BASE, None), (1 << 33, None),
])
def test_function_and_line_of_an_address(offset: int, place: SourceLine | None) -> None:
    assert LINES.where(RAM_BASE + offset) == place


def test_line_without_a_function() -> None:
    lines = Lines((), (Row(8, "a.S", 4),))
    assert lines.where(8) == SourceLine("", "a.S", 4) and lines.where(7) is None


@pytest.mark.parametrize(("place", "text"), [
    (SourceLine("work", "a.c", 3), "work (a.c:3)"), (SourceLine("", "a.c", 3), "a.c:3"), (SourceLine("work", "", 0), "work (?)")])
def test_place_in_words(place: SourceLine, text: str) -> None:
    assert str(place) == text


@pytest.mark.parametrize("data", [
    b"", bytes(11), struct.pack("<III", 1, 0, 0), struct.pack("<III", 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF), struct.pack("<III", 0, 0, 4),
    struct.pack("<III", 0, 0, 0) + b"\0",
])
def test_table_of_a_wrong_length_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="line table"):
        parse_lines(data)


@pytest.mark.parametrize(("offset", "text"), [(0, b"abcd"), (4, b"abc\0"), (0xFFFFFFFF, b"abc\0"), (0, b"\xff\xfe\0\0")])
def test_name_that_cannot_be_read_is_refused(offset: int, text: bytes) -> None:
    for counts, entry in (((1, 0), (0, 4, offset)), ((0, 1), (0, offset, 4))):
        with pytest.raises(ImageError, match="line table"):
            parse_lines(struct.pack("<6I", *counts, len(text), *entry) + text)


def test_entries_out_of_order_are_refused() -> None:
    for functions, rows in (([8, 8], [0]), ([8, 4], [0]), ([0], [8, 8]), ([0], [8, 4])):
        with pytest.raises(ImageError, match="order of their addresses"):
            Lines(tuple(Function(at, 4, "f") for at in functions), tuple(Row(at, "a.c", 1) for at in rows))


def test_too_many_entries_are_refused() -> None:
    rows = tuple(Row(at, "a.c", 1) for at in range(MAX_ENTRIES + 1))
    assert len(Lines((), rows[:-1]).rows) == MAX_ENTRIES
    with pytest.raises(ImageError, match=f"{MAX_ENTRIES} are allowed"):
        Lines((), rows)


def test_figure_that_does_not_fit_is_refused() -> None:
    for lines in (Lines((), (Row(0, "a.c", 1 << 32),)), Lines((Function(0, -1, "f"),), ()), Lines((), (Row(1 << 32, "a.c", 1),))):
        with pytest.raises(ImageError, match="32 bits"):
            build_lines(lines)


def test_a_name_stands_in_the_table_once() -> None:
    lines = Lines(tuple(Function(at, 4, "same") for at in range(0, 400, 4)), ())
    assert build_lines(lines).count(b"same") == 1 and parse_lines(build_lines(lines)) == lines


@given(data=st.binary(max_size=80))
def test_any_bytes_are_a_table_or_are_refused(data: bytes) -> None:
    for table in (data, struct.pack("<III", 1, 1, max(0, len(data) - 24)) + data):
        try:
            parse_lines(table)
        except ImageError as refused:
            assert "line table" in refused.reason
