# SPDX-License-Identifier: Apache-2.0
"""Where a PC puts its RAM, at the sizes where a range begins or ends."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.memory_layout import DEVICE_HOLE, LARGEST, MMIO_BASE, PORT_BASE, SMALLEST, VIDEO_HOLE, ram_ranges
from verifier.address import GIB, MIB, PAGE_SIZE, TIB, Span
from verifier.errors import UsageError

CONVENTIONAL = Span(0, 0xA_0000)


def test_a_small_machine_has_a_hole_under_the_video_memory_and_nothing_above() -> None:
    assert ram_ranges(16 * MIB) == (CONVENTIONAL, Span(0x10_0000, 15 * MIB))


@pytest.mark.parametrize("size, above", [(3 * GIB - PAGE_SIZE, 0), (3 * GIB, 0), (3 * GIB + PAGE_SIZE, PAGE_SIZE),
                                         (4 * GIB, GIB), (TIB, TIB - 3 * GIB)])
def test_what_the_device_hole_takes_lies_above_4_gib(size: int, above: int) -> None:
    ranges = ram_ranges(size)
    assert sum(span.size for span in ranges if span.start >= 4 * GIB) == above
    assert all(not span.overlaps(DEVICE_HOLE) for span in ranges)
    assert (ranges[-1].start == 4 * GIB) == bool(above)


@pytest.mark.parametrize("size", [SMALLEST, SMALLEST + PAGE_SIZE, LARGEST - PAGE_SIZE, LARGEST])
def test_2_mib_to_1_tib_are_taken(size: int) -> None:
    assert ram_ranges(size)[0] == CONVENTIONAL


@pytest.mark.parametrize("size", [-1, 0, MIB, SMALLEST - PAGE_SIZE, SMALLEST - 1, LARGEST + 1, LARGEST + PAGE_SIZE])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(UsageError, match="not modelled"):
        ram_ranges(size)


@pytest.mark.parametrize("size", [SMALLEST + 1, 16 * MIB - 1, 16 * MIB + 1])
def test_a_size_that_is_no_whole_number_of_pages_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match="whole number of pages"):
        ram_ranges(size)


def test_registers_and_ports_of_devices_lie_in_no_ram() -> None:
    assert DEVICE_HOLE.contains(Span(MMIO_BASE, 0x10_0000 * 8))
    assert PORT_BASE < 0x1_0000


@given(st.integers(SMALLEST // PAGE_SIZE, LARGEST // PAGE_SIZE))
def test_ranges_ascend_in_whole_pages_and_add_up_to_the_size_without_the_video_hole(pages: int) -> None:
    ranges = ram_ranges(pages * PAGE_SIZE)
    assert all(low.end <= high.start for low, high in pairwise(ranges))
    assert all(span.start % PAGE_SIZE == span.size % PAGE_SIZE == 0 and span.size > 0 for span in ranges)
    assert sum(span.size for span in ranges) == pages * PAGE_SIZE - VIDEO_HOLE.size
