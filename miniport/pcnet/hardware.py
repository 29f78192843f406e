# SPDX-License-Identifier: Apache-2.0
"""What the driver knows of the PCnet cards: ports, bits, and what lies in memory (``docs/nics/pcnet.md``)."""

from __future__ import annotations

import struct
from typing import Protocol

from miniport.reference.hardware import Limits
from miniport.view import View

APROM, RDP, RAP, RESET, BDP = 0x00, 0x10, 0x12, 0x14, 0x16
"""Offsets of the ports in word mode."""
PORTS = 24

CSR0_INIT, CSR0_STRT, CSR0_STOP, CSR0_TDMD, CSR0_TXON, CSR0_RXON, CSR0_IENA, CSR0_INTR, CSR0_IDON = (1 << bit for bit in range(9))
CSR0_MERR, CSR0_MISS, CSR0_CAUSES = 1 << 11, 1 << 12, 0x7F00
CSR3_IDONM = 0x0100
CSR4_VALUE = 0x0915
"""Short frames are padded; MFCO, RCVCCO, TXSTRT and JAB do not interrupt."""
CSR5_SPND = 0x0001
MODE_10BASE_T, MODE_DRCVBC, MODE_DRCVPA, MODE_PROM = 0x0080, 0x4000, 0x2000, 0x8000
BCR4_LINK, BCR20_STYLE_2 = 0x8000, 0x0002
PCI_ID, ISA_ID = 0x1003, 0x3003
"""CSR88."""
GONE = 0xFFFF
"""What every word reads as when the card was pulled out."""

OWN, ERR, STP, ENP = 0x8000, 0x4000, 0x0200, 0x0100
"""Flags of a descriptor."""
FCS_BYTES = 4
INIT_BLOCK_BYTES = 32
"""More than both layouts need."""

PCI_LIMITS = Limits(address_bits=32, boundary=0, alignment=16)
ISA_LIMITS = Limits(address_bits=24, boundary=0, alignment=8)


def count_of(length: int) -> int:
    """BCNT of a buffer: two's complement in 12 bits, below four ones."""
    return 0xF000 | -length & 0xFFF


class Layout(Protocol):
    """How a software style lays things out in memory."""

    descriptor_bytes: int

    def block(self, mode: int, mac: bytes, filters: int, rx: tuple[int, int], tx: tuple[int, int]) -> bytes:
        """An initialization block; *rx* and *tx* are (address, logarithm of the length) of the rings."""

    def empty(self, address: int) -> bytes:
        """A descriptor of the driver's, with the address of its buffer."""

    def hand_over(self, ring: View, index: int, address: int, length: int, flags: int) -> None:
        """Give a descriptor to the card: the ownership bit goes with the last store."""

    def status(self, ring: View, index: int) -> int:
        """The flags of a descriptor."""

    def received(self, ring: View, index: int) -> int:
        """The message byte count of a descriptor."""


class Wide:
    """Software style 2: dwords for address, flags and count, status, and one for the driver."""

    descriptor_bytes = 16

    def block(self, mode: int, mac: bytes, filters: int, rx: tuple[int, int], tx: tuple[int, int]) -> bytes:
        """An initialization block."""
        return struct.pack("<I8sQII", mode | rx[1] << 20 | tx[1] << 28, mac, filters, rx[0], tx[0]).ljust(INIT_BLOCK_BYTES, b"\0")

    def empty(self, address: int) -> bytes:
        """A descriptor of the driver's."""
        return struct.pack("<IIII", address, 0xF000, 0, 0)

    def hand_over(self, ring: View, index: int, address: int, length: int, flags: int) -> None:
        """One store carries flags and count."""
        ring.write_ulong(16 * index + 4, (OWN | flags) << 16 | count_of(length))

    def status(self, ring: View, index: int) -> int:
        """The upper half of the second dword."""
        return ring.read_ulong(16 * index + 4) >> 16

    def received(self, ring: View, index: int) -> int:
        """The lowest 12 bits of the third dword."""
        return ring.read_ulong(16 * index + 8) & 0xFFF


class Narrow:
    """Software style 0: words for the low address; flags and high address; count; status."""

    descriptor_bytes = 8

    def block(self, mode: int, mac: bytes, filters: int, rx: tuple[int, int], tx: tuple[int, int]) -> bytes:
        """An initialization block: the ring lengths stand above 24 bits of address."""
        return struct.pack("<H6sQII", mode, mac, filters, rx[0] & 0xFFFFFF | rx[1] << 29, tx[0] & 0xFFFFFF | tx[1] << 29).ljust(
            INIT_BLOCK_BYTES, b"\0")

    def empty(self, address: int) -> bytes:
        """A descriptor of the driver's."""
        return struct.pack("<HHHH", address & 0xFFFF, address >> 16 & 0xFF, 0xF000, 0)

    def hand_over(self, ring: View, index: int, address: int, length: int, flags: int) -> None:
        """The count first; then flags and the upper byte of the address, which share a word."""
        ring.write_ushort(8 * index + 4, count_of(length))
        ring.write_ushort(8 * index + 6, 0)
        ring.write_ushort(8 * index + 2, OWN | flags | address >> 16 & 0xFF)

    def status(self, ring: View, index: int) -> int:
        """The upper byte of the second word."""
        return ring.read_ushort(8 * index + 2) & 0xFF00

    def received(self, ring: View, index: int) -> int:
        """The lowest 12 bits of the last word."""
        return ring.read_ushort(8 * index + 6) & 0xFFF
