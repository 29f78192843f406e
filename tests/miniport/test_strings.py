# SPDX-License-Identifier: Apache-2.0
"""Counted strings: lengths, conversion into buffers of the caller, comparison, and what NDIS allocated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniport import status as s
from miniport.adapter import Adapter
from miniport.library.strings import AnsiString, UnicodeString
from miniport.routine import TABLE

TEXTS = st.text(st.characters(min_codepoint=1, max_codepoint=0xFFFF, exclude_categories=("Cs",)), max_size=20)


def rows(name: str) -> Callable[..., Any]:
    """A routine that needs no machine."""
    implementation = TABLE[name].implementation
    return lambda *arguments: implementation(None, None, *arguments)


to_unicode, to_ansi = rows("NdisAnsiStringToUnicodeString"), rows("NdisUnicodeStringToAnsiString")
upcase, equal = rows("NdisUpcaseUnicodeString"), rows("NdisEqualString")
init_unicode, init_ansi = rows("NdisInitUnicodeString"), rows("NdisInitAnsiString")


@pytest.mark.parametrize("source, text, length", [
    (None, "", 0), ("", "", 0), ("a", "a", 2), ("Ring size", "Ring size", 18), ("\U0001d11e", "\U0001d11e", 4)])
def test_a_unicode_string_counts_two_bytes_for_each_unit(source: str | None, text: str, length: int) -> None:
    string = init_unicode(source)
    assert (string.text, string.length, string.maximum_length) == (text, length, length)


@pytest.mark.parametrize("source, data", [(None, b""), (b"", b""), (b"a", b"a"), (b"Ring", b"Ring")])
def test_an_ansi_string_counts_bytes(source: bytes | None, data: bytes) -> None:
    string = init_ansi(source)
    assert (string.data, string.length, string.maximum_length) == (data, len(data), len(data))


@pytest.mark.parametrize("room, status", [(7, s.NDIS_STATUS_FAILURE), (8, s.NDIS_STATUS_SUCCESS), (9, s.NDIS_STATUS_SUCCESS)])
def test_a_unicode_form_takes_twice_the_bytes(room: int, status: int) -> None:
    destination = UnicodeString("old", room)
    assert to_unicode(destination, AnsiString(b"Ring")) == status
    assert destination.text == ("Ring" if status == s.NDIS_STATUS_SUCCESS else "old")


@pytest.mark.parametrize("room, status", [(3, s.NDIS_STATUS_FAILURE), (4, s.NDIS_STATUS_SUCCESS), (5, s.NDIS_STATUS_SUCCESS)])
def test_an_ansi_form_takes_half_the_bytes(room: int, status: int) -> None:
    destination = AnsiString(b"old", room)
    assert to_ansi(destination, UnicodeString("Ring")) == status
    assert destination.data == (b"Ring" if status == s.NDIS_STATUS_SUCCESS else b"old")


@pytest.mark.parametrize("room, status", [(7, s.NDIS_STATUS_FAILURE), (8, s.NDIS_STATUS_SUCCESS), (9, s.NDIS_STATUS_SUCCESS)])
def test_the_upper_case_form_is_as_long(room: int, status: int) -> None:
    destination = UnicodeString("old", room)
    assert upcase(destination, UnicodeString("Ring")) == status
    assert destination.text == ("RING" if status == s.NDIS_STATUS_SUCCESS else "old")


def test_characters_that_the_ansi_set_lacks_become_question_marks() -> None:
    destination = AnsiString(maximum_length=10)
    assert to_ansi(destination, UnicodeString("5 € Δ")) == s.NDIS_STATUS_SUCCESS
    assert destination.data == b"5 \x80 ?"


@given(st.binary(max_size=20))
def test_what_the_ansi_set_has_survives_both_ways(data: bytes) -> None:
    known = bytes(byte for byte in data if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D))
    there, back = UnicodeString(maximum_length=40), AnsiString(maximum_length=20)
    assert to_unicode(there, AnsiString(known)) == s.NDIS_STATUS_SUCCESS
    assert to_ansi(back, there) == s.NDIS_STATUS_SUCCESS
    assert back.data == known


@given(TEXTS)
def test_upper_case_keeps_the_length_and_is_equal_without_regard_to_case(text: str) -> None:
    string, upper = UnicodeString(text), UnicodeString(maximum_length=2 * len(text))
    assert upcase(upper, string) == s.NDIS_STATUS_SUCCESS
    assert upper.length == string.length
    assert equal(string, upper, True)
    assert equal(string, upper, False) is (upper.text == text)


@pytest.mark.parametrize("first, second, sensitive, insensitive", [
    ("", "", True, True), ("a", "", False, False), ("Ring", "Ring", True, True), ("Ring", "rINg", False, True),
    ("Ring", "Rings", False, False)])
def test_strings_compare_with_and_without_case(first: str, second: str, sensitive: bool, insensitive: bool) -> None:
    assert equal(UnicodeString(first), UnicodeString(second), False) is sensitive
    assert equal(UnicodeString(first), UnicodeString(second), True) is insensitive


@pytest.mark.parametrize("make", [lambda: UnicodeString("ab", 3), lambda: AnsiString(b"ab", 1)])
def test_a_text_that_does_not_fit_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="does not fit into"):
        make()


# Strings that NDIS allocates


def test_an_allocated_string_lies_in_memory_with_a_zero_behind_it(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        string = adapter.initialize_string(b"Ring\x80")
        assert (string.text, string.length, string.maximum_length) == ("Ring€", 10, 12)
        assert string.buffer.read(0, 12) == "Ring€\0".encode("utf-16-le")
        empty = adapter.initialize_string(None)
        assert (empty.text, empty.length, empty.buffer.read(0, 2)) == ("", 0, b"\0\0")
        assert adapter.upcase_unicode_string(string, string) == s.NDIS_STATUS_SUCCESS
        assert string.text == "RING€" and string.buffer.read(0, 2) == b"R\0"
        adapter.free_string(string)
        adapter.free_string(empty)

    assert broken(live(bare(initialize))) == []


def test_an_allocated_string_may_not_be_had(live: Any, bare: Any, broken: Any) -> None:
    got: list[Any] = []

    def initialize(adapter: Adapter) -> None:
        for _ in range(2):
            string = adapter.initialize_string(b"Ring")
            got.append(string)
            if string is not None:
                adapter.free_string(string)

    assert broken(live(bare(initialize), faults=("NdisInitializeString#1",))) == []
    assert got[0] is None and got[1] is not None


def test_an_allocated_string_that_is_not_freed_is_a_leak(live: Any, bare: Any, broken: Any) -> None:
    assert broken(live(bare(lambda adapter: adapter.initialize_string(b"Ring") and None))) == ["halt-undo-all"]


def test_a_string_is_not_read_after_it_was_freed(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        string = adapter.initialize_string(b"Ring")
        adapter.free_string(string)
        adapter.equal_string(string, UnicodeString("Ring"), False)

    assert broken(live(bare(initialize))) == ["contig-no-use-after-free"]


def test_a_string_is_freed_once(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Adapter) -> None:
        string = adapter.initialize_string(b"Ring")
        adapter.free_string(string)
        adapter.free_string(string)

    assert broken(live(bare(initialize))) == ["contig-free-exact-base"]


@pytest.mark.breaks("string-free-allocated")
@pytest.mark.keeps("string-free-allocated")
@pytest.mark.parametrize("windows, version, rules", [("nt4", (4, 0), []), ("2000", (5, 0), ["string-free-allocated"]),
                                                     ("2003", (5, 1), ["string-free-allocated"])])
def test_from_windows_2000_on_only_an_allocated_string_is_freed(
        live: Any, bare: Any, broken: Any, windows: str, version: tuple[int, int], rules: list[str]) -> None:
    def initialize(adapter: Adapter) -> None:
        adapter.free_string(adapter.init_unicode_string("Ring"))
        adapter.free_string(adapter.init_ansi_string(b"Ring"))

    assert broken(live(bare(initialize, versions=(version,)), windows=windows)) == rules * 2
