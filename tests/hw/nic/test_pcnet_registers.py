# SPDX-License-Identifier: Apache-2.0
"""The registers of the PCnet cards against a second copy of their data sheet: reset value, modes, side effects, ports."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from hw.nic.pcnet_bcr import IsaRegisters, PciRegisters
from hw.register import RegisterMap
from tests.hw.nic.pcnet_rig import TXON, Rig
from verifier.errors import NotModelledError

ALL = 0xFFFF
POISON = b"\xa5"
"""What fresh memory holds."""


class Row(NamedTuple):
    """Value after power-up, bits that a write replaces, that writing 1 clears, tagged and reserved bits, held."""

    reset: int
    replaced: int
    clears: int
    tagged: int
    reserved: int
    held: bool


Sheet = dict[str, tuple[int, int, int, int, int, bool]]
BOTH: Sheet = {
    "CSR1": (0, ALL, 0, 0, 0, True),
    "CSR6": (0, 0, 0, 0, 0x00FF, False),
    "CSR8": (0, ALL, 0, 0, 0, True), "CSR9": (0, ALL, 0, 0, 0, True), "CSR10": (0, ALL, 0, 0, 0, True), "CSR11": (0, ALL, 0, 0, 0, True),
    "CSR12": (0x0D02, ALL, 0, 0, 0, True), "CSR13": (0xD0BE, ALL, 0, 0, 0, True), "CSR14": (0x0100, ALL, 0, 0, 0, True),
    "CSR15": (0, ALL, 0, 0, 0, True),
    "CSR16": (0, ALL, 0, 0, 0, True),
    "CSR24": (0, ALL, 0, 0, 0, True), "CSR25": (0, ALL, 0, 0, 0, True), "CSR30": (0, ALL, 0, 0, 0, True), "CSR31": (0, ALL, 0, 0, 0, True),
    "CSR46": (0, 0, 0, 0, 0, False), "CSR47": (0, ALL, 0, 0, 0, True),
    "CSR72": (0, 0, 0, 0, 0, False), "CSR74": (0, 0, 0, 0, 0, False),
    "CSR76": (0, ALL, 0, 0, 0, True), "CSR78": (0, ALL, 0, 0, 0, True),
    "CSR80": (0x1410, 0x3FFF, 0, 0, 0xC000, False), "CSR82": (0, ALL, 0, 0, 0, False),
    "CSR94": (0, 0, 0, 0, 0xFC00, False), "CSR112": (0, 0, 0, 0, 0, False), "CSR114": (0, 0, 0, 0, 0, False),
    **{f"CSR{number}": (0, 0, 0, 0, 0, False) for number in (
        18, 19, 20, 21, 22, 23, 26, 27, 28, 29, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 60, 61, 62, 63, 64, 65, 66, 67,
        84, 85, 86)},
}
PCI: Sheet = {
    **BOTH,
    "CSR2": (0, ALL, 0, 0, 0, True), "CSR17": (0, ALL, 0, 0, 0, True),
    "CSR3": (0, 0x5F58, 0, 0x0024, 0xA083, False),
    "CSR4": (0x0115, 0xFD15, 0x026A, 0, 0, False),
    "CSR5": (0, 0xC568, 0x0A90, 0x0006, 0x3000, False),
    "CSR58": (0x0200, 0x0400, 0, 0, 0xF800, True),
    "CSR88": (0x1003, 0, 0, 0, 0, False), "CSR89": (0x0262, 0, 0, 0, 0, False),
    "CSR100": (0x0200, ALL, 0, 0, 0, True), "CSR122": (0, 0, 0, 0x0001, 0xFFFE, False),
    "BCR0": (5, 0, 0, 0, 0, False), "BCR1": (5, 0, 0, 0, 0, False),
    "BCR2": (0x0002, 0x418F, 0, 0, 0xBE70, False),
    "BCR4": (0x80C0, 0x63FF, 0, 0, 0x1C00, False), "BCR5": (0x0084, 0x63FF, 0, 0, 0x1C00, False),
    "BCR6": (0x0088, 0x63FF, 0, 0, 0x1C00, False), "BCR7": (0x0090, 0x63FF, 0, 0, 0x1C00, False),
    "BCR9": (0, 0x0007, 0, 0, 0xFFF8, False),
    "BCR16": (0, ALL, 0, 0, 0, False), "BCR17": (0, ALL, 0, 0, 0, False),
    "BCR18": (0x9001, 0xF378, 0, 0, 0x0C00, False),
    "BCR19": (0xA002, 0x0007, 0, 0, 0x1FE8, False),
    "BCR20": (0x0200, 0x0400, 0, 0, 0xF800, True), "BCR22": (0xFF06, ALL, 0, 0, 0, True),
}
ISA: Sheet = {
    **BOTH,
    "CSR2": (0, 0x00FF, 0, 0, 0xFF00, True), "CSR17": (0, 0x00FF, 0, 0, 0xFF00, True),
    "CSR3": (0, 0x5F18, 0, 0, 0xA0E7, False),
    "CSR4": (0x0115, 0xFD15, 0x022A, 0, 0x00C0, False),
    "CSR88": (0x3003, 0, 0, 0, 0, False), "CSR89": (0, 0, 0, 0, 0, False),
    "ISACSR0": (5, 0, 0, 0, 0, False), "ISACSR1": (5, 0, 0, 0, 0, False),
    "ISACSR2": (0x0002, 0x000F, 0, 0, 0xFFF0, False), "ISACSR4": (0x8000, 0, 0, 0, 0x7FFF, False),
    "ISACSR5": (0x0084, 0x63FF, 0, 0, 0x1C00, False), "ISACSR6": (0x0088, 0x63FF, 0, 0, 0x1C00, False),
    "ISACSR7": (0x0090, 0x63FF, 0, 0, 0x1C00, False),
}
LEDOUT = 0x8000
"""Follows LNKSTE and the link; the registers of the LEDs are those with 0x1C00 reserved."""
ALONE = {"CSR0", "CSR124"}
"""With tests of their own, as what is no register behind RAP."""
ROWS = [(nic, name, Row(*row)) for nic, sheet in (("pcnet", PCI), ("pcnet-isa", ISA)) for name, row in sheet.items()]
NAMES = "nic, name, row"
IDS = [f"{nic}-{name}" for nic, name, _ in ROWS]
EACH = pytest.mark.parametrize(NAMES, ROWS, ids=IDS)


def read(rig: Rig, name: str) -> int:
    number = int(name.lstrip("ABCIRS"))
    return rig.csr(number) if name.startswith("CSR") else rig.bcr(number)


def write(rig: Rig, name: str, value: int) -> None:
    number = int(name.lstrip("ABCIRS"))
    if name.startswith("CSR"):
        rig.set_csr(number, value)
    else:
        rig.set_bcr(number, value)


@pytest.mark.parametrize("sheet, registers", [(PCI, PciRegisters), (ISA, IsaRegisters)])
def test_the_sheet_names_every_register_behind_rap(sheet: Sheet, registers: type[RegisterMap]) -> None:
    behind = {slot.name for slot in registers.slots if slot.bank and slot.bank not in ("Wide", "Switch")}
    assert set(sheet) | ALONE == behind


@EACH
def test_register_after_power_up(nic: str, name: str, row: Row) -> None:
    rig = Rig(nic)
    assert read(rig, name) == row.reset
    assert rig.rules == []


@EACH
def test_register_takes_what_it_may(nic: str, name: str, row: Row) -> None:
    rig = Rig(nic)
    for value in (row.replaced, 0, row.replaced & 0x5555, row.replaced & 0xAAAA):
        write(rig, name, value)
        assert read(rig, name) & row.replaced == value, "what a write replaces"
        kept = ~(row.replaced | row.clears | LEDOUT * (row.reserved == 0x1C00))
        assert read(rig, name) & kept == row.reset & kept, "and what it does not"
    assert rig.rules == []


@pytest.mark.parametrize(NAMES, [entry for entry in ROWS if entry[2].clears])
def test_writing_one_clears_and_zero_does_not(nic: str, name: str, row: Row) -> None:
    rig = Rig(nic)
    for bit in (1 << place for place in range(16)):
        if row.clears & bit:
            rig.nic.values[rig.nic.index[name]] |= row.clears
            write(rig, name, 0)
            assert read(rig, name) & row.clears == row.clears
            write(rig, name, bit)
            assert read(rig, name) & row.clears == row.clears & ~bit


@pytest.mark.parametrize(NAMES, [entry for entry in ROWS if entry[2].reserved])
@pytest.mark.breaks("register-reserved")
def test_reserved_bits_are_told(nic: str, name: str, row: Row) -> None:
    for bit in (1 << place for place in range(16)):
        if row.reserved & bit:
            rig = Rig(nic)
            write(rig, name, bit)
            assert rig.rules == ["register-reserved"]


@pytest.mark.parametrize(NAMES, [entry for entry in ROWS if entry[2].tagged])
def test_tagged_bits_are_loud(nic: str, name: str, row: Row) -> None:
    for bit in (1 << place for place in range(16)):
        if row.tagged & bit:
            with pytest.raises(NotModelledError, match=name):
                write(Rig(nic), name, bit)


@pytest.mark.parametrize(NAMES, [entry for entry in ROWS if entry[2].held])
@pytest.mark.breaks("pcnet-stop-first")
def test_held_registers_take_nothing_while_the_card_runs(nic: str, name: str, row: Row) -> None:
    rig = Rig(nic).start()
    before = read(rig, name)
    write(rig, name, before ^ row.replaced & 0x0404)
    assert rig.rules == ["pcnet-stop-first"]
    assert read(rig, name) == before


@pytest.mark.parametrize(NAMES, [entry for entry in ROWS if not entry[2].held])
@pytest.mark.keeps("pcnet-stop-first")
def test_the_others_may_be_written_at_any_time(nic: str, name: str, row: Row) -> None:
    rig = Rig(nic).start()
    write(rig, name, read(rig, name) & row.replaced)
    assert rig.rules == []


@pytest.mark.keeps("pcnet-stop-first")
def test_suspended_the_card_takes_them() -> None:
    rig = Rig("pcnet").start()
    rig.set_csr(5, 1)
    assert rig.csr(5) == 1
    rig.set_csr(15, 0x4000)
    rig.set_csr(5, 0)
    assert rig.csr(15) == 0x4000 and rig.rules == [] and rig.csr(0) & TXON
