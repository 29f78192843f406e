# SPDX-License-Identifier: Apache-2.0
"""The registers of the reference NIC against a second copy of its data sheet: offset, reset value, modes, side effects."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.limits import PRESETS, custom
from hw.nic import MODELS
from hw.nic.reference import ReferenceNic
from hw.nic.reference_registers import CONTROL_OFFSET, DESCRIPTOR, DESCRIPTOR_SIZE, Registers, descriptor_layout
from hw.pci import COMMAND_BUS_MASTER, COMMAND_IO, COMMAND_MEMORY
from verifier.address import KIB, MIB
from verifier.where import line_of

if TYPE_CHECKING:
    from tests.hw.conftest import Rig

FULL = 0xFFFF_FFFF
# name: offset, cell after reset, bits that a write replaces, bits that a written one clears, bits that a read clears,
# reserved bits
SHEET = {
    "ID": (0x00, 0x0DBE_0001, 0, 0, 0, 0),
    "CTRL": (0x04, 0, 0xE, 0, 0, ~0xF & FULL),
    "STATUS": (0x08, 0, 0, 0, 0, ~0xF & FULL),
    "CAUSE": (0x0C, 0, 0, 0x3F, 0, ~0x3F & FULL),
    "MASK": (0x10, 0, 0x3F, 0, 0, ~0x3F & FULL),
    "LIMITS": (0x14, 0, 0, 0, 0, ~0xF_3F7F & FULL),
    "MAC_LO": (0x18, 0, 0, 0, 0, 0),
    "MAC_HI": (0x1C, 0, 0, 0, 0, ~0xFFFF & FULL),
    "FILTER": (0x20, 0, 0x1F, 0, 0, ~0x1F & FULL),
    "HASH_LO": (0x24, 0, FULL, 0, 0, 0),
    "HASH_HI": (0x28, 0, FULL, 0, 0, 0),
    "TX_BASE_LO": (0x40, 0, FULL, 0, 0, 0),
    "TX_BASE_HI": (0x44, 0, FULL, 0, 0, 0),
    "TX_COUNT": (0x48, 0, 0x1FF, 0, 0, ~0x1FF & FULL),
    "TX_HEAD": (0x4C, 0, 0, 0, 0, ~0xFF & FULL),
    "TX_TAIL": (0x50, 0, 0xFF, 0, 0, ~0xFF & FULL),
    "RX_BASE_LO": (0x60, 0, FULL, 0, 0, 0),
    "RX_BASE_HI": (0x64, 0, FULL, 0, 0, 0),
    "RX_COUNT": (0x68, 0, 0x1FF, 0, 0, ~0x1FF & FULL),
    "RX_HEAD": (0x6C, 0, 0, 0, 0, ~0xFF & FULL),
    "RX_TAIL": (0x70, 0, 0xFF, 0, 0, ~0xFF & FULL),
    "DMA_ERROR_LO": (0x80, 0, 0, 0, 0, 0),
    "DMA_ERROR_HI": (0x84, 0, 0, 0, 0, 0),
    "STAT_TX": (0x90, 0, 0, 0, FULL, 0),
    "STAT_RX": (0x94, 0, 0, 0, FULL, 0),
    "STAT_MISSED": (0x98, 0, 0, 0, FULL, 0),
    "STAT_TX_ERRORS": (0x9C, 0, 0, 0, FULL, 0),
}
SHOWN_AFTER_RESET = {"STATUS": 1, "LIMITS": 0x0004_181A, "MAC_LO": 0xD0BE_0D02, "MAC_HI": 0x0100}
"""What a read shows where it is not the register's cell: link up, limits, station address 02-0d-be-d0-00-01."""
ARMING = {"CTRL", "TX_TAIL", "RX_TAIL", "TX_BASE_LO", "RX_BASE_LO"}


# The map


def test_the_map_has_the_registers_of_the_data_sheet_and_no_other() -> None:
    assert {slot.name: slot.offset for slot in Registers.slots} == {name: row[0] for name, row in SHEET.items()}


@pytest.mark.parametrize("name", SHEET)
def test_a_register_has_the_bits_of_the_data_sheet(name: str) -> None:
    slot = ReferenceNic.slots[SHEET[name][0]]
    _, reset, writable, w1c, read_clears, reserved = SHEET[name]
    assert (slot.register.reset_value(), slot.writable, slot.w1c, slot.read_clears, slot.reserved) == (
        reset, writable, w1c, read_clears, reserved)
    assert (slot.width, slot.tagged, slot.w1s) == (4, 0, 1 if name == "CTRL" else 0)
    assert slot.arms is (name in ARMING)


@pytest.mark.keeps("register-size")
@pytest.mark.parametrize("name", SHEET)
def test_after_power_up_a_register_reads_as_the_data_sheet_says(rig: Rig, name: str) -> None:
    assert rig.read(name) == SHOWN_AFTER_RESET.get(name, SHEET[name][1])


@pytest.mark.keeps("register-reserved")
@pytest.mark.parametrize("name", sorted(set(SHEET) - {"CTRL"}))
@given(value=st.integers(0, FULL))
def test_a_write_keeps_the_writable_bits_and_nothing_else(make_rig: Callable[..., Rig], name: str, value: int) -> None:
    rig = make_rig()
    before = rig.read(name)
    writable = SHEET[name][2]
    rig.write(name, value & ~SHEET[name][5])
    assert rig.read(name) == before & ~writable | value & writable
    assert all(finding.rule.id == "dma-alignment" for finding in rig.errors)


@pytest.mark.breaks("register-reserved")
@pytest.mark.parametrize("name", [name for name, row in SHEET.items() if row[5]])
def test_writing_a_reserved_bit_is_a_finding_that_names_it(rig: Rig, name: str) -> None:
    _, _, writable, _, _, reserved = SHEET[name]
    lowest = reserved & -reserved
    rig.write(name, lowest)
    rig.settle()
    assert rig.rules == ["register-reserved"]
    assert f"0x{lowest:x}" in rig.errors[0].message
    assert rig.nic.values[Registers.index[name]] & ~writable == SHEET[name][1]


@pytest.mark.keeps("register-reserved")
@pytest.mark.parametrize("name", [name for name, row in SHEET.items() if row[5]])
def test_a_card_that_was_pulled_out_has_no_reserved_bits(rig: Rig, name: str) -> None:
    rig.nic.remove()
    rig.write(name, rig.read(name) & ~1)
    rig.settle()
    assert rig.rules == []


@pytest.mark.breaks("register-size")
@pytest.mark.parametrize("name", SHEET)
@pytest.mark.parametrize("size", [1, 2, 8])
def test_an_access_of_another_size_is_a_finding_and_gives_ones(rig: Rig, name: str, size: int) -> None:
    machine = rig.machine
    assert machine.bus.read(rig.nic, 0, SHEET[name][0], size) == (1 << 8 * size) - 1
    machine.bus.write(rig.nic, 0, SHEET[name][0], size, 0)
    assert rig.rules == ["register-size"]
    assert f"{name}: read of {size} bytes; the register has 4" in rig.errors[0].message


@pytest.mark.breaks("register-unknown")
@pytest.mark.parametrize("offset", [0x01, 0x02, 0x2C, 0x3C, 0x54, 0x74, 0x7C, 0x88, 0x8C, 0xA0, 0xFC, 0x1000])
def test_an_access_where_no_register_is_is_a_finding(rig: Rig, offset: int) -> None:
    assert rig.machine.bus.read(rig.nic, 0, offset, 4) == FULL
    assert rig.rules == ["register-unknown"]
    assert f"offset 0x{offset:x}" in rig.errors[0].message


@pytest.mark.breaks("register-size", "register-unknown")
def test_mistakes_at_different_registers_are_findings_of_their_own(rig: Rig) -> None:
    for offset in (0x300, 0x304, 0x300):
        rig.machine.bus.read(rig.nic, 0, offset, 4)
    rig.machine.bus.read(rig.nic, 0, 4, 2)
    assert rig.rules == ["register-unknown", "register-unknown", "register-size"]
    assert [finding.times for finding in rig.errors] == [2, 1, 1]


def test_port_space_shows_the_same_registers(rig: Rig) -> None:
    bus = rig.machine.bus
    bus.write(rig.nic, 1, SHEET["HASH_LO"][0], 4, 0x1234, port=True)
    assert rig.read("HASH_LO") == 0x1234
    assert bus.read(rig.nic, 1, 0, 4, port=True) == 0x0DBE_0001


# Side effects, register by register


def test_ctrl_reset_reads_0_and_status_says_for_a_microsecond_that_it_goes_on(rig: Rig) -> None:
    rig.write("CTRL", 1)
    rig.machine.bus.drain()
    done = rig.machine.clock.now + 1_000
    assert rig.read("CTRL") == 0
    while rig.machine.clock.now < done - 400:
        assert rig.read("STATUS") & 2
    rig.machine.clock.advance(done - rig.machine.clock.now)
    assert rig.read("STATUS") == 1


def test_ctrl_reset_wins_over_the_other_bits_of_the_same_write(rig: Rig) -> None:
    rig.write("CTRL", 0xF)
    assert rig.read("CTRL") == 0
    assert rig.read("STATUS") & 0xC == 0


def test_reset_gives_every_register_its_reset_value_and_drops_the_line(rig: Rig) -> None:
    for name, (_, _, writable, *_) in SHEET.items():
        if name not in ("CTRL", "MASK"):
            rig.write(name, writable & ~0xF)
    rig.write("MASK", 0x3F)
    rig.machine.wire.set_link(False)
    rig.settle()
    assert rig.nic.interrupting
    rig.write("CTRL", 1)
    rig.settle()
    assert not rig.nic.interrupting
    for name in SHEET:
        shown = SHOWN_AFTER_RESET.get(name, SHEET[name][1])
        assert rig.read(name) == (shown & ~1 if name == "STATUS" else shown), name


@pytest.mark.parametrize("bit, shown", [(2, 4), (4, 8)])
def test_status_shows_the_engines(rig: Rig, bit: int, shown: int) -> None:
    rig.program("TX", 0x10_0000, 8)
    rig.program("RX", 0x10_2000, 8)
    rig.write("CTRL", bit)
    assert rig.read("STATUS") == 1 | shown
    rig.write("CTRL", 0)
    rig.serve()
    assert rig.read("STATUS") == 1


def test_status_shows_the_link(rig: Rig) -> None:
    rig.machine.wire.set_link(False)
    assert rig.read("STATUS") == 0
    rig.machine.wire.set_link(True)
    assert rig.read("STATUS") == 1


def test_cause_is_cleared_by_ones_and_not_by_reading(rig: Rig) -> None:
    rig.nic.values[Registers.index["CAUSE"]] = 0x3F
    assert rig.read("CAUSE") == rig.read("CAUSE") == 0x3F
    rig.write("CAUSE", 0)
    assert rig.read("CAUSE") == 0x3F
    for bit in range(6):
        rig.write("CAUSE", 1 << bit)
        assert rig.read("CAUSE") == 0x3F & ~((2 << bit) - 1)


@pytest.mark.parametrize("bit", range(6))
def test_the_line_is_pulled_exactly_while_an_enabled_cause_is_set(rig: Rig, bit: int) -> None:
    rig.nic.values[Registers.index["CAUSE"]] = 1 << bit
    rig.write("MASK", 0x3F & ~(1 << bit))
    rig.settle()
    assert not rig.nic.interrupting
    assert rig.nic.pending_causes() == ""
    rig.write("MASK", 1 << bit)
    rig.settle()
    assert rig.nic.interrupting
    assert rig.nic.pending_causes()
    rig.write("CAUSE", 1 << bit)
    rig.settle()
    assert not rig.nic.interrupting


def test_masking_drops_the_line_and_keeps_the_cause(rig: Rig) -> None:
    rig.write("MASK", 0x3F)
    rig.machine.wire.set_link(False)
    rig.settle()
    assert rig.nic.interrupting
    rig.write("MASK", 0)
    rig.settle()
    assert not rig.nic.interrupting
    assert rig.read("CAUSE") == 8


def test_clearing_one_of_two_causes_keeps_the_line(rig: Rig) -> None:
    rig.nic.values[Registers.index["CAUSE"]] = 0x21
    rig.write("MASK", 0x3F)
    rig.write("CAUSE", 1)
    rig.settle()
    assert rig.nic.interrupting
    assert rig.nic.pending_causes() == "0x00000020 (TX_ERROR=1)"


def test_interrupts_count_as_enabled_while_the_mask_lets_any_cause_through(rig: Rig) -> None:
    assert not rig.nic.interrupts_enabled
    rig.write("MASK", 0x20)
    rig.settle()
    assert rig.nic.interrupts_enabled


@pytest.mark.parametrize("bits, boundary, value", [
    (26, 16 * MIB, 0x0004_181A), (24, 64 * KIB, 0x0004_1018), (32, 0, 0x0004_0020), (64, 1 << 40, 0x0004_2840), (1, 16, 0x0004_0401)])
def test_limits_tell_what_the_card_was_built_with(make_rig: Callable[..., Rig], bits: int, boundary: int, value: int) -> None:
    rig = make_rig(custom(PRESETS["reference"], bits, boundary))
    assert rig.read("LIMITS") == value
    rig.write("CTRL", 1)
    assert rig.read("LIMITS") == value


@pytest.mark.parametrize("alignment, log2", [(1, 4), (16, 4), (32, 5), (4096, 12)])
def test_limits_tell_an_alignment_of_16_at_least(make_rig: Callable[..., Rig], alignment: int, log2: int) -> None:
    assert make_rig(replace(PRESETS["reference"], alignment=alignment)).read("LIMITS") >> 16 == log2


def test_the_station_address_reads_byte_0_first(rig: Rig) -> None:
    address = rig.read("MAC_LO").to_bytes(4, "little") + rig.read("MAC_HI").to_bytes(4, "little")[:2]
    assert address == rig.nic.mac == bytes.fromhex("020dbed00001")


@pytest.mark.breaks("dma-alignment")
@pytest.mark.keeps("dma-alignment")
@pytest.mark.parametrize("low", [0, 1, 8, 15, 16, 17])
@pytest.mark.parametrize("name", ["TX_BASE_LO", "RX_BASE_LO"])
def test_a_ring_base_that_is_not_on_16_bytes_is_told_at_its_own_line(rig: Rig, name: str, low: int) -> None:
    rig.machine.where.depth = 1
    rig.block("ring", 0x10_0000, 0x1000)
    bus, offset = rig.machine.bus, SHEET[name][0]
    before = rig.machine.where.capture()
    bus.write(rig.nic, 0, offset, 4, 0x10_0000 + low)
    rig.write("HASH_LO", 0)
    rig.settle()
    assert rig.rules == (["dma-alignment"] if low % 16 else [])
    if low % 16:
        finding = rig.errors[0]
        assert finding.owner == "ring"
        assert f"uses 0x{0x10_0000 + low & ~15:08x}" in finding.message
        assert before is not None
        assert finding.where is not None
        assert line_of(finding.where) == line_of(before) + 1
    assert rig.read(name) == 0x10_0000 + low


@pytest.mark.parametrize("name", ["STAT_TX", "STAT_RX", "STAT_MISSED", "STAT_TX_ERRORS"])
def test_a_statistic_is_cleared_by_reading_and_wraps_at_32_bits(rig: Rig, name: str) -> None:
    rig.nic.values[Registers.index[name]] = FULL - 1
    rig.nic._count(name)
    assert rig.read(name) == FULL
    assert rig.read(name) == 0
    rig.nic.values[Registers.index[name]] = FULL
    rig.nic._count(name)
    assert rig.read(name) == 0


@pytest.mark.parametrize("value, stops", [(0, True), (1, True), (0xF, True), (8, True), (2, False), (4, False), (6, False)])
def test_ctrl_stops_dma_with_reset_or_with_both_engines_off(rig: Rig, value: int, stops: bool) -> None:
    assert rig.nic.stops_dma(rig.nic.slots[4], value) is stops
    assert not rig.nic.stops_dma(rig.nic.slots[0x10], value)


# The card on its bus


def test_the_card_is_plugged_in_as_windows_finds_it(rig: Rig) -> None:
    config = rig.nic.config
    assert config.read(0, 4) == bytes.fromhex("be0d0100")
    assert config.command == COMMAND_IO | COMMAND_MEMORY | COMMAND_BUS_MASTER
    assert (config.bar(0), config.bar(1)) == (0xFEB0_0000, 0xC000)
    assert config.read(0x3C, 2) == bytes([11, 1])
    assert rig.nic.dma.bus_master
    assert MODELS["reference"] is ReferenceNic


def test_bus_mastering_follows_the_command_register(rig: Rig) -> None:
    rig.nic.config.command = COMMAND_MEMORY
    assert not rig.nic.dma.bus_master
    rig.nic.config.command = COMMAND_MEMORY | COMMAND_BUS_MASTER
    assert rig.nic.dma.bus_master


@pytest.mark.parametrize("name", SHEET)
def test_a_card_that_was_pulled_out_reads_as_ones_and_keeps_nothing(rig: Rig, name: str) -> None:
    values = list(rig.nic.values)
    rig.nic.remove()
    assert rig.read(name) == FULL
    rig.write(name, SHEET[name][2])
    rig.settle()
    assert rig.nic.values == values
    assert rig.nic.config.read(0, 4) == b"\xff" * 4


def test_pulling_the_card_out_drops_the_line_for_good(rig: Rig) -> None:
    rig.write("MASK", 8)
    rig.machine.wire.set_link(False)
    rig.settle()
    assert rig.nic.interrupting
    rig.nic.remove()
    assert not rig.nic.interrupting
    rig.machine.wire.set_link(True)
    assert not rig.nic.interrupting


# The descriptor


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 0xFFFF))
def test_both_declarations_of_a_descriptor_agree(
        address: int, length: int, own: bool, end: bool, error: bool, received: int) -> None:
    control = own << 31 | end << 30 | error << 29 | received
    raw = DESCRIPTOR.pack(address, length, control)
    parsed = descriptor_layout().parse(raw)
    assert (parsed.address, parsed.length) == (address, length)
    assert (parsed.control.own, parsed.control.end, parsed.control.error, parsed.control.received) == (own, end, error, received)
    assert descriptor_layout().build(parsed) == raw


def test_a_descriptor_has_16_bytes_and_its_control_dword_stands_last() -> None:
    assert descriptor_layout().sizeof() == DESCRIPTOR_SIZE == DESCRIPTOR.size == 16
    assert DESCRIPTOR.pack(0, 0, FULL)[CONTROL_OFFSET:] == struct.pack("<I", FULL)
