# SPDX-License-Identifier: Apache-2.0
"""The address book against a plain list of blocks that is searched from end to end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.address import Span
from verifier.address_book import AddressBook, Block, BlockKind


def block(name: str, start: int, size: int, *runs: Span) -> Block:
    return Block(BlockKind.SHARED, name, "the miniport", start, size, runs=runs)


def spans(entry: Block) -> list[Span]:
    return list(entry.runs) or [entry.span]


@pytest.fixture
def book() -> AddressBook:
    return AddressBook()


@pytest.mark.parametrize("start, size, found", [(0xFFF, 1, False), (0xFFF, 2, False), (0x1000, 1, True), (0x1000, 0x100, True),
                                                (0x1000, 0x101, False), (0x10FF, 1, True), (0x10FF, 2, False), (0x1100, 1, False)])
def test_a_block_holds_its_bytes_from_the_first_to_the_last(book: AddressBook, start: int, size: int, found: bool) -> None:
    entry = block("ring", 0x1000, 0x100)
    book.add(entry)
    assert (book.find(start, size) is entry) is found


def test_the_rest_of_the_last_page_is_nobodys(book: AddressBook) -> None:
    book.add(block("ring", 0x1000, 0x801))
    assert book.find(0x1800, 1) is not None
    assert book.find(0x1801, 1) is None


def test_two_neighbours_do_not_hold_a_span_together(book: AddressBook) -> None:
    book.add(block("low", 0x1000, 0x1000))
    book.add(block("high", 0x2000, 0x1000))
    assert book.find(0x1FF0, 0x20) is None
    assert [entry.name for entry in book.overlapping(0x1FF0, 0x20)] == ["low", "high"]


def test_blocks_are_numbered_in_the_order_of_allocation(book: AddressBook) -> None:
    for name, start in (("a", 0x5000), ("b", 0x1000), ("c", 0x3000)):
        book.add(block(name, start, 0x1000))
    assert [(entry.number, entry.name) for entry in book.made] == [(1, "a"), (2, "b"), (3, "c")]


def test_a_freed_block_is_not_found_and_stays_known_with_its_killer(book: AddressBook) -> None:
    entry = block("ring", 0x1000, 0x100)
    book.add(entry)
    book.remove(entry, None, "halt")
    assert book.find(0x1000, 1) is None
    assert book.overlapping(0x1000, 1) == []
    assert book.last_freed(0x10FF, 1) is entry
    assert book.last_freed(0x1100, 1) is None
    assert (entry.live, entry.freed_in) == (False, "halt")
    assert book.made == [entry]


def test_the_last_of_several_owners_is_named(book: AddressBook) -> None:
    for name in ("first", "second"):
        entry = block(name, 0x1000, 0x100)
        book.add(entry)
        book.remove(entry, None, None)
    last = book.last_freed(0x1000, 1)
    assert last is not None
    assert last.name == "second"


def test_memory_that_was_freed_and_given_out_again_belongs_to_the_living(book: AddressBook) -> None:
    old, new = block("old", 0x1000, 0x100), block("new", 0x1000, 0x100)
    book.add(old)
    book.remove(old, None, None)
    book.add(new)
    assert book.find(0x1000, 0x100) is new
    assert book.victim(0x1000, 1) == ("new (0x100 bytes at 0x00001000)", new)


def test_victims_are_named_alive_freed_or_of_the_system(book: AddressBook) -> None:
    low, high = block("low", 0x1000, 0x100), block("high", 0x1100, 0x100)
    book.add(low)
    book.add(high)
    assert book.victim(0x10FF, 2) == ("low (0x100 bytes at 0x00001000) and high (0x100 bytes at 0x00001100)", low)
    book.remove(high, None, None)
    assert book.victim(0x1100, 1) == ("memory that was high (0x100 bytes at 0x00001100, freed)", high)
    assert book.victim(0x9000, 1) == ("memory that belongs to the system", None)


def test_a_block_of_several_runs_is_found_in_each_and_in_no_gap(book: AddressBook) -> None:
    entry = block("mapping", 0x1000, 0x1800, Span(0x1000, 0x1000), Span(0x8000, 0x800))
    book.add(entry)
    assert book.find(0x1FFF, 1) is entry
    assert book.find(0x8000, 0x800) is entry
    assert book.find(0x8000, 0x801) is None
    assert book.find(0x2000, 1) is None
    assert book.overlapping(0, 0x1_0000) == [entry]
    book.remove(entry, None, None)
    assert book.find(0x8000, 1) is None
    assert book.last_freed(0x87FF, 1) is entry
    assert book.last_freed(0x2000, 1) is None


def test_an_address_below_zero_is_in_no_block(book: AddressBook) -> None:
    book.add(block("ring", 0, 0x100))
    assert book.find(-1, 1) is None
    assert book.find(-1, 2) is None
    assert [entry.name for entry in book.overlapping(-1, 2)] == ["ring"]


@given(st.data())
def test_any_history_agrees_with_a_list_that_is_searched_from_end_to_end(data: st.DataObject) -> None:
    book = AddressBook()
    live: list[Block] = []
    freed: list[Block] = []
    for number in range(data.draw(st.integers(1, 14))):
        if live and data.draw(st.booleans()):
            entry = live.pop(data.draw(st.integers(0, len(live) - 1)))
            book.remove(entry, None, None)
            freed.append(entry)
            continue
        runs = [Span(data.draw(st.integers(0, 60)), data.draw(st.integers(1, 12))) for _ in range(data.draw(st.integers(1, 2)))]
        taken = [span for entry in live for span in spans(entry)]
        if any(run.overlaps(other) for i, run in enumerate(runs) for other in [*taken, *runs[:i]]):
            continue
        entry = block(str(number), runs[0].start, runs[0].size, *(runs if len(runs) > 1 else []))
        book.add(entry)
        live.append(entry)
    for start in range(-1, 75):
        for size in (1, 2, 7):
            asked = Span(start, size)
            holding = [entry for entry in live if any(run.contains(asked) for run in spans(entry))]
            assert book.find(start, size) is (holding[0] if holding else None)
            touching = {entry.name for entry in live if any(run.overlaps(asked) for run in spans(entry))}
            assert {entry.name for entry in book.overlapping(start, size)} == touching
            dead = [entry for entry in freed if any(run.overlaps(asked) for run in spans(entry))]
            assert book.last_freed(start, size) is (dead[-1] if dead else None)


@pytest.mark.parametrize("low, length, meant", [
    (0x34_0000, 16, 0x234_0000), (0x34_0FF0, 16, 0x234_0FF0), (0x34_0FF1, 16, None), (0x33_FFFF, 16, None), (0x12_0000, 16, 0x12_0000)])
def test_whose_memory_is_meant_by_the_lowest_bits_of_an_address(low: int, length: int, meant: int | None) -> None:
    book = AddressBook()
    for physical, adapter in ((0x12_0000, 0), (0x234_0000, 0), (0x356_0000, 1)):
        book.add(Block(BlockKind.SHARED, "block", "the miniport", physical, 0x1000, adapter=adapter, device_reads=True))
    assert book.meant_by(0, 24, low, length, 0) == meant
    assert book.meant_by(1, 24, low, length, 0) is None


def test_meant_is_a_device_address() -> None:
    book = AddressBook()
    book.add(Block(BlockKind.SHARED, "block", "the miniport", 0x234_0000, 0x1000, device_writes=True))
    assert book.meant_by(0, 24, 0x35_0000, 16, 0x1_0000) == 0x235_0000
    book.remove(book.made[0], None, None)
    assert book.meant_by(0, 24, 0x35_0000, 16, 0x1_0000) is None
