# SPDX-License-Identifier: Apache-2.0
"""The Python statements that one RV32IM instruction becomes (Unprivileged ISA, chapters "RV32I" and "M").

Registers are locals ``x1`` to ``x31`` with unsigned values, ``n`` is how many instructions may be retired yet. Comparisons
stand in the place of masks wherever they are faster. A local gets its value last, so that an instruction that traps has
changed nothing. The statements call three methods of the engine ``s``: ``load``, ``store`` and ``stop``.
"""

from __future__ import annotations

from dataclasses import dataclass

from hw.rv32.decode import ILLEGAL, SIZES, Instruction, illegal_value
from hw.rv32.engine import Region, TrapCause

MASK = 0xFFFFFFFF
SIGN = 0x80000000
WRAP = 0x100000000

SUM = "{d} = {a} + {b}\nif {d} > 4294967295: {d} -= 4294967296"
DIFFERENCE = "{d} = {a} - {b}\nif {d} < 0: {d} += 4294967296"
SIGNED_A = "({a} if {a} < 2147483648 else {a} - 4294967296)"
SIGNED_B = "({b} if {b} < 2147483648 else {b} - 4294967296)"
LESS = "({a} ^ 2147483648) < ({b} ^ 2147483648)"

TEMPLATES = {
    "add": SUM,
    "sub": DIFFERENCE,
    "sll": "{d} = {a} << ({b} & 31) & 4294967295",
    "slt": "{d} = 1 if " + LESS + " else 0",
    "sltu": "{d} = 1 if {a} < {b} else 0",
    "xor": "{d} = {a} ^ {b}",
    "srl": "{d} = {a} >> ({b} & 31)",
    "sra": "{d} = {a} >> ({b} & 31) if {a} < 2147483648 else ({a} - 4294967296 >> ({b} & 31)) + 4294967296",
    "or": "{d} = {a} | {b}",
    "and": "{d} = {a} & {b}",
    "mul": "{d} = {a} * {b} & 4294967295",
    "mulh": "{d} = " + SIGNED_A + " * " + SIGNED_B + " >> 32 & 4294967295",
    "mulhsu": "{d} = " + SIGNED_A + " * {b} >> 32 & 4294967295",
    "mulhu": "{d} = {a} * {b} >> 32",
    "div": "{d} = divide({a}, {b})",
    "divu": "{d} = {a} // {b} if {b} else 4294967295",
    "rem": "{d} = remain({a}, {b})",
    "remu": "{d} = {a} % {b} if {b} else {a}",
    "slti": "{d} = 1 if ({a} ^ 2147483648) < {i_flipped} else 0",
    "sltiu": "{d} = 1 if {a} < {i} else 0",
    "xori": "{d} = {a} ^ {i}",
    "ori": "{d} = {a} | {i}",
    "andi": "{d} = {a} & {i}",
    "slli": "{d} = {a} << {i} & 4294967295",
    "srli": "{d} = {a} >> {i}",
    "srai": "{d} = {a} >> {i} if {a} < 2147483648 else {a} >> {i} | {i_fill}",
}

CONDITIONS = {
    "beq": "{a} == {b}",
    "bne": "{a} != {b}",
    "blt": LESS,
    "bge": "({a} ^ 2147483648) >= ({b} ^ 2147483648)",
    "bltu": "{a} < {b}",
    "bgeu": "{a} >= {b}",
}
AGAINST_ZERO = {"blt": "{a} > 2147483647", "bge": "{a} < 2147483648"}
ZERO_AGAINST = {"blt": "0 < {b} < 2147483648", "bge": "not 0 < {b} < 2147483648"}

VIEWS = {1: "b", 2: "h", 4: "w"}
"""First letter of the local that holds a region seen as units of that many bytes; its number follows."""


def divide(a: int, b: int) -> int:
    """DIV: rounds towards zero; by zero -1, and the overflow -2**31 / -1 gives -2**31 (table "Semantics for division by zero")."""
    if not b:
        return MASK
    quotient = abs(to_signed(a)) // abs(to_signed(b))
    return (quotient if (a ^ b) < SIGN else -quotient) & MASK


def remain(a: int, b: int) -> int:
    """REM: the sign is that of the dividend; by zero the dividend, at overflow 0."""
    if not b:
        return a
    rest = abs(to_signed(a)) % abs(to_signed(b))
    return (rest if a < SIGN else -rest) & MASK


def to_signed(value: int) -> int:
    """*value* (32 bits, unsigned) as a two's complement number."""
    return value if value < SIGN else value - WRAP


@dataclass(frozen=True)
class Place:
    """The region that a load or store is expected to hit: tried first and in line. Any other address is right, but slower."""

    index: int
    base: int
    length: int
    writable: bool
    executable: bool

    @classmethod
    def of(cls, index: int, region: Region) -> Place:
        return cls(index, region.base, len(region.memory), region.writable, region.executable)


@dataclass
class Emitter:
    """Statements of single instructions. *pc* of the methods is the source text of the address of the instruction."""

    read: set[int]
    """Numbers of the registers that the statements use, filled on the way; *written* those that they set."""
    written: set[int]
    views: set[str]
    """Locals for the memory of regions, filled on the way."""

    def source(self, number: int) -> str:
        """Text of the value of x*number*."""
        if not number:
            return "0"
        self.read.add(number)
        return f"x{number}"

    def target(self, number: int) -> str:
        """Text of the local that takes a result."""
        if number:
            self.written.add(number)
            return f"x{number}"
        return "_"

    def condition(self, step: Instruction) -> str:
        """Text that is true where the branch *step* is taken."""
        template = CONDITIONS[step.name]
        if not step.rs2:
            template = AGAINST_ZERO.get(step.name, template)
        elif not step.rs1:
            template = ZERO_AGAINST.get(step.name, template)
        return template.format(a=self.source(step.rs1), b=self.source(step.rs2))

    def plain(self, step: Instruction, pc: str) -> list[str]:
        """Statements of what neither touches memory nor goes elsewhere."""
        if step.name == "fence" or not step.rd:
            return []
        d = self.target(step.rd)
        if step.name == "lui":
            return [f"{d} = {step.immediate}"]
        if step.name == "auipc":
            return [f"{d} = {at(pc, step.immediate)}"]
        a, value = self.source(step.rs1), step.immediate
        if step.name == "addi":
            if not step.rs1:
                return [f"{d} = {value & MASK}"]
            if not value:
                return [f"{d} = {a}"] if d != a else []
            return (SUM if value > 0 else DIFFERENCE).format(d=d, a=a, b=abs(value)).split("\n")
        if step.name in ("add", "or", "xor", "sub") and 0 in (step.rs1, step.rs2) and (step.rs2 == 0 or step.name != "sub"):
            return [f"{d} = {self.source(step.rs1 or step.rs2)}"]
        text = TEMPLATES[step.name].format(
            d=d, a=a, b=self.source(step.rs2) if "{b}" in TEMPLATES[step.name] else "", i=value & MASK,
            i_flipped=(value & MASK) ^ SIGN, i_fill=MASK ^ MASK >> (value & 31),
        )
        return text.split("\n")

    def load(self, step: Instruction, pc: str, left: str, place: Place | None, leave: list[str]) -> list[str]:
        """Statements of a load. *left* is the text of ``n`` before it, *leave* what ends the function behind it."""
        size, d = SIZES[step.name], self.target(step.rd)
        extend = []
        if step.name in ("lb", "lh"):
            extend = [f"if {d} > {0x7F if size == 1 else 0x7FFF}: {d} |= {0xFFFFFF00 if size == 1 else 0xFFFF0000}"]
        slow = [f"{d} = s.load({self.address(step)}, {size}, {pc}, {left})", *extend, "if s.leave:", *indented(leave)]
        if not place:
            return slow
        before, offset, test = self.inside(step, size, place)
        fast = [f"{d} = {self.unit(size, offset, place)}", *extend]
        return [*before, f"if {test}:", *indented(fast), "else:", *indented(slow)]

    def store(self, step: Instruction, pc: str, left: str, place: Place | None) -> list[str]:
        """Statements of a store, with the parameters of `load`. What ends the function behind it is an exception."""
        size, value = SIZES[step.name], self.source(step.rs2)
        if size < 4:
            value = f"{value} & {0xFF if size == 1 else 0xFFFF}"
        slow = f"s.store({self.address(step)}, {size}, {value}, {pc}, {left})"
        if not place or not place.writable:
            return [slow]
        before, offset, test = self.inside(step, size, place)
        if place.executable:
            self.views.add(f"c{place.index}")
            test += f" and not c{place.index}[{offset} >> 2]"
        return [*before, f"if {test}: {self.unit(size, offset, place)} = {value}", f"else: {slow}"]

    def address(self, step: Instruction) -> str:
        """Text of the address of a load or store, 32 bits."""
        if not step.rs1:
            return str(step.immediate & MASK)
        base = self.source(step.rs1)
        return f"{base} + {step.immediate} & 4294967295" if step.immediate else base

    def inside(self, step: Instruction, size: int, place: Place) -> tuple[list[str], str, str]:
        """Statements before a test, the text of the offset into *place*, and a test that it lies there and is aligned."""
        before, offset, negative = [], self.source(step.rs1), False
        distance = step.immediate - place.base if step.rs1 else (step.immediate & MASK) - place.base
        if distance or not step.rs1:
            before, offset, negative = [f"o = {offset} + {distance}"], "o", distance < 0
        test = f"{'0 <= ' if negative else ''}{offset} < {place.length}"
        return before, offset, test if size == 1 else f"{test} and not {offset} & {size - 1}"

    def unit(self, size: int, offset: str, place: Place) -> str:
        """Text of the *size* bytes at *offset* of *place*."""
        name = f"{VIEWS[size]}{place.index}"
        self.views.add(name)
        return f"{name}[{offset} >> {size >> 1}]" if size > 1 else f"{name}[{offset}]"

    def stop(self, step: Instruction, pc: str, left: str) -> list[str]:
        """Statements of what always traps: ECALL, EBREAK and all that is illegal."""
        cause, value = {
            "ecall": (TrapCause.ENVIRONMENT_CALL, "0"),
            "ebreak": (TrapCause.BREAKPOINT, pc),
            ILLEGAL: (TrapCause.ILLEGAL, str(illegal_value(step.word))),
        }[step.name]
        return [f"s.stop({cause.value}, {pc}, {value}, {left})"]

    def jump(self, step: Instruction, pc: str, left: str) -> list[str]:
        """Statements of JALR, which leave the target in ``t``."""
        base = self.source(step.rs1)
        link = self.link(step, pc)
        return [
            f"t = {base} + {step.immediate} & 4294967294" if step.immediate else f"t = {base} & 4294967294",
            f"if t & 2: s.stop({TrapCause.INSTRUCTION_MISALIGNED.value}, {pc}, t, {left})",
            *link,
        ]

    def link(self, step: Instruction, pc: str) -> list[str]:
        """The statement that sets the link register of a jump, if it has one."""
        return [f"{self.target(step.rd)} = {at(pc, 4)}"] if step.rd else []

    def misaligned(self, target: str, pc: str, left: str) -> list[str]:
        """Statements of a jump or taken branch to *target*, which is no multiple of 4."""
        return [f"s.stop({TrapCause.INSTRUCTION_MISALIGNED.value}, {pc}, {target}, {left})"]


def at(pc: str, distance: int) -> str:
    """Text of the address *distance* behind *pc*, which is a number or the name of a local."""
    return str(int(pc) + distance & MASK) if pc.isdigit() else f"({pc} + {distance} & 4294967295)"


def indented(lines: list[str]) -> list[str]:
    return [f" {line}" for line in lines]
