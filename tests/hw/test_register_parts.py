# SPDX-License-Identifier: Apache-2.0
"""One access that meets several registers, or a part of one: what it reads, what it writes, and where it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.register import Field, Register, RegisterFile, RegisterMap
from hw.register_parts import SIZES, joined, parts_of


class Word(Register):
    """Two bytes that may be met in part."""
    width = 2
    splits = "rw"
    LOW = Field(7, 0, reset=0x34)
    HIGH = Field(14, 8, reset=0x12)


class Causes(Register):
    """Written ones clear."""
    width = 2
    splits = "rw"
    BITS = Field(15, 0, mode="w1c", reset=0xFFFF)


class Whole(Register):
    """May be read in part, and is written as a whole."""
    arms = True
    splits = "r"
    VALUE = Field(31, 0, reset=0x89ABCDEF)


class Byte(Register):
    """One byte that reading clears."""
    width = 1
    COUNT = Field(7, 0, mode="rc", reset=0x77)


class Map(RegisterMap):
    """A word and a cause side by side, a whole dword, a byte with a hole before it."""
    joins = True
    WORD = 0, Word
    CAUSES = 2, Causes
    WHOLE = 4, Whole
    BYTE = 10, Byte


class Device(RegisterFile):
    """Registers, and what was written to WHOLE."""
    registers = Map
    written = 0

    def on_write_WHOLE(self, old: int, new: int) -> None:
        self.written = new


IMAGE = bytes.fromhex("3412 ffff efcdab89 0000 77 00")


def device() -> Device:
    made = Device()
    made.reset_registers()
    return made


def access(offset: int, size: int, *, writes: bool = False) -> Any:
    return joined(Device, offset, size, writes)


@given(offset=st.integers(0, 11), size=st.sampled_from(SIZES))
def test_an_aligned_read_gives_the_bytes_of_the_registers_it_meets_and_zeros_between_them(offset: int, size: int) -> None:
    slot = access(offset, size)
    if not any(offset < end and start < offset + size for start, end in ((0, 8), (10, 11))):
        assert slot is None
    elif offset % size:
        assert slot is None or slot.width != size
    else:
        assert slot.width == size
        assert device().read_register(slot) == int.from_bytes(IMAGE.ljust(16, b"\0")[offset:offset + size], "little")


def test_reading_has_the_side_effects_of_each_register() -> None:
    card = device()
    assert card.read_register(access(8, 4)) == 0x0077_0000
    assert card.read_register(access(8, 4)) == 0


@given(value=st.integers(0, 0x7FFF_FFFF))
def test_a_write_over_two_registers_is_a_write_of_each(value: int) -> None:
    card, single = device(), device()
    card.write_register(access(0, 4, writes=True), value)
    single.write_register(Device.slots[0], value & 0xFFFF)
    single.write_register(Device.slots[2], value >> 16)
    assert card.values[:4] == single.values[:4]


@pytest.mark.parametrize("offset, value, after", [(0, 0x55, 0x1255), (1, 0x55, 0x5534), (2, 0x0F, 0xFFF0), (3, 0x80, 0x7FFF)])
def test_a_write_of_a_part_leaves_the_rest_and_acts_on_no_bit_of_it(offset: int, value: int, after: int) -> None:
    card = device()
    card.write_register(access(offset, 1, writes=True), value)
    assert card.values[offset // 2] == after


@pytest.mark.parametrize("offset, size, reserved", [(0, 4, 0x8000), (0, 1, 0), (1, 1, 0x80), (8, 4, 0xFF00_FFFF), (10, 2, 0xFF00)])
def test_bytes_that_no_register_has_are_reserved_like_undeclared_bits(offset: int, size: int, reserved: int) -> None:
    assert access(offset, size, writes=True).reserved == reserved


@pytest.mark.parametrize("offset, size", [(4, 1), (4, 2), (6, 2), (7, 1)])
def test_a_part_of_a_register_that_is_written_as_a_whole_gives_the_register_itself(offset: int, size: int) -> None:
    assert access(offset, size, writes=True) is Device.slots[4]
    assert access(offset, size).pieces


@pytest.mark.parametrize("offset, size", [(0, 8), (0, 3), (1, 2), (3, 4)])
def test_sizes_and_places_that_no_bus_cycle_has_are_refused(offset: int, size: int) -> None:
    slot = access(offset, size)
    assert slot is None or (not slot.pieces and slot.width != size)


def test_the_slot_says_which_registers_it_stands_for() -> None:
    slot = access(0, 4, writes=True)
    assert (slot.name, slot.arms, parts_of(slot, 0x1234_5678)) == ("WORD", False, [("WORD", 0x5678), ("CAUSES", 0x1234)])
    assert parts_of(access(1, 1, writes=True), 0x55) == [("WORD", 0x5500)]
    assert parts_of(Device.slots[4], 7) == [("WHOLE", 7)] and access(4, 2).arms


def test_a_map_that_joins_has_one_cell_more_and_another_has_none() -> None:
    class Plain(RegisterMap):
        WORD = 0, Word

    assert len(Map.reset_values) == len(Map.slots) + 1 and len(Plain.reset_values) == len(Plain.slots)
