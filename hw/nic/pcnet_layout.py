# SPDX-License-Identifier: Apache-2.0
"""Initialization block and descriptors of the PCnet cards, as each software style lays them out in memory; data sheet
``docs/nics/pcnet.md``, sections 6 and 7.

Flags are the 16 bits that every style keeps together with the ownership bit: bit 15 is OWN, bit 8 ENP. Counts are positive.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

OWN, ERR, STP, ENP = 0x8000, 0x4000, 0x0200, 0x0100
"""Flags of both rings."""
FRAM, OFLO, CRC, BUFF = 0x2000, 0x1000, 0x0800, 0x0400
PAM, LAFM, BAM = 0x0040, 0x0020, 0x0010
"""Flags of a receive descriptor; the last three exist in 32-bit styles alone."""
ADD_FCS, LTINT = 0x2000, 0x1000
"""Flags that the driver sets in a transmit descriptor. In style 1 bit 13 is NO_FCS."""
TX_BUFF, UFLO, LCOL, LCAR, RTRY = 0x8000, 0x4000, 0x1000, 0x0800, 0x0400
"""Error bits of a transmit descriptor, as the upper half of the 32-bit status has them."""
ONES = 0xF000
LONGEST_RING = {0: 7, 1: 9, 2: 9, 3: 9}
"""The largest logarithm of a ring's length, by style."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A descriptor as the card read it."""

    address: int
    """Of the buffer; 24 bits in style 0."""
    length: int
    """Of the buffer, 1 to 4096."""
    flags: int
    count: int
    """The word with ONES and BCNT as it stands, which goes back unchanged."""


@dataclass(frozen=True, slots=True)
class Style:
    """One software style."""

    number: int
    wide: bool
    """True for 32-bit structures."""
    size: int
    """Bytes of a descriptor, and the alignment of its ring."""
    first: int
    """Offset of the first byte that the card reads of a descriptor."""
    fetched: int
    """Bytes from there that it reads."""
    written: int
    """Offset of the first byte that it writes back."""
    flags_at: int
    """Offset of the byte that holds OWN as its highest bit."""
    block: int
    """Bytes of the initialization block."""
    compared: int
    """Bytes of a descriptor that are not the driver's own."""

    def parse(self, raw: bytes) -> Entry:
        """A descriptor out of the *fetched* bytes that the card reads."""
        if not self.wide:
            low, high, count = _THREE_WORDS.unpack(raw)
            return Entry(low | (high & 0xFF) << 16, _length(count), high & 0xFF00, count)
        one, two = _TWO_DWORDS.unpack(raw)
        address, control = (one, two) if self.number != 3 else (two, one)
        return Entry(address, _length(control), control >> 16, control & 0xFFFF)

    def handed_back(self, entry: Entry, flags: int, status: int) -> bytes:
        """The bytes that the card writes at *written*: *flags* in place of those of *entry*, and *status*: the message byte count,
        or error bits in the upper half."""
        if not self.wide:
            word = (status >> 16 | status) & 0xFFFF
            return _THREE_WORDS.pack(flags & 0xFF00 | entry.address >> 16 & 0xFF, entry.count, word)
        control = flags << 16 | entry.count
        return _TWO_DWORDS.pack(status, control) if self.number == 3 else _TWO_DWORDS.pack(control, status)

    def owned(self, raw: bytes) -> bool:
        """True if the *size* bytes *raw* of a descriptor say that it is the card's."""
        return bool(raw[self.flags_at] & 0x80)


_THREE_WORDS = struct.Struct("<HHH")
_TWO_DWORDS = struct.Struct("<II")

STYLES = {
    0: Style(0, False, 8, 0, 6, 2, 3, 24, 8),
    1: Style(1, True, 16, 0, 8, 4, 7, 28, 12),
    2: Style(2, True, 16, 0, 8, 4, 7, 28, 12),
    3: Style(3, True, 16, 4, 8, 0, 7, 28, 12),
}
"""Software styles by the value of BCR20.SWSTYLE."""


@dataclass(frozen=True, slots=True)
class InitBlock:
    """The initialization block as the card read it."""

    mode: int
    padr: bytes
    ladrf: int
    rx_base: int
    rx_log2: int
    """Logarithm of the ring's length, as it stands in the field."""
    tx_base: int
    tx_log2: int
    reserved: int
    """Bits that are set and should not be."""

    @classmethod
    def parse(cls, raw: bytes, style: Style) -> InitBlock:
        """The block out of its bytes."""
        if style.wide:
            head, padr, ladrf, rdra, tdra = _WIDE.unpack(raw)
            return cls(head & 0xFFFF, padr[:6], ladrf, rdra, head >> 20 & 15, tdra, head >> 28,
                       head & 0x0F0F0000 | int.from_bytes(padr[6:], "little"))
        mode, padr, ladrf, rdra, tdra = _NARROW.unpack(raw)
        return cls(mode, padr, ladrf, rdra & 0xFFFFFF, rdra >> 29, tdra & 0xFFFFFF, tdra >> 29, (rdra | tdra) & 0x1F000000)


_WIDE = struct.Struct("<I8sQII")
_NARROW = struct.Struct("<H6sQII")


def _length(count: int) -> int:
    """Bytes of a buffer: BCNT is the two's complement in 12 bits, and 0 stands for 4096."""
    return 0x1000 - (count & 0xFFF)
