# SPDX-License-Identifier: Apache-2.0
"""What the EEPROM of an 82540EM card holds (``docs/nics/e1000.md``, 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from hw.nic.eeprom93c46 import ERASED, WORDS

CHECKSUM_AT, CHECKSUM = 0x3F, 0xBABA
"""The word that makes the sum of all words `CHECKSUM`."""
SIGNATURE = 0x4000
"""Initialization control word 1, bits 15:14: 01 says that the EEPROM is valid."""


def contents(mac: bytes) -> list[int]:
    """The 64 words of a good EEPROM: station address, signature, subsystem and device, checksum."""
    words = [ERASED] * WORDS
    words[0:3] = (int.from_bytes(mac[at:at + 2], "little") for at in (0, 2, 4))
    words[0x0A:0x0F] = SIGNATURE | 0x2408, 0x001E, 0x8086, 0x100E, 0x8086
    words[CHECKSUM_AT] = (CHECKSUM - sum(words[:CHECKSUM_AT])) & 0xFFFF
    return words


def spoiled(words: Sequence[int], effect: str) -> list[int]:
    """*words* with the fault *effect*: ``all-ones`` or ``bad-checksum``."""
    if effect == "all-ones":
        return [ERASED] * WORDS
    return [*words[:5], words[5] ^ 0x0100, *words[6:]]
