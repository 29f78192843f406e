# SPDX-License-Identifier: Apache-2.0
"""Registers behind an index port: numbered side by side, and registers like any other to whoever asks the map."""

from __future__ import annotations

from typing import ClassVar

import pytest

from dmabed.fault_points import register_effects
from hw.limits import PRESETS, DmaLimits
from hw.machine import Machine
from hw.nic.base import Nic
from hw.pci import Bar
from hw.register import Field, Register, RegisterBank, RegisterMap, Slot
from verifier.address import MIB, Span


class Word(Register):
    """All bits."""
    width = 2
    VALUE = Field(15, 0)


class Five(Word):
    """With a reset value."""
    VALUE = Field(15, 0, reset=5)


class Bank(RegisterBank):
    """Two registers with a gap."""
    FIRST = 0, Five
    SECOND = 1, Word
    FAR = 100, Word


class Map(RegisterMap):
    """One register with an offset of its own."""
    banks = (Bank,)
    INDEX = 0x00, Word


class Card(Nic):
    """A card with an index port at 0 and a data port at 2."""
    model: ClassVar[str] = "banked"
    registers = Map
    vendor_id: ClassVar[int] = 1
    device_id: ClassVar[int] = 2
    bars: ClassVar[tuple[Bar, ...]] = (Bar(0, 16, ports=True),)
    default_limits: ClassVar[DmaLimits] = PRESETS["reference"]
    written: ClassVar[list[tuple[int, int]]] = []

    def register_at(self, bar: int, offset: int, size: int, value: int | None) -> Slot | None:
        return self.banks["Bank"].get(self.values[0]) if offset == 2 else self.slots.get(offset)

    def on_write_SECOND(self, old: int, new: int) -> None:
        self.written.append((old, new))

    def on_read_FAR(self, value: int) -> int:
        return value + 1


def test_numbers_of_a_bank_stand_side_by_side_whatever_their_width() -> None:
    assert [(slot.offset, slot.name) for slot in Bank.slots] == [(0, "FIRST"), (1, "SECOND"), (100, "FAR")]


def test_two_registers_of_one_number_are_refused() -> None:
    with pytest.raises(TypeError, match="OTHER at 0x1 overlaps SECOND"):
        class Twice(Bank):
            OTHER = 1, Word


def test_a_map_knows_the_registers_of_its_banks_by_name_and_not_by_offset() -> None:
    assert Map.index == {"INDEX": 0, "FIRST": 1, "SECOND": 2, "FAR": 3}
    assert Map.reset_values == (0, 5, 0, 0)
    assert list(Map.by_offset) == [0]
    assert [slot.bank for slot in Map.slots] == ["", "Bank", "Bank", "Bank"]


def test_a_name_in_two_banks_is_refused() -> None:
    class Other(RegisterBank):
        FAR = 0, Word

    with pytest.raises(TypeError, match="two registers are called FAR"):
        class Both(RegisterMap):
            banks = (Bank, Other)


def test_a_bank_has_its_handlers_and_its_place_in_a_device() -> None:
    machine = Machine([Span(0, 16 * MIB)])
    nic = machine.add_nic(Card)
    Card.written.clear()
    bus = machine.bus
    bus.write(nic, 0, 0, 2, 1, True)
    bus.write(nic, 0, 2, 2, 0x1234, True)
    assert Card.written == [(0, 0x1234)] and nic.values[2] == 0x1234
    bus.write(nic, 0, 0, 2, 100, True)
    assert bus.read(nic, 0, 2, 2, True) == 1
    assert [event[4] for event in machine.events.events if len(event) > 6] == ["INDEX", "SECOND", "INDEX", "FAR"]


def test_registers_of_a_bank_are_fault_points() -> None:
    assert [effect.name for effect in register_effects(Card, "register-read", "FAR")] == ["all-ones"]
    assert [effect.name for effect in register_effects(Card, "register-write", "FAR")] == ["lost"]


def test_a_handler_for_a_register_that_no_bank_has_is_refused() -> None:
    with pytest.raises(TypeError, match="on_read_NEAR handles a register that Map lacks"):
        class Wrong(Card):
            registers = Map

            def on_read_NEAR(self, value: int) -> int:
                return value
