# SPDX-License-Identifier: Apache-2.0
"""The registers of the RTL8139C against a second copy of its data sheet: width, reset value, modes, side effects, access sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.clock import MS
from hw.inject import parse_fault
from hw.nic.rtl8139 import Rtl8139Nic
from hw.nic.rtl8139_registers import Registers
from hw.register_parts import joined, parts_of
from tests.hw.nic.rtl8139_rig import AM, APM, AT, BUFFERS, OWN, PUN, RE, RST, TE, TIMEOUT, Card, frame
from verifier.errors import NotModelledError

F32, F16 = 0xFFFF_FFFF, 0xFFFF
# name: cell after reset, bits that a write replaces, written ones clear, reads clear, write-one-sets, reserved, tagged
SHEET = {
    "IDR0": (0, F32, 0, 0, 0, 0, 0), "IDR4": (0, F16, 0, 0, 0, 0xFFFF_0000, 0),
    "MAR0": (0, F32, 0, 0, 0, 0, 0), "MAR4": (0, F32, 0, 0, 0, 0, 0),
    **{f"TSD{n}": (0x2000, 0x003F_3FFF, 0, 0, 0, 0x00C0_0000, 0) for n in range(4)},
    **{f"TSAD{n}": (0, F32, 0, 0, 0, 0, 0) for n in range(4)},
    "RBSTART": (0, F32, 0, 0, 0, 0, 0), "ERBCR": (0, 0, 0, 0, 0, 0, 0), "ERSR": (0, 0, 0, 0, 0, 0xF0, 0),
    "CR": (1, 0x0C, 0, 0, 0x10, 0xE2, 0), "CAPR": (0xFFF0, F16, 0, 0, 0, 0, 0), "CBR": (0, 0, 0, 0, 0, 0, 0),
    "IMR": (0, 0xE07F, 0, 0, 0, 0x1F80, 0), "ISR": (0, 0, 0xE07F, 0, 0, 0, 0),
    "TCR": (0x7400_0000, 0x0307_07F1, 0, 0, 0, 0x8038_F80E, 0), "RCR": (0, 0x0F03_FFBF, 0, 0, 0, 0xF0FC_0000, 0),
    "TCTR": (0, 0, 0, 0, 0, 0, 0), "MPC": (0, 0, 0, 0, 0, 0xFF00_0000, 0), "EECR": (0, 0xCE, 0, 0, 0, 0x30, 0),
    "CONFIG0": (0, 0x07, 0, 0, 0, 0, 0), "CONFIG1": (0x0D, 0xF3, 0, 0, 0, 0, 0), "TIMERINT": (0, F32, 0, 0, 0, 0, 0),
    "MSR": (0x10, 0, 0, 0, 0, 0x20, 0xC0), "CONFIG3": (0x01, 0x70, 0, 0, 0, 0, 0), "CONFIG4": (0, 0xF5, 0, 0, 0, 0x0A, 0),
    "HLTCLK": (0, 0xFF, 0, 0, 0, 0, 0), "MULINT": (0, 0x0FFF, 0, 0, 0, 0xF000, 0), "REVID": (0x10, 0, 0, 0, 0, 0, 0),
    "TSDS": (0x000F, 0, 0, 0, 0, 0, 0), "BMCR": (0x3000, 0x3100, 0, 0, 0x8200, 0x4CFF, 0), "BMSR": (0x7809, 0, 0, 0, 0, 0x07C0, 0),
    "ANAR": (0x05E1, 0xA7FF, 0, 0, 0, 0x1800, 0), "ANLPAR": (0, 0, 0, 0, 0, 0, 0), "ANER": (0, 0, 0, 0, 0, 0xFFE0, 0),
    "DIS": (0, 0, 0, F16, 0, 0, 0), "FCSC": (0, 0, 0, F16, 0, 0, 0), "REC": (0, 0, 0, F16, 0, 0, 0),
    "NWAYTR": (0, 0x0008, 0, 0, 0, 0xFF70, 0x0080), "CSCR": (0x0340, 0x83E5, 0, 0, 0, 0x7012, 0),
    "PHY1_PARM": (0, F32, 0, 0, 0, 0, 0), "TW_PARM": (0, F32, 0, 0, 0, 0, 0), "PHY2_PARM": (0, 0xFF, 0, 0, 0, 0, 0),
    "FLASH": (0, 0, 0, 0, 0, 0x00E0_0000, 0xFF1F_FFFF), "CONFIG5": (0, 0x7F, 0, 0, 0, 0x80, 0),
}
SHOWN = {"IDR0": 0xD0BE_0D02, "IDR4": 0x0100, "BMSR": 0x782D, "ANLPAR": 0x45E1, "ANER": 0x0001, "CSCR": 0x0748}
"""What a read shows after power-up where it is not the cell: station address, and a link that stands."""
ARMING = {"CR", "CAPR", "RBSTART", "RCR", *(f"TS{kind}{n}" for kind in ("D", "AD") for n in range(4))}
LOCKED = ("IDR0", "IDR4", "CONFIG0", "CONFIG1", "CONFIG3", "CONFIG4", "BMCR")
ENABLED = ("TCR", "RCR")
UNLOCK = 0xC0


@pytest.fixture
def card() -> Card:
    return Card()


# The map


def test_the_map_has_the_registers_of_the_data_sheet_and_no_other() -> None:
    assert {slot.name: (slot.offset, slot.width) for slot in Registers.slots} == AT
    assert SHEET.keys() == AT.keys()


@pytest.mark.parametrize("name", SHEET)
def test_a_register_has_the_bits_of_the_data_sheet(name: str) -> None:
    slot = Rtl8139Nic.slots[AT[name][0]]
    assert (slot.register.reset_value(), slot.writable, slot.w1c, slot.read_clears, slot.w1s, slot.reserved, slot.tagged) == SHEET[name]
    assert slot.arms is (name in ARMING)


@pytest.mark.keeps("register-size")
@pytest.mark.parametrize("name", SHEET)
def test_after_power_up_a_register_reads_as_the_data_sheet_says(card: Card, name: str) -> None:
    if name == "TCTR":
        assert card.read(name) == 400 * 33 // 1000, "the timer counts from power-up on; one read takes 400 ns"
    else:
        assert card.read(name) == SHOWN.get(name, SHEET[name][0])
    assert card.rules == []


PLAIN = [name for name, row in SHEET.items() if row[1] and name not in {
    *LOCKED, *ENABLED, "TSD0", "TSD1", "TSD2", "TSD3", "CR", "CAPR", "EECR", "HLTCLK", "CSCR", "MAR0", "MAR4", "ANAR", "TIMERINT"}]


@pytest.mark.keeps("register-reserved")
@pytest.mark.parametrize("name", [*PLAIN, "MAR0", "MAR4", "ANAR", "TIMERINT"])
@given(value=st.integers(0, F32))
def test_a_write_keeps_the_writable_bits_and_nothing_else(name: str, value: int) -> None:
    card = Card()
    before, row = card.read(name), SHEET[name]
    card.write(name, value & (1 << 8 * AT[name][1]) - 1 & ~row[5] & ~row[6])
    assert card.read(name) == before & ~row[1] | value & row[1]


@pytest.mark.breaks("register-reserved")
@pytest.mark.parametrize("name", [name for name, row in SHEET.items() if row[5]])
def test_writing_a_reserved_bit_is_a_finding_that_names_it(card: Card, name: str) -> None:
    lowest = SHEET[name][5] & -SHEET[name][5]
    card.write(name, lowest | (OWN if name.startswith("TSD") else 0))
    card.settle()
    assert card.rules == ["register-reserved"]
    assert f"0x{lowest:x}" in card.machine.findings.errors[0].message


@pytest.mark.parametrize("name", [name for name, row in SHEET.items() if row[6]])
def test_a_bit_that_is_known_and_not_modelled_stops_the_run(card: Card, name: str) -> None:
    card.write("CR", TE | RE)
    with pytest.raises(NotModelledError, match=name):
        card.put(AT[name][0], AT[name][1], SHEET[name][6] & -SHEET[name][6])


# Access sizes


@pytest.mark.keeps("register-size", "register-unknown")
@pytest.mark.parametrize("offset, size, value", [
    (0x00, 1, 0x02), (0x02, 2, 0xD0BE), (0x05, 1, 0x01), (0x11, 1, 0x20), (0x3C, 4, 0), (0x34, 4, 0x0100_0000), (0x36, 2, 0x0100),
    (0x43, 1, 0x74), (0x42, 2, 0x7400), (0x38, 4, 0xFFF0), (0x50, 4, 0x000D_0000), (0x58, 4, 0x0000_0110), (0x60, 4, 0x3000_000F),
    (0x64, 4, 0x05E1_782D), (0x5C, 4, 0x0010_0000)])
def test_a_read_of_a_part_or_of_neighbours_gives_their_bytes(card: Card, offset: int, size: int, value: int) -> None:
    assert card.raw(offset, size) == value
    assert card.rules == []


@pytest.mark.keeps("register-size")
def test_mask_and_causes_are_written_in_one_cycle(card: Card) -> None:
    card.nic.cause(PUN)
    card.put(0x3C, 4, PUN << 16 | 0x8000)
    assert (card.read("IMR"), card.read("ISR")) == (0x8000, 0)
    assert card.rules == []


@pytest.mark.keeps("register-size")
def test_the_low_byte_of_tcr_is_written_alone_and_the_rest_stays(card: Card) -> None:
    card.write("CR", TE)
    card.write("TCR", 0x0300_0600)
    card.put(0x40, 1, 0x80)
    assert card.read("TCR") == 0x7700_0680
    assert card.rules == []


def test_a_byte_of_the_causes_acknowledges_its_own_half_alone(card: Card) -> None:
    card.nic.cause(0x8021)
    card.put(0x3E, 1, 0x01)
    assert card.read("ISR") == 0x8020
    card.put(0x3F, 1, 0x80)
    assert card.read("ISR") == 0x0020


@pytest.mark.breaks("register-size")
@pytest.mark.parametrize("offset, size", [
    (0x00, 1), (0x00, 2), (0x04, 1), (0x10, 1), (0x12, 2), (0x13, 1), (0x20, 2), (0x30, 1), (0x38, 1), (0x54, 2), (0x62, 1),
    (0x3D, 4), (0x10, 8)])
def test_a_write_that_the_data_sheet_forbids_is_a_finding(card: Card, offset: int, size: int) -> None:
    card.put(offset, size, 0)
    assert card.rules == ["register-size"]


@pytest.mark.breaks("register-unknown", "register-size")
@pytest.mark.parametrize("offset, size, rule", [(0x3D, 2, "register-unknown"), (0x36, 4, "register-size"), (0x41, 2, "register-size")])
def test_an_access_off_its_own_size_is_a_finding(card: Card, offset: int, size: int, rule: str) -> None:
    assert card.raw(offset, size) == (1 << 8 * size) - 1
    assert card.rules == [rule]


@pytest.mark.breaks("register-unknown")
@pytest.mark.parametrize("offset", [0x84, 0xA0, 0xD0, 0xDC, 0xF0, 0xFC])
def test_an_access_where_no_register_is_is_a_finding(card: Card, offset: int) -> None:
    assert card.raw(offset, 4) == F32
    assert card.rules == ["register-unknown"]


@pytest.mark.breaks("register-reserved")
def test_a_byte_between_registers_is_reserved(card: Card) -> None:
    card.put(0x5E, 2, 0x0100)
    assert card.rules == ["register-reserved"]


@pytest.mark.parametrize("register", ["IMR", "ISR"])
def test_a_fault_at_a_register_counts_joint_accesses_of_which_it_is_the_first(register: str) -> None:
    card = Card(faults=(parse_fault(f"register-read:{register}#1=all-ones"),))
    assert card.raw(0x3C, 4) == (F32 if register == "IMR" else 0)


def test_a_write_names_the_registers_that_it_reaches() -> None:
    slot = joined(Rtl8139Nic, 0x34, 4, writes=True)
    assert slot is not None
    assert [(name, value) for name, value in parts_of(slot, 0x0C00_0000) if value] == [("CR", 0x0C)]
    nic = Card().nic
    assert not nic.stops_dma(slot, 0x0C00_0000) and nic.stops_dma(slot, 0) and nic.stops_dma(slot, RST << 24)
    assert nic.enables_interrupts(slot, RST << 24) is False and nic.enables_interrupts(slot, 0) is None


# Lock, EEPROM, configuration


@pytest.mark.parametrize("name", LOCKED)
def test_a_locked_register_changes_only_while_the_lock_is_open(card: Card, name: str) -> None:
    before = card.read(name)
    value = (before ^ SHEET[name][1]) & SHEET[name][1]
    card.write(name, value)
    assert card.read(name) == before
    card.write("EECR", UNLOCK)
    card.write(name, value)
    assert card.read(name) == before & ~SHEET[name][1] | value
    assert card.rules == []


def test_config5_has_no_lock(card: Card) -> None:
    card.write("CONFIG5", 0x55)
    assert card.read("CONFIG5") == 0x55


def read_word(card: Card, address: int) -> int:
    def pins(bits: int) -> int:
        card.write("EECR", 0x80 | bits)
        return card.read("EECR")
    pins(0)
    for bit in f"{0b110 << 6 | address:09b}":
        pins(0x08 | int(bit) << 1)
        pins(0x0C | int(bit) << 1)
    word = 0
    for _ in range(16):
        pins(0x08)
        word = word << 1 | pins(0x0C) & 1
    card.write("EECR", 0)
    return word


def test_the_eeprom_holds_identification_and_station_address(card: Card) -> None:
    assert [read_word(card, at) for at in (0, 1, 2, 7, 8, 9, 63)] == [0x8129, 0x10EC, 0x8139, 0x0D02, 0xD0BE, 0x0100, 0xFFFF]


def test_autoload_brings_the_station_address_back_and_closes_the_lock(card: Card) -> None:
    card.write("EECR", UNLOCK)
    card.write("IDR0", 0)
    card.write("IDR4", 0)
    card.write("EECR", 0x40)
    assert (card.read("IDR0"), card.read("IDR4"), card.read("EECR")) == (0xD0BE_0D02, 0x0100, 0)


@pytest.mark.parametrize("effect, word, station", [("blank", 0xFFFF, 0), ("dead", 0xFFFF, 0), ("bad-id", 0x8128, 0)])
def test_an_eeprom_that_is_not_good_loads_nothing(effect: str, word: int, station: int) -> None:
    card = Card(faults=(parse_fault(f"eeprom#1={effect}"),))
    assert (read_word(card, 0), card.read("IDR0")) == (word, station)


# Command and timer


def test_a_reset_takes_ten_microseconds_and_forgets_what_it_should(card: Card) -> None:
    card.start(APM | AM)
    for name, value in (("MAR0", 5), ("IMR", 0x7F), ("TIMERINT", 9), ("MULINT", 3)):
        card.write(name, value)
    card.write("CR", RST)
    assert card.read("CR") == RST | 1
    card.settle()
    assert card.read("CR") == 1
    assert [card.read(name) for name in ("RCR", "IMR", "ISR", "TIMERINT", "MULINT", "RBSTART", "TSAD0")] == [0] * 7
    assert [card.read(name) for name in ("MAR0", "IDR0", "TSD0", "CAPR", "CBR")] == [5, 0xD0BE_0D02, OWN, 0xFFF0, 0]


@pytest.mark.parametrize("name, enable", [("TCR", TE), ("RCR", RE)])
def test_configuration_is_taken_only_while_the_engine_is_on(card: Card, name: str, enable: int) -> None:
    before = card.read(name)
    card.write(name, 0x600)
    assert card.read(name) == before
    card.write("CR", enable)
    card.write(name, 0x600)
    assert card.read(name) == before | 0x600
    assert card.rules == []


@pytest.mark.parametrize("microseconds", [1, 1000])
def test_the_timer_counts_33_clocks_a_microsecond_and_any_write_begins_anew(card: Card, microseconds: int) -> None:
    card.write("TCTR", 77)
    card.settle()
    start = card.nic._counts_from
    card.machine.clock.advance(microseconds * 1000)
    assert card.read("TCTR") == (card.machine.clock.now - start) * 33 // 1000


@pytest.mark.parametrize("at, due", [(32, False), (33, True), (34, True)])
def test_the_timer_interrupts_when_it_comes_to_its_count(card: Card, at: int, due: bool) -> None:
    card.write("IMR", TIMEOUT)
    card.write("TIMERINT", 33 * 1000)
    card.write("TCTR", 0)
    card.machine.bus.drain()
    card.machine.clock.advance(card.nic._counts_from + at * 1_000_000 // 33 - card.machine.clock.now)
    assert bool(card.nic.values[Registers.index["ISR"]] & TIMEOUT) is due and card.nic.interrupting is due


def test_a_timer_of_count_zero_never_interrupts(card: Card) -> None:
    card.write("TIMERINT", 0)
    card.write("TCTR", 0)
    card.machine.clock.advance(500 * MS)
    assert card.read("ISR") == 0


# The medium


def test_the_link_is_told_by_msr_bmsr_and_a_cause(card: Card) -> None:
    card.write("IMR", PUN)
    card.settle()
    card.machine.wire.set_link(False)
    assert card.read("ISR") == PUN and card.nic.interrupting
    assert (card.read("MSR") & 4, card.read("BMSR") & 0x24, card.read("ANLPAR"), card.read("CSCR") & 8) == (4, 0, 0, 0)
    card.write("ISR", PUN)
    card.machine.wire.set_link(True)
    card.settle()
    assert (card.read("ISR"), card.read("MSR") & 4, card.read("BMSR") & 0x24) == (PUN, 0, 0x24)
    assert (card.read("DIS"), card.read("DIS")) == (1, 0)


def test_cscr_says_that_the_link_changed_until_the_cause_is_acknowledged(card: Card) -> None:
    assert card.read("CSCR") & 0xC00 == 0x400
    card.machine.wire.set_link(False)
    assert [card.read("CSCR") & 0xC00 for _ in range(2)] == [0x800, 0x800], "reading clears nothing"
    card.write("ISR", 0xFFFF & ~PUN)
    assert card.read("CSCR") & 0xC00 == 0x800
    card.write("ISR", PUN)
    assert card.read("CSCR") & 0xC00 == 0
    card.machine.wire.set_link(True)
    card.settle()
    assert card.read("CSCR") & 0xC00 == 0xC00
    assert card.raw(0x74, 4) & 0xFFFF == card.read("CSCR"), "a driver may read it with the reserved bytes behind it"


def test_a_loss_of_the_link_is_shown_once_even_if_it_is_back(card: Card) -> None:
    card.machine.wire.set_link(False)
    card.machine.wire.set_link(True)
    card.settle()
    assert [card.read("BMSR") & 4 for _ in range(3)] == [0, 4, 4]


def test_negotiating_anew_takes_the_link_down_for_a_while(card: Card) -> None:
    card.write("EECR", UNLOCK)
    card.write("BMCR", 0x1200)
    assert card.read("MSR") & 4 and card.read("BMCR") == 0x1000
    card.settle()
    assert not card.read("MSR") & 4


def test_ten_megabit_is_shown_where_nobody_negotiates_and_it_is_set(card: Card) -> None:
    card.write("EECR", UNLOCK)
    card.write("BMCR", 0x0100)
    assert card.read("MSR") & 8


def test_the_revision_is_that_of_configuration_space(card: Card) -> None:
    assert card.nic.config.read(8, 1)[0] == card.read("REVID") == 0x10
    assert card.nic.config.read(0, 4) == bytes.fromhex("ec103981")


# What the bed asks


def test_running_settings_and_pointers_say_what_is_on(card: Card) -> None:
    assert (card.nic.running(), card.nic.settings(), list(card.nic.live_pointers())) == ((), (), [])
    card.start(APM)
    card.write("IMR", 1)
    card.write("MAR4", 1)
    card.settle()
    assert card.nic.running() == ("transmitter", "receiver", "interrupts")
    assert card.nic.settings() == ("packet filter", "multicast table")
    assert [(p.what, p.length) for p in card.nic.live_pointers()] == [("receive ring", 8192)]
    card.processor.store(card.buffers, 0, frame())  # type: ignore[arg-type]
    card.write("TSD0", 60)
    card.read("ISR")
    assert next((p.what, p.logical, p.length) for p in card.nic.live_pointers()) == ("transmit slot 0", BUFFERS, 60)


def test_after_d3_everything_is_as_after_power_up_and_d1_loses_nothing(card: Card) -> None:
    card.start(APM)
    card.write("MAR0", 7)
    card.settle()
    saved = card.nic.config.saved()
    card.nic.config.power_state = 1
    card.receive(frame())
    card.nic.config.power_state = 0
    assert (card.read("MAR0"), card.read("RCR"), card.read("CBR")) == (7, APM, 0)
    card.nic.config.power_state = 3
    card.nic.config.power_state = 0
    card.nic.config.restore(saved)
    assert (card.read("MAR0"), card.read("RCR"), card.read("CR"), card.read("IDR0")) == (0, 0, 1, 0xD0BE_0D02)


@pytest.mark.parametrize("state", [1, 2])
def test_what_is_under_way_in_d1_and_d2_is_finished_in_d0(card: Card, state: int) -> None:
    card.start(APM)
    card.write("IMR", TIMEOUT)
    card.write("TIMERINT", 33 * 500)
    card.processor.store(card.buffers, 0, frame(1514))  # type: ignore[arg-type]
    card.write("TSD0", 1514)
    card.machine.bus.drain()
    card.machine.clock.advance(1000)
    card.nic.receive_frame(frame())
    card.nic.config.power_state = state
    card.machine.clock.advance(MS)
    assert card.machine.wire.sent == [] and not card.nic.interrupting
    card.nic.config.power_state = 0
    card.machine.clock.advance(MS)
    assert card.machine.wire.sent == [frame(1514)] and card.packet(0)[1:3] == (64, frame())
    card.write("TCTR", 0)
    card.machine.clock.advance(MS)
    assert card.nic.interrupting and card.rules == []
