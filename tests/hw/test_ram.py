# SPDX-License-Identifier: Apache-2.0
"""RAM: what reads back, what counts as written, whose each byte is; against a flat model over random histories."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw import backing as backing_module
from hw.backing import Backing, BackingKind, ChunkedMemory, MemoryFile, open_backing
from hw.ram import POISON, Ram
from hw.taint import Taint
from hw.written import Written
from verifier.address import GIB, KIB, MIB, PAGE_SIZE, TIB, Span
from verifier.errors import BedError, UsageError

HAS_MEMORY_FILES = hasattr(os, "memfd_create")
KINDS: list[BackingKind] = ["file", "chunked"] if HAS_MEMORY_FILES else ["chunked"]
SIZES = (1, 63, 64, 65, 4095, 4096, 4097, 64 * KIB)

# Around a chunk's seam at 2 MiB, so that every boundary the implementation has lies inside a few pages.
LOW = Span(0x1FD000, 0x5000)
HIGH = Span(0x204000, 0x3000)
SMALL_MAP = (LOW, HIGH)

needs_memory_files = pytest.mark.skipif(not HAS_MEMORY_FILES, reason="this system has no memfd_create")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> BackingKind:
    chosen: BackingKind = request.param
    return chosen


@pytest.fixture
def small(kind: BackingKind) -> Iterator[Ram]:
    """RAM with a hole of two pages, nothing written."""
    with open_backing(HIGH.end, kind) as backing:
        yield Ram(SMALL_MAP, backing)


@pytest.fixture
def wide(kind: BackingKind) -> Iterator[Ram]:
    """16 MiB of RAM without a hole."""
    with open_backing(16 * MIB, kind) as backing:
        yield Ram([Span(0, 16 * MIB)], backing)


def pattern(size: int) -> bytes:
    """Bytes of which neighbours differ and none is zero or poison."""
    return bytes(1 + number % 97 for number in range(size))


# Reading back, and never-written bytes


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("offset", [0, 1, 4032, 4095])
def test_a_store_reads_back_and_its_neighbours_stay_poison(wide: Ram, size: int, offset: int) -> None:
    address = 2 * MIB - 8192 + offset
    wide.write(address, pattern(size))
    assert wide.read(address, size) == pattern(size)
    assert wide.unwritten is None
    assert wide.read(address - 1, size + 2) == bytes([POISON, *pattern(size), POISON])
    assert wide.unwritten == address - 1
    assert wide.first_unwritten(address, size) is None
    assert wide.first_unwritten(address, size + 1) == address + size


def test_a_never_written_byte_reads_as_poison_and_is_named(small: Ram) -> None:
    assert small.read(LOW.start, 4) == b"\xa5\xa5\xa5\xa5"
    assert small.unwritten == LOW.start


def test_a_read_of_written_bytes_takes_the_note_of_an_earlier_one_back(small: Ram) -> None:
    small.write(LOW.start, b"ab")
    small.read(LOW.start, 3)
    assert small.unwritten == LOW.start + 2
    small.read(LOW.start, 2)
    assert small.unwritten is None


def test_a_read_of_never_written_memory_touches_no_page(small: Ram) -> None:
    small.read(LOW.start, LOW.size)
    assert small.touched() == []


def test_a_page_filled_in_scattered_pieces_is_known_to_the_byte(wide: Ram) -> None:
    for offset in range(0, PAGE_SIZE, 2):
        wide.write(offset, b"x")
    for even in (0, 2, 4092, 4094):
        assert wide.first_unwritten(even, 1) is None
        assert wide.first_unwritten(even, 2) == even + 1
    assert wide.read(0, PAGE_SIZE) == b"x\xa5" * (PAGE_SIZE // 2)
    for offset in range(1, PAGE_SIZE, 2):
        wide.write(offset, b"y")
    assert wide.read(0, PAGE_SIZE) == b"xy" * (PAGE_SIZE // 2)
    assert wide.unwritten is None
    wide.forget(17, 1)
    assert wide.first_unwritten(0, PAGE_SIZE) == 17
    assert wide.first_unwritten(18, PAGE_SIZE - 18) is None


def test_a_forgotten_byte_reads_as_poison_though_the_backing_still_holds_it(wide: Ram) -> None:
    wide.write(0, pattern(3 * PAGE_SIZE))
    wide.forget(PAGE_SIZE - 1, PAGE_SIZE + 2)
    assert wide.read(PAGE_SIZE - 2, 1) == pattern(PAGE_SIZE)[-2:-1]
    assert wide.first_unwritten(0, 3 * PAGE_SIZE) == PAGE_SIZE - 1
    assert wide.read(PAGE_SIZE - 1, PAGE_SIZE + 2) == bytes([POISON]) * (PAGE_SIZE + 2)
    assert wide.first_unwritten(2 * PAGE_SIZE + 1, PAGE_SIZE - 1) is None


def test_a_page_filled_in_pieces_is_wholly_forgotten(wide: Ram) -> None:
    wide.write(0, b"a")
    wide.write(8, b"b")
    wide.forget(0, PAGE_SIZE)
    wide.write(0, b"c")
    assert wide.read(0, 16) == b"c" + bytes([POISON]) * 15
    assert wide.first_unwritten(8, 1) == 8


def test_a_forgotten_page_is_still_touched(wide: Ram) -> None:
    wide.write(0, pattern(3 * PAGE_SIZE + 1))
    wide.forget(0, 16 * MIB)
    assert wide.touched() == [0, 1, 2, 3]


def test_bytes_stored_through_another_mapping_are_marked_and_tagged(small: Ram) -> None:
    small.tag = 3
    small.mark(LOW.start, 8)
    assert small.read(LOW.start, 8) == bytes(8)
    assert small.unwritten is None
    assert small.first_tag(LOW.start, 8) == 3


@pytest.mark.parametrize("data", [b"", bytearray(b"abc"), memoryview(b"xabcx")[1:4]], ids=["empty", "array", "view"])
def test_any_kind_of_bytes_can_be_stored(small: Ram, data: bytes | bytearray | memoryview) -> None:
    small.write(LOW.start, data)
    assert small.read(LOW.start, len(data)) == bytes(data)
    assert small.first_unwritten(LOW.start, 4) == LOW.start + len(data)


def test_items_wider_than_a_byte_are_refused_and_nothing_is_marked(small: Ram) -> None:
    with pytest.raises((ValueError, IndexError)):
        small.write(LOW.start, memoryview(bytes(16)).cast("I"))
    assert small.touched() == []


# The edges of RAM

ACCESSES: list[Callable[[Ram, int, int], object]] = [
    lambda ram, address, size: ram.read(address, size),
    lambda ram, address, size: ram.write(address, bytes(size)),
    lambda ram, address, size: ram.write_tagged(address, bytes(size), 1),
    lambda ram, address, size: ram.mark(address, size),
    lambda ram, address, size: ram.first_unwritten(address, size),
    lambda ram, address, size: ram.forget(address, size),
    lambda ram, address, size: ram.first_foreign(address, size, 1),
    lambda ram, address, size: ram.first_tag(address, size),
]


@pytest.mark.parametrize("access", ACCESSES)
@pytest.mark.parametrize("size", [1, 64, 4096])
@pytest.mark.parametrize("span", SMALL_MAP, ids=["low", "high"])
def test_the_first_and_last_byte_of_ram_are_ram_and_one_beyond_is_refused(
    small: Ram, access: Callable[[Ram, int, int], object], span: Span, size: int
) -> None:
    for good in (span.start, span.start + 1, span.end - size - 1, span.end - size):
        assert small.contains(good, size)
        access(small, good, size)
    for bad in (span.start - 1, span.end - size + 1, span.end):
        assert not small.contains(bad, size)
        with pytest.raises(BedError, match="RAM"):
            access(small, bad, size)


def test_a_span_over_the_hole_is_not_ram(small: Ram) -> None:
    assert not small.contains(LOW.start, HIGH.end - LOW.start)
    with pytest.raises(BedError):
        small.read(LOW.last, HIGH.start - LOW.last + 1)


@pytest.mark.parametrize(("address", "size"), [(LOW.start + 64, -1), (LOW.start + 64, -64), (-1, 1), (-64, 128)])
def test_negative_addresses_and_sizes_are_refused(small: Ram, address: int, size: int) -> None:
    assert not small.contains(address, size)
    for access in (small.read, small.first_unwritten, small.forget, small.mark, small.first_tag):
        with pytest.raises(BedError):
            access(address, size)


def test_nothing_is_written_tagged_or_found_in_no_bytes_at_all(small: Ram) -> None:
    small.write_tagged(LOW.start, bytes(8), 4)
    assert small.read(LOW.start + 8, 0) == b""
    assert small.unwritten is None
    assert small.first_tag(LOW.start + 4, 0) == 0
    small.forget(LOW.start + 4, 0)
    small.mark(LOW.start + 4096, 0)
    assert small.first_unwritten(LOW.start, 9) == LOW.start + 8
    assert small.first_unwritten(LOW.start + 4096, 1) == LOW.start + 4096


def test_ranges_that_touch_are_one_piece_of_ram() -> None:
    with ChunkedMemory(0x3000) as backing:
        ram = Ram([Span(0, 0x1000), Span(0x1000, 0x2000)], backing)
        ram.write(0xFFF, b"ab")
        assert ram.contains(0, 0x3000)
        assert ram.read(0xFFF, 2) == b"ab"
        assert ram.ranges == (Span(0, 0x1000), Span(0x1000, 0x2000))


@pytest.mark.parametrize(
    "ranges",
    [
        [],
        [Span(0, 4095)],
        [Span(1, 4096)],
        [Span(0, 0)],
        [Span(-4096, 8192)],
        [Span(0x2000, 0x1000), Span(0, 0x1000)],
        [Span(0, 0x2000), Span(0x1000, 0x2000)],
    ],
)
def test_a_map_of_ram_that_makes_no_sense_is_refused(ranges: list[Span]) -> None:
    with ChunkedMemory(1 * MIB) as backing, pytest.raises(UsageError):
        Ram(ranges, backing)


def test_a_backing_one_page_too_small_is_refused() -> None:
    with ChunkedMemory(0x2000) as backing:
        Ram([Span(0, 0x2000)], backing)
        with pytest.raises(UsageError, match="0x00003000"):
            Ram([Span(0, 0x3000)], backing)


def test_a_tebibyte_of_ram_costs_its_touched_pages_only(kind: BackingKind) -> None:
    with open_backing(TIB, kind) as backing:
        ram = Ram([Span(0, TIB)], backing)
        ram.write(0, b"first")
        ram.write(TIB - 4, b"last")
        ram.forget(GIB, TIB - 2 * GIB)
        assert ram.read(0, 5) == b"first"
        assert ram.read(TIB - 5, 5) == b"\xa5last"
        assert ram.unwritten == TIB - 5
        assert ram.touched() == [0, (TIB >> 12) - 1]
        with pytest.raises(BedError):
            ram.write(TIB - 3, b"last")
        if isinstance(backing, ChunkedMemory):
            assert len(backing.cells.chunks) == 2
        else:
            assert os.fstat(backing.fileno() or -1).st_blocks * 512 <= 64 * KIB


# Tags


def test_bytes_of_another_frame_are_foreign_and_untagged_bytes_are_nobodys(small: Ram) -> None:
    small.write(LOW.start, bytes(16))
    small.write_tagged(LOW.start + 4, b"mine", 7)
    small.write_tagged(LOW.start + 10, b"old", 6)
    assert small.first_foreign(LOW.start, 10, 7) is None
    assert small.first_foreign(LOW.start, 11, 7) == (LOW.start + 10, 6)
    assert small.first_foreign(LOW.start + 11, 5, 7) == (LOW.start + 11, 6)
    assert small.first_foreign(LOW.start, 16, 6) == (LOW.start + 4, 7)
    assert [small.first_tag(LOW.start + at, size) for at, size in ((0, 4), (0, 16), (8, 8))] == [0, 7, 6]


def test_an_untagged_store_removes_the_tags_it_covers_and_no_others(small: Ram) -> None:
    small.write_tagged(LOW.start, bytes(16), 5)
    small.write(LOW.start + 4, bytes(8))
    assert [small.first_tag(LOW.start + at, 1) for at in (3, 4, 11, 12)] == [5, 0, 0, 5]


def test_a_fresh_allocation_is_nobodys(small: Ram) -> None:
    small.write_tagged(LOW.start, bytes(2 * PAGE_SIZE), 5)
    small.forget(LOW.start + 1, 2 * PAGE_SIZE - 2)
    assert small.first_foreign(LOW.start + 1, 2 * PAGE_SIZE - 2, 9) is None
    assert small.first_foreign(LOW.start, 2 * PAGE_SIZE, 9) == (LOW.start, 5)
    assert small.first_tag(LOW.start + 1, 2 * PAGE_SIZE - 1) == 5


def test_a_tagged_store_leaves_the_present_tag_even_when_it_fails(small: Ram) -> None:
    small.tag = 2
    with pytest.raises(BedError):
        small.write_tagged(HIGH.end, b"x", 3)
    assert small.tag == 2


def test_stores_side_by_side_for_one_frame_stay_one_interval() -> None:
    taint = Taint()
    for word in (0, 4, 8, 20, 16, 12):
        taint.store(word, word + 4, 1)
    assert taint.pages == {0: [(0, 24, 1)]}


# A backing serves one world after another


def test_reset_zeroes_the_backing_and_equals_a_fresh_machine(kind: BackingKind) -> None:
    with open_backing(HIGH.end, kind) as backing:
        fresh = Ram(SMALL_MAP, backing).digest()
        ram = Ram(SMALL_MAP, backing)
        ram.tag = 4
        ram.write(LOW.start + 5, pattern(3 * PAGE_SIZE))
        ram.forget(LOW.start, PAGE_SIZE)
        ram.read(LOW.start, 1)
        assert ram.digest() != fresh
        ram.reset()
        assert (ram.digest(), ram.touched(), ram.tag, ram.unwritten) == (fresh, [], 0, None)
        assert backing.cells[LOW.start : HIGH.end] == bytes(HIGH.end - LOW.start)


def test_two_machines_in_turn_on_one_backing_do_not_see_each_other(kind: BackingKind) -> None:
    with open_backing(HIGH.end, kind) as backing:
        first = Ram(SMALL_MAP, backing)
        first.write_tagged(LOW.start, pattern(2 * PAGE_SIZE), 1)
        first.reset()
        second = Ram(SMALL_MAP, backing)
        assert second.first_unwritten(LOW.start, LOW.size) == LOW.start
        assert second.first_tag(LOW.start, LOW.size) == 0
        second.mark(LOW.start, PAGE_SIZE)
        assert second.read(LOW.start, PAGE_SIZE) == bytes(PAGE_SIZE)


def test_more_storage_than_is_worth_keeping_is_given_back(kind: BackingKind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backing_module, "KEPT_BYTES", 3 * MIB)
    with open_backing(8 * MIB, kind) as backing:
        ram = Ram([Span(0, 8 * MIB)], backing)
        ram.write(0, b"\1" * (5 * MIB))
        ram.reset()
        if isinstance(backing, ChunkedMemory):
            assert not backing.cells.chunks
        else:
            assert os.fstat(backing.fileno() or -1).st_blocks == 0
        assert backing.cells[0 : 8 * MIB] == bytes(8 * MIB)
        ram.write(1 * MIB, b"\1")
        assert ram.read(1 * MIB - 1, 3) == b"\xa5\1\xa5"


@pytest.mark.parametrize(
    "change",
    [
        lambda ram: ram.write(LOW.start, b"\0"),
        lambda ram: ram.write(LOW.start + 1, b"\1"),
        lambda ram: ram.write(LOW.start, b"\2"),
        lambda ram: ram.write_tagged(LOW.start, b"\1", 1),
        lambda ram: ram.write(HIGH.start, b"\1"),
        lambda ram: None,
    ],
)
def test_the_digest_tells_content_marks_tags_and_place_apart(change: Callable[[Ram], None]) -> None:
    with ChunkedMemory(HIGH.end) as backing, ChunkedMemory(HIGH.end) as other:
        ram, reference = Ram(SMALL_MAP, backing), Ram(SMALL_MAP, other)
        reference.write(LOW.start, b"\1")
        change(ram)
        assert ram.digest() != reference.digest()


def test_a_written_zero_differs_from_a_byte_never_written(small: Ram) -> None:
    fresh = small.digest()
    small.write(LOW.start, b"\0")
    assert small.digest() != fresh


def test_the_digest_does_not_depend_on_the_order_of_the_stores() -> None:
    digests = []
    for order in ((0, 1, 2, 3), (3, 0, 2, 1), (2, 0, 3, 1)):
        with ChunkedMemory(HIGH.end) as backing:
            ram = Ram(SMALL_MAP, backing)
            for quarter in order:
                ram.write_tagged(LOW.start + 1024 * quarter, pattern(1024), 2)
            digests.append(ram.digest())
    assert len(set(digests)) == 1


# Backings


@needs_memory_files
def test_a_memory_file_shows_its_bytes_through_the_descriptor_until_it_is_closed() -> None:
    backing = open_backing(1 * MIB)
    descriptor = backing.fileno()
    assert descriptor is not None
    ram = Ram([Span(0, 1 * MIB)], backing)
    ram.write(4096, b"seen")
    assert os.pread(descriptor, 4, 4096) == b"seen"
    assert ram.fileno() == descriptor
    backing.close()
    backing.close()
    assert backing.fileno() is None
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)


@needs_memory_files
@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_closing_a_memory_file_leaves_no_descriptor_behind() -> None:
    def open_descriptors() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = open_descriptors()
    for _ in range(3):
        open_backing(1 * MIB, "file").close()
    assert open_descriptors() == before
    Ram([Span(0, 1 * MIB)]).write(0, b"x")
    assert open_descriptors() == before
    with pytest.raises(BedError):
        open_backing(1 << 60, "file")
    assert open_descriptors() == before


def test_closing_with_a_live_view_does_not_fail_and_the_view_stays_readable() -> None:
    backing = open_backing(1 * MIB)
    Ram([Span(0, 1 * MIB)], backing).write(0, b"kept")
    if not isinstance(backing, MemoryFile):
        pytest.skip("this system has no memfd_create")
    view = memoryview(backing.cells)[:4]
    backing.close()
    assert bytes(view) == b"kept"


@pytest.mark.parametrize("size", [8191, 8193])
def test_a_store_over_a_chunk_seam_is_never_cut_to_fit(size: int) -> None:
    with ChunkedMemory(4 * MIB) as backing, pytest.raises(ValueError, match=str(size)):
        backing.cells[2 * MIB - 4096 : 2 * MIB + 4096] = bytes(size)


def test_chunks_have_no_descriptor() -> None:
    with open_backing(1 * MIB, "chunked") as backing:
        assert backing.fileno() is None


@pytest.mark.parametrize("size", [-4096, 0, 1, 4095, 4097])
def test_a_size_that_is_not_whole_pages_is_refused(kind: BackingKind, size: int) -> None:
    with pytest.raises(UsageError, match=f"memory of {size} bytes"):
        open_backing(size, kind)


def test_an_unknown_kind_of_backing_is_refused() -> None:
    with pytest.raises(UsageError, match="'magnetic'"):
        open_backing(4096, "magnetic")  # type: ignore[arg-type]


@needs_memory_files
def test_memory_too_large_to_map_is_chunked_unless_a_file_was_asked_for() -> None:
    with open_backing(1 << 60) as backing:
        assert isinstance(backing, ChunkedMemory)
    with pytest.raises(BedError, match="memory file of 1152921504606846976 bytes"):
        open_backing(1 << 60, "file")


def test_a_system_without_memory_files_gets_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with open_backing(4096) as backing:
        assert isinstance(backing, ChunkedMemory)
    with pytest.raises(BedError, match="memfd_create"):
        open_backing(4096, "file")


@needs_memory_files
def test_exhausted_descriptors_are_an_error_and_not_a_slower_backing(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_name: str) -> int:
        raise OSError(24, os.strerror(24))

    monkeypatch.setattr(os, "memfd_create", exhausted)
    with pytest.raises(BedError, match="Too many open files"):
        open_backing(4096)


# Random histories


class Flat:
    """The model: one cell per byte, (content, written, tag)."""

    def __init__(self) -> None:
        size = HIGH.end - LOW.start
        self.content = bytearray([POISON]) * size
        self.tags = [0] * size
        self.written = bytearray(size)
        self.touched: set[int] = set()

    def store(self, address: int, data: bytes, tag: int) -> None:
        at = address - LOW.start
        self.content[at : at + len(data)] = data
        self.written[at : at + len(data)] = b"\1" * len(data)
        self.tags[at : at + len(data)] = [tag] * len(data)
        self.touched.update(range(address >> 12, ((address + len(data) - 1) >> 12) + 1))

    def forget(self, address: int, size: int) -> None:
        at = address - LOW.start
        self.content[at : at + size] = bytes([POISON]) * size
        self.written[at : at + size] = bytes(size)
        self.tags[at : at + size] = [0] * size

    def first_unwritten(self, address: int, size: int) -> int | None:
        at = self.written.find(0, address - LOW.start, address - LOW.start + size)
        return None if at < 0 else LOW.start + at

    def first_foreign(self, address: int, size: int, own: int) -> tuple[int, int] | None:
        at = address - LOW.start
        tags = enumerate(self.tags[at : at + size])
        return next(((address + n, tag) for n, tag in tags if tag not in (0, own)), None)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """A span inside one range, often at the edges of pages and of earlier spans."""
    whole = draw(st.sampled_from(SMALL_MAP))
    edges = st.sampled_from([0, 1, 2, 16, 4095]) | st.integers(0, PAGE_SIZE - 1)
    start = min(whole.start + draw(st.integers(0, whole.size // PAGE_SIZE - 1)) * PAGE_SIZE + draw(edges), whole.last)
    room = whole.end - start
    lengths = st.sampled_from([1, 2, 64, 4095, 4096, 4097, 8192, PAGE_SIZE - start % PAGE_SIZE])
    return Span(start, min(draw(lengths | st.integers(1, 9000)), room))


VERBS = ["write", "write", "write", "tagged", "forget", "read", "tag"]
STEPS = st.lists(st.tuples(st.sampled_from(VERBS), spans(), st.integers(0, 3)), max_size=30)


def play(ram: Ram, flat: Flat, steps: list[tuple[str, Span, int]]) -> None:
    """Do the steps on both and compare all that a step can tell."""
    for number, (what, span, tag) in enumerate(steps):
        address, size = span.start, span.size
        data = bytes([number + 1]) * size
        if what == "write":
            ram.write(address, data)
            flat.store(address, data, ram.tag)
        elif what == "tagged":
            ram.write_tagged(address, data, tag)
            flat.store(address, data, tag)
        elif what == "forget":
            ram.forget(address, size)
            flat.forget(address, size)
        elif what == "tag":
            ram.tag = tag
        at = address - LOW.start
        assert ram.first_unwritten(address, size) == flat.first_unwritten(address, size)
        assert ram.read(address, size) == flat.content[at : at + size]
        assert ram.unwritten == flat.first_unwritten(address, size)
        assert ram.first_foreign(address, size, tag) == flat.first_foreign(address, size, tag)
        assert ram.first_tag(address, size) == (flat.first_foreign(address, size, 0) or (0, 0))[1]


def compare_all(ram: Ram, flat: Flat) -> None:
    for span in SMALL_MAP:
        at = span.start - LOW.start
        assert ram.read(span.start, span.size) == flat.content[at : at + span.size]
        for address in range(span.start, span.end, 61):
            assert ram.first_unwritten(address, span.end - address) == flat.first_unwritten(address, span.end - address)
    assert ram.touched() == sorted(flat.touched)


def check_histories(kind: BackingKind, first: list[tuple[str, Span, int]], second: list[tuple[str, Span, int]]) -> None:
    with open_backing(HIGH.end, kind) as backing:
        fresh = Ram(SMALL_MAP, backing).digest()
        ram = Ram(SMALL_MAP, backing)
        for steps in (first, second):
            flat = Flat()
            play(ram, flat, steps)
            compare_all(ram, flat)
            ram.reset()
            assert ram.digest() == fresh
            assert ram.touched() == []
            assert backing.cells[LOW.start : HIGH.end] == bytes(HIGH.end - LOW.start)


@pytest.mark.parametrize("histories_on", KINDS)
@settings(max_examples=80, deadline=None)
@given(first=STEPS, second=STEPS)
def test_random_histories_agree_with_a_flat_memory(
    histories_on: BackingKind, first: list[tuple[str, Span, int]], second: list[tuple[str, Span, int]]
) -> None:
    check_histories(histories_on, first, second)


@settings(max_examples=80, deadline=None)
@given(steps=STEPS)
def test_equal_histories_have_equal_digests_on_both_backings(steps: list[tuple[str, Span, int]]) -> None:
    digests = set()
    for kind in KINDS:
        with open_backing(HIGH.end, kind) as backing:
            ram = Ram(SMALL_MAP, backing)
            play(ram, Flat(), steps)
            digests.add(ram.digest())
    assert len(digests) == 1


WINDOW = range(4064, 4128)
PIECES = st.tuples(st.integers(4066, 4111), st.integers(1, 12))
SEAM = st.one_of(PIECES, PIECES, PIECES, PIECES, PIECES, st.sampled_from([(0, 4096), (4096, 4096), (4090, 8192)]))


def in_window(start: int, size: int) -> range:
    return range(max(start, WINDOW.start), min(start + size, WINDOW.stop))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), SEAM), min_size=3, max_size=20), st.booleans())
def test_every_byte_is_known_after_any_pieces_at_a_page_seam(
    pieces: list[tuple[bool, tuple[int, int]]], full: bool
) -> None:
    written, flat = Written(), set()
    if full:
        written.mark(0, 8192)
        flat = set(WINDOW)
    for stored, (start, size) in pieces:
        if stored:
            written.mark(start, start + size)
            flat.update(in_window(start, size))
        else:
            written.forget(start, start + size)
            flat.difference_update(in_window(start, size))
        runs = list(written.runs(WINDOW.start, WINDOW.stop))
        assert [at for low, high in runs for at in range(low, high)] == sorted(flat)
        assert all(before[1] < after[0] for before, after in pairwise(runs))
        for at in in_window(start - 1, size + 2):
            assert (written.first_gap(at, at + 1) is None) == (at in flat)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), SEAM), min_size=3, max_size=20))
def test_tags_at_a_page_seam_agree_with_a_flat_map_and_stay_joined(pieces: list[tuple[int, tuple[int, int]]]) -> None:
    taint = Taint()
    flat = dict.fromkeys(WINDOW, 0)
    for tag, (start, size) in pieces:
        taint.store(start, start + size, tag)
        flat.update(dict.fromkeys(in_window(start, size), tag))
        found = {at: taint.first_tagged(at, at + 1) for at in WINDOW}
        assert found == {at: (at, tag) if tag else None for at, tag in flat.items()}
        for marks in taint.pages.values():
            assert marks
            for (_, end, before), (low, _, after) in pairwise(marks):
                assert end < low or (end == low and before != after)


def test_a_backing_is_abstract() -> None:
    with pytest.raises(TypeError):
        Backing(4096)  # type: ignore[abstract]
