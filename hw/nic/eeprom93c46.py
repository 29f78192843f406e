# SPDX-License-Identifier: Apache-2.0
"""A serial EEPROM of 64 words of 16 bits with a Microwire interface: the 93C46 and its kin.

Four pins: chip select, clock, data in, data out. While chip select is high, the first 1 on data in at a rising edge of the clock is the
start bit; two bits of operation code and six bits of address follow, most significant first. Source: the 93C46 data sheets (Atmel
AT93C46, Microchip 93LC46B: instruction set, organisation of 64 words), as the drivers of the cards that have one use it.
"""

from __future__ import annotations

from collections.abc import Sequence

WORDS, ADDRESS_BITS, WORD_BITS = 64, 6, 16
READ, WRITE, ERASE, OTHER = 0b10, 0b01, 0b11, 0b00
"""Operation codes behind the start bit; `OTHER` is told by the two upper address bits."""
_DISABLE, _WRITE_ALL, _ERASE_ALL, _ENABLE = range(4)
ERASED = 0xFFFF


class Eeprom93C46:
    """The memory and the state of its serial interface. *words*: what it holds; what is missing is erased (all ones)."""

    def __init__(self, words: Sequence[int]) -> None:
        self.words = [*words, *[ERASED] * (WORDS - len(words))]
        self.data_out = 1
        """The data-out pin; it floats high while nothing is driven."""
        self.may_write = False
        """True after EWEN, until EWDS: erase and write have effect."""
        self._select = self._clock = 0
        self._bits: list[int] | None = None
        """Bits behind the start bit; None before it."""
        self._out = 0
        self._left = 0
        """Bits that are still to be shifted out of the word that is read."""
        self._next = 0
        """The word that follows in a read that goes on."""

    def pins(self, select: int, clock: int, data_in: int) -> None:
        """The host drives the pins: 0 or 1 each."""
        rises = clock and not self._clock and select and self._select
        if select and not self._select:
            self._bits, self._left, self.data_out = None, 0, 1  # a write takes no time here: ready
        elif not select and self._select:
            self._finish()
            self.data_out = 1
        self._select, self._clock = select, clock
        if rises:
            self._edge(data_in)

    def _edge(self, bit: int) -> None:
        if self._left:
            self._left -= 1
            self.data_out = self._out >> self._left & 1
            if not self._left:
                self._load(self._next)
            return
        if self._bits is None:
            if bit:
                self._bits = []
            return
        self._bits.append(bit)
        if len(self._bits) == 2 + ADDRESS_BITS and self._code == READ:
            self.data_out = 0  # the dummy bit
            self._load(self._address)

    def _load(self, address: int) -> None:
        self._out, self._left, self._next = self.words[address], WORD_BITS, (address + 1) % WORDS

    @property
    def _code(self) -> int:
        return _number((self._bits or [])[:2])

    @property
    def _address(self) -> int:
        return _number((self._bits or [])[2:2 + ADDRESS_BITS])

    def _finish(self) -> None:
        """Chip select falls: what was shifted in takes effect."""
        bits = self._bits or []
        if len(bits) < 2 + ADDRESS_BITS:
            return
        code, address, data = self._code, self._address, bits[2 + ADDRESS_BITS:]
        whole = len(data) == WORD_BITS
        if code == OTHER and address >> 4 in (_ENABLE, _DISABLE):
            self.may_write = address >> 4 == _ENABLE
        elif not self.may_write:
            return
        elif code == WRITE and whole:
            self.words[address] = _number(data)
        elif code == ERASE:
            self.words[address] = ERASED
        elif code == OTHER and address >> 4 == _ERASE_ALL:
            self.words = [ERASED] * WORDS
        elif code == OTHER and whole:
            self.words = [_number(data)] * WORDS


def _number(bits: Sequence[int]) -> int:
    value = 0
    for bit in bits:
        value = value << 1 | bit
    return value
