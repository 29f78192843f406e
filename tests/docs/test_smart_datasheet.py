# SPDX-License-Identifier: Apache-2.0
"""The data sheet of the smart NIC says what the model does: host registers, states, errors, memory map, local registers, faults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from firmware.image import HEADER_BYTES, parse
from firmware.layout import MAX_IMAGE_BYTES
from firmware.target import DEVICES_BASE, RAM_BASE, RAM_BYTES
from hw.clock import MS
from hw.limits import PRESETS
from hw.machine import Machine
from hw.nic import smart_boot, smart_bus, smart_core, smart_dma
from hw.nic.reference import ReferenceNic
from hw.nic.reference_registers import Registers
from hw.nic.smart import SmartNic
from hw.nic.smart_registers import KEPT_OVER_RESET, BootError, SmartRegisters, State
from hw.nic.smart_rules import FIRMWARE_ASSERT, FIRMWARE_HANG, FIRMWARE_TRAP
from hw.register import RegisterMap
from tests.docs.test_datasheet import SECTION, differences
from tests.hw.nic.smart_rig import IMAGE
from verifier.address import MIB, Span

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "nics" / "smart.md").read_text(encoding="utf-8")
BOOT = [slot for slot in SmartRegisters.slots if slot.name not in Registers.index]
BootRegisters = type("BootRegisters", (RegisterMap,), {slot.name: (slot.offset, slot.register) for slot in BOOT})
BASES = {"7.1": smart_bus.HOST_BASE, "7.2": smart_bus.SYSTEM_BASE, "7.3": smart_bus.DMA_BASE, "7.4": smart_bus.CHECKSUM_BASE,
         "7.5": smart_bus.WIRE_BASE}


def section(number: str) -> str:
    """The text of one section, up to the next one of any rank."""
    found = re.search(rf"^##+ {re.escape(number)}\b.*?$(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, number
    return found[1]


def table(number: str) -> list[list[str]]:
    """The rows of the tables in a section."""
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in section(number).splitlines() if line.startswith("| ")]


def test_page_and_declarations_of_the_boot_registers_say_the_same() -> None:
    assert differences(PAGE, BootRegisters) == []


@pytest.mark.parametrize("slot", BOOT, ids=lambda slot: slot.name)
def test_every_boot_register_stands_in_the_overview_with_its_section(slot: object) -> None:
    found = next(one for one in BOOT if one is slot)
    docs = SECTION.search(found.register.__doc__ or "")
    assert docs is not None
    assert f"| 0x{found.offset:02x} | {found.name} | {docs[1]} |" in PAGE


def test_states_and_errors_are_those_of_the_model() -> None:
    assert {(int(row[0]), row[1]) for row in table("4.3") if row[0].isdigit()} >= {(state.value, state.name) for state in State}
    assert {(int(row[0]), row[1]) for row in table("4.6") if row[0].isdigit()} == {(error.value, error.name) for error in BootError}


def test_the_memory_map_is_that_of_the_model() -> None:
    rows = {int(row[0], 16): int(row[1], 16) for row in table("6") if row[0].startswith("0x")}
    assert rows[RAM_BASE] == RAM_BYTES
    assert rows[smart_bus.WINDOW_BASE] == smart_bus.WINDOW_BYTES
    assert set(rows) == {RAM_BASE, smart_bus.WINDOW_BASE, *BASES.values()}
    assert f"0x{DEVICES_BASE:08x}" in PAGE


def test_the_local_registers_are_those_on_the_local_bus() -> None:
    machine = Machine([Span(0, 16 * MIB)])
    nic = machine.add_nic(SmartNic, PRESETS["reference"])
    assert isinstance(nic, SmartNic)
    nic.begin(parse(IMAGE))
    assert nic.core is not None
    bus = nic.core.bus
    stated: dict[int, str] = {}
    for number in ("7.2", "7.3", "7.4", "7.5"):
        for row in table(number):
            if row[0].startswith("0x"):
                stated[BASES[number] + int(row[0], 16)] = row[2]
    mode = {(True, False): "ro", (False, True): "wo", (True, True): "rw"}
    devices = {address: mode[address in bus._loads, address in bus._stores] for address in bus._loads.keys() | bus._stores.keys()}
    assert stated == {address: found for address, found in devices.items() if address >= smart_bus.SYSTEM_BASE}
    written = {name.strip() for row in table("7.1") for name in row[0].split(",")} - {"registers"}
    assert {slot.name for slot in nic.slots.values() if smart_bus.HOST_BASE + slot.offset in bus._stores} == written


def test_the_faults_are_those_of_the_model() -> None:
    stated = {row[0].strip("`"): re.findall(r"`([a-z0-9-]+)`", row[2]) for row in table("10") if row[0].startswith("`")}
    assert stated == {point: [effect.name for effect in effects] for point, effects in SmartNic.faults.items()
                      if point not in ReferenceNic.faults}


def test_the_rules_that_bind_the_program_are_named() -> None:
    assert [row[0].strip("`") for row in table("9") if row[0].startswith("`")] == [
        rule.id for rule in (FIRMWARE_TRAP, FIRMWARE_HANG, FIRMWARE_ASSERT)]


def test_the_figures_are_those_of_the_model() -> None:
    assert f"| vendor, device | 0x{SmartNic.vendor_id:04X}, 0x{SmartNic.device_id:04X} |" in PAGE
    assert f"takes {smart_core.INSTRUCTION_NS} ns for an instruction" in PAGE
    assert f"{smart_dma.TRANSFER_NS} ns for each transfer and {smart_dma.BYTE_NS} ns for each byte" in PAGE
    assert f"fetching takes {smart_boot.FETCH_BYTE_NS} ns per byte and {smart_boot.BURST_NS} ns per {smart_boot.BURST} bytes" in PAGE
    assert f"checking {smart_boot.CHECK_BYTE_NS} ns per byte" in PAGE
    assert smart_core.WATCHDOG_NS == MS and "the core ran for 1 ms without a heartbeat" in PAGE
    assert f"{HEADER_BYTES} to 0x{MAX_IMAGE_BYTES:x}" in PAGE
    assert all(name in section("4.9") for name in KEPT_OVER_RESET)


def test_the_files_of_the_program_have_the_numbers_of_the_page() -> None:
    numbers = {row[0]: row[1] for row in table("8") if row[0].endswith((".c", ".S"))}
    folder = ROOT / "firmware" / "src"
    found = {path.name: "" for path in folder.glob("*.S")}
    for path in folder.glob("*.c"):
        match = re.search(r"^#define FILE_ID ([0-9]+)$", path.read_text("utf-8"), re.MULTILINE)
        assert match is not None, path.name
        found[path.name] = match[1]
    assert numbers == found
