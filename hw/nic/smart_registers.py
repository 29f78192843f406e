# SPDX-License-Identifier: Apache-2.0
"""Host registers of the smart NIC: those of the reference NIC, and the boot registers; ``docs/nics/smart.md`` is their data sheet."""

from __future__ import annotations

from enum import IntEnum

from hw.nic.reference_registers import Registers
from hw.register import Field, Register


class State(IntEnum):
    """BOOT_STATUS.STATE (data sheet 4.3)."""

    ROM = 0
    FETCHING = 1
    STARTING = 2
    READY = 3
    STOPPED = 4
    REFUSED = 5
    DEAD = 6


class BootError(IntEnum):
    """BOOT_ERROR.CODE (data sheet 4.6)."""

    NONE = 0
    LENGTH = 1
    BUS = 2
    HEADER = 3
    CONTENT = 4
    VERSION = 5
    TRAP = 6
    HANG = 7
    ASSERTION = 8


class BootControl(Register):
    """Start and stop (4.2)."""
    START = Field(0, mode="w1s")
    STOP = Field(1, mode="w1s")
    arms = True


class BootStatus(Register):
    """How far it got (4.3)."""
    STATE = Field(3, 0, mode="ro")


class ImageLow(Register):
    """Address of the image, low dword (4.4)."""
    ADDRESS = Field(31, 0)


class ImageHigh(Register):
    """Address of the image, high dword (4.4)."""
    ADDRESS = Field(31, 0)


class ImageLength(Register):
    """Length of the image (4.4)."""
    BYTES = Field(20, 0)


class HostVersion(Register):
    """Version of the interface that the driver speaks (4.5)."""
    MAJOR = Field(31, 16)
    MINOR = Field(15, 0)


class Version(Register):
    """Version of the interface that the program speaks (4.5)."""
    MAJOR = Field(31, 16, mode="ro")
    MINOR = Field(15, 0, mode="ro")


class Capabilities(Register):
    """What the program can do (4.5)."""
    MULTICAST_HASH = Field(0, mode="ro")
    STATISTICS = Field(1, mode="ro")
    COALESCING = Field(2, mode="ro")
    PADDING = Field(3, mode="ro")
    ORDERLY_STOP = Field(4, mode="ro")
    PIECES = Field(11, 8, mode="ro")


class BootErrorCode(Register):
    """What went wrong (4.6)."""
    CODE = Field(7, 0, mode="ro")


class Heartbeat(Register):
    """Heartbeats since START (4.7)."""
    COUNT = Field(31, 0, mode="ro")


class Watchdog(Register):
    """Whether the program hung (4.7)."""
    EXPIRED = Field(0, mode="ro")


class Assertion(Register):
    """Where the program gave up (4.8)."""
    FILE = Field(31, 16, mode="ro")
    LINE = Field(15, 0, mode="ro")


class TrapPc(Register):
    """Where the core trapped (4.9)."""
    ADDRESS = Field(31, 0, mode="ro")


class TrapCauseCode(Register):
    """Why the core trapped (4.9)."""
    CODE = Field(4, 0, mode="ro")


class SmartRegisters(Registers):
    """Register map of the smart NIC, the same in memory and in port space."""
    BOOT_CTRL = 0xA0, BootControl
    BOOT_STATUS = 0xA4, BootStatus
    IMAGE_LO = 0xA8, ImageLow
    IMAGE_HI = 0xAC, ImageHigh
    IMAGE_LENGTH = 0xB0, ImageLength
    HOST_VERSION = 0xB4, HostVersion
    VERSION = 0xB8, Version
    CAPABILITIES = 0xBC, Capabilities
    BOOT_ERROR = 0xC0, BootErrorCode
    HEARTBEAT = 0xC4, Heartbeat
    WATCHDOG = 0xC8, Watchdog
    ASSERTION = 0xCC, Assertion
    TRAP_PC = 0xD0, TrapPc
    TRAP_CAUSE = 0xD4, TrapCauseCode


FIRST_BOOT_REGISTER = SmartRegisters.BOOT_CTRL[0]
"""Below this offset lie the registers of the reference NIC."""
KEPT_OVER_RESET = ("BOOT_ERROR", "WATCHDOG", "ASSERTION", "TRAP_PC", "TRAP_CAUSE")
"""What CTRL.RESET leaves alone, for the driver's log (data sheet 4.9)."""
