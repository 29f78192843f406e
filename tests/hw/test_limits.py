# SPDX-License-Identifier: Apache-2.0
"""DMA limits: what is legal at the last address and at a boundary, and where each byte of a forbidden transfer goes."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.limits import PRESETS, DmaKind, DmaLimits, Effect, custom, preset
from verifier.address import GIB, KIB, MIB
from verifier.errors import UsageError

WIDTHS = {"reference": 26, "lance-isa": 24, "i8237": 24, "b44": 30, "rtl8139": 32, "e1000": 32, "e1000-64k": 64, "tg3-40": 40,
          "pci32-16m": 32}
BOUNDARIES = {"reference": 16 * MIB, "lance-isa": 16 * MIB, "i8237": 64 * KIB, "b44": 0, "rtl8139": 0, "e1000": 0,
              "e1000-64k": 64 * KIB, "tg3-40": 4 * GIB, "pci32-16m": 16 * MIB}


def test_the_presets_are_those_of_the_documents() -> None:
    assert {name: limits.address_bits for name, limits in PRESETS.items()} == WIDTHS
    assert {name: limits.boundary for name, limits in PRESETS.items()} == BOUNDARIES


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_itself_and_its_source(name: str) -> None:
    limits = preset(name)
    assert limits.name == name
    assert limits.source


def test_only_the_8237_is_a_slave() -> None:
    assert [name for name, limits in PRESETS.items() if limits.kind is DmaKind.SLAVE] == ["i8237"]


def test_an_unknown_preset_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="no limits are called 'rtl8193'") as caught:
        preset("rtl8193")
    assert "did you mean rtl8139?" in caught.value.remedy
    with pytest.raises(UsageError) as caught:
        preset("qqqq")
    assert "did you mean" not in caught.value.remedy
    assert "reference" in caught.value.remedy


@pytest.mark.parametrize("bits", [-1, 0, 65, 66])
def test_a_width_outside_1_to_64_bits_is_refused(bits: int) -> None:
    with pytest.raises(UsageError, match=f"{bits} address bits"):
        DmaLimits("x", bits)


@pytest.mark.parametrize("bits", [1, 2, 63, 64])
def test_a_width_of_1_to_64_bits_is_taken(bits: int) -> None:
    limits = DmaLimits("x", bits)
    assert limits.reach == 2**bits
    assert limits.last == 2**bits - 1


@pytest.mark.parametrize("boundary", [1, 2, 8, 15, 17, 24, 0xFFFF, 0x10001, -16])
def test_a_boundary_that_is_no_power_of_two_from_16_on_is_refused(boundary: int) -> None:
    with pytest.raises(UsageError, match="boundary"):
        DmaLimits("x", 32, boundary=boundary)


@pytest.mark.parametrize("boundary", [0, 16, 32, 1 << 40])
def test_a_power_of_two_from_16_on_or_none_is_taken(boundary: int) -> None:
    assert DmaLimits("x", 32, boundary=boundary).boundary == boundary


@pytest.mark.parametrize("window", [3, 0xFFFFFF])
def test_a_window_that_is_no_power_of_two_is_refused(window: int) -> None:
    with pytest.raises(UsageError, match="window"):
        DmaLimits("x", 32, window=window)


def test_limits_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        PRESETS["reference"].address_bits = 32  # type: ignore[misc]


@pytest.mark.parametrize("last, legal", [(0x03FF_FFFF, True), (0x0400_0000, False), (0x0400_0001, False)])
def test_the_last_byte_counts_at_the_end_of_26_bits(last: int, legal: bool) -> None:
    assert DmaLimits("x", 26).legal(last - 63, 64) is legal


@pytest.mark.parametrize("bytes_beyond, legal", [(0, True), (1, False), (2, False)])
def test_the_last_byte_counts_at_a_16_mb_boundary(bytes_beyond: int, legal: bool) -> None:
    assert PRESETS["reference"].legal(0x0100_0000 - 64 + bytes_beyond, 64) is legal


def test_a_transfer_that_starts_on_a_boundary_does_not_cross_it() -> None:
    assert PRESETS["reference"].legal(0x0100_0000, 4096)
    assert PRESETS["reference"].legal(0x0100_0000, 16 * MIB)
    assert not PRESETS["reference"].legal(0x0100_0000, 16 * MIB + 1)


@pytest.mark.parametrize("limits, address, length, expected", [
    (PRESETS["reference"], 0x0100_0000 - 16, 64, [(0x00FF_FFF0, 16), (0x0000_0000, 48)]),
    (PRESETS["reference"], 0x0400_0000, 64, [(0, 64)]),
    (PRESETS["reference"], 0x0400_0000 - 16, 64, [(0x03FF_FFF0, 16), (0x0300_0000, 48)]),
    (PRESETS["lance-isa"], 0x1_2345_6000, 4, [(0x45_6000, 4)]),
    (PRESETS["i8237"], 0x12_FFFE, 4, [(0x12_FFFE, 2), (0x12_0000, 2)]),
    (DmaLimits("x", 26), 0x0400_0000 - 1, 2, [(0x03FF_FFFF, 1), (0, 1)]),
    (DmaLimits("x", 26), 0x100, 0, []),
])
def test_forbidden_bytes_go_where_the_missing_bits_and_the_missing_carry_send_them(
        limits: DmaLimits, address: int, length: int, expected: list[tuple[int, int]]) -> None:
    assert list(limits.pieces(address, length)) == expected


@given(bits=st.integers(5, 40), boundary_bits=st.one_of(st.none(), st.integers(4, 44)), address=st.integers(0, 1 << 44),
       length=st.integers(0, 300))
def test_the_pieces_agree_with_a_counter_that_counts_byte_by_byte(
        bits: int, boundary_bits: int | None, address: int, length: int) -> None:
    limits = DmaLimits("x", bits, boundary=0 if boundary_bits is None else 1 << boundary_bits, effect=Effect.WRAP)
    counting = bits if boundary_bits is None else min(bits, boundary_bits)
    upper, counter = divmod(address % 2**bits, 2**counting)
    counted = []
    for _ in range(length):
        counted.append(upper * 2**counting + counter)
        counter = counter + 1 if counter + 1 < 2**counting else 0
    pieces = list(limits.pieces(address, length))
    assert list(chain.from_iterable(range(start, start + size) for start, size in pieces)) == counted
    assert all(size > 0 for _, size in pieces)


@given(bits=st.integers(5, 20), boundary_bits=st.integers(4, 20), address=st.integers(0, 1 << 20), length=st.integers(1, 64))
def test_a_transfer_is_legal_exactly_if_no_byte_of_it_goes_astray(
        bits: int, boundary_bits: int, address: int, length: int) -> None:
    limits = DmaLimits("x", bits, boundary=1 << boundary_bits)
    assert limits.legal(address, length) == (list(limits.pieces(address, length)) == [(address, length)])


def test_limits_with_nothing_changed_stay_themselves() -> None:
    base = PRESETS["reference"]
    assert custom(base, None, None) is base
    assert custom(base, 26, 16 * MIB) is base


def test_changed_limits_say_what_was_asked_for() -> None:
    changed = custom(PRESETS["reference"], 24, 0)
    assert (changed.name, changed.address_bits, changed.boundary) == ("custom", 24, 0)
    assert changed.source == "24 address bits, as asked for"
    assert changed.max_length == PRESETS["reference"].max_length
    assert custom(PRESETS["reference"], None, 64 * KIB).source == "26 address bits, no transfer across 0x10000, as asked for"


def test_a_bad_change_is_refused() -> None:
    with pytest.raises(UsageError):
        custom(PRESETS["reference"], 0, None)
    with pytest.raises(UsageError):
        custom(PRESETS["reference"], None, 100)
