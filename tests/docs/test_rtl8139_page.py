# SPDX-License-Identifier: Apache-2.0
"""The page of the RTL8139C says what the declarations say, and where every register was read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hw.nic.base import Nic
from hw.nic.rtl8139 import Rtl8139Nic
from hw.nic.rtl8139_receive import LONGEST, Receiver
from hw.nic.rtl8139_registers import UNFINISHED, PacketStatus, Registers
from hw.nic.rtl8139_transmit import Transmitter
from hw.register import Slot
from tests.docs.test_datasheet import SECTION, differences

PAGE = Path(__file__).resolve().parents[2] / "docs" / "nics" / "rtl8139.md"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def section(page: str, number: int) -> str:
    return page.partition(f"\n## {number}. ")[2].partition("\n## ")[0]


def test_page_and_declarations_say_the_same(page: str) -> None:
    assert differences(page, Registers) == []


@pytest.mark.parametrize("line, instead", [
    ("| 7 | WRAP | rw | 0x0 |", "| 6 | WRAP | rw | 0x0 |"), ("| 14 | TUN | ro | 0x0 |", "| 14 | TUN | rc | 0x0 |"),
    ("Offset 0x3a · CBR", "Offset 0x3c · CBR")])
def test_a_page_that_is_wrong_in_one_place_is_told(page: str, line: str, instead: str) -> None:
    assert line in page and differences(page.replace(line, instead), Registers)


@pytest.mark.parametrize("slot", Registers.slots, ids=lambda slot: slot.name)
def test_every_register_stands_in_the_overview_and_among_the_sources(page: str, slot: Slot) -> None:
    found = SECTION.search(slot.register.__doc__ or "")
    assert found is not None
    assert f"| 0x{slot.offset:02x} | {slot.name} | {found[1]} | {slot.width} |" in page
    assert re.search(rf"^\| (?:[A-Z0-9_]+, )*{slot.name}(?:, [A-Z0-9_]+)* \| [A-Z]", section(page, 12), re.MULTILINE)


def test_every_mode_in_use_is_explained(page: str) -> None:
    used = {field.mode for slot in Registers.slots for field in slot.register.fields}
    assert all(f"**{mode}**" in page for mode in used)


def test_the_header_of_a_packet_is_that_of_the_model(page: str) -> None:
    rows = re.findall(r"\| ([0-9]+) \| ([A-Z]+) \| [a-z]", section(page, 5))
    assert rows == [(str(f.lsb), f.name) for f in PacketStatus.fields]
    assert f"0x{UNFINISHED:X}" in section(page, 5) and LONGEST == 4096


def test_limits_and_identity_are_those_of_the_model(page: str) -> None:
    limits = Rtl8139Nic.default_limits
    assert f"| address bits | {limits.address_bits} |" in page and f"| alignment | {limits.alignment} |" in page
    assert f"| longest transfer | {limits.max_length} bytes |" in page and limits.boundary == 0
    assert f"| vendor, device | 0x{Rtl8139Nic.vendor_id:04X}, 0x{Rtl8139Nic.device_id:04X} |" in page
    assert f"| revision | 0x{Rtl8139Nic.revision:02x};" in page


@pytest.mark.parametrize("owner, switch", [(Transmitter, "carrier_always_lost"), (Receiver, "shows_unfinished"),
                                           (Receiver, "configuration_resets_ring")])
def test_every_erratum_stands_with_its_default(page: str, owner: type[Nic], switch: str) -> None:
    assert f"| `{switch}` | {getattr(owner, switch)} |" in section(page, 9)


def test_every_fault_of_the_card_is_named(page: str) -> None:
    own = [effect.name for point, effects in Rtl8139Nic.faults.items() for effect in effects
           if effect not in Nic.faults.get(point, ()) and not effect.name.startswith("link-") and point != "link"]
    assert own and all(re.search(rf"\b{name}\b", section(page, 11)) for name in own)


def test_pictures_are_not_wider_than_110_columns(page: str) -> None:
    pictures = page.split("```")[1::2]
    assert len(pictures) == 2
    assert max(len(line) for picture in pictures for line in picture.splitlines()) <= 110
