# SPDX-License-Identifier: Apache-2.0
"""Registers and descriptors of the reference NIC; ``docs/nics/reference.md`` is their data sheet."""

from __future__ import annotations

import struct
from typing import Any

from hw.register import Field, Register, RegisterMap


class ID(Register):
    """Identification (data sheet 4.1)."""
    DEVICE = Field(31, 16, mode="ro", reset=0x0DBE)
    REVISION = Field(15, 0, mode="ro", reset=0x0001)


class CTRL(Register):
    """Control (4.2)."""
    RESET = Field(0, mode="w1s")
    TX_ENABLE = Field(1)
    RX_ENABLE = Field(2)
    PAD = Field(3)
    arms = True


class STATUS(Register):
    """Status (4.3)."""
    LINK = Field(0, mode="ro")
    RESETTING = Field(1, mode="ro")
    TX_ACTIVE = Field(2, mode="ro")
    RX_ACTIVE = Field(3, mode="ro")


class CAUSE(Register):
    """Interrupt causes; writing 1 clears (4.4)."""
    TX_DONE = Field(0, mode="w1c")
    RX_DONE = Field(1, mode="w1c")
    RX_NO_DESCRIPTOR = Field(2, mode="w1c")
    LINK_CHANGE = Field(3, mode="w1c")
    DMA_ERROR = Field(4, mode="w1c")
    TX_ERROR = Field(5, mode="w1c")


class MASK(Register):
    """Causes that pull the interrupt line (4.5)."""
    CAUSES = Field(5, 0)


class LIMITS(Register):
    """The DMA limits of this card (4.6)."""
    ADDRESS_BITS = Field(6, 0, mode="ro")
    BOUNDARY_LOG2 = Field(13, 8, mode="ro")
    ALIGNMENT_LOG2 = Field(19, 16, mode="ro")


class MacLow(Register):
    """Station address, bytes 0 to 3 (4.7)."""
    BYTES = Field(31, 0, mode="ro")


class MacHigh(Register):
    """Station address, bytes 4 and 5 (4.7)."""
    BYTES = Field(15, 0, mode="ro")


class FILTER(Register):
    """Which frames are received (4.8)."""
    DIRECTED = Field(0)
    BROADCAST = Field(1)
    MULTICAST = Field(2)
    ALL_MULTICAST = Field(3)
    PROMISCUOUS = Field(4)


class Hash(Register):
    """One half of the 64-bit multicast hash (4.8)."""
    BITS = Field(31, 0)


class BaseLow(Register):
    """Ring base, low dword; bits 3:0 are ignored by the card (4.9)."""
    ADDRESS = Field(31, 0)
    arms = True


class BaseHigh(Register):
    """Ring base, high dword (4.9)."""
    ADDRESS = Field(31, 0)


class Count(Register):
    """Number of descriptors in the ring, 2 to 256 (4.9)."""
    DESCRIPTORS = Field(8, 0)


class Head(Register):
    """Index of the descriptor that the card works on (4.9)."""
    INDEX = Field(7, 0, mode="ro")


class Tail(Register):
    """Doorbell: index one beyond the last descriptor that was handed over (4.9)."""
    INDEX = Field(7, 0)
    arms = True


class DmaErrorLow(Register):
    """Address of the cycle that failed, low dword (4.10)."""
    ADDRESS = Field(31, 0, mode="ro")


class DmaErrorHigh(Register):
    """Address of the cycle that failed, high dword (4.10)."""
    ADDRESS = Field(31, 0, mode="ro")


class Statistic(Register):
    """A counter that reading clears (4.11)."""
    COUNT = Field(31, 0, mode="rc")


class Registers(RegisterMap):
    """Register map of the reference NIC, the same in memory and in port space."""
    ID = 0x00, ID
    CTRL = 0x04, CTRL
    STATUS = 0x08, STATUS
    CAUSE = 0x0C, CAUSE
    MASK = 0x10, MASK
    LIMITS = 0x14, LIMITS
    MAC_LO = 0x18, MacLow
    MAC_HI = 0x1C, MacHigh
    FILTER = 0x20, FILTER
    HASH_LO = 0x24, Hash
    HASH_HI = 0x28, Hash
    TX_BASE_LO = 0x40, BaseLow
    TX_BASE_HI = 0x44, BaseHigh
    TX_COUNT = 0x48, Count
    TX_HEAD = 0x4C, Head
    TX_TAIL = 0x50, Tail
    RX_BASE_LO = 0x60, BaseLow
    RX_BASE_HI = 0x64, BaseHigh
    RX_COUNT = 0x68, Count
    RX_HEAD = 0x6C, Head
    RX_TAIL = 0x70, Tail
    DMA_ERROR_LO = 0x80, DmaErrorLow
    DMA_ERROR_HI = 0x84, DmaErrorHigh
    STAT_TX = 0x90, Statistic
    STAT_RX = 0x94, Statistic
    STAT_MISSED = 0x98, Statistic
    STAT_TX_ERRORS = 0x9C, Statistic


DESCRIPTOR = struct.Struct("<QII")
"""A descriptor on the ring path: buffer address, length, control (data sheet 5)."""
DESCRIPTOR_SIZE = DESCRIPTOR.size
CONTROL_OFFSET = 12
CONTROL = struct.Struct("<I")

OWN = 1 << 31
"""Control: the descriptor belongs to the card."""
END = 1 << 30
"""Control: last piece of the frame."""
ERROR = 1 << 29
"""Control: the card could not do it."""
LENGTH_MASK = 0xFFFF
"""Control: bytes received."""


def descriptor_layout() -> Any:
    """The descriptor as a `construct` declaration, for readers of dumps and for tests."""
    from construct import BitsInteger, BitStruct, ByteSwapped, Flag, Int32ul, Int64ul, Padding, Struct
    return Struct(
        "address" / Int64ul, "length" / Int32ul,
        "control" / ByteSwapped(BitStruct("own" / Flag, "end" / Flag, "error" / Flag, Padding(13),
                                          "received" / BitsInteger(16))))
