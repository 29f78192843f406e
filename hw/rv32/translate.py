# SPDX-License-Identifier: Apache-2.0
"""RV32IM code to Python functions, kept for every world of the process.

A function holds one basic block, or, where that block runs often, all blocks that branches reach from it: then a loop
turns inside one call, with its registers in locals. It holds no state. So functions are kept by the bytes of their code: who
finds the same bytes at the same address, in a memory of the same layout, takes the function that is there.

Each block takes its instructions off the budget at its head, and is left untouched where the budget is too small; the engine
then goes on with functions of one instruction (`one`), which are kept by their word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from hw.rv32.blocks import MOST_BLOCKS, Block, Fetch, Function, Writer, compile_function, find_blocks
from hw.rv32.decode import ENDS, decode
from hw.rv32.emit import Place

MOST_KEPT = 4096
"""Functions that a process keeps; beyond it, all are forgotten and made again as they are asked for."""

MOST_ALIKE = 4
"""Functions that are kept for one address."""

Layout = tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Translation:
    """*function*, the number of instructions of its *first* block, and the *code* that it was made from: address and bytes of each run."""

    function: Function
    first: int
    code: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Single:
    """The *function* of one instruction, and whether a block *ends* with it."""

    function: Function
    ends: bool


class Kept:
    """The translations of this process."""

    def __init__(self) -> None:
        self._translations: dict[tuple[Layout, int, bool], list[Translation]] = {}
        self._count = 0

    def find(self, layout: Layout, pc: int, whole: bool, same: Callable[[int, bytes], bool]) -> Translation | None:
        """The translation at *pc* whose code is what memory holds, as *same* says of an address and bytes."""
        for translation in self._translations.get((layout, pc, whole), ()):
            if all(same(address, code) for address, code in translation.code):
                return translation
        return None

    def enter(self, layout: Layout, pc: int, whole: bool, translation: Translation) -> None:
        if self._count >= MOST_KEPT:
            self.forget()
        alike = self._translations.setdefault((layout, pc, whole), [])
        alike.insert(0, translation)
        del alike[MOST_ALIKE:]
        self._count += 1

    def forget(self) -> None:
        """As when the process began."""
        self._translations.clear()
        self._count = 0


KEPT = Kept()


def translate(pc: int, whole: bool, fetch: Fetch, place: Callable[[int], Place | None]) -> Translation:
    """A translation of the code at *pc*, which can be fetched: its basic block, or the *whole* of what branches reach.

    *place* says where the load or store at an address is expected to go.
    """
    blocks = find_blocks(pc, fetch, MOST_BLOCKS if whole else 1)
    return Translation(compile_function(Writer(place).blocks(blocks)), len(blocks[0][1]), _runs(blocks))


def _runs(blocks: list[Block]) -> tuple[tuple[int, bytes], ...]:
    """The code of *blocks* in as few runs as it has, by rising address."""
    words = {start + 4 * index: step.word for start, steps in blocks for index, step in enumerate(steps)}
    runs: list[tuple[int, bytearray]] = []
    for address in sorted(words):
        if not runs or runs[-1][0] + len(runs[-1][1]) != address:
            runs.append((address, bytearray()))
        runs[-1][1].extend(words[address].to_bytes(4, "little"))
    return tuple((start, bytes(code)) for start, code in runs)


@lru_cache(maxsize=MOST_KEPT)
def one(word: int, place: Place | None) -> Single:
    """The function of the instruction *word*; it takes the pc as its last argument."""
    step = decode(word)
    return Single(compile_function(Writer(lambda _: place).single(step)), step.name in ENDS)
