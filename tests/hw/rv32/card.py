# SPDX-License-Identifier: Apache-2.0
"""A core with code, RAM, ROM and a bus that writes down what it is asked: what the tests of the engines run on."""

from __future__ import annotations

from collections.abc import Callable

from hw.rv32.engine import BusFault, Engine, Region, Trap, make_engine
from tests.hw.rv32.assembler import code

CODE, RAM, ROM = 0x1000, 0x8000, 0xA000
"""4 KiB that may be executed and written, 8 KiB and 4 KiB that may not be executed; RAM ends where ROM begins."""

DEVICE = 0x4000_0000
"""The bus answers from here up to NOBODY."""

NOBODY = 0xF000_0000


class Bus:
    """Answers a load with `answer`, and keeps (kind, address, size, value, pc, executed) of each access in `seen`."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int, int, int, int]] = []
        self.engine: Engine | None = None
        self.answer: Callable[[int, int], int] = lambda address, size: (address ^ 0xA5C3_E187) & (1 << 8 * size) - 1
        self.then: Callable[[], None] = lambda: None

    def load(self, address: int, size: int) -> int:
        value = self.answer(address, size)
        self._see("load", address, size, value)
        return value

    def store(self, address: int, size: int, value: int) -> None:
        self._see("store", address, size, value)

    def _see(self, kind: str, address: int, size: int, value: int) -> None:
        assert self.engine
        self.seen.append((kind, address, size, value, self.engine.pc, self.engine.executed))
        if not DEVICE <= address < NOBODY:
            raise BusFault
        self.then()


class Card:
    """An engine of *kind* at the first of *words*, which lie at CODE + *offset*; registers as in *registers*."""

    def __init__(self, kind: str, words: list[int], registers: dict[int, int] | None = None, *, offset: int = 0,
                 writable: bool = True) -> None:
        self.bus = Bus()
        self.code, self.ram, self.rom = bytearray(4096), bytearray(8192), bytearray(range(256)) * 16
        self.code[offset:offset + 4 * len(words)] = code(words)
        self.regions = [
            Region("code", CODE, self.code, writable=writable, executable=True),
            Region("ram", RAM, self.ram),
            Region("rom", ROM, self.rom, writable=False),
        ]
        self.engine = self.bus.engine = make_engine(kind, self.regions, self.bus)
        self.start(registers or {}, CODE + offset)

    def start(self, registers: dict[int, int], pc: int = CODE) -> None:
        self.engine.reset(pc)
        for number, value in registers.items():
            self.engine.set_register(number, value)

    def registers(self) -> list[int]:
        return [self.engine.register(number) for number in range(32)]

    def state(self) -> tuple[int, int, Trap | None, list[int], list[tuple[str, int, int, int, int, int]], bytes]:
        """All that can be seen of the core and what it did."""
        engine = self.engine
        return engine.pc, engine.executed, engine.trap, self.registers(), self.bus.seen, bytes(self.code + self.ram + self.rom)
