# SPDX-License-Identifier: Apache-2.0
"""The data sheet of the reference NIC says what the declarations say: register, offset, field, bit, mode, reset value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw.limits import PRESETS
from hw.nic.reference import ReferenceNic
from hw.nic.reference_registers import END, LENGTH_MASK, OWN, Registers
from hw.nic.reference_registers import ERROR as DESCRIPTOR_ERROR
from hw.register import Field, Register, RegisterMap, Slot

PAGE = Path(__file__).resolve().parents[2] / "docs" / "nics" / "reference.md"
SECTION = re.compile(r"\((?:data sheet )?(4\.[0-9]+)\)")
MODES = {"rw", "ro", "w1c", "w1s", "rc"}

FieldRow = tuple[str, str, str, int]
"""Bits, name, mode and reset value, as a row of the page states them."""


def stated(page: str) -> dict[tuple[int, str], tuple[str, list[FieldRow]]]:
    """What the page says of each (offset, register): its section and its rows of fields."""
    registers: dict[tuple[int, str], tuple[str, list[FieldRow]]] = {}
    section = ""
    rows: list[FieldRow] = []
    for line in page.splitlines():
        if heading := re.match(r"##+ ([0-9.]+)", line):
            section, rows = heading[1], []
        elif register := re.fullmatch(r"Offset 0x([0-9a-f]{2}) · ([A-Z0-9_]+)", line):
            rows = []
            registers[int(register[1], 16), register[2]] = section, rows
        elif field := re.fullmatch(r"\| ([0-9]+(?::[0-9]+)?) \| ([A-Z_0-9]+) \| ([a-z0-9]+) \| (0x[0-9a-f]+) \| (.+) \|", line):
            rows.append((field[1], field[2], field[3], int(field[4], 16)))
    return registers


def bits(field: Field) -> str:
    return f"{field.msb}:{field.lsb}" if field.msb > field.lsb else str(field.lsb)


def declared(registers: type[RegisterMap]) -> Iterator[tuple[tuple[int, str], tuple[str, set[FieldRow]]]]:
    """What the classes say, in the shape of `stated`."""
    for slot in registers.slots:
        section = SECTION.search(slot.register.__doc__ or "")
        assert section is not None, f"{slot.register.__name__}: its docstring names no section of the data sheet"
        yield (slot.offset, slot.name), (section[1], {(bits(f), f.name, f.mode, f.reset) for f in slot.register.fields})


def differences(page: str, registers: type[RegisterMap]) -> list[str]:
    """One line for everything that the page and the declarations do not say alike."""
    on_page = {key: (section, set(rows)) for key, (section, rows) in stated(page).items()}
    in_code = dict(declared(registers))
    found = [f"{key} is not in the page" for key in in_code.keys() - on_page.keys()]
    found += [f"{key} is only in the page" for key in on_page.keys() - in_code.keys()]
    return found + [f"{key}: the page says {on_page[key]}, the class {in_code[key]}"
                    for key in in_code.keys() & on_page.keys() if in_code[key] != on_page[key]]


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_page_and_declarations_say_the_same(page: str) -> None:
    assert differences(page, Registers) == []


@pytest.mark.parametrize("slot", Registers.slots, ids=lambda slot: slot.name)
def test_every_register_stands_in_the_overview_with_its_section(page: str, slot: Slot) -> None:
    section = SECTION.search(slot.register.__doc__ or "")
    assert section is not None
    assert f"| 0x{slot.offset:02x} | {slot.name} | {section[1]} |" in page


def test_every_mode_in_use_is_explained(page: str) -> None:
    used = {field.mode for slot in Registers.slots for field in slot.register.fields}
    assert used == MODES
    assert all(f"**{mode}** " in page for mode in used)


def test_limits_pci_identity_and_descriptor_bits_are_those_of_the_model(page: str) -> None:
    limits = PRESETS["reference"]
    assert f"| address bits | {limits.address_bits} |" in page
    assert f"0x{limits.last:08x}" in page
    assert f"| boundary | 0x{limits.boundary:x} (16 MB) |" in page
    assert f"| alignment | {limits.alignment} |" in page
    assert f"| longest transfer | {limits.max_length} bytes |" in page
    assert f"| pieces of a frame | {limits.max_segments} |" in page
    assert f"| vendor, device | 0x{ReferenceNic.vendor_id:04X}, 0x{ReferenceNic.device_id:04X} |" in page
    for name, mask in (("OWN", OWN), ("END", END), ("ERROR", DESCRIPTOR_ERROR)):
        assert f"| {mask.bit_length() - 1} | {name} |" in page
    assert f"| {LENGTH_MASK.bit_length() - 1}:0 | received |" in page


@pytest.mark.parametrize("line, instead", [
    ("| 3 | PAD | rw | 0x0 |", "| 4 | PAD | rw | 0x0 |"), ("| 0 | TX_DONE | w1c | 0x0 |", "| 0 | TX_DONE | rc | 0x0 |"),
    ("| 15:0 | REVISION | ro | 0x1 |", "| 15:0 | REVISION | ro | 0x2 |"), ("Offset 0x14 · LIMITS", "Offset 0x15 · LIMITS"),
    ("### 4.5 MASK", "### 4.6 MASK"), ("| 4 | PROMISCUOUS | rw | 0x0 | everything |\n", ""),
])
def test_a_page_that_is_wrong_in_one_place_is_told(page: str, line: str, instead: str) -> None:
    assert line in page
    assert differences(page.replace(line, instead), Registers)


def test_a_register_that_the_page_lacks_is_told(page: str) -> None:
    class Extra(Register):
        """Not in the page (4.12)."""
        BIT = Field(0)

    class More(Registers):
        EXTRA = 0xA0, Extra

    assert "(160, 'EXTRA') is not in the page" in differences(page, More)
