# SPDX-License-Identifier: Apache-2.0
"""The registers of the PCnet cards against a second copy of their data sheet: reset value, modes, side effects, ports."""

from __future__ import annotations

import pytest

from hw.nic import MODELS
from hw.nic.pcnet import PcnetNic
from hw.nic.pcnet_bcr import IsaRegisters, PciRegisters
from hw.pci import COMMAND_BUS_MASTER, COMMAND_IO, COMMAND_MEMORY
from hw.register import RegisterMap
from tests.hw.nic.pcnet_rig import APAD_XMT, IDON, IENA, INIT, INTR, MAC, MERR, MISS, PROM, RINT, STOP, STRT, TDMD, TINT, TXON, Rig
from verifier.address import MIB
from verifier.errors import NotModelledError

ALL = 0xFFFF
POISON = b"\xa5"
"""What fresh memory holds."""
Row = tuple[int, int, int, int, int, bool]
# name: value after power-up, bits that a write replaces, bits that writing 1 clears, tagged bits, reserved bits, held
BOTH: dict[str, Row] = {
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
PCI: dict[str, Row] = {
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
ISA: dict[str, Row] = {
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
ROWS = [(nic, name, *row) for nic, sheet in (("pcnet", PCI), ("pcnet-isa", ISA)) for name, row in sheet.items()]
EACH = pytest.mark.parametrize("nic, name, reset, replaced, clears, tagged, reserved, held", ROWS, ids=lambda v: str(v))


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
def test_the_sheet_names_every_register_behind_rap(sheet: dict[str, Row], registers: type[RegisterMap]) -> None:
    behind = {slot.name for slot in registers.slots if slot.bank and slot.bank not in ("Wide", "Switch")}
    assert set(sheet) | ALONE == behind


@EACH
def test_register_after_power_up(nic: str, name: str, reset: int, replaced: int, clears: int, tagged: int, reserved: int, held: bool) -> None:
    rig = Rig(nic)
    assert read(rig, name) == reset
    assert rig.rules == []


@EACH
def test_register_takes_what_it_may(nic: str, name: str, reset: int, replaced: int, clears: int, tagged: int, reserved: int, held: bool) -> None:
    rig = Rig(nic)
    for value in (replaced, 0, replaced & 0x5555, replaced & 0xAAAA):
        write(rig, name, value)
        assert read(rig, name) & replaced == value, "what a write replaces"
        kept = ~(replaced | clears | LEDOUT * (reserved == 0x1C00))
        assert read(rig, name) & kept == reset & kept, "and what it does not"
    assert rig.rules == []


@EACH
@pytest.mark.breaks("register-reserved")
def test_reserved_and_tagged_bits_are_told(nic: str, name: str, reset: int, replaced: int, clears: int, tagged: int, reserved: int,
                                            held: bool) -> None:
    for bit in (1 << place for place in range(16)):
        if reserved & bit:
            rig = Rig(nic)
            write(rig, name, bit)
            assert rig.rules == ["register-reserved"]
        if tagged & bit:
            with pytest.raises(NotModelledError, match=name):
                write(Rig(nic), name, bit)


@EACH
@pytest.mark.breaks("pcnet-stop-first")
def test_held_registers_take_nothing_while_the_card_runs(nic: str, name: str, reset: int, replaced: int, clears: int, tagged: int,
                                                          reserved: int, held: bool) -> None:
    rig = Rig(nic).start()
    before = read(rig, name)
    write(rig, name, before ^ (replaced & 0x0404) if replaced else 0)
    assert rig.rules == (["pcnet-stop-first"] if held else [])
    if held:
        assert read(rig, name) == before


@pytest.mark.keeps("pcnet-stop-first")
def test_suspended_the_card_takes_them() -> None:
    rig = Rig("pcnet").start()
    rig.set_csr(5, 1)
    assert rig.csr(5) == 1
    rig.set_csr(15, 0x4000)
    rig.set_csr(5, 0)
    assert rig.csr(15) == 0x4000 and rig.rules == [] and rig.csr(0) & TXON


# CSR0


@pytest.fixture(params=["pcnet", "pcnet-isa"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(request.param)


def test_csr0_after_power_up_says_stop(rig: Rig) -> None:
    assert rig.csr(0) == STOP


@pytest.mark.parametrize("bit", range(8, 15))
def test_writing_one_clears_one_cause_of_csr0(rig: Rig, bit: int) -> None:
    rig.start()
    rig.nic.cause(0x7F00)
    rig.set_csr(0, 1 << bit)
    assert rig.csr(0) & 0x7F00 == 0x7F00 & ~(1 << bit)


def test_writing_back_what_was_read_clears_all(rig: Rig) -> None:
    rig.start()
    rig.nic.cause(0x7F00)
    rig.set_csr(0, rig.csr(0))
    assert rig.csr(0) & 0xFF80 == 0


@pytest.mark.parametrize("bit, sums", [(14, True), (13, True), (12, True), (11, True), (10, False), (9, False), (8, False)])
def test_err_is_the_sum_of_four_causes(rig: Rig, bit: int, sums: bool) -> None:
    rig.start()
    rig.nic.cause(1 << bit)
    assert bool(rig.csr(0) & 0x8000) == sums


@pytest.mark.parametrize("bit, interrupts", [(14, True), (13, False), (12, True), (11, True), (10, True), (9, True), (8, True)])
def test_intr_is_the_sum_of_the_causes_that_csr3_does_not_mask(rig: Rig, bit: int, interrupts: bool) -> None:
    rig.start()
    rig.set_csr(0, IENA)
    rig.nic.cause(1 << bit)
    assert bool(rig.csr(0) & INTR) == interrupts == rig.nic.interrupting
    if interrupts:
        rig.set_csr(3, 1 << bit)
        assert not rig.csr(0) & INTR and not rig.nic.interrupting


def test_iena_is_a_plain_bit_that_every_write_says_anew(rig: Rig) -> None:
    rig.start()
    rig.set_csr(0, IENA)
    rig.nic.cause(RINT)
    assert rig.nic.interrupting
    rig.set_csr(0, TDMD)
    assert not rig.nic.interrupting and rig.csr(0) & (INTR | IENA) == INTR
    rig.set_csr(0, IENA | RINT)
    assert not rig.nic.interrupting and not rig.csr(0) & INTR


def test_stop_clears_everything_in_csr0(rig: Rig) -> None:
    rig.start()
    rig.set_csr(0, IENA)
    rig.nic.cause(0x7F00)
    rig.set_csr(0, STOP | 0x7F00 | IENA)
    assert rig.csr(0) == STOP and not rig.nic.interrupting


def test_a_demand_counts_only_while_the_transmitter_runs(rig: Rig) -> None:
    rig.set_csr(0, TDMD)
    assert rig.csr(0) == STOP
    rig.machine.settle()


@pytest.mark.parametrize("cause, mask", [(0x0200, 0x0100), (0x0020, 0x0010), (0x0008, 0x0004), (0x0002, 0x0001)])
def test_causes_of_csr4_interrupt_where_their_mask_is_clear(rig: Rig, cause: int, mask: int) -> None:
    rig.start()
    rig.set_csr(0, IENA | IDON)
    rig.nic.cause_4(cause)
    assert not rig.csr(0) & INTR
    rig.set_csr(4, 0x0115 & ~mask)
    assert rig.csr(0) & INTR
    rig.set_csr(4, 0x0115 & ~mask | cause)
    assert not rig.csr(0) & INTR and not rig.csr(4) & cause


def test_uintcmd_interrupts_by_itself() -> None:
    rig = Rig("pcnet").start()
    rig.set_csr(4, 0x0115 | 0x0080)
    assert rig.csr(4) == 0x0115 | 0x0040 and rig.csr(0) & INTR


@pytest.mark.parametrize("cause, enable", [(0x0800, 0x0400), (0x0200, 0x0100), (0x0080, 0x0040), (0x0010, 0x0008)])
def test_causes_of_csr5_interrupt_where_they_are_enabled(cause: int, enable: int) -> None:
    rig = Rig("pcnet").start()
    rig.nic.values[rig.nic.csr5] |= cause
    assert not rig.csr(0) & INTR
    rig.set_csr(5, enable)
    assert rig.csr(0) & INTR
    rig.set_csr(5, enable | cause)
    assert not rig.csr(0) & INTR and rig.csr(5) == enable


def test_csr124_takes_what_is_written_only_while_csr4_allows(rig: Rig) -> None:
    rig.set_csr(124, 0x0008)
    assert rig.csr(124) == 0
    rig.set_csr(4, 0x8115)
    rig.set_csr(124, 0x0008)
    assert rig.csr(124) == 0x0008


@pytest.mark.parametrize("number", [1, 2])
def test_csr16_and_csr17_are_csr1_and_csr2(rig: Rig, number: int) -> None:
    rig.set_csr(15 + number, 0x34)
    assert rig.csr(number) == rig.csr(15 + number) == 0x34


# Software style


@pytest.mark.keeps("pcnet-style")
@pytest.mark.parametrize("style, shown", [(0, 0x0200), (1, 0x0101), (2, 0x0302), (3, 0x0303)])
@pytest.mark.parametrize("name", ["BCR20", "CSR58"])
def test_the_style_sets_two_more_bits(name: str, style: int, shown: int) -> None:
    rig = Rig("pcnet")
    write(rig, name, style)
    assert rig.bcr(20) == rig.csr(58) == shown and rig.rules == []


@pytest.mark.breaks("pcnet-style")
@pytest.mark.parametrize("style", [4, 5, 255])
def test_another_style_is_told(style: int) -> None:
    rig = Rig("pcnet")
    rig.set_bcr(20, style)
    assert rig.rules == ["pcnet-style"] and rig.bcr(20) == 0x0200


# Ports


def test_the_address_prom_holds_address_checksum_and_two_letters(rig: Rig) -> None:
    prom = bytes(rig.machine.bus.read(rig.nic, 0, at, 1, True) for at in range(16))
    assert prom[:6] == MAC and prom[9] == 0x11 and prom[14:] == b"WW"
    assert int.from_bytes(prom[12:14], "little") == sum(prom[:12]) + sum(prom[14:])
    assert b"".join(rig.inw(at).to_bytes(2, "little") for at in range(0, 16, 2)) == prom
    assert b"".join(rig.machine.bus.read(rig.nic, 0, at, 4, True).to_bytes(4, "little") for at in range(0, 16, 4)) == prom


def test_reading_reset_is_a_soft_reset(rig: Rig) -> None:
    rig.start(PROM | 0x0080)
    rig.set_csr(0, IENA)
    rig.set_csr(3, 0x5F00)
    rig.set_csr(4, 0x0115 | APAD_XMT)
    rig.set_csr(80, 0)
    rig.inw(0x14)
    assert rig.inw(0x12) == 0 and rig.inw(0x10) == STOP
    assert (rig.csr(3), rig.csr(4), rig.csr(80)) == (0, 0x0115, 0x1410)
    assert rig.csr(15) == 0x0080, "PORTSEL is among what stays"
    assert rig.csr(76) == 0xFFFC, "and so do the rings"
    assert rig.rules == []


def test_a_write_to_reset_does_nothing(rig: Rig) -> None:
    rig.start()
    rig.outw(0x14, 0)
    assert rig.csr(0) & TXON


def test_the_style_survives_a_soft_reset() -> None:
    rig = Rig("pcnet", 2).start()
    rig.inw(0x14)
    assert rig.bcr(20) == 0x0302


@pytest.mark.breaks("register-unknown")
@pytest.mark.parametrize("nic, access", [
    ("pcnet", ("csr", 7)), ("pcnet", ("bcr", 3)), ("pcnet", ("bcr", 32)), ("pcnet-isa", ("csr", 5)), ("pcnet-isa", ("bcr", 3)),
    ("pcnet-isa", ("bcr", 8))])
def test_registers_that_a_card_lacks_are_told_by_name(nic: str, access: tuple[str, int]) -> None:
    rig = Rig(nic)
    assert getattr(rig, access[0])(access[1]) == 0xFFFF
    assert rig.rules[0] == "register-unknown"
    bank = "CSR" if access[0] == "csr" else "BCR" if nic == "pcnet" else "ISACSR"
    assert f"{bank}{access[1]}," in rig.machine.findings.errors[0].message


@pytest.mark.breaks("register-size")
@pytest.mark.parametrize("offset, size", [(0x10, 1), (0x12, 1), (0x12, 4), (0x16, 4)])
def test_word_ports_take_words(rig: Rig, offset: int, size: int) -> None:
    rig.machine.bus.read(rig.nic, 0, offset, size, True)
    assert rig.rules == ["register-size"]


@pytest.mark.breaks("register-unknown")
@pytest.mark.parametrize("offset", [0x11, 0x18, 0x1C])
def test_between_and_behind_the_ports_there_is_nothing(rig: Rig, offset: int) -> None:
    rig.machine.bus.read(rig.nic, 0, offset, 2, True)
    assert rig.rules == ["register-unknown"]


class Dword:
    """The ports in dword mode, in port or memory space."""

    def __init__(self, ports: bool = True) -> None:
        self.rig = Rig("pcnet")
        self.ports = ports
        self.out(0x10, 0)

    def inl(self, offset: int) -> int:
        return self.rig.machine.bus.read(self.rig.nic, 0 if self.ports else 1, offset, 4, self.ports)

    def out(self, offset: int, value: int) -> None:
        self.rig.machine.bus.write(self.rig.nic, 0 if self.ports else 1, offset, 4, value, self.ports)

    def csr(self, number: int) -> int:
        self.out(0x14, number)
        return self.inl(0x10)


@pytest.mark.parametrize("ports", [True, False])
def test_a_dword_written_to_the_data_port_switches_to_dword_mode(ports: bool) -> None:
    card = Dword(ports)
    assert card.csr(0) == STOP
    card.out(0x14, 18)
    assert card.inl(0x1C) == 0x9081
    card.out(0x14, 1)
    card.out(0x10, 0x1234)
    assert card.csr(1) == 0x1234
    card.inl(0x18)
    assert card.inl(0x14) == 0 and card.rig.rules == []


def test_in_dword_mode_csr88_brings_csr89() -> None:
    assert Dword().csr(88) == 0x0262_1003


def test_the_word_that_switches_is_not_written_to_the_register() -> None:
    card = Dword()
    card.out(0x14, 1)
    assert card.inl(0x10) == 0


@pytest.mark.breaks("register-reserved", "register-size")
def test_in_dword_mode_words_and_upper_halves_are_told() -> None:
    card = Dword()
    card.out(0x14, 1)
    card.out(0x10, 0x1_0000)
    card.rig.machine.settle()
    assert card.rig.rules == ["register-reserved"]
    card = Dword()
    card.rig.inw(0x10)
    assert card.rig.rules == ["register-size"]


@pytest.mark.parametrize("switch, dword", [(False, True), (True, False)])
def test_a_soft_reset_leaves_dword_mode_alone_unless_the_switch_says_so(monkeypatch: pytest.MonkeyPatch, switch: bool, dword: bool) -> None:
    monkeypatch.setattr(PcnetNic, "soft_reset_ends_dword_mode", switch)
    card = Dword()
    card.inl(0x18)
    card.rig.nic.values[card.rig.nic.index["RAP"]] = 0
    assert (card.inl(0x10) == STOP) == dword


def test_in_memory_space_rap_counts_although_it_is_still_on_its_way() -> None:
    rig = Rig("pcnet")
    bus = rig.machine.bus
    bus.write(rig.nic, 1, 0x12, 2, 8)
    bus.write(rig.nic, 1, 0x10, 2, 0xABCD)
    bus.write(rig.nic, 1, 0x12, 2, 9)
    bus.write(rig.nic, 1, 0x10, 2, 0x1234)
    assert [slot.name for _, slot, _, _ in bus.posted] == ["RAP", "CSR8", "RAP", "CSR9"]
    rig.machine.settle()
    assert (rig.csr(8), rig.csr(9)) == (0xABCD, 0x1234)


def test_an_access_to_the_data_port_is_an_access_to_the_register_that_rap_names() -> None:
    rig = Rig("pcnet")
    rig.csr(88)
    rig.set_bcr(9, 1)
    assert [event[4] for event in rig.machine.events.events if len(event) > 6] == ["RAP", "CSR88", "RAP", "BCR9"]


# LEDs, EEPROM, bus


def test_the_link_led_follows_the_link(rig: Rig) -> None:
    assert rig.bcr(4) & 0x8000
    rig.machine.wire.set_link(False)
    assert not rig.bcr(4) & 0x8000


class Eeprom:
    """The EEPROM of the card, bit by bit through BCR19."""

    EEN, ECS, ESK = 0x10, 0x04, 0x02

    def __init__(self) -> None:
        self.rig = Rig("pcnet")

    def _bit(self, bit: int) -> int:
        self.rig.set_bcr(19, self.EEN | self.ECS | bit)
        self.rig.set_bcr(19, self.EEN | self.ECS | self.ESK | bit)
        return self.rig.bcr(19) & 1

    def command(self, value: int, bits: int, more: int = 0) -> int:
        self.rig.set_bcr(19, self.EEN)
        self.rig.set_bcr(19, self.EEN | self.ECS)
        for place in reversed(range(bits)):
            self._bit(value >> place & 1)
        result = 0
        for _ in range(more):
            result = result << 1 | self._bit(0)
        self.rig.set_bcr(19, self.EEN)
        return result

    def read(self, word: int) -> int:
        return self.command(0b110 << 6 | word, 9, 16)

    def write(self, word: int, value: int) -> None:
        self.command(0b100110000, 9)
        self.command((0b101 << 6 | word) << 16 | value, 25)


def test_the_eeprom_can_be_read_through_bcr19() -> None:
    eeprom = Eeprom()
    assert [eeprom.read(word) for word in range(3)] == [0x0D02, 0xD0BE, 0x0100]
    assert eeprom.read(7) == 0x5757
    assert sum(eeprom.read(word) & 0xFF for word in range(18)) + sum(eeprom.read(word) >> 8 for word in range(18)) & 0xFF == 0xFF


def test_a_changed_eeprom_shows_after_pread_if_its_check_sum_is_right() -> None:
    eeprom = Eeprom()
    rig = eeprom.rig
    eeprom.write(2, 0x0200)
    rig.set_bcr(19, 0x4002)
    assert not rig.bcr(19) & 0x8000 and rig.bcr(19) & 0x2000 and rig.inw(0x04) == 0
    eeprom.write(2, 0x0100)
    rig.set_bcr(19, 0x4002)
    assert rig.bcr(19) & 0xE000 == 0xA000 and rig.inw(0x04) == 0x0100


@pytest.mark.parametrize("command, answers", [(COMMAND_IO, True), (COMMAND_MEMORY, False)])
def test_the_command_register_switches_the_ports(command: int, answers: bool) -> None:
    rig = Rig("pcnet")
    rig.nic.config.command = command
    assert (rig.csr(88) == 0x1003) == answers


def test_without_bus_mastering_init_ends_in_merr() -> None:
    rig = Rig("pcnet")
    rig.lay_out()
    rig.nic.config.command = COMMAND_IO | COMMAND_MEMORY
    assert rig.init() & (MERR | IDON) == MERR
    rig.nic.config.command = COMMAND_IO | COMMAND_MEMORY | COMMAND_BUS_MASTER
    rig.set_csr(0, STOP)
    rig.set_csr(0, INIT)
    rig.machine.settle()
    assert rig.csr(0) & IDON


@pytest.mark.breaks("dma-stray")
def test_after_an_abort_the_card_stops_and_tells_by_sint() -> None:
    rig = Rig("pcnet", 2).start()
    rig.set_csr(5, 0x0400)
    rig.descriptor("tx", 0, 0xF000_0000, 64, 0x8300)
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.csr(0) == STOP | INTR and rig.csr(5) & 0x0800
    assert rig.rules == ["dma-stray"]


def test_the_970a_has_no_power_management() -> None:
    assert not Rig("pcnet").nic.config.has_power


def test_identity() -> None:
    nic = Rig("pcnet").nic
    assert nic.config.read(0, 4) == bytes.fromhex("22100020")
    assert [(bar.number, bar.size, bar.ports) for bar in MODELS["pcnet"].bars] == [(0, 32, True), (1, 32, False)]


def test_ring_registers_for_debuggers_follow_the_rings(rig: Rig) -> None:
    rig.start()
    rig.give(0)
    rig.give(1)
    size = rig.size
    assert rig.csr(28) | rig.csr(29) << 16 == 0x10_1000
    assert rig.csr(26) | rig.csr(27) << 16 == 0x10_1000 + size
    assert rig.csr(36) | rig.csr(37) << 16 == 0x10_1000 + 2 * size
    assert rig.csr(34) | rig.csr(35) << 16 == 0x10_2000
    assert rig.csr(60) | rig.csr(61) << 16 == 0x10_2000 + 3 * size
    assert rig.csr(18) | rig.csr(19) << 16 == 0x20_0000 and rig.csr(22) | rig.csr(23) << 16 == 0x20_0800
    assert (rig.csr(40), rig.csr(41) & 0x8000, rig.csr(44)) == (0xF800, 0x8000, 0xF800)
    assert rig.csr(20) == rig.csr(42) == rig.csr(43) == 0
    assert (rig.csr(72), rig.csr(74)) == (0xFFFC, 0xFFFC)
    rig.receive(bytes(60))
    assert rig.csr(72) == 0xFFFD


# Addresses


@pytest.mark.breaks("dma-window")
@pytest.mark.keeps("dma-window")
@pytest.mark.parametrize("window, broken", [(0, True), (1, False), (2, True)])
def test_in_the_16_bit_style_all_blocks_lie_in_the_window_of_csr2(window: int, broken: bool) -> None:
    rig = Rig("pcnet", 0, ram=64 * MIB, high=16 * MIB)
    rig.lay_out()
    rig.init()
    rig.set_csr(0, STRT)
    assert rig.rules == []
    other = rig.block("other buffer", 0x40_0000 + window * 16 * MIB, 0x1000)
    rig.store("other buffer", 0, bytes(range(64)))
    rig.descriptor("tx", 0, other.physical & 0xFFFFFF, 64, 0x8300)
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.rules == (["dma-window"] if broken else [])
    assert rig.sent == [bytes(range(64)) if not broken else POISON * 64]


def test_without_checks_a_received_frame_lands_at_the_same_place_of_the_window() -> None:
    rig = Rig("pcnet", 0, ram=64 * MIB, high=16 * MIB, checks=False)
    rig.lay_out()
    rig.init()
    rig.set_csr(0, STRT)
    other = rig.block("other buffer", 0x240_0000, 0x1000)
    rig.descriptor("rx", 0, other.physical & 0xFFFFFF, 0x800, 0x8000)
    rig.receive(bytes(range(60)))
    assert rig.machine.ram.read(0x140_0000, 60) == bytes(range(60))
    assert rig.machine.ram.read(0x240_0000, 60) == POISON * 60
    assert (0x140_0000, 64) in [(corruption.physical, corruption.length) for corruption in rig.nic.dma.corrupted]


def test_in_a_32_bit_style_there_is_no_window() -> None:
    rig = Rig("pcnet", 2, ram=64 * MIB, high=16 * MIB)
    rig.lay_out()
    rig.init()
    rig.set_csr(0, STRT)
    other = rig.block("other buffer", 0x240_0000, 0x1000)
    rig.store("other buffer", 0, bytes(range(64)))
    rig.descriptor("tx", 0, other.physical, 64, 0x8300)
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.sent == [bytes(range(64))] and rig.rules == []


@pytest.mark.breaks("dma-boundary")
@pytest.mark.keeps("dma-boundary")
@pytest.mark.parametrize("start, broken", [(0x1FF_FFBF, False), (0x1FF_FFC0, False), (0x1FF_FFC1, True)])
def test_in_the_16_bit_style_no_buffer_crosses_its_window(start: int, broken: bool) -> None:
    rig = Rig("pcnet", 0, ram=64 * MIB, high=16 * MIB)
    rig.lay_out()
    rig.init()
    rig.set_csr(0, STRT)
    rig.block("other buffer", start, 64)
    rig.store("other buffer", 0, bytes(64))
    rig.descriptor("tx", 0, start & 0xFFFFFF, 64, 0x8300)
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.rules == (["dma-boundary"] if broken else [])


def test_causes_of_both_rings_are_told_apart(rig: Rig) -> None:
    rig.start()
    rig.set_csr(0, IDON)
    rig.give()
    rig.send(bytes(60))
    rig.receive(bytes(60))
    assert rig.csr(0) & (TINT | RINT | MISS) == TINT | RINT
    assert "TINT=1" in rig.nic.pending_causes() and "RINT=1" in rig.nic.pending_causes()
