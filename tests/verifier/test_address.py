# SPDX-License-Identifier: Apache-2.0
"""Spans: the last byte counts, at every edge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.address import GIB, KIB, MIB, PAGE_SIZE, TIB, Span, first_multiple_inside, hex_address, pages_for

SPANS = st.builds(Span, st.integers(0, 80), st.integers(1, 40))


def cells(span: Span) -> set[int]:
    return set(range(span.start, span.start + span.size))


def test_sizes_are_powers_of_1024() -> None:
    assert (KIB, MIB, GIB, TIB, PAGE_SIZE) == (1024, 1024**2, 1024**3, 1024**4, 4096)


def test_a_span_knows_its_last_byte_and_the_one_beyond() -> None:
    span = Span(0x00FF_F000, 0x2000)
    assert (span.last, span.end) == (0x0100_0FFF, 0x0100_1000)


def test_a_span_of_one_byte_begins_and_ends_there() -> None:
    assert (Span(7, 1).last, Span(7, 1).end) == (7, 8)


@pytest.mark.parametrize("start, crosses", [(0x00FF_FFBF, False), (0x00FF_FFC0, False), (0x00FF_FFC1, True), (0x00FF_FFC2, True),
                                            (0x00FF_FFFF, True), (0x0100_0000, False), (0x0100_0001, False)])
def test_64_bytes_cross_16_mb_from_the_first_byte_that_lies_beyond(start: int, crosses: bool) -> None:
    assert Span(start, 64).crosses(16 * MIB) is crosses


def test_no_boundary_is_never_crossed() -> None:
    assert not Span(0, TIB).crosses(0)


@pytest.mark.parametrize("start, size, expected", [(0, 0x1000, None), (0, 0x1001, 0x1000), (1, 0x1000, 0x1000), (0xFFF, 1, None),
                                                   (0xFFF, 2, 0x1000), (0x1000, 0x1000, None), (0, 0x3000, 0x1000), (5, 0, None),
                                                   (5, -1, None)])
def test_the_first_multiple_inside_is_named(start: int, size: int, expected: int | None) -> None:
    assert first_multiple_inside(start, size, 0x1000) == expected


@given(st.integers(0, 200), st.integers(-3, 100), st.integers(0, 40))
def test_the_first_multiple_inside_agrees_with_counting(start: int, size: int, boundary: int) -> None:
    counted = [at for at in range(start + 1, start + size) if boundary and at % boundary == 0]
    assert first_multiple_inside(start, size, boundary) == (counted[0] if counted else None)


@given(SPANS, SPANS)
def test_overlap_and_containment_agree_with_sets_of_bytes(one: Span, other: Span) -> None:
    assert one.overlaps(other) == bool(cells(one) & cells(other))
    assert one.contains(other) == (cells(other) <= cells(one))


@pytest.mark.parametrize("start, overlaps", [(0xEF, False), (0xF0, False), (0xF1, True), (0x10F, True), (0x110, False), (0x111, False)])
def test_neighbours_do_not_overlap(start: int, overlaps: bool) -> None:
    assert Span(0x100, 0x10).overlaps(Span(start, 0x10)) is overlaps


@pytest.mark.parametrize("size, pages", [(0, 0), (1, 1), (4095, 1), (4096, 1), (4097, 2), (8192, 2), (8193, 3)])
def test_a_part_of_a_page_is_a_whole_one(size: int, pages: int) -> None:
    assert pages_for(size) == pages


@pytest.mark.parametrize("address, text", [(0, "0x00000000"), (0x00FF_F000, "0x00fff000"), (0xFFFF_FFFF, "0xffffffff"),
                                           (0x1_0000_0000, "0x0000000100000000")])
def test_an_address_prints_with_8_digits_and_with_16_beyond_32_bits(address: int, text: str) -> None:
    assert hex_address(address) == text


def test_a_span_prints_with_its_last_byte_and_its_size() -> None:
    assert str(Span(0x00FF_F000, 0x2000)) == "0x00fff000..0x01000fff (0x2000 bytes)"


def test_spans_sort_by_start_and_then_by_size() -> None:
    assert sorted([Span(2, 1), Span(1, 9), Span(1, 2)]) == [Span(1, 2), Span(1, 9), Span(2, 1)]
