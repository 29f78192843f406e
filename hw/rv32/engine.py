# SPDX-License-Identifier: Apache-2.0
"""What an RV32IM engine is: `Engine`, its memory `Region`, its `LocalBus`, and `make_engine` that builds one.

The instruction set is RV32I 2.1 (The RISC-V Instruction Set Manual, Volume I: Unprivileged ISA, chapter "RV32I Base Integer
Instruction Set") with M 2.0 (chapter "M Extension for Integer Multiplication and Division") and FENCE.I of Zifencei. There are
no CSRs and no privilege levels, so that the rest of the encoding space, compressed instructions included, traps as ILLEGAL. The
causes of a trap are the exception codes of mcause (Volume II: Privileged Architecture, "Machine Cause Register").

What the manual leaves open holds alike in every engine here:

- A misaligned load or store traps, before it is looked at where it goes. Memory is little-endian.
- A trap stops the core: nothing of the instruction has happened but what its bus access did.
- A jump to an address that is no multiple of 4 traps at the jump, with its link register unwritten.
- Instructions come from executable regions only, never from the bus.
- A store into code takes effect at the next instruction, with or without FENCE.I, and so does `Engine.changed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Protocol

from verifier.errors import BedError, UsageError

PAGE = 4096
"""Bytes: base and length of a `Region` are multiples of it."""

KINDS = ("python", "unicorn")
"""What `make_engine` builds; the first one is the default of the bed."""


class StopReason(Enum):
    """Why `Engine.run` came back."""

    BUDGET = "budget"
    PAUSED = "paused"
    TRAPPED = "trapped"


class TrapCause(Enum):
    """Exception codes of mcause (Privileged Architecture, "Machine Cause Register")."""

    INSTRUCTION_MISALIGNED = 0
    INSTRUCTION_ACCESS = 1
    ILLEGAL = 2
    BREAKPOINT = 3
    LOAD_MISALIGNED = 4
    LOAD_ACCESS = 5
    STORE_MISALIGNED = 6
    STORE_ACCESS = 7
    ENVIRONMENT_CALL = 11


@dataclass(frozen=True, slots=True)
class Trap:
    """Why the core stands still: *pc* is that of the instruction, *value* what mtval would hold.

    *value* is the address for the six causes that have one (the target for INSTRUCTION_MISALIGNED, the pc for
    INSTRUCTION_ACCESS and BREAKPOINT), the instruction for ILLEGAL (16 bits of a compressed one), 0 for ENVIRONMENT_CALL.
    """

    cause: TrapCause
    pc: int
    value: int

    def __str__(self) -> str:
        return f"{self.cause.name} at pc 0x{self.pc:08x}, value 0x{self.value:08x}"


@dataclass
class Region:
    """Memory of the card that the core reaches without its bus: *base* and len(*memory*) are multiples of `PAGE`.

    A store into a region that is not *writable* traps STORE_ACCESS, a fetch from one that is not *executable*
    INSTRUCTION_ACCESS. *memory* keeps its length while an engine uses it.
    """

    name: str
    base: int
    memory: bytearray
    writable: bool = True
    executable: bool = False

    @property
    def end(self) -> int:
        """The first address behind the region."""
        return self.base + len(self.memory)


class BusFault(Exception):
    """Raised by a `LocalBus` for an address where nothing answers: the access traps LOAD_ACCESS or STORE_ACCESS."""


class LocalBus(Protocol):
    """Everything outside the regions: devices of the card. *size* is 1, 2 or 4, *address* a multiple of it, values unsigned.

    While it is called, `Engine.pc` is that of the access, and `Engine.executed` counts what came before it. It may call
    `Engine.pause` and `Engine.changed`; anything else of the engine raises BedError. An exception other than `BusFault` leaves
    `Engine.run` with the core as it was before the instruction.
    """

    def load(self, address: int, size: int) -> int:
        """The value at *address*, 0 <= value < 256 ** *size*."""

    def store(self, address: int, size: int, value: int) -> None:
        """Takes *value*, 0 <= value < 256 ** *size*."""


class Engine(Protocol):
    """One core. Deterministic: the same memory, registers and answers of the bus give the same run."""

    name: str
    """The kind of `make_engine`."""
    pc: int
    """Address of the next instruction; at a trap, of the instruction that trapped."""
    executed: int
    """Instructions retired since reset. One that trapped does not count."""
    trap: Trap | None
    """Set where the core stands still; only `reset` lets it go on."""

    def reset(self, pc: int) -> None:
        """The core as switched on: registers 0, no trap, nothing executed; translations stay only where they hold."""

    def register(self, number: int) -> int:
        """Register x*number*, unsigned; UsageError beyond 0 to 31."""

    def set_register(self, number: int, value: int) -> None:
        """Sets x*number* to the low 32 bits of *value*; x0 stays 0."""

    def run(self, budget: int) -> StopReason:
        """Retires *budget* instructions, fewer only where a trap or `pause` ends it.

        TRAPPED wins over PAUSED, and PAUSED over BUDGET, where two hold at the same instruction. A trapped core stays so. An
        instruction that is not begun within *budget* does not trap.
        """

    def pause(self) -> None:
        """Called by a `LocalBus` within load or store: `run` ends after this instruction. Without effect anywhere else."""

    def changed(self, address: int, length: int) -> None:
        """Somebody else wrote *length* bytes at *address* (a transfer of the DMA engine, a loader)."""


def make_engine(kind: str, regions: Sequence[Region], bus: LocalBus) -> Engine:
    """An engine of *kind* (`KINDS`), reset to the base of the first executable region, or 0.

    UsageError where *kind* is unknown or its package is missing, and where regions overlap or do not lie on pages.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no RV32IM engine {kind!r}", f"take one of: {', '.join(KINDS)}")
    layout = sorted(regions, key=lambda region: region.base)
    for region in layout:
        if region.base < 0 or region.end > 1 << 32 or not region.memory or region.base % PAGE or len(region.memory) % PAGE:
            raise UsageError(
                f"region {region.name!r} (base 0x{region.base:x}, 0x{len(region.memory):x} bytes) does not lie on pages of 32 bits",
                f"give it a base and a length that are multiples of {PAGE}, below 4 GiB",
            )
    for low, high in pairwise(layout):
        if low.end > high.base:
            raise UsageError(f"regions {low.name!r} and {high.name!r} overlap", "give each address to one region")
    if kind == "unicorn":
        from hw.rv32.unicorn_engine import UnicornEngine

        return UnicornEngine(layout, bus)
    from hw.rv32.python_engine import PythonEngine

    return PythonEngine(layout, bus)


def check_idle(running: bool) -> None:
    """BedError where a local bus asks for what only a core that stands still can give."""
    if running:
        raise BedError("a local bus used the engine that was calling it", "call pause() there, and the rest when run() has come back")


def check_register(number: int) -> None:
    """UsageError where there is no register x*number*."""
    if not 0 <= number < 32:
        raise UsageError(f"there is no register x{number}", "give a number from 0 to 31")


def check_budget(budget: int) -> None:
    """UsageError for a negative *budget*."""
    if budget < 0:
        raise UsageError(f"a budget of {budget} instructions", "give 0 or more")


def check_answer(value: int, address: int, size: int) -> None:
    """BedError where a local bus answers a load with what does not fit into its *size* bytes."""
    if not 0 <= value < 1 << 8 * size:
        raise BedError(
            f"the local bus answered a load of {size} bytes at 0x{address:08x} with {value:#x}",
            "a device of the card must answer with an unsigned value of that size",
        )
