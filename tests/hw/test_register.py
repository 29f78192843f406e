# SPDX-License-Identifier: Apache-2.0
"""Registers: access modes bit by bit, handlers by name, and layouts that are refused when the class is made."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.register import MODES, Field, Register, RegisterFile, RegisterMap
from verifier.errors import NotModelledError

AFTER_WRITE = {
    # mode: value after writing *new* over *old*, bit by bit
    "rw": lambda old, new: new, "wo": lambda old, new: new, "ro": lambda old, new: old, "rc": lambda old, new: old,
    "w1c": lambda old, new: old & ~new, "w1s": lambda old, new: old | new, "w1t": lambda old, new: old ^ new,
    "w0c": lambda old, new: old & new,
}


class Modes(Register):
    """A nibble for each mode."""
    RW = Field(3, 0)
    RO = Field(7, 4, mode="ro", reset=0x5)
    WO = Field(11, 8, mode="wo")
    W1C = Field(15, 12, mode="w1c", reset=0xF)
    W1S = Field(19, 16, mode="w1s")
    W1T = Field(23, 20, mode="w1t")
    W0C = Field(27, 24, mode="w0c", reset=0xA)
    RC = Field(31, 28, mode="rc", reset=0x7)


class Short(Register):
    """Two bytes with holes."""
    width = 2
    HIGH = Field(15, 14, reset=2)
    KNOWN = Field(8, mode="tag")
    LOW = Field(0)
    arms = True


class Map(RegisterMap):
    """Out of order on purpose."""
    SHORT = 0x08, Short
    MODES = 0x00, Modes
    PLAIN = 0x0A, Short


class Device(RegisterFile):
    """Remembers what its handlers were given."""
    registers = Map

    def __init__(self) -> None:
        self.name = "device"
        self.seen: list[tuple[int, int]] = []
        self.reset_registers()

    def on_write_SHORT(self, old: int, new: int) -> None:
        self.seen.append((old, new))

    def on_read_SHORT(self, value: int) -> int:
        return value | 1


@pytest.fixture
def device() -> Device:
    return Device()


def test_every_mode_but_the_tag_is_tested_here() -> None:
    assert {field.mode for field in Modes.fields} == set(AFTER_WRITE) == MODES - {"tag"}


@pytest.mark.parametrize("field", Modes.fields, ids=lambda field: field.mode)
@given(old=st.integers(0, 15), new=st.integers(0, 15))
def test_a_write_does_to_each_bit_what_its_mode_says(field: Field, old: int, new: int) -> None:
    device = Device()
    slot = device.slots[0]
    before = device.values[slot.index] & ~field.mask | field.put(old)
    device.values[slot.index] = before
    # Zero clears in one mode: every other field is written with what leaves it alone.
    quiet = sum(other.put(other.get(before)) for other in Modes.fields if other.mode in ("rw", "wo"))
    quiet |= Modes.mask_of("w0c")
    device.write_register(slot, quiet & ~field.mask | field.put(new))
    assert field.get(device.values[slot.index]) == AFTER_WRITE[field.mode](old, new)
    assert device.values[slot.index] & ~field.mask == before & ~field.mask


def test_reading_gives_everything_but_what_is_write_only(device: Device) -> None:
    slot = device.slots[0]
    device.values[slot.index] = 0xFFFF_FFFF
    assert device.read_register(slot) == 0xFFFF_F0FF


def test_reading_clears_what_clears_on_read_and_nothing_else(device: Device) -> None:
    slot = device.slots[0]
    device.values[slot.index] = 0xFFFF_FFFF
    device.read_register(slot)
    assert device.values[slot.index] == 0x0FFF_FFFF
    assert device.read_register(slot) == 0x0FFF_F0FF


def test_reset_gives_each_field_its_value(device: Device) -> None:
    assert [device.values[slot.index] for slot in Map.slots] == [0x7A00_F050, 0x8000, 0x8000]
    device.values = [1, 2, 3]
    device.reset_registers()
    assert device.values == [0x7A00_F050, 0x8000, 0x8000]


def test_two_devices_share_no_values() -> None:
    one, other = Device(), Device()
    one.write_register(one.slots[0], 0xF)
    assert other.values[0] == 0x7A00_F050


def test_handlers_are_found_by_name_and_get_the_value_before_and_after(device: Device) -> None:
    device.write_register(device.slots[8], 0x4001)
    assert device.seen == [(0x8000, 0x4001)]
    device.write_register(device.slots[0x0A], 0x4000)
    assert len(device.seen) == 1


def test_a_read_handler_decides_what_is_read(device: Device) -> None:
    assert device.read_register(device.slots[8]) == 0x8001
    assert device.read_register(device.slots[0x0A]) == 0x8000


def test_a_subclass_overrides_a_handler() -> None:
    class Other(Device):
        def on_read_SHORT(self, value: int) -> int:
            return 7

    other = Other()
    assert other.read_register(other.slots[8]) == 7
    assert Device().read_register(Device.slots[8]) == 0x8001


def test_a_bit_that_is_known_and_not_modelled_is_loud_and_changes_nothing(device: Device) -> None:
    with pytest.raises(NotModelledError, match=r"device SHORT: 0x0100 \(KNOWN=1\)") as caught:
        device.write_register(device.slots[8], 0x0101)
    assert caught.value.remedy
    assert device.values[device.slots[8].index] == 0x8000
    assert device.seen == []


def test_reserved_bits_are_those_that_no_field_declares(device: Device) -> None:
    assert device.slots[8].reserved == 0x3EFE
    assert device.slots[0].reserved == 0
    device.write_register(device.slots[8], 0x3EFE)
    assert device.values[device.slots[8].index] == 0


def test_registers_are_numbered_by_offset_and_found_by_it() -> None:
    assert [(slot.name, slot.offset, slot.width, slot.arms) for slot in Map.slots] == [
        ("MODES", 0, 4, False), ("SHORT", 8, 2, True), ("PLAIN", 10, 2, True)]
    assert Map.index == {"MODES": 0, "SHORT": 1, "PLAIN": 2}
    assert {offset: slot.name for offset, slot in Device.slots.items()} == {0: "MODES", 8: "SHORT", 10: "PLAIN"}


def test_a_value_prints_with_the_fields_that_are_set() -> None:
    assert Short.show(0x8001) == "0x8001 (LOW=1, HIGH=0x2)"
    assert Short.show(0) == "0x0000"


@pytest.mark.parametrize("value, fits", [(-1, False), (0, True), (15, True), (16, False), (17, False)])
def test_a_value_that_does_not_fit_its_field_is_refused(value: int, fits: bool) -> None:
    field = Modes.fields[1]
    if fits:
        assert field.get(field.put(value)) == value
    else:
        with pytest.raises(ValueError, match=r"RO\[7:4\]"):
            field.put(value)


# What is refused when the class is made


def make(width: int = 4, **fields: Any) -> type[Register]:
    return type("Bad", (Register,), {"width": width, **fields})


def test_fields_that_overlap_are_refused_and_both_are_named() -> None:
    with pytest.raises(TypeError, match=r"B\[7:4\] overlaps A\[4:0\]"):
        make(A=Field(4, 0), B=Field(7, 4))
    make(A=Field(3, 0), B=Field(7, 4))


@pytest.mark.parametrize("width, msb, fits", [(4, 31, True), (4, 32, False), (4, 33, False), (2, 15, True), (2, 16, False),
                                              (1, 7, True), (1, 8, False)])
def test_a_field_beyond_the_register_is_refused(width: int, msb: int, fits: bool) -> None:
    if fits:
        assert make(width, A=Field(msb)).fields[0].mask == 1 << msb
    else:
        with pytest.raises(TypeError, match=rf"A\[{msb}:{msb}\] does not fit into {width * 8} bits"):
            make(width, A=Field(msb))


@pytest.mark.parametrize("msb, lsb", [(0, 1), (3, 7), (0, -1)])
def test_bits_in_the_wrong_order_are_refused(msb: int, lsb: int) -> None:
    with pytest.raises(TypeError, match="does not fit"):
        make(A=Field(msb, lsb))


def test_an_unknown_mode_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TypeError, match=r"unknown mode 'r/w'; known: .*w1c"):
        make(A=Field(0, mode="r/w"))


@pytest.mark.parametrize("reset, fits", [(3, True), (4, False), (5, False)])
def test_a_reset_value_that_does_not_fit_is_refused(reset: int, fits: bool) -> None:
    if fits:
        assert make(A=Field(1, 0, reset=reset)).reset_value() == reset
    else:
        with pytest.raises(ValueError, match="does not fit"):
            make(A=Field(1, 0, reset=reset))


@pytest.mark.parametrize("offset, fits", [(2, False), (3, False), (4, True)])
def test_registers_that_overlap_are_refused_and_both_are_named(offset: int, fits: bool) -> None:
    rows = {"FIRST": (0, Modes), "SECOND": (offset, Short)}
    if fits:
        assert type("Good", (RegisterMap,), rows).index == {"FIRST": 0, "SECOND": 1}
    else:
        with pytest.raises(TypeError, match=f"SECOND at 0x{offset:x} overlaps FIRST"):
            type("Bad", (RegisterMap,), rows)


@pytest.mark.parametrize("name", ["on_write_CTRL", "on_read_CTRL"])
def test_a_handler_for_a_register_that_the_map_lacks_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} handles a register that Map lacks"):
        type("Bad", (RegisterFile,), {"registers": Map, name: lambda self, *values: 0})


def test_a_map_that_inherits_another_adds_registers_and_replaces_them_by_name() -> None:
    class Wide(Register):
        ALL = Field(31, 0)

    class More(Map):
        ABOVE = 0x100, Wide

    assert {slot.name: slot.offset for slot in More.slots} == {**{slot.name: slot.offset for slot in Map.slots}, "ABOVE": 0x100}
    replaced = Map.slots[0]

    changed = type("Changed", (Map,), {replaced.name: (0x200, Wide)})
    assert changed.by_offset[0x200].register is Wide
    assert replaced.offset not in changed.by_offset
    assert "ABOVE" not in Map.index


def test_registers_of_a_map_and_of_its_base_must_not_overlap() -> None:
    with pytest.raises(TypeError, match="overlaps"):
        type("Twice", (Map,), {"AGAIN": (Map.slots[0].offset, Short)})
