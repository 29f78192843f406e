# SPDX-License-Identifier: Apache-2.0
"""The RV32IM engine on Unicorn (https://www.unicorn-engine.org/, GPL-2.0), a second opinion on the engine of Python.

Unicorn executes more than RV32IM (compressed instructions, atomics, CSRs) and carries out misaligned accesses. So each block is
decoded before its first turn, and each access is looked at: what this core does not do the same way ends `Uc.emu_start`, is undone
where it has begun, and is then handled here, with the core standing at the instruction. So are accesses outside the regions. Only
this file imports the package, and only `hw.rv32.engine.make_engine` imports this file.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

from hw.rv32.decode import CONDITIONAL, ILLEGAL, TRANSFERS, Instruction, decode, illegal_value, signed
from hw.rv32.engine import (
    BusFault,
    LocalBus,
    Region,
    StopReason,
    Trap,
    TrapCause,
    check_answer,
    check_budget,
    check_idle,
    check_register,
)
from hw.rv32.memory import Memory
from verifier.errors import BedError, UsageError

try:
    import unicorn
    from unicorn import riscv_const
except ImportError as missing:
    raise UsageError(
        "the engine 'unicorn' needs the package unicorn, which is not installed", "pip install dmabed[unicorn]"
    ) from missing

NOWHERE = 1
"""Where `Uc.emu_start` is told to end: no pc is odd."""

NEVER_EXECUTED = {ILLEGAL, "ecall", "ebreak", "fence.i"}
"""Handled here, without Unicorn."""


class Access(NamedTuple):
    """An access that ended `Uc.emu_start`, and what was there before it."""

    pc: int
    address: int
    size: int
    store: bool
    old_rd: int
    old_memory: list[tuple[int, int, bytes]]


class UnicornEngine:
    """`hw.rv32.engine.Engine` on Unicorn."""

    name = "unicorn"

    def __init__(self, regions: Sequence[Region], bus: LocalBus) -> None:
        self._bus = bus
        self._memory = Memory(regions)
        self._uc = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        self._shared = []
        for region in regions:
            shared = (ctypes.c_char * len(region.memory)).from_buffer(region.memory)
            self._shared.append(shared)
            rights = unicorn.UC_PROT_READ
            rights |= unicorn.UC_PROT_WRITE if region.writable else 0
            rights |= unicorn.UC_PROT_EXEC if region.executable else 0
            self._uc.mem_map_ptr(region.base, len(region.memory), rights, ctypes.addressof(shared))
        self._uc.hook_add(unicorn.UC_HOOK_BLOCK, self._on_block)
        self._uc.hook_add(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, self._on_access)
        self._uc.hook_add(unicorn.UC_HOOK_MEM_UNMAPPED | unicorn.UC_HOOK_MEM_PROT, self._on_invalid)
        self._seen: dict[tuple[int, int], tuple[int, int]] = {}
        """For address and size of a block: its instructions, and how many of them Unicorn may execute in one go."""
        self._paused = self._stale = self._running = False
        self._partial = 0
        """Where not 0: the block at `pc` may be executed up to this many instructions."""
        # Of one call of Uc.emu_start:
        self._checked = False
        """The first block is begun although it holds an instruction to be handled here: the count ends before it."""
        self._access: Access | None = None
        self._stopped = False
        self._before = 0
        """Instructions of the blocks that are finished."""
        self._block = self._size = self._count = 0
        """Address, bytes and instructions of the block that was begun last."""
        self._jump = 0
        """The last instruction of the block before it."""
        self.reset(next((region.base for region in regions if region.executable), 0))

    def reset(self, pc: int) -> None:
        check_idle(self._running)
        for number in range(1, 32):
            self._write(number, 0)
        self.pc = pc & 0xFFFFFFFF
        self.executed = 0
        self.trap: Trap | None = None
        self._partial = 0
        self._stale = True

    def register(self, number: int) -> int:
        check_idle(self._running)
        check_register(number)
        return self._read(number)

    def set_register(self, number: int, value: int) -> None:
        check_idle(self._running)
        check_register(number)
        self._write(number, value)

    def pause(self) -> None:
        self._paused = True

    def changed(self, address: int, length: int) -> None:
        if self._memory.marked(address, length):
            self._stale = True

    def run(self, budget: int) -> StopReason:
        check_idle(self._running)
        check_budget(budget)
        self._paused = False
        self._running = True
        end = self.executed + budget
        try:
            while self.trap is None and not self._paused and self.executed < end:
                if self._stale:
                    self._forget()
                self._stretch(end - self.executed)
        finally:
            self._running = False
        if self.trap is not None:
            return StopReason.TRAPPED
        return StopReason.PAUSED if self._paused else StopReason.BUDGET

    def _read(self, number: int) -> int:
        return int(self._uc.reg_read(riscv_const.UC_RISCV_REG_X0 + number)) & 0xFFFFFFFF

    def _write(self, number: int, value: int) -> None:
        if number:
            self._uc.reg_write(riscv_const.UC_RISCV_REG_X0 + number, value & 0xFFFFFFFF)

    def _forget(self) -> None:
        """No translation of Unicorn is taken for valid."""
        self._uc.ctl_flush_tb()
        self._seen.clear()
        self._memory.forget_marks()
        self._stale = False
        self._partial = 0

    def _stretch(self, left: int) -> None:
        """Lets Unicorn execute up to *left* instructions; where it comes to one for this file, that one is handled."""
        if self.pc & 3:
            self._trap(TrapCause.INSTRUCTION_MISALIGNED, self.pc)
            return
        count, self._checked, self._partial = min(left, self._partial or left), self._partial > 0, 0
        no_fetch, at = self._execute(count)
        if self._access is not None:
            self._arrive(self._before + (self._access.pc - self._block >> 2), self._access.pc)
            self._finish(self._access)
        elif self._stopped and not self._block & 3:
            self._arrive(self._before, self._block)
            self._partial = self._seen[self._block, self._size][1]
            if not self._partial and self._before < left:
                self._special(decode(self._memory.fetch(self.pc) or 0))
        elif at & 3:
            # A jump without a link: the block that it ended is finished, but the jump itself counts for nothing.
            if not self._stopped:
                self._before, self._jump = self._before + self._count, self._block + 4 * (self._count - 1)
            self._arrive(self._before - 1, self._jump)
            self._trap(TrapCause.INSTRUCTION_MISALIGNED, at)
        else:
            retired = self._before + self._count if no_fetch else count
            self._arrive(retired, at)
            if no_fetch and retired < left:
                self._trap(TrapCause.INSTRUCTION_ACCESS, at)

    def _execute(self, count: int) -> tuple[bool, int]:
        """Unicorn goes on from `pc` for *count* instructions: whether it ended where nothing can be fetched, and its pc."""
        self._access, self._stopped, self._before, self._count, self._block = None, False, 0, 0, self.pc
        no_fetch = False
        try:
            self._uc.emu_start(self.pc, NOWHERE, count=count)
        except unicorn.UcError as error:
            no_fetch = error.errno in (unicorn.UC_ERR_FETCH_UNMAPPED, unicorn.UC_ERR_FETCH_PROT)
            if not no_fetch and self._access is None:
                raise BedError(f"Unicorn ended behind pc 0x{self.pc:08x}: {error}", "run the program with the engine 'python'") from error
        return no_fetch, int(self._uc.reg_read(riscv_const.UC_RISCV_REG_PC)) & 0xFFFFFFFF

    def _on_block(self, uc: unicorn.Uc, address: int, size: int, _: object) -> None:
        """A block begins: the one before it is finished."""
        if self._count:
            self._before += self._count
            self._jump = self._block + 4 * (self._count - 1)
        self._block, self._size = address, size
        self._count, allowed = self._seen.get((address, size)) or self._look(address, size)
        if address & 3 or (allowed < self._count and not self._checked):
            self._stopped = True
            uc.emu_stop()

    def _look(self, address: int, size: int) -> tuple[int, int]:
        """Decodes a block that was never met: its instructions, and how many are plain ones for Unicorn."""
        count = allowed = size + 3 >> 2
        # An instruction that Unicorn takes for illegal may or may not count in the size of the block that ends with it.
        for number in range(count + 1 if not address & 3 else 0):
            word = self._memory.fetch(address + 4 * number)
            if word is None:
                break
            step = decode(word)
            if step.name in NEVER_EXECUTED or is_watched(step):
                count, allowed = max(count, number + 1), number
                break
            if step.name in TRANSFERS:
                break
        self._memory.mark(address & ~3, 4 * count)
        self._seen[address, size] = count, allowed
        return count, allowed

    def _on_access(self, uc: unicorn.Uc, kind: int, address: int, size: int, _value: int, _: object) -> None:
        """A load or store of Unicorn goes to a region, or is misaligned: it is left where this core does it otherwise."""
        if address & (size - 1) or (kind == unicorn.UC_MEM_WRITE and self._memory.marked_word(address)):
            self._leave(kind == unicorn.UC_MEM_WRITE, address, size)
            uc.emu_stop()

    def _on_invalid(self, _uc: unicorn.Uc, kind: int, address: int, size: int, _value: int, _: object) -> bool:
        """An access outside the regions, or a store into one that is not writable: Unicorn ends at the instruction."""
        if kind not in (unicorn.UC_MEM_FETCH_UNMAPPED, unicorn.UC_MEM_FETCH_PROT):
            self._leave(kind in (unicorn.UC_MEM_WRITE_UNMAPPED, unicorn.UC_MEM_WRITE_PROT), address, size)
        return False

    def _leave(self, store: bool, address: int, size: int) -> None:
        if self._access is None:
            pc = int(self._uc.reg_read(riscv_const.UC_RISCV_REG_PC)) & 0xFFFFFFFF
            memory = self._memory
            self._access = Access(
                pc, address, size, store, self._read(decode(memory.fetch(pc) or 0).rd),
                [(index, first, bytes(memory.regions[index].memory[first:end])) for index, first, end, _ in memory.pieces(address, size)],
            )

    def _finish(self, access: Access) -> None:
        """The instruction of *access* anew, from the state before it."""
        step = decode(self._memory.fetch(access.pc) or 0)
        if access.store:
            for index, first, old in access.old_memory:
                self._memory.regions[index].memory[first:first + len(old)] = old
            self._store(access.address, access.size, self._read(step.rs2) & (1 << 8 * access.size) - 1)
        else:
            self._write(step.rd, access.old_rd)
            self._load(step, access.address, access.size)

    def _load(self, step: Instruction, address: int, size: int) -> None:
        if address & (size - 1):
            self._trap(TrapCause.LOAD_MISALIGNED, address)
            return
        try:
            value = self._bus.load(address, size)
        except BusFault:
            self._trap(TrapCause.LOAD_ACCESS, address)
            return
        check_answer(value, address, size)
        self._write(step.rd, signed(value, 8 * size) if step.name in ("lb", "lh") else value)
        self._arrive(1, self.pc + 4)

    def _store(self, address: int, size: int, value: int) -> None:
        if address & (size - 1):
            self._trap(TrapCause.STORE_MISALIGNED, address)
            return
        index = self._memory.find(address)
        if index < 0:
            try:
                self._bus.store(address, size, value)
            except BusFault:
                self._trap(TrapCause.STORE_ACCESS, address)
                return
        elif not self._memory.regions[index].writable:
            self._trap(TrapCause.STORE_ACCESS, address)
            return
        else:
            region = self._memory.regions[index]
            region.memory[address - region.base:address - region.base + size] = value.to_bytes(size, "little")
            self.changed(address, size)
        self._arrive(1, self.pc + 4)

    def _special(self, step: Instruction) -> None:
        """The instruction at `pc`, which Unicorn does not execute, or not unwatched."""
        if step.name == ILLEGAL:
            self._trap(TrapCause.ILLEGAL, illegal_value(step.word))
        elif step.name == "ecall":
            self._trap(TrapCause.ENVIRONMENT_CALL, 0)
        elif step.name == "ebreak":
            self._trap(TrapCause.BREAKPOINT, self.pc)
        elif step.name == "fence.i":
            self._stale = True
            self._arrive(1, self.pc + 4)
        else:
            old, self._checked = self._read(step.rd), True
            _, at = self._execute(1)
            if at & 3:
                self._write(step.rd, old)
                self._trap(TrapCause.INSTRUCTION_MISALIGNED, at)
            else:
                self._arrive(1, at)

    def _arrive(self, retired: int, pc: int) -> None:
        """The core stands at *pc*, with *retired* more instructions behind it."""
        self.executed += retired
        self.pc = pc & 0xFFFFFFFF

    def _trap(self, cause: TrapCause, value: int) -> None:
        """The instruction at `pc` traps."""
        self.trap = Trap(cause, self.pc, value)


def is_watched(step: Instruction) -> bool:
    """Whether Unicorn, which knows instructions of 16 bits, would carry out a jump here that traps, and lose what to undo."""
    if step.name == "jalr":
        return step.rd != 0
    return (step.name == "jal" or step.name in CONDITIONAL) and step.immediate & 2 != 0
