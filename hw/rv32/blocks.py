# SPDX-License-Identifier: Apache-2.0
"""Basic blocks of RV32IM code, and the Python function that some of them become together.

A function is called with the engine ``s``, its registers ``r``, the budget ``n``, the memory ``v`` (four views of each region)
and, where it holds a single instruction, the ``pc``. It returns the next pc and what is left of the budget. ``p`` is the number
of the block whose turn it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hw.rv32.decode import CONDITIONAL, ENDS, SIZES, Instruction, decode
from hw.rv32.emit import MASK, Emitter, Place, at, divide, indented, remain

LONGEST_BLOCK = 48
"""Instructions of a block at most."""

MOST_BLOCKS = 24
"""Blocks of a function at most."""

GROUP = 5
"""Blocks that stand behind a common comparison, where a function has more of them."""

VIEWS_OF_A_REGION = "bhwc"
"""The order of a region's views in ``v``: bytes, halves, words, and the words that translations were made from."""

Block = tuple[int, list[Instruction]]
"""Address of the first instruction, and the instructions."""

Function = Callable[..., tuple[int, int]]
Fetch = Callable[[int], int | None]
"""The word at an address, None where nothing can be executed."""

Goto = Callable[[int], list[str]]
"""Statements that go on at a distance from the instruction."""


def find_blocks(entry: int, fetch: Fetch, most: int) -> list[Block]:
    """The block at *entry*, which can be fetched, and up to *most* in all that jumps and branches reach from it.

    That of *entry* comes first, the others follow by rising address, those below *entry* last.
    """
    leaders = [entry]
    for leader in leaders:
        start, steps = _block(leader, fetch, ())
        for target in _successors(start + 4 * (len(steps) - 1), steps[-1]):
            if len(leaders) < most and target not in leaders and fetch(target) is not None:
                leaders.append(target)
    return [_block(leader, fetch, leaders) for leader in sorted(leaders, key=lambda address: (address < entry, address))]


def _block(start: int, fetch: Fetch, leaders: list[int] | tuple[()]) -> Block:
    steps: list[Instruction] = []
    pc = start
    while len(steps) < LONGEST_BLOCK and (pc == start or pc not in leaders):
        word = fetch(pc)
        if word is None:
            break
        steps.append(decode(word))
        if steps[-1].name in ENDS:
            break
        pc += 4
    return start, steps


def _successors(pc: int, step: Instruction) -> list[int]:
    """Where *step* may go on inside a function. A call goes on at its target, and behind itself when that returns."""
    if step.name in CONDITIONAL:
        targets = [pc + 4, pc + step.immediate]
    elif step.name == "jal":
        targets = [pc + step.immediate, pc + 4] if step.rd else [pc + step.immediate]
    elif step.name not in ENDS:
        targets = [pc + 4]
    else:
        targets = []
    return [target & MASK for target in targets if not target & 3]


class Writer:
    """The source text of one function. *place* says where the load or store at an address is expected to go."""

    def __init__(self, place: Callable[[int], Place | None]) -> None:
        self.emitter = Emitter(set(), set(), set())
        self.place = place
        self.returns: dict[int, int] = {}
        """Where calls inside the function return to, and the numbers of the blocks there."""

    def blocks(self, blocks: list[Block]) -> str:
        """The function of *blocks*; it begins with the first one."""
        numbers = {start: number for number, (start, _) in enumerate(blocks)}
        several = len(blocks) > 1
        for start, steps in blocks:
            back = start + 4 * len(steps) & MASK
            if steps[-1].name == "jal" and steps[-1].rd and back in numbers:
                self.returns[back] = numbers[back]
        body: list[str] = []
        for number, (start, steps) in enumerate(blocks):
            lines = self._block(start, steps, number, numbers)
            lines = [f"if p == {number}:", *indented(lines)] if several else lines
            if len(blocks) <= GROUP:
                body += lines
                continue
            if number % GROUP == 0:
                body.append(f"if p < {number + GROUP}:")
            body += indented(lines)
        return self._frame(["p = 0"] if several else [], body)

    def single(self, step: Instruction) -> str:
        """The function of *step* alone at any pc, which is called with a budget of 1 or more."""
        onward = [f"pc = {at('pc', 4)}"]
        if step.name in ENDS:
            body = self._end(step, "pc", "n", lambda distance: [f"pc = {at('pc', distance)}"])
        else:
            body = [*self._straight(step, 0, "pc", "n", ["n -= 1", *onward, "break"]), *onward]
        return self._frame([], [*body, "n -= 1", "break"])

    def _block(self, start: int, steps: list[Instruction], number: int, numbers: dict[int, int]) -> list[str]:
        """Statements of a block; each way through them ends with ``break``, ``continue`` or a greater ``p``."""
        count = len(steps)

        def goto(address: int) -> list[str]:
            aim = numbers.get(address)
            if aim is None:
                return [f"pc = {address}", "break"]
            turn = [f"p = {aim}"] if len(numbers) > 1 and aim != number else []
            return turn if aim > number else [*turn, "continue"]

        lines = [f"n -= {count}", "if n < 0:", f" n += {count}", f" pc = {start}", " break"]
        for index, step in enumerate(steps):
            pc, rest = start + 4 * index, count - index
            if step.name in ENDS:
                lines += self._end(step, str(pc), f"n + {rest}", lambda distance, pc=pc: goto(pc + distance & MASK))  # type: ignore[misc]
                if step.name in ("jalr", "fence.i"):
                    lines.append("break")
                return lines
            leave = [*([f"n += {rest - 1}"] if rest > 1 else []), f"pc = {pc + 4 & MASK}", "break"]
            lines += self._straight(step, pc, str(pc), f"n + {rest}", leave)
        return [*lines, *goto(start + 4 * count & MASK)]

    def _straight(self, step: Instruction, address: int, pc: str, left: str, leave: list[str]) -> list[str]:
        """Statements of an instruction that goes on at the next one."""
        if step.name not in SIZES:
            return self.emitter.plain(step, pc)
        if step.name.startswith("s"):
            return self.emitter.store(step, pc, left, self.place(address))
        return self.emitter.load(step, pc, left, self.place(address), leave)

    def _end(self, step: Instruction, pc: str, left: str, goto: Goto) -> list[str]:
        """Statements of what ends a block, but for the ``break`` behind a computed jump and FENCE.I."""
        if step.name == "jalr":
            back = ["p = returns.get(t, -1)", "if p >= 0: continue"] if self.returns else []
            return [*self.emitter.jump(step, pc, left), *back, "pc = t"]
        if step.name == "fence.i":
            return ["s.discard()", f"pc = {at(pc, 4)}"]
        if step.name != "jal" and step.name not in CONDITIONAL:
            return self.emitter.stop(step, pc, left)
        if step.immediate & 2:
            taken = self.emitter.misaligned(at(pc, step.immediate), pc, left)
        else:
            taken = [*(self.emitter.link(step, pc) if step.name == "jal" else []), *goto(step.immediate)]
        if step.name == "jal":
            return taken
        return [f"if {self.emitter.condition(step)}:", *indented(taken), "else:", *indented(goto(4))]

    def _frame(self, before: list[str], body: list[str]) -> str:
        """The whole function: registers into locals, the loop, registers back, however it ends."""
        views = [
            f"{name} = v[{len(VIEWS_OF_A_REGION) * int(name[1:]) + VIEWS_OF_A_REGION.index(name[0])}]"
            for name in sorted(self.emitter.views)
        ]
        entry = [f"x{number} = r[{number}]" for number in sorted(self.emitter.read | self.emitter.written)]
        back = [f"r[{number}] = x{number}" for number in sorted(self.emitter.written)]
        lines = [*entry, *views, *before, "while True:", *indented(body)]
        if back:
            lines = ["try:", *indented(lines), "except BaseException:", *indented([*back, "raise"]), *back]
        return "\n".join([f"def function(s, r, n, v, pc=0, returns={self.returns}):", *indented([*lines, "return pc, n"])])


def compile_function(source: str) -> Function:
    """The function that *source*, of a `Writer`, defines."""
    names: dict[str, Any] = {"divide": divide, "remain": remain}
    exec(source, names)
    function: Function = names["function"]
    return function
