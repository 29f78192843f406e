# SPDX-License-Identifier: Apache-2.0
"""The RV32IM engine of the bed: code translated to Python (Unprivileged ISA, chapters "RV32I", "M" and "Zifencei")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from hw.rv32.blocks import Function
from hw.rv32.emit import Place
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
from hw.rv32.translate import KEPT, Translation, one, translate

HOT = 30
"""Turns after which a block is translated together with the blocks around it."""


class TrapError(Exception):
    """Ends a translated function at the instruction that traps."""

    def __init__(self, trap: Trap) -> None:
        super().__init__(str(trap))
        self.trap = trap


class LeaveError(Exception):
    """Ends a translated function behind the store at *pc*, with *left* of the budget before it."""

    def __init__(self, pc: int, left: int) -> None:
        super().__init__(pc, left)
        self.pc = pc + 4 & 0xFFFFFFFF
        self.left = left - 1


class Entry:
    """What the engine has at one pc: a function, the instructions of its first block, and the turns until it is hot."""

    __slots__ = ("first", "function", "turns")

    def __init__(self, function: Function, first: int, turns: int) -> None:
        self.function = function
        self.first = first
        self.turns = turns


class PythonEngine:
    """`hw.rv32.engine.Engine` in Python. ``load``, ``store``, ``stop``, ``discard`` and ``leave`` are for translated code."""

    name = "python"

    def __init__(self, regions: Sequence[Region], bus: LocalBus) -> None:
        self._bus = bus
        self._memory = Memory(regions)
        self._layout = tuple(Place.of(index, region) for index, region in enumerate(regions))
        writable = [place for place in self._layout if place.writable]
        self._place = max(writable, key=lambda place: place.length, default=None)
        self._places: dict[int, Place] = {}
        self._registers = [0] * 32
        self._table: dict[int, Entry] = {}
        self._paused = False
        self._running = False
        self._limit = 0
        self._inside = False
        self.leave = False
        self.reset(next((region.base for region in regions if region.executable), 0))

    def reset(self, pc: int) -> None:
        check_idle(self._running)
        self._registers[:] = [0] * 32
        self._inside = False
        self.pc = pc & 0xFFFFFFFF
        self.executed = 0
        self.trap: Trap | None = None
        self._places.clear()
        self.discard()

    def register(self, number: int) -> int:
        check_idle(self._running)
        check_register(number)
        return self._registers[number]

    def set_register(self, number: int, value: int) -> None:
        check_idle(self._running)
        check_register(number)
        if number:
            self._registers[number] = value & 0xFFFFFFFF

    def pause(self) -> None:
        self._paused = self.leave = True

    def changed(self, address: int, length: int) -> None:
        if self._memory.marked(address, length):
            self.discard()

    def run(self, budget: int) -> StopReason:
        check_idle(self._running)
        check_budget(budget)
        if self.trap is not None:
            return StopReason.TRAPPED
        self._paused = self.leave = False
        self._limit = self.executed + budget
        self._running = True
        try:
            self._run(budget)
        except TrapError as trapped:
            self.trap = trapped.trap
            return StopReason.TRAPPED
        finally:
            self._running = False
        return StopReason.PAUSED if self._paused else StopReason.BUDGET

    def _run(self, left: int) -> None:
        """Retires *left* instructions, or fewer. What raises has set `pc` and `executed`."""
        pc, registers, views, table = self.pc, self._registers, self._memory.views, self._table
        while left > 0:
            entry = table.get(pc)
            if entry is None and not self._inside:
                entry = self._enter(pc, left)
            try:
                if entry is None or left < entry.first:
                    pc, left = self._single(pc, left)
                else:
                    self._inside = False
                    entry.turns -= 1
                    if not entry.turns:
                        self._join(pc, entry)
                    pc, left = entry.function(self, registers, left, views)
            except LeaveError as behind:
                pc, left = behind.pc, behind.left
            if self.leave:
                self.leave = False
                self._inside = True
                if self._paused:
                    break
        self.pc = pc
        self.executed = self._limit - left

    def _single(self, pc: int, left: int) -> tuple[int, int]:
        """One instruction; behind it the core is inside a block, unless a block ends with it."""
        single = one(self._word(pc, left), self._places.get(pc, self._place))
        self._inside = not single.ends
        return single.function(self, self._registers, left, self._memory.views, pc)

    def _word(self, pc: int, left: int) -> int:
        """The instruction at *pc*; traps where there is none."""
        if pc & 3:
            self.stop(TrapCause.INSTRUCTION_MISALIGNED.value, pc, pc, left)
        word = self._memory.fetch(pc)
        if word is None:
            self.stop(TrapCause.INSTRUCTION_ACCESS.value, pc, pc, left)
        return word

    def _enter(self, pc: int, left: int) -> Entry:
        self._word(pc, left)
        whole = KEPT.find(self._layout, pc, True, self._memory.holds)
        return self._entered(pc, whole, 0) if whole is not None else self._translated(pc, False)

    def _join(self, pc: int, entry: Entry) -> None:
        """The block of *entry*, which is hot, together with those around it."""
        joined = self._translated(pc, True)
        entry.function, entry.first = joined.function, joined.first

    def _translated(self, pc: int, whole: bool) -> Entry:
        memory = self._memory
        translation = KEPT.find(self._layout, pc, whole, memory.holds)
        if translation is None:
            translation = translate(pc, whole, memory.fetch, lambda address: self._places.get(address, self._place))
            KEPT.enter(self._layout, pc, whole, translation)
        return self._entered(pc, translation, 0 if whole else HOT)

    def _entered(self, pc: int, translation: Translation, turns: int) -> Entry:
        """The entry of *translation*, which gets hot after *turns* turns, or never where that is 0."""
        for address, code in translation.code:
            self._memory.mark(address, len(code))
        entry = self._table[pc] = Entry(translation.function, translation.first, turns)
        return entry

    # What translated functions call. *left* is the budget before the instruction at *pc*, that one included.

    def load(self, address: int, size: int, pc: int, left: int) -> int:
        """The value at *address*, unsigned, wherever it lies."""
        if address & (size - 1):
            self.stop(TrapCause.LOAD_MISALIGNED.value, pc, address, left)
        index = self._memory.find(address)
        if index >= 0:
            self._places[pc] = self._layout[index]
            offset = address - self._layout[index].base
            return int.from_bytes(self._memory.regions[index].memory[offset:offset + size], "little")
        self.pc, self.executed = pc, self._limit - left
        try:
            value = self._bus.load(address, size)
        except BusFault:
            self.stop(TrapCause.LOAD_ACCESS.value, pc, address, left)
        check_answer(value, address, size)
        return value

    def store(self, address: int, size: int, value: int, pc: int, left: int) -> None:
        """Stores *value*, of *size* bytes, wherever *address* lies."""
        if address & (size - 1):
            self.stop(TrapCause.STORE_MISALIGNED.value, pc, address, left)
        index = self._memory.find(address)
        if index >= 0:
            place = self._places[pc] = self._layout[index]
            if not place.writable:
                self.stop(TrapCause.STORE_ACCESS.value, pc, address, left)
            offset = address - place.base
            self._memory.regions[index].memory[offset:offset + size] = value.to_bytes(size, "little")
            self.changed(address, size)
            if self.leave:
                raise LeaveError(pc, left)
            return
        self.pc, self.executed = pc, self._limit - left
        try:
            self._bus.store(address, size, value)
        except BusFault:
            self.stop(TrapCause.STORE_ACCESS.value, pc, address, left)
        if self.leave:
            raise LeaveError(pc, left)

    def stop(self, cause: int, pc: int, value: int, left: int) -> NoReturn:
        """The instruction at *pc* traps."""
        self.pc, self.executed = pc, self._limit - left
        raise TrapError(Trap(TrapCause(cause), pc, value))

    def discard(self) -> None:
        """No translation is taken for valid; a function that runs is left after its instruction."""
        self._table.clear()
        self._memory.forget_marks()
        self.leave = True
