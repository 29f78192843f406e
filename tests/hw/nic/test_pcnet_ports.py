# SPDX-License-Identifier: Apache-2.0
"""Ports of the PCnet cards in word and dword mode, address PROM, EEPROM, LEDs, and the bus."""

from __future__ import annotations

import pytest

from hw.inject import parse_fault
from hw.machine import Machine
from hw.nic import MODELS
from hw.nic.pcnet import PcnetNic
from hw.pci import COMMAND_BUS_MASTER, COMMAND_IO, COMMAND_MEMORY
from tests.hw.nic.pcnet_rig import APAD_XMT, IDON, IENA, INIT, INTR, MAC, MERR, PROM, STOP, TDMD, TXON, Rig
from verifier.address import MIB, Span


@pytest.fixture(params=["pcnet", "pcnet-isa"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(request.param)


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


def test_what_is_written_behind_a_lost_rap_is_not_held_against_the_register_that_it_meets() -> None:
    rig = Rig("pcnet", faults=(parse_fault("register-write:RAP#2=lost"),))
    rig.set_csr(3, 0x0100)
    rig.set_csr(4, 0x0115)
    assert rig.nic.csr(3) == 0x0110 and rig.rules == []


def test_what_is_written_to_a_card_that_is_gone_is_not_held_against_an_older_rap() -> None:
    rig = Rig("pcnet")
    rig.set_csr(3, 0x0100)
    rig.nic.remove()
    rig.set_csr(4, 0x0115)
    assert rig.rules == []


def test_a_model_that_inherits_this_one_has_its_ports() -> None:
    class Erratum(PcnetNic):
        restart_rewinds = True

    machine = Machine([Span(0, 16 * MIB)])
    nic = machine.add_nic(Erratum)
    machine.bus.write(nic, 0, 0x12, 2, 88, True)
    assert machine.bus.read(nic, 0, 0x10, 2, True) == 0x1003
    machine.bus.write(nic, 0, 0x10, 4, 0, True)
    assert machine.bus.read(nic, 0, 0x10, 4, True) == 0x0262_1003
    assert machine.findings.errors == []


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
