# SPDX-License-Identifier: Apache-2.0
"""The 32 bits of an instruction taken apart (Unprivileged ISA, chapters "RV32I", "M" and "RV32/64G Instruction Set Listings").

`decode` knows the 40 instructions of RV32I, the 8 of M and FENCE.I; every other word is `ILLEGAL`. Fields of FENCE and FENCE.I
that the manual reserves are ignored, as it asks of an implementation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

ILLEGAL = "illegal"
"""`Instruction.name` of every word that is no instruction of the core."""

BRANCHES = {0: "beq", 1: "bne", 4: "blt", 5: "bge", 6: "bltu", 7: "bgeu"}
LOADS = {0: "lb", 1: "lh", 2: "lw", 4: "lbu", 5: "lhu"}
STORES = {0: "sb", 1: "sh", 2: "sw"}
IMMEDIATE = {0: "addi", 2: "slti", 3: "sltiu", 4: "xori", 6: "ori", 7: "andi"}
SHIFTS = {(1, 0x00): "slli", (5, 0x00): "srli", (5, 0x20): "srai"}
REGISTER = {
    (0, 0x00): "add", (0, 0x20): "sub", (1, 0x00): "sll", (2, 0x00): "slt", (3, 0x00): "sltu", (4, 0x00): "xor",
    (5, 0x00): "srl", (5, 0x20): "sra", (6, 0x00): "or", (7, 0x00): "and",
    (0, 0x01): "mul", (1, 0x01): "mulh", (2, 0x01): "mulhsu", (3, 0x01): "mulhu",
    (4, 0x01): "div", (5, 0x01): "divu", (6, 0x01): "rem", (7, 0x01): "remu",
}
FENCES = {0: "fence", 1: "fence.i"}
ENVIRONMENT = {0x00000073: "ecall", 0x00100073: "ebreak"}

SIZES = {"lb": 1, "lbu": 1, "sb": 1, "lh": 2, "lhu": 2, "sh": 2, "lw": 4, "sw": 4}
"""Bytes that a load or store moves."""

CONDITIONAL = frozenset(BRANCHES.values())
TRANSFERS = CONDITIONAL | {"jal", "jalr"}
"""What may go on elsewhere than at the next instruction."""

ENDS = TRANSFERS | {"ecall", "ebreak", "fence.i", ILLEGAL}
"""What a basic block ends with."""


class Instruction(NamedTuple):
    """One instruction: *immediate* is signed, but for LUI and AUIPC, where it is the upper 20 bits in place."""

    name: str
    rd: int
    rs1: int
    rs2: int
    immediate: int
    word: int


def signed(value: int, bits: int) -> int:
    """The low *bits* of *value* as a two's complement number."""
    sign = 1 << (bits - 1)
    return (value & (2 * sign - 1) ^ sign) - sign


@lru_cache(maxsize=1 << 14)
def decode(word: int) -> Instruction:
    """The instruction that *word* (32 bits) encodes."""
    opcode, rd, funct3, rs1, rs2, funct7 = (
        word & 0x7F, word >> 7 & 31, word >> 12 & 7, word >> 15 & 31, word >> 20 & 31, word >> 25,
    )
    name: str | None = None
    immediate = signed(word >> 20, 12)
    match opcode:
        case 0x37 | 0x17:
            name, immediate = ("lui" if opcode == 0x37 else "auipc"), word & 0xFFFFF000
        case 0x6F:
            name = "jal"
            immediate = signed(word >> 31 << 20 | (word >> 12 & 0xFF) << 12 | (word >> 20 & 1) << 11 | (word >> 21 & 0x3FF) << 1, 21)
        case 0x67:
            name = "jalr" if funct3 == 0 else None
        case 0x63:
            name = BRANCHES.get(funct3)
            immediate = signed(word >> 31 << 12 | (word >> 7 & 1) << 11 | (word >> 25 & 0x3F) << 5 | (word >> 8 & 15) << 1, 13)
        case 0x03:
            name = LOADS.get(funct3)
        case 0x23:
            name, immediate = STORES.get(funct3), signed(funct7 << 5 | rd, 12)
        case 0x13:
            name = IMMEDIATE.get(funct3)
            if name is None:
                name, immediate = SHIFTS.get((funct3, funct7)), rs2
        case 0x33:
            name = REGISTER.get((funct3, funct7))
        case 0x0F:
            name = FENCES.get(funct3)
        case 0x73:
            name = ENVIRONMENT.get(word)
    return Instruction(name or ILLEGAL, rd, rs1, rs2, immediate, word)


def illegal_value(word: int) -> int:
    """What mtval shows of an illegal *word*: 16 bits where they are those of a compressed instruction."""
    return word & 0xFFFF if word & 3 != 3 else word
