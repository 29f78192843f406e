# SPDX-License-Identifier: Apache-2.0
"""The page of the 82540EM says what the declarations say: register, offset, field, bit, mode, reset value, and the descriptors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hw.limits import PRESETS
from hw.nic import e1000_descriptors as d
from hw.nic.base import Nic
from hw.nic.e1000 import E1000Nic
from hw.nic.e1000_registers import Registers
from hw.nic.e1000_tables import COUNTERS, OCTETS, TABLES
from hw.register import Register

PAGE = Path(__file__).resolve().parents[2] / "docs" / "nics" / "e1000.md"
ROW = re.compile(r"\| ([0-9]+(?::[0-9]+)?) \| ([A-Z_0-9]+) \| ([a-z0-9]+) \| 0x([0-9a-f]+) \| .+ \|")
Rows = set[tuple[str, str, str, int]]


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def bits(msb: int, lsb: int) -> str:
    return f"{msb}:{lsb}" if msb > lsb else str(lsb)


def stated(page: str) -> dict[tuple[int, str], tuple[str, Rows]]:
    """What the page says of each (offset, register): its section and its rows of fields."""
    registers: dict[tuple[int, str], tuple[str, Rows]] = {}
    section, rows = "", set()
    for line in page.splitlines():
        if heading := re.match(r"##+ ([0-9.]+)", line):
            section, rows = heading[1], set()
        elif register := re.fullmatch(r"Offset 0x([0-9a-f]{5}) · ([A-Z_]+)", line):
            rows = set()
            registers[int(register[1], 16), register[2]] = section, rows
        elif field := ROW.fullmatch(line):
            rows.add((field[1], field[2], field[3], int(field[4], 16)))
    return registers


def declared() -> dict[tuple[int, str], tuple[str, Rows]]:
    """What the classes say, in the shape of `stated`, without the registers that come in rows."""
    said = {}
    for slot in Registers.slots:
        if slot.name not in TABLES:
            section = re.search(r"\((4\.[0-9]+)\)", slot.register.__doc__ or "")
            assert section is not None, f"{slot.register.__name__}: its docstring names no section of the page"
            said[slot.offset, slot.name] = section[1], {(bits(f.msb, f.lsb), f.name, f.mode, f.reset) for f in slot.register.fields}
    return said


def test_page_and_declarations_say_the_same(page: str) -> None:
    assert stated(page) == declared()


def test_every_counter_and_every_table_stands_in_the_page(page: str) -> None:
    for name, at in {**COUNTERS, **{f"{n}L": at for n, at in OCTETS.items()}, **{f"{n}H": at + 4 for n, at in OCTETS.items()}}.items():
        assert f"| 0x{at:04x} | {name} |" in page
    for name, (at, _) in TABLES.items():
        stem = name.rstrip("0123456789")
        if name in COUNTERS or stem[:-1] in OCTETS:
            continue
        assert stem in page
        assert name != f"{stem}0" or f"0x{at:04x}" in page


@pytest.mark.parametrize("layout, section", [(d.Transmit, "5.1"), (d.Receive, "5.4")])
def test_every_field_of_a_descriptor_stands_in_its_table(page: str, layout: type[Register], section: str) -> None:
    text = page.split(f"### {section} ")[1].split("\n##")[0]
    rows = {(row[1], row[2]) for row in re.finditer(r"\| ([0-9:]+) \| ([A-Z]+) \|", text)}
    fields = {(bits(f.msb, f.lsb), f.name) for f in layout.fields}
    assert rows == fields


@pytest.mark.parametrize("layout, section", [(d.Context, "5.2"), (d.Data, "5.3")])
def test_every_field_of_an_extended_descriptor_is_named_with_its_bits(page: str, layout: type[Register], section: str) -> None:
    text = " ".join(page.split(f"### {section} ")[1].split("\n##")[0].split())
    for f in layout.fields:
        assert re.search(rf"\b{f.name} {bits(f.msb, f.lsb)}\b", text), f.name


def test_limits_identity_and_modes_are_those_of_the_model(page: str) -> None:
    limits = PRESETS["e1000"]
    assert f"| address bits | {limits.address_bits} |" in page
    assert f"0x{limits.last:08x}" in page
    assert f"| alignment | {limits.alignment} |" in page
    assert f"| longest transfer | {limits.max_length} bytes |" in page
    assert f"| vendor, device | 0x{E1000Nic.vendor_id:04X}, 0x{E1000Nic.device_id:04X} |" in page
    used = {f.mode for slot in Registers.slots for f in slot.register.fields}
    assert all(f"**{mode}** " in " ".join(page.split()) for mode in used)


@pytest.mark.parametrize("point", E1000Nic.faults)
def test_every_fault_of_the_card_stands_in_the_page(page: str, point: str) -> None:
    text = " ".join(page.split("## 7. Faults")[1].split("\n## ")[0].split())
    assert point in text
    own = {effect.name for effect in E1000Nic.faults[point]} - {effect.name for effect in Nic.faults.get(point, ())}
    assert all(name in text for name in own)


@pytest.mark.parametrize("line, instead", [
    ("| 3 | PSP | rw | 0x0 |", "| 4 | PSP | rw | 0x0 |"), ("| 0 | TXDW | w1c | 0x0 |", "| 0 | TXDW | rc | 0x0 |"),
    ("Offset 0x000c0 · ICR", "Offset 0x000c4 · ICR"), ("### 4.13 RCTL", "### 4.12 RCTL"),
    ("| 6:0 | RXA | rw | 0x30 |", "| 6:0 | RXA | rw | 0x31 |")])
def test_a_page_that_is_wrong_in_one_place_is_told(page: str, line: str, instead: str) -> None:
    assert line in page
    assert stated(page.replace(line, instead)) != declared()


def test_no_picture_is_wider_than_110_columns(page: str) -> None:
    for picture in page.split("```")[1::2]:
        assert max(len(line) for line in picture.splitlines()) <= 110
