# SPDX-License-Identifier: Apache-2.0
"""What public drivers do to the RTL8139C, access by access, as their sources have it: no finding, and frames go both ways.

The orders are facts about these drivers (docs/nics/rtl8139.md, 12): a model that complained of them would be wrong.
"""

from __future__ import annotations

import pytest

from tests.hw.nic.rtl8139_rig import BUFFER_BYTES, BUFFERS, RING, STATION, Card, crc, frame

UNLOCK, LOCK = 0xC0, 0x00


def eeprom_word(card: Card, address: int, address_bits: int) -> int:
    """As 8139too reads it: every step read back, chip select falling only at the end."""
    card.write("EECR", 0x80)
    card.write("EECR", 0x88)
    command = address | 6 << address_bits
    for place in range(4 + address_bits, -1, -1):
        bit = (command >> place & 1) << 1
        for pins in (0x88 | bit, 0x8C | bit):
            card.write("EECR", pins)
            card.read("EECR")
    card.write("EECR", 0x88)
    word = 0
    for _ in range(16):
        card.write("EECR", 0x8C)
        word = word << 1 | card.read("EECR") & 1
        card.write("EECR", 0x88)
    card.write("EECR", 0)
    return word


def linux(card: Card) -> None:
    card.write("HLTCLK", ord("R"))
    assert card.read("TCR") & 0x7CC0_0000 == 0x7400_0000, "the version of an RTL8139C"
    config1 = card.read("CONFIG1")
    card.write("EECR", UNLOCK)
    card.write("CONFIG1", config1)
    card.write("EECR", LOCK)
    card.read("CONFIG4")
    card.write("CR", 0x10)
    while card.read("CR") & 0x10:
        card.machine.clock.advance(10_000)
    bits = 8 if eeprom_word(card, 0, 8) == 0x8129 else 6
    assert bits == 6
    words = [eeprom_word(card, at, bits) for at in (7, 8, 9)]
    assert b"".join(word.to_bytes(2, "little") for word in words) == STATION
    card.write("EECR", UNLOCK)
    card.write("IDR0", words[0] | words[1] << 16)
    card.write("IDR4", words[2])
    card.write("RBSTART", RING)
    card.read("RBSTART")
    card.write("CR", 0x0C)
    card.write("RCR", 0xF78A & ~0x1800)
    card.write("TCR", 0x0300_0680)
    card.write("CONFIG3", card.read("CONFIG3") & ~0x20)
    card.write("EECR", LOCK)
    for slot in range(4):
        card.write(f"TSAD{slot}", BUFFERS + slot * BUFFER_BYTES)
    card.write("MPC", 0)
    card.write("RCR", 0xE78E)
    card.write("MAR0", 0xFFFF_FFFF)
    card.write("MAR4", 0xFFFF_FFFF)
    card.write("MULINT", card.read("MULINT") & 0xF000)
    assert card.read("CR") & 0x0C == 0x0C
    card.write("IMR", 0xC07F)


def freebsd(card: Card) -> None:
    card.write("CR", 0)
    card.write("IMR", 0)
    card.write("CR", 0x10)
    card.machine.clock.advance(20_000)
    card.write("EECR", UNLOCK)
    card.write("IDR0", int.from_bytes(STATION[:4], "little"))
    card.write("IDR4", int.from_bytes(STATION[4:], "little"))
    card.write("EECR", LOCK)
    card.write("RBSTART", RING)
    for slot in range(4):
        card.write(f"TSAD{slot}", 0)
    card.write("CR", 0x0C)
    card.write("TCR", 0x0300_0600)
    card.write("RCR", 0xE70A)
    card.write("MAR0", 0)
    card.write("MAR4", 0)
    card.write("IMR", 0xC07F)
    card.write("MPC", 0)
    card.write("CR", 0x0C)
    card.write("CONFIG1", 0x60)  # locked: no effect, and no finding
    for slot in range(4):
        card.write(f"TSAD{slot}", BUFFERS + slot * BUFFER_BYTES)


def ipxe(card: Card) -> None:
    card.write("CR", 0x10)
    card.machine.clock.advance(1_000_000)
    assert card.read("CR") & 0x10 == 0
    card.write("RBSTART", RING)
    card.write("MAR0", 0xFFFF_FFFF)
    card.write("MAR4", 0xFFFF_FFFF)
    card.write("CR", 0x0C)
    card.write("TCR", card.read("TCR") & ~0x700 | 0x600)
    card.write("RCR", card.read("RCR") & ~0x0100_FF00 | 0xE700 | 0x8F)
    assert not card.read("MSR") & 4


def reactos(card: Card) -> None:
    card.write("CONFIG1", 0)  # locked: no effect, and no finding
    card.write("CR", 0x10)
    card.machine.clock.advance(100_000)
    assert card.read("CR") & 0x10 == 0
    assert bytes(card.raw(at, 1) for at in range(6)) == STATION
    assert not card.read("MSR") & 0xC
    card.write("RBSTART", RING)
    card.write("IMR", 0xC07F)
    card.write("CR", 0x0C)
    card.write("RCR", 0x0800_B780)  # early receive after half of a packet
    card.write("TCR", 0x700)
    card.write("RCR", 0x0800_B78B)


DRIVERS = {"8139too": linux, "if_rl": freebsd, "ipxe": ipxe, "reactos": reactos}


@pytest.mark.keeps("register-size", "register-reserved", "config-needs-enable", "rx-ring-unset", "rx-read-pointer")
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_public_driver_starts_the_card_sends_and_receives_without_a_finding(driver: str) -> None:
    card = Card(ring_bytes=32768 if driver == "reactos" else 8192)
    card.ring = card.block("ring", RING, card.ring_bytes + 16 + 2048)
    card.buffers = card.block("buffers", BUFFERS, 4 * BUFFER_BYTES)
    DRIVERS[driver](card)
    card.settle()
    for number in range(6):
        if driver in ("ipxe", "reactos"):
            card.write(f"TSAD{number % 4}", BUFFERS + number % 4 * BUFFER_BYTES)
        card.send(number % 4, frame(60 + number), 8 << 16)
    assert [len(sent) for sent in card.machine.wire.sent] == list(range(60, 66))
    at = 0
    for number in range(12):
        card.receive(frame(1000 + number))
        offset = at % card.ring_bytes
        wraps = driver == "if_rl"
        assert card.packet(offset)[1] == 1004 + number
        if wraps or offset + 1008 + number <= card.ring_bytes:
            assert card.packet(offset)[2:] == (frame(1000 + number), crc(frame(1000 + number)))
        at = at + 4 + 1004 + number + 3 & ~3
        card.write("CAPR", at - 16 & 0xFFFF)  # 8139too does not reduce it
        assert card.read("CR") & 1
        card.write("ISR", card.read("ISR"))
    assert card.rules == []


def test_8139too_restarts_the_receiver_by_re_and_rcr_and_begins_at_offset_0() -> None:
    card = Card()
    card.ring, card.buffers = card.block("ring", RING, 8192 + 16 + 2048), card.block("buffers", BUFFERS, 4 * BUFFER_BYTES)
    linux(card)
    card.receive(frame(), frame())
    command = card.read("CR")
    card.write("CR", command & ~8)
    card.write("CR", command)
    card.write("RCR", 0xE78E)
    card.settle()
    card.receive(frame(61))
    assert card.packet(0)[1] == 65 and card.rules == []


def test_the_causes_are_acknowledged_with_all_ones_by_some() -> None:
    card = Card()
    card.nic.cause(0x0025)
    card.write("ISR", 0xFFFF)
    assert card.read("ISR") == 0 and card.rules == []
