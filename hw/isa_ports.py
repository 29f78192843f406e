# SPDX-License-Identifier: Apache-2.0
"""The ports of the DMA controllers on the bus: what a driver reaches that programs them by itself.

Data sheet: ``docs/hardware/i8237.md``, section 2. Every port is one byte wide; its register is named after the channel or
the controller that it belongs to, for instance ``ADDRESS5`` or ``MASK_OF_1``.
"""

from __future__ import annotations

from hw.i8237 import I8237
from hw.i8237_registers import READS, WRITES, Place
from hw.register import Field, Register, RegisterMap, Slot
from verifier.where import Where


class BYTE(Register):
    """One port; writing it may open a channel."""
    width = 1
    VALUE = Field(7, 0)
    arms = True


def _name(place: Place) -> str:
    return f"{place.register}{place.number}" if place.register in ("ADDRESS", "COUNT", "PAGE") else f"{place.register}_OF_{place.number}"


class _Ports(RegisterMap):
    """A port that reads one register and writes another goes by the written one."""
    vars().update({_name(place): (port, BYTE) for port, place in (READS | WRITES).items()})


_SLOTS: dict[int, Slot] = _Ports.by_offset


RANGES = ((0x00, 0x10), (0x80, 0x90), (0xC0, 0xE0))
"""First port and the one behind the last: controller 0, page registers, controller 1."""


class _NoDma:
    """The controllers move data for others and have none of their own on the way."""

    def __init__(self) -> None:
        self.in_flight: list[tuple[int, bytes, int]] = []


class DmaControllerPorts:
    """Both controllers as a device on the bus; offsets are port numbers."""

    name = "dma controllers"
    present = True
    answers = (False, True)

    def __init__(self, pair: I8237) -> None:
        self.pair = pair
        self.armed_by: Where | None = None
        self.values: list[int] = []
        self.slots: dict[int, Slot] = {}
        self.dma = _NoDma()

    def holds(self, start: int, count: int) -> bool:
        """True if the *count* ports from *start* on lie in one range that the controllers decode."""
        return count > 0 and any(first <= start and start + count <= stop for first, stop in RANGES)

    def decode(self, bar: int, offset: int, size: int, value: int | None) -> Slot | None:
        """The register behind a port. `UsageError` for a port that is none, as `I8237` says; None for an access of more
        than one byte, to which the bus answers all ones."""
        if size != 1:
            return None
        slot = _SLOTS.get(offset)
        if slot is None:
            self.pair.read_port(offset)
        return slot

    def read_register(self, slot: Slot) -> int:
        """Read a port, with the side effects of reading."""
        return self.pair.read_port(slot.offset)

    def write_register(self, slot: Slot, value: int) -> None:
        """Write a port."""
        self.pair.write_port(slot.offset, value)

    def slow_bits_of(self, register: str) -> int:
        """None."""
        return 0

    def flush(self) -> None:
        """An ISA bus has no write buffer."""

    def remove(self) -> None:
        """The controllers are part of the machine and stay."""
