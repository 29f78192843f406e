# SPDX-License-Identifier: Apache-2.0
"""The registers of the 82540EM against a second copy of its manual: offset, reset value, modes, side effects."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.nic import MODELS
from hw.nic.e1000 import E1000Nic
from hw.nic.e1000_eeprom import contents
from hw.nic.e1000_registers import IOADDR_AT, Registers
from hw.pci import COMMAND_BUS_MASTER, COMMAND_IO, COMMAND_MEMORY
from tests.hw.nic.e1000_rig import LSC, MDAC, PHY_RST, RST, SLU, STATION, TXDW, Rig
from verifier.errors import NotModelledError

FULL = 0xFFFF_FFFF
# name: offset, reset value, bits that a write replaces, bits that writing 1 clears, that writing 1 sets, that reading clears,
# that are tagged, reserved bits
SHEET: dict[str, tuple[int, int, int, int, int, int, int, int]] = {
    "CTRL": (0x0000, 0x0010_0209, 0xDCFC_1B6D, 0, 0, 0, 0x80, 0x2303_E412),
    "CTRL_DUP": (0x0004, 0x0010_0209, 0xDCFC_1B6D, 0, 0, 0, 0x80, 0x2303_E412),
    "STATUS": (0x0008, 0, 0, 0, 0, 0, 0, 0xFFFF_0000),
    "EECD": (0x0010, 0x110, 0x77, 0, 0, 0, 0, 0xFFFF_FC00),
    "EERD": (0x0014, 0, 0xFF01, 0, 0, 0, 0, 0xEE),
    "CTRL_EXT": (0x0018, 0, 0x0002_2CC0, 0, 0, 0, 0x00C0_D00F, 0xFF3D_0330),
    "FLA": (0x001C, 0, 0, 0, 0, 0, FULL, 0),
    "MDIC": (0x0020, 0, 0x7FFF_FFFF, 0, 0, 0, 0, 0x8000_0000),
    "FCAL": (0x0028, 0, FULL, 0, 0, 0, 0, 0),
    "FCAH": (0x002C, 0, 0xFFFF, 0, 0, 0, 0, 0xFFFF_0000),
    "FCT": (0x0030, 0, 0xFFFF, 0, 0, 0, 0, 0xFFFF_0000),
    "VET": (0x0038, 0x8100, 0xFFFF, 0, 0, 0, 0, 0xFFFF_0000),
    "ICR": (0x00C0, 0, 0, 0x1_F6DF, 0, 0, 0, 0xFFFE_0920),
    "ITR": (0x00C4, 0, 0xFFFF, 0, 0, 0, 0, 0xFFFF_0000),
    "ICS": (0x00C8, 0, 0x1_F6DF, 0, 0, 0, 0, 0xFFFE_0920),
    "IMS": (0x00D0, 0, 0, 0, 0x1_F6DF, 0, 0, 0xFFFE_0920),
    "IMC": (0x00D8, 0, FULL, 0, 0, 0, 0, 0),
    "RCTL": (0x0100, 0, 0x06DF_B33E, 0, 0, 0, 0xC0, 0xF920_4C01),
    "FCTTV": (0x0170, 0, 0xFFFF, 0, 0, 0, 0, 0xFFFF_0000),
    "TXCW": (0x0178, 0, 0, 0, 0, 0, FULL, 0),
    "RXCW": (0x0180, 0, 0, 0, 0, 0, 0, 0),
    "TCTL": (0x0400, 0, 0x03BF_FFFA, 0, 0, 0, 0x0040_0000, 0xFC00_0005),
    "TIPG": (0x0410, 0, 0x3FFF_FFFF, 0, 0, 0, 0, 0xC000_0000),
    "AIT": (0x0458, 0, 0xFFFF, 0, 0, 0, 0, 0xFFFF_0000),
    "LEDCTL": (0x0E00, 0x0706_8302, 0xCFCF_CFCF, 0, 0, 0, 0, 0x3030_3030),
    "PBA": (0x1000, 0x0010_0030, 0x7F, 0, 0, 0, 0, 0),
    "FCRTL": (0x2160, 0, 0x8000_FFF8, 0, 0, 0, 0, 0x7FFF_0007),
    "FCRTH": (0x2168, 0, 0xFFF8, 0, 0, 0, 0, 0xFFFF_0007),
    "RDBAL": (0x2800, 0, FULL, 0, 0, 0, 0, 0),
    "RDBAH": (0x2804, 0, FULL, 0, 0, 0, 0, 0),
    "RDLEN": (0x2808, 0, 0xF_FFFF, 0, 0, 0, 0, 0xFFF0_0000),
    "RDH": (0x2810, 0, 0xFFFF, 0, 0, 0, 0, 0xFFFF_0000),
    "RDT": (0x2818, 0, 0xFFFF, 0, 0, 0, 0, 0xFFFF_0000),
    "RDTR": (0x2820, 0, 0x8000_FFFF, 0, 0, 0, 0, 0x7FFF_0000),
    "RXDCTL": (0x2828, 0x1_0000, 0x013F_3F3F, 0, 0, 0, 0, 0xFEC0_C0C0),
    "RADV": (0x282C, 0, 0xFFFF, 0, 0, 0, 0, 0xFFFF_0000),
    "RSRPD": (0x2C00, 0, 0xFFF, 0, 0, 0, 0, 0xFFFF_F000),
    "TDBAL": (0x3800, 0, FULL, 0, 0, 0, 0, 0),
    "TDBAH": (0x3804, 0, FULL, 0, 0, 0, 0, 0),
    "TDLEN": (0x3808, 0, 0xF_FFFF, 0, 0, 0, 0, 0xFFF0_0000),
    "TDH": (0x3810, 0, 0xFFFF, 0, 0, 0, 0, 0xFFFF_0000),
    "TDT": (0x3818, 0, 0xFFFF, 0, 0, 0, 0, 0xFFFF_0000),
    "TIDV": (0x3820, 0, 0xFFFF, 0, 0, 0, 0, 0xFFFF_0000),
    "TXDCTL": (0x3828, 0, 0xFF3F_3F3F, 0, 0, 0, 0, 0xC0_C0C0),
    "TADV": (0x382C, 0, 0xFFFF, 0, 0, 0, 0, 0xFFFF_0000),
    "TSPMT": (0x3830, 0, FULL, 0, 0, 0, 0, 0),
    "RXCSUM": (0x5000, 0, 0x3FF, 0, 0, 0, 0, 0xFFFF_FC00),
    "WUC": (0x5800, 0, 0, 4, 0, 0, 0xB, 0xFFFF_FFF0),
    "WUFC": (0x5808, 0, 0, 0, 0, 0, 0xF_80FF, 0xFFF0_7F00),
    "WUS": (0x5810, 0, 0, 0, 0, 0, 0, 0),
    "MANC": (0x5820, 0, FULL, 0, 0, 0, 0, 0),
    "IPAV": (0x5838, 0, 0, 0, 0, 0, FULL, 0),
    "WUPL": (0x5900, 0, 0, 0, 0, 0, 0, 0xFFFF_0000),
    "IOADDR": (0x20000, 0, 0xF_FFFF, 0, 0, 0, 0, 0),
    "IODATA": (0x20004, 0, FULL, 0, 0, 0, 0, 0),
}
COUNTERS = (
    "CRCERRS ALGNERRC SYMERRS RXERRC MPC SCC ECOL MCC LATECOL - COLC - DC TNCRS SEC CEXTERR RLEC - XONRXC XONTXC XOFFRXC XOFFTXC FCRUC "
    "PRC64 PRC127 PRC255 PRC511 PRC1023 PRC1522 GPRC BPRC MPRC GPTC - GORCL GORCH GOTCL GOTCH - - RNBC RUC RFC ROC RJC MGTPRC MGTPDC "
    "MGTPTC TORL TORH TOTL TOTH TPR TPT PTC64 PTC127 PTC255 PTC511 PTC1023 PTC1522 MPTC BPTC TSCTC TSCTFC").split()
"""The statistics from 0x4000 on, one dword after the other; a dash is a hole."""
LOW = {"GORCL", "GOTCL", "TORL", "TOTL"}
SHEET |= {name: (0x4000 + 4 * number, 0, 0, 0, 0, 0 if name in LOW else FULL, 0, 0)
          for number, name in enumerate(COUNTERS) if name != "-"}
ROWS = {"MTA": (0x5200, 4, 128), "RAL": (0x5400, 8, 16), "VFTA": (0x5600, 4, 128)}
SHEET |= {f"{stem}{n}": (first + step * n, 0, FULL, 0, 0, 0, 0, 0) for stem, (first, step, count) in ROWS.items() for n in range(count)}
SHEET |= {f"RAH{n}": (0x5404 + 8 * n, 0, 0x8000_FFFF, 0, 0, 0, 0x3_0000, 0x7FFC_0000) for n in range(16)}
SHEET |= {name: (at, 0, 0x1FFF, 0, 0, 0, 0, 0xFFFF_E000) for name, at in (
    ("RDFH", 0x2410), ("RDFT", 0x2418), ("RDFHS", 0x2420), ("RDFTS", 0x2428), ("RDFPC", 0x2430), ("TDFHS", 0x3420), ("TDFTS", 0x3428),
    ("TDFPC", 0x3430))}
SHEET |= {name: (at, 0, 0x7FF, 0, 0, 0, 0, 0xFFFF_F800) for name, at in (("TDFH", 0x3410), ("TDFT", 0x3418))}
TAGGED = {"IP4AT": (0x5840, 8, 4), "IP6AT": (0x5880, 4, 4), "WUPM": (0x5A00, 4, 32), "FFLT": (0x5F00, 8, 4), "FFMT": (0x9000, 8, 128),
          "FFVT": (0x9800, 8, 128)}
SHEET |= {f"{stem}{n}": (first + step * n, 0, 0, 0, 0, 0, FULL, 0) for stem, (first, step, count) in TAGGED.items() for n in range(count)}
ARMING = {"CTRL", "CTRL_DUP", "RCTL", "TCTL", "RDT", "TDT", "IODATA"}
EFFECTS = {"CTRL", "CTRL_DUP", "STATUS", "EECD", "EERD", "CTRL_EXT", "MDIC", "ICR", "ICS", "IMS", "IMC", "PBA", "RDBAL", "TDBAL", "RDLEN",
           "TDLEN", "RDTR", "RCTL", "TCTL", "RDH", "TDH", "IODATA"}
"""Registers of which a write or a read does more than keep a value: each has tests of its own."""
SAMPLE = [name for name in SHEET if name.rstrip("0123456789") not in {**ROWS, **TAGGED, "RAH": 0} or name.endswith(("0", "31"))]
"""Every register of its own, and some of each row."""


@pytest.fixture
def rig() -> Rig:
    return Rig()


def access(rig: Rig, name: str, value: int | None = None) -> int:
    at = SHEET[name][0]
    if value is None:
        return rig.machine.bus.read(rig.nic, 1 if at >= IOADDR_AT else 0, at, 4, at >= IOADDR_AT)
    rig.machine.bus.write(rig.nic, 1 if at >= IOADDR_AT else 0, at, 4, value, at >= IOADDR_AT)
    rig.settle()
    return 0


# The map


def test_the_map_has_the_registers_of_the_manual_and_no_other() -> None:
    assert {slot.name: slot.offset for slot in Registers.slots} == {name: row[0] for name, row in SHEET.items()}


def test_a_register_has_the_bits_of_the_manual() -> None:
    for name, (at, reset, writable, w1c, w1s, rc, tagged, reserved) in SHEET.items():
        slot = E1000Nic.slots[at]
        assert (name, slot.register.reset_value(), slot.writable, slot.w1c, slot.w1s, slot.read_clears, slot.tagged, slot.reserved) == (
            name, reset, writable, w1c, w1s, rc, tagged, reserved)
        assert (slot.width, slot.arms) == (4, name in ARMING)


@pytest.mark.parametrize("name", sorted(set(SAMPLE) - EFFECTS))
@settings(max_examples=5)
@given(value=st.integers(0, FULL))
def test_a_write_keeps_the_writable_bits_and_nothing_else(name: str, value: int) -> None:
    rig = Rig()
    _, _, writable, _, _, _, tagged, reserved = SHEET[name]
    before = access(rig, name)
    access(rig, name, value & ~reserved & ~tagged)
    assert access(rig, name) == before & ~writable | value & writable
    assert rig.rules == []


@pytest.mark.parametrize("name", sorted(name for name in SAMPLE if SHEET[name][7]))
def test_writing_a_reserved_bit_is_a_finding_that_names_it(rig: Rig, name: str) -> None:
    reserved = SHEET[name][7]
    lowest = reserved & -reserved
    access(rig, name, access(rig, name) & ~SHEET[name][6] | lowest)
    assert "register-reserved" in rig.rules
    assert f"0x{lowest:x}" in rig.errors[0].message


@pytest.mark.parametrize("name", sorted(name for name in SAMPLE if SHEET[name][6]))
def test_a_tagged_bit_is_loud_and_names_its_field(rig: Rig, name: str) -> None:
    tagged = SHEET[name][6]
    with pytest.raises(NotModelledError, match=name):
        access(rig, name, tagged & -tagged)


@pytest.mark.parametrize("at", [0xC, 0x24, 0x34, 0x3C, 0xCC, 0x5B50, 0x8800, 0x10000, 0x1FFFC])
def test_an_access_where_no_register_is_is_a_finding(rig: Rig, at: int) -> None:
    assert rig.machine.bus.read(rig.nic, 0, at, 4) == FULL
    assert rig.rules == ["register-unknown"]


@pytest.mark.parametrize("size", [1, 2])
def test_an_access_of_another_size_is_a_finding(rig: Rig, size: int) -> None:
    rig.machine.bus.read(rig.nic, 0, 0x8, size)
    assert rig.rules == ["register-size"]


def test_the_card_is_plugged_in_as_windows_finds_it(rig: Rig) -> None:
    config = rig.nic.config
    assert (config.read(0, 4), config.read(0x0B, 1), MODELS["e1000"]) == (b"\x86\x80\x0e\x10", b"\x02", E1000Nic)
    assert config.command == COMMAND_IO | COMMAND_MEMORY | COMMAND_BUS_MASTER
    assert [(bar.size, bar.ports) for bar in rig.nic.bars] == [(0x20000, False), (64, True)]
    assert config.has_power


# Reset


def dirty(rig: Rig) -> None:
    """Write something else into every register that keeps what is written and does nothing."""
    for name in SHEET:
        if name not in EFFECTS and SHEET[name][2]:
            access(rig, name, ~SHEET[name][1] & SHEET[name][2] & ~SHEET[name][6] & (0x3F if name in ("RDT", "TDT") else FULL))


def test_reset_gives_every_register_its_reset_value_but_pba(rig: Rig) -> None:
    dirty(rig)
    rig.set(PBA=0x20, IMS=LSC | TXDW)
    rig.write("CTRL", RST)
    rig.passes(2_000)
    values = dict(zip((slot.name for slot in Registers.slots), rig.nic.values, strict=True))
    assert values | {"PBA": 0x0010_0030} == {name: row[1] for name, row in SHEET.items()}
    assert rig.read("PBA") == 0x0020_0020


def test_rst_reads_1_for_a_microsecond(rig: Rig) -> None:
    rig.write("CTRL", RST)
    assert rig.read("CTRL") & RST
    rig.passes(1_000)
    assert not rig.read("CTRL") & RST


def test_the_station_address_is_there_when_the_card_has_read_its_eeprom(rig: Rig) -> None:
    assert (rig.read("RAL0"), rig.read("RAH0")) == (0xD0BE_0D02, 0x8000_0100)
    rig.write("CTRL", RST)
    rig.passes(1_900_000)
    assert (rig.read("RAL0"), rig.read("RAH0")) == (0, 0)
    rig.passes(100_000)
    assert (rig.read("RAL0"), rig.read("RAH0")) == (0xD0BE_0D02, 0x8000_0100)


def test_ee_rst_reads_the_eeprom_again_and_clears_itself(rig: Rig) -> None:
    rig.set(RAL0=0)
    rig.write("CTRL_EXT", 1 << 13)
    assert rig.read("CTRL_EXT") == 0
    rig.passes(2_100_000)
    assert rig.read("RAL0") == 0xD0BE_0D02


def test_an_eeprom_without_signature_leaves_the_address_registers_alone(rig: Rig) -> None:
    rig.nic.eeprom.words[0x0A] = 0xFFFF
    rig.write("CTRL", RST)
    rig.passes(3_000_000)
    assert rig.read("RAH0") == 0


# Control, status and PHY


def test_status_shows_the_link_only_with_slu(rig: Rig) -> None:
    assert rig.read("STATUS") == 0
    rig.set(CTRL=SLU | 1)
    assert rig.read("STATUS") == 0x143
    assert rig.read("ICR") & LSC


def test_status_follows_the_cable(rig: Rig) -> None:
    rig.set(CTRL=SLU)
    rig.read("ICR")
    rig.machine.wire.set_link(False)
    assert (rig.read("STATUS"), rig.read("ICR")) == (0, LSC)
    rig.machine.wire.set_link(True)
    assert rig.read("STATUS") == 0
    rig.passes(3_000_000)
    assert (rig.read("STATUS"), rig.read("ICR")) == (0x143, LSC)


def test_ctrl_has_a_second_place(rig: Rig) -> None:
    access(rig, "CTRL_DUP", SLU | 1)
    assert rig.read("CTRL") == SLU | 1
    rig.set(CTRL=1)
    assert access(rig, "CTRL_DUP") == 1


@pytest.mark.parametrize("receive, transmit", [(0x28, 0x18), (0x30, 0x10), (0x40, 0), (0x48, 0)])
def test_what_the_receiver_leaves_of_64_kb_is_the_transmitters(rig: Rig, receive: int, transmit: int) -> None:
    rig.set(PBA=receive)
    assert rig.read("PBA") == receive | transmit << 16


def mdic(rig: Rig, operation: int, register: int, data: int = 0, phy: int = 1, interrupt: int = 0) -> int:
    rig.write("MDIC", data | register << 16 | phy << 21 | operation << 26 | interrupt << 29)
    assert not rig.read("MDIC") >> 28 & 1
    rig.passes(30_000)
    return rig.read("MDIC")


@pytest.mark.parametrize("register, value", [
    (0, 0x1140), (1, 0x796D), (2, 0x0141), (3, 0x0C20), (4, 0x0DE1), (5, 0x45E1), (6, 1), (9, 0x0E00), (15, 0x3000), (17, 0x6C00)])
def test_the_phy_has_its_registers_and_a_link(rig: Rig, register: int, value: int) -> None:
    rig.set(CTRL=PHY_RST)
    rig.passes(3_000_000)
    mdic(rig, 2, 1)
    assert mdic(rig, 2, register) & 0xFFFF == value


def test_a_write_to_the_phy_is_kept_and_r_says_when(rig: Rig) -> None:
    assert mdic(rig, 1, 4, 0x01E1) == 0x01E1 | 4 << 16 | 1 << 21 | 1 << 26 | 1 << 28
    assert mdic(rig, 2, 4) & 0xFFFF == 0x01E1


@pytest.mark.parametrize("register, phy", [(7, 1), (31, 1), (0, 0), (0, 2)])
def test_an_access_to_what_no_phy_has_sets_the_error_bit(rig: Rig, register: int, phy: int) -> None:
    assert mdic(rig, 2, register, phy=phy) >> 28 == 5


def test_i_lets_the_end_of_an_access_interrupt(rig: Rig) -> None:
    rig.read("ICR")
    mdic(rig, 2, 1, interrupt=1)
    assert rig.read("ICR") == MDAC


def test_phy_rst_takes_the_link_down_until_a_negotiation_has_ended(rig: Rig) -> None:
    rig.set(CTRL=SLU)
    rig.write("CTRL", SLU | PHY_RST)
    assert (rig.read("CTRL") >> 31, rig.read("STATUS")) == (0, 0)
    rig.passes(3_000_000)
    assert rig.read("STATUS") == 0x143


def test_the_link_bit_of_the_phy_stays_down_until_it_was_read(rig: Rig) -> None:
    rig.machine.wire.set_link(False)
    rig.machine.wire.set_link(True)
    rig.passes(3_000_000)
    assert mdic(rig, 2, 1) & 4 == 0
    assert mdic(rig, 2, 1) & 4 == 4


# EEPROM


def eerd(rig: Rig, address: int) -> int:
    rig.write("EERD", address << 8 | 1)
    assert not rig.read("EERD") & 0x10
    rig.passes(40_000)
    return rig.read("EERD")


def test_eerd_reads_every_word_and_their_sum_is_baba(rig: Rig) -> None:
    words = [eerd(rig, address) for address in range(64)]
    assert [word >> 16 for word in words] == contents(STATION)
    assert all(word & 0xFFFF == address << 8 | 0x10 for address, word in enumerate(words))
    assert sum(word >> 16 for word in words) & 0xFFFF == 0xBABA
    assert b"".join((word >> 16).to_bytes(2, "little") for word in words[:3]) == STATION


def test_the_pins_of_the_eeprom_are_the_hosts_when_granted(rig: Rig) -> None:
    def clock(bit: int) -> int:
        for pins in (bit << 2 | 0x42, bit << 2 | 0x43, bit << 2 | 0x42):
            rig.set(EECD=pins)
        return rig.read("EECD") >> 3 & 1

    rig.set(EECD=0x40)
    assert rig.read("EECD") & 0x1C0 == 0x1C0
    rig.set(EECD=0x42)
    for bit in (1, 1, 0, 0, 0, 0, 0, 0, 1):  # start, READ, address 1
        last = clock(bit)
    assert last == 0
    assert sum(clock(0) << 15 - n for n in range(16)) == 0xD0BE
    rig.set(EECD=0)
    assert rig.read("EECD") & 0x80 == 0


def test_pins_without_a_grant_do_nothing(rig: Rig) -> None:
    rig.set(EECD=0x02)
    rig.set(EECD=0x07)
    assert rig.read("EECD") & 0x88 == 0x08


# The port bar


def port(rig: Rig, at: int, value: int | None = None) -> int:
    if value is None:
        return rig.machine.bus.read(rig.nic, 1, IOADDR_AT + at, 4, True)
    rig.machine.bus.write(rig.nic, 1, IOADDR_AT + at, 4, value, True)
    return 0


def test_iodata_is_the_register_that_ioaddr_names(rig: Rig) -> None:
    port(rig, 0, 0x5200)
    port(rig, 4, 0x1234_5678)
    assert (port(rig, 0), port(rig, 4), rig.read("MTA0")) == (0x5200, 0x1234_5678, 0x1234_5678)


def test_reading_through_iodata_has_the_side_effects_of_the_register(rig: Rig) -> None:
    rig.set(ICS=TXDW)
    port(rig, 0, 0xC0)
    assert (port(rig, 4), port(rig, 4)) == (TXDW, 0)


@pytest.mark.parametrize("at", [0xC, 0x20000])
def test_iodata_without_a_register_is_a_finding(rig: Rig, at: int) -> None:
    port(rig, 0, at)
    assert port(rig, 4) == FULL
    assert rig.rules == ["register-unknown"]


def test_reserved_bits_count_through_iodata_too(rig: Rig) -> None:
    port(rig, 0, 0xC4)
    port(rig, 4, 0x1_0000)
    assert rig.rules == ["register-reserved"]


@pytest.mark.parametrize("at", [8, 0x3C])
def test_the_port_bar_has_two_registers_and_no_more(rig: Rig, at: int) -> None:
    port(rig, at)
    assert rig.rules == ["register-unknown"]
