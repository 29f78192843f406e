# SPDX-License-Identifier: Apache-2.0
"""The data sheets of the PCnet cards say what the declarations say: number, register, section, reset value, bits, mode."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hw.nic import MODELS
from hw.nic.pcnet import PcnetNic
from hw.nic.pcnet_bcr import IsaRegisters, PciRegisters
from hw.nic.pcnet_isa import PcnetIsaNic
from hw.nic.pcnet_layout import STYLES
from hw.register import Field, RegisterMap, Slot

PAGES = Path(__file__).resolve().parents[2] / "docs" / "nics"
ROW = re.compile(r"\| (\d+) \| ([A-Z]+\d+) \| (\d\.\d+) \| (0x[0-9a-f]{4}) \| ([^|]+) \| (held|) ?\| ([^|]+) \|")
Stated = tuple[int, str, str, str, str]


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def stated(text: str) -> dict[str, Stated]:
    """Number, section, reset value, bits and *held* by register."""
    return {row[2]: (int(row[1]), row[3], row[4], row[5], row[6]) for row in ROW.finditer(text)}


def bits(field: Field) -> str:
    place = f"{field.msb}:{field.lsb}" if field.msb > field.lsb else str(field.lsb)
    return f"{place} {field.name} {field.mode}"


def declared(slot: Slot) -> Stated:
    section = re.search(r"\((?:data sheet )?(\d\.\d+)", slot.register.__doc__ or "")
    assert section is not None, slot.name
    return (slot.offset, section[1], f"0x{slot.register.reset_value():04x}", " · ".join(bits(field) for field in slot.register.fields),
            "held" if getattr(slot.register, "held", False) else "")


def behind_rap(registers: type[RegisterMap]) -> dict[str, Stated]:
    return {slot.name: declared(slot) for slot in registers.slots if slot.bank and slot.bank not in ("Wide", "Switch")}


def test_the_page_of_the_970a_and_the_declarations_say_the_same() -> None:
    assert stated(page("pcnet")) == behind_rap(PciRegisters)


def test_the_page_of_the_79c960_says_what_is_different() -> None:
    pci, isa = behind_rap(PciRegisters), behind_rap(IsaRegisters)
    assert stated(page("pcnet-isa")) == {name: row for name, row in isa.items() if pci.get(name) != row}
    missing = sorted((name for name in pci if name.startswith("CSR") and name not in isa), key=lambda name: int(name[3:]))
    assert f"CSR{', '.join(name[3:] for name in missing[:-1])} and {missing[-1][3:]} do not exist." in page("pcnet-isa")


@pytest.mark.parametrize("name", ["pcnet", "pcnet-isa"])
def test_every_row_names_its_source(name: str) -> None:
    rows = list(ROW.finditer(page(name)))
    assert rows and all(row[7].strip() for row in rows)


@pytest.mark.parametrize("name", ["pcnet", "pcnet-isa"])
def test_limits_jumpers_and_faults_are_those_of_the_model(name: str) -> None:
    text, model = page(name), MODELS[name]
    for point in model.faults.keys() - {"mac", "interrupt"}:
        assert f"`{point}`" in page("pcnet"), point
    for effect in model.faults["prom"]:
        assert effect.name in text, effect.name
    limits = model.default_limits
    assert (limits.address_bits, limits.max_length) == ((32, 4096) if name == "pcnet" else (24, 4096))
    assert "4096" in text and "0x1000000 (16 MB)" in text


def test_jumpers_and_switches_stand_in_the_pages() -> None:
    for number, (irq, channel) in enumerate(zip(PcnetIsaNic.irqs, PcnetIsaNic.channels, strict=True)):
        assert f"| 0x{0x300 + 0x20 * number:x} | {irq} | {channel} |" in page("pcnet-isa")
    for switch in ("restart_rewinds", "start_with_idon_lost", "soft_reset_ends_dword_mode"):
        assert f"| `{switch}` | {getattr(PcnetNic, switch)} |" in page("pcnet")


def test_sizes_of_descriptors_and_blocks_stand_in_the_pictures() -> None:
    text = page("pcnet")
    for style in STYLES.values():
        assert f"{style.block} bytes" in text and f"{style.size} bytes" in text


@pytest.mark.parametrize("wrong, instead", [
    ("11 APAD_XMT", "13 APAD_XMT"), ("| 0x0115 |", "| 0x0114 |"), ("10 ASTRP_RCV rw", "10 ASTRP_RCV ro"), ("| 80 | CSR80", "| 81 | CSR80")])
def test_a_page_that_is_wrong_in_one_place_is_told(wrong: str, instead: str) -> None:
    text = page("pcnet")
    assert wrong in text
    assert stated(text.replace(wrong, instead)) != behind_rap(PciRegisters)


def test_pictures_fit_a_terminal() -> None:
    for name in ("pcnet", "pcnet-isa"):
        for picture in re.findall(r"```\n(.*?)```", page(name), re.DOTALL):
            assert all(len(line) <= 110 for line in picture.splitlines())
