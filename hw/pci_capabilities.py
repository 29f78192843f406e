# SPDX-License-Identifier: Apache-2.0
"""Capabilities in PCI configuration space: power management and message-signalled interrupts, as register declarations.

Sources: PCI Bus Power Management Interface Specification 1.1, chapters 3 and 5; PCI Local Bus Specification 2.2, 6.7 and 6.8.
"""

from __future__ import annotations

from dataclasses import dataclass

from hw.register import Field, Register

POINTER = 0x34
"""Offset of the first capability's offset in the header."""
POWER_ID, MESSAGE_ID = 0x01, 0x05
POWER, MESSAGE = 0x40, 0x50
"""Where the cards of the bed have the two capabilities."""

D0, D1, D2, D3 = range(4)
"""Power states by the value of PMCSR.POWER_STATE; D3 is D3hot, for in D3cold nobody answers."""
STATE_NAMES = ("D0", "D1", "D2", "D3hot")


class PMC(Register):
    """Power management capabilities (3.2.3). The cards know D1 and D2 and signal no PME#."""
    width = 2
    VERSION = Field(2, 0, mode="ro", reset=2)
    PME_CLOCK = Field(3, mode="ro")
    DSI = Field(5, mode="ro")
    AUX_CURRENT = Field(8, 6, mode="ro")
    D1_SUPPORT = Field(9, mode="ro", reset=1)
    D2_SUPPORT = Field(10, mode="ro", reset=1)
    PME_SUPPORT = Field(15, 11, mode="ro")


class PMCSR(Register):
    """Power management control and status (3.2.4). PME_EN is read-only where no PME# is supported."""
    width = 2
    POWER_STATE = Field(1, 0)
    PME_EN = Field(8, mode="ro")
    DATA_SELECT = Field(12, 9, mode="ro")
    DATA_SCALE = Field(14, 13, mode="ro")
    PME_STATUS = Field(15, mode="ro")


class MessageControl(Register):
    """Message control of MSI (6.8.1.3): one message, 32-bit address."""
    width = 2
    ENABLE = Field(0)
    MULTIPLE_CAPABLE = Field(3, 1, mode="ro")
    MULTIPLE_ENABLE = Field(6, 4)
    ADDRESS_64 = Field(7, mode="ro")


class MessageAddress(Register):
    """Message address (6.8.1.4)."""
    ADDRESS = Field(31, 2)


class MessageData(Register):
    """Message data (6.8.1.6)."""
    width = 2
    DATA = Field(15, 0)


@dataclass(frozen=True, slots=True)
class Capability:
    """One entry of the list: where it stands, its id, and its registers by offset from its beginning."""

    offset: int
    id: int
    registers: tuple[tuple[int, type[Register]], ...]


POWER_CAPABILITY = Capability(POWER, POWER_ID, ((2, PMC), (4, PMCSR)))
MESSAGE_CAPABILITY = Capability(MESSAGE, MESSAGE_ID, ((2, MessageControl), (4, MessageAddress), (8, MessageData)))
PMCSR_AT = POWER + 4
MESSAGE_CONTROL_AT = MESSAGE + 2


def install(image: bytearray, capabilities: tuple[Capability, ...]) -> dict[int, int]:
    """Chain *capabilities* into the *image* of configuration space. Returns the writable bits by offset."""
    writable: dict[int, int] = {}
    before = POINTER
    for capability in capabilities:
        image[before] = capability.offset
        image[capability.offset] = capability.id
        before = capability.offset + 1
        for offset, register in capability.registers:
            at = capability.offset + offset
            image[at:at + register.width] = register.reset_value().to_bytes(register.width, "little")
            for byte, mask in enumerate(register.mask_of("rw").to_bytes(register.width, "little")):
                if mask:
                    writable[at + byte] = mask
    return writable


def may_change(before: int, after: int) -> bool:
    """True if PMCSR takes the change of state: down in steps of any size, up to D0 only (5.1)."""
    return after == D0 or after > before
