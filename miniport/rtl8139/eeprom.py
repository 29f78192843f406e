# SPDX-License-Identifier: Apache-2.0
"""Reads a word of the 93C46 by its pins: chip select, clock and data stand in one register, which each step writes anew."""

from __future__ import annotations

from typing import Any

from miniport.adapter import Adapter
from miniport.rtl8139 import hardware as hw


def read_word(adapter: Adapter, registers: Any, address: int) -> int:
    """The word at *address*, 0 to 63. Each step is read back: the write must have arrived before the next one, and the read takes
    longer than the quarter of a microsecond that the memory wants between two edges."""
    def pins(bits: int) -> int:
        adapter.write_register_uchar(registers, hw.EECR, hw.EEM_PROGRAM | bits)
        return adapter.read_register_uchar(registers, hw.EECR)

    def tick(bits: int) -> int:
        pins(hw.EECS | bits)
        return pins(hw.EECS | hw.EESK | bits)

    pins(0)
    command = hw.EEPROM_READ << hw.EEPROM_ADDRESS_BITS | address
    for place in reversed(range(hw.EEPROM_ADDRESS_BITS + 3)):
        tick(hw.EEDI if command >> place & 1 else 0)
    word = 0
    for _ in range(16):
        word = word << 1 | tick(0) & hw.EEDO
    adapter.write_register_uchar(registers, hw.EECR, 0)
    return word
