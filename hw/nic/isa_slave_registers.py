# SPDX-License-Identifier: Apache-2.0
"""Registers of the ISA card with slave DMA; ``docs/nics/isa-slave.md`` is its data sheet. All are words in port space."""

from __future__ import annotations

from enum import IntEnum

from hw.register import Field, Register, RegisterMap


class CTRL(Register):
    """Control (data sheet 3.1)."""
    width = 2
    RESET = Field(0, mode="w1s")
    RX_ENABLE = Field(1)


class STATUS(Register):
    """Status (3.2)."""
    width = 2
    LINK = Field(0, mode="ro")
    BUSY = Field(1, mode="ro")


class CAUSE(Register):
    """Interrupt causes; writing 1 clears (3.3)."""
    width = 2
    DONE = Field(0, mode="w1c")
    RX_FRAME = Field(1, mode="w1c")
    DMA_ERROR = Field(2, mode="w1c")
    LINK_CHANGE = Field(3, mode="w1c")
    MISSED = Field(4, mode="w1c")


class MASK(Register):
    """Causes that raise the interrupt line (3.4)."""
    width = 2
    CAUSES = Field(4, 0)


class COMMAND(Register):
    """Start a transfer, or drop a frame (3.5)."""
    width = 2
    CODE = Field(1, 0, mode="wo")
    arms = True


class LENGTH(Register):
    """Bytes of the frame to be sent (3.6)."""
    width = 2
    BYTES = Field(10, 0)


class RxLength(Register):
    """Bytes of the oldest received frame, 0 if there is none (3.7)."""
    width = 2
    BYTES = Field(10, 0, mode="ro")


class FILTER(Register):
    """Which frames are received (3.8)."""
    width = 2
    DIRECTED = Field(0)
    BROADCAST = Field(1)
    MULTICAST = Field(2)
    PROMISCUOUS = Field(3)


class Address(Register):
    """Two bytes of the station address (3.9)."""
    width = 2
    BYTES = Field(15, 0, mode="ro")


class JUMPERS(Register):
    """DMA channel and interrupt line (3.10)."""
    width = 2
    CHANNEL = Field(2, 0, mode="ro")
    IRQ = Field(7, 4, mode="ro")


class Registers(RegisterMap):
    """Offsets from the first port."""
    CTRL = 0x00, CTRL
    STATUS = 0x02, STATUS
    CAUSE = 0x04, CAUSE
    MASK = 0x06, MASK
    COMMAND = 0x08, COMMAND
    LENGTH = 0x0A, LENGTH
    RX_LENGTH = 0x0C, RxLength
    FILTER = 0x0E, FILTER
    MAC_0 = 0x10, Address
    MAC_1 = 0x12, Address
    MAC_2 = 0x14, Address
    JUMPERS = 0x16, JUMPERS


class Command(IntEnum):
    """Values of COMMAND.CODE."""

    NONE = 0
    TRANSMIT = 1
    RECEIVE = 2
    DROP = 3
