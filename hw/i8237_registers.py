# SPDX-License-Identifier: Apache-2.0
"""Registers and ports of the two DMA controllers of a PC/AT. Data sheet: ``docs/hardware/i8237.md``.

All registers are one byte wide. An address or a count has two bytes and one port: the byte flip-flop of the controller
says which of them the next access meets.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from hw.register import Field, Register


class COMMAND(Register):
    """How the whole controller works (Intel 8237A, Command Register). The address hold matters for memory-to-memory only;
    timing and priority cannot be seen by software."""
    width = 1
    MEMORY_TO_MEMORY = Field(0, mode="tag")
    ADDRESS_HOLD = Field(1)
    DISABLE = Field(2)
    COMPRESSED_TIMING = Field(3)
    ROTATING_PRIORITY = Field(4)
    EXTENDED_WRITE = Field(5)
    DREQ_ACTIVE_LOW = Field(6, mode="tag")
    DACK_ACTIVE_HIGH = Field(7, mode="tag")


class STATUS(Register):
    """Terminal counts, cleared by reading, and who requests service, masked or not (Status Register)."""
    width = 1
    TERMINAL_COUNT = Field(3, 0, mode="rc")
    REQUEST = Field(7, 4, mode="ro")


class MODE(Register):
    """Mode of the channel that bits 1:0 name (Mode Register). TRANSFER means nothing in cascade mode."""
    width = 1
    CHANNEL = Field(1, 0)
    TRANSFER = Field(3, 2)
    AUTO_INITIALIZE = Field(4)
    DECREMENT = Field(5)
    SERVICE = Field(7, 6)


class SELECT(Register):
    """Set or clear the request bit, or the mask bit, of one channel (Request Register, single Mask Register bit)."""
    width = 1
    CHANNEL = Field(1, 0)
    SET = Field(2)


class MASK(Register):
    """All four mask bits at once (Mask Register)."""
    width = 1
    CHANNELS = Field(3, 0)


class Transfer(IntEnum):
    """Values of MODE.TRANSFER, seen from memory."""

    VERIFY = 0
    WRITE = 1
    READ = 2
    ILLEGAL = 3


class Service(IntEnum):
    """Values of MODE.SERVICE."""

    DEMAND = 0
    SINGLE = 1
    BLOCK = 2
    CASCADE = 3


class Place(NamedTuple):
    """What a port meets: the *register*, and the channel (0 to 7) or the controller (0 or 1) that it belongs to."""

    register: str
    number: int


REMEDY = "docs/hardware/i8237.md says what is modelled"

CASCADE_CHANNEL = 4
"""The channel of the second controller on which the first one sits; no device uses it."""

PAGE_PORTS = {0: 0x87, 1: 0x83, 2: 0x81, 3: 0x82, 5: 0x8B, 6: 0x89, 7: 0x8A}
"""Page register of each channel. They are a chip of their own and have no flip-flop."""

_CONTROL_WRITES = ("COMMAND", "REQUEST", "MASK", "MODE", "CLEAR_FLIP_FLOP", "MASTER_CLEAR", "CLEAR_MASK", "MASK_ALL")
_CONTROL_READS = {0: "STATUS", 5: "TEMPORARY"}


def control_port(controller: int, register: str) -> int:
    """The port of a control register for writing: 0x08 to 0x0F, and every second one from 0xD0 to 0xDE."""
    index = _CONTROL_WRITES.index(register)
    return 0xD0 + 2 * index if controller else 0x08 + index


def address_port(channel: int) -> int:
    """The port of a channel's address register."""
    return 0xC0 + 4 * (channel - 4) if channel >= 4 else 2 * channel


def count_port(channel: int) -> int:
    """The port of a channel's count register."""
    return address_port(channel) + (2 if channel >= 4 else 1)


def _both() -> dict[int, Place]:
    places = {port: Place("PAGE", channel) for channel, port in PAGE_PORTS.items()}
    for channel in range(8):
        places[address_port(channel)] = Place("ADDRESS", channel)
        places[count_port(channel)] = Place("COUNT", channel)
    return places


WRITES: dict[int, Place] = _both() | {
    control_port(controller, name): Place(name, controller) for controller in (0, 1) for name in _CONTROL_WRITES}
"""What a write to each port meets."""

READS: dict[int, Place] = _both() | {
    control_port(controller, _CONTROL_WRITES[index]): Place(name, controller)
    for controller in (0, 1) for index, name in _CONTROL_READS.items()}
"""What a read of each port meets; the other control ports are illegal to read."""
