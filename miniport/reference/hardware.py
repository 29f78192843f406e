# SPDX-License-Identifier: Apache-2.0
"""What the driver knows of the reference NIC: offsets, bits and the layout of a descriptor (``docs/nics/reference.md``)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

CTRL, STATUS, CAUSE, MASK, LIMITS = 0x04, 0x08, 0x0C, 0x10, 0x14
MAC_LO, MAC_HI, FILTER, HASH_LO, HASH_HI = 0x18, 0x1C, 0x20, 0x24, 0x28
TX_BASE_LO, TX_BASE_HI, TX_COUNT, TX_TAIL = 0x40, 0x44, 0x48, 0x50
RX_BASE_LO, RX_BASE_HI, RX_COUNT, RX_TAIL = 0x60, 0x64, 0x68, 0x70
STAT_TX, STAT_RX, STAT_MISSED, STAT_TX_ERRORS = 0x90, 0x94, 0x98, 0x9C

CTRL_RESET, CTRL_TX_ENABLE, CTRL_RX_ENABLE, CTRL_PAD = 1 << 0, 1 << 1, 1 << 2, 1 << 3
STATUS_LINK, STATUS_RESETTING, STATUS_TX_ACTIVE, STATUS_RX_ACTIVE = 1 << 0, 1 << 1, 1 << 2, 1 << 3
CAUSE_LINK_CHANGE, CAUSE_DMA_ERROR = 1 << 3, 1 << 4
ALL_CAUSES = 0x3F
FILTER_DIRECTED, FILTER_BROADCAST, FILTER_MULTICAST, FILTER_ALL_MULTICAST, FILTER_PROMISCUOUS = 1, 2, 4, 8, 16

DESCRIPTOR_BYTES = 16
DESCRIPTOR = struct.Struct("<QII")
"""Buffer address, length, control."""
BYTES, CONTROL = 8, 12
"""Offsets of length and control in a descriptor."""
OWN, END, ERROR, LENGTH = 1 << 31, 1 << 30, 1 << 29, 0xFFFF

PCI_COMMAND, PCI_COMMAND_BUS_MASTER = 0x04, 1 << 2
"""Offset of the command register in configuration space, and its bit without which the card does no cycle."""

GONE = 0xFFFFFFFF
"""What every register reads as when the card was pulled out."""


@dataclass(frozen=True)
class Limits:
    """The DMA limits that the LIMITS register states. *lowest*: the first address that the card takes for one."""

    address_bits: int
    boundary: int
    alignment: int
    lowest: int = 0

    @classmethod
    def from_register(cls, value: int) -> Limits:
        """Decode the LIMITS register."""
        log2 = value >> 8 & 0x3F
        return cls(value & 0x7F, 1 << log2 if log2 else 0, 1 << (value >> 16 & 0xF))

    def unit(self, size: int) -> int:
        """The alignment at which *size* bytes (a power of two) cross no boundary: their own size. A block that starts at
        a multiple of its power-of-two size never crosses a larger power of two."""
        return max(size, self.alignment) if self.boundary else self.alignment

    def admit(self, address: int, size: int) -> bool:
        """True if the card reaches *size* bytes at *address*: the last byte counts. Alignment is asked of rings only, and
        `unit` gives it."""
        last = address + size - 1
        return last < 1 << self.address_bits and (not self.boundary or address // self.boundary == last // self.boundary)
