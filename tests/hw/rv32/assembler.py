# SPDX-License-Identifier: Apache-2.0
"""A small RV32IM assembler: Unprivileged ISA, chapter "RV32/64G Instruction Set Listings", table of the base formats.

It shares no table with `hw.rv32.decode`, so that a slip in one of them shows.
"""

from __future__ import annotations

from collections.abc import Iterable

OPCODES: dict[str, tuple[str, int, int, int]] = {
    "lui": ("U", 0b0110111, 0, 0), "auipc": ("U", 0b0010111, 0, 0), "jal": ("J", 0b1101111, 0, 0), "jalr": ("I", 0b1100111, 0b000, 0),
    "beq": ("B", 0b1100011, 0b000, 0), "bne": ("B", 0b1100011, 0b001, 0), "blt": ("B", 0b1100011, 0b100, 0),
    "bge": ("B", 0b1100011, 0b101, 0), "bltu": ("B", 0b1100011, 0b110, 0), "bgeu": ("B", 0b1100011, 0b111, 0),
    "lb": ("I", 0b0000011, 0b000, 0), "lh": ("I", 0b0000011, 0b001, 0), "lw": ("I", 0b0000011, 0b010, 0),
    "lbu": ("I", 0b0000011, 0b100, 0), "lhu": ("I", 0b0000011, 0b101, 0),
    "sb": ("S", 0b0100011, 0b000, 0), "sh": ("S", 0b0100011, 0b001, 0), "sw": ("S", 0b0100011, 0b010, 0),
    "addi": ("I", 0b0010011, 0b000, 0), "slti": ("I", 0b0010011, 0b010, 0), "sltiu": ("I", 0b0010011, 0b011, 0),
    "xori": ("I", 0b0010011, 0b100, 0), "ori": ("I", 0b0010011, 0b110, 0), "andi": ("I", 0b0010011, 0b111, 0),
    "slli": ("I", 0b0010011, 0b001, 0b0000000), "srli": ("I", 0b0010011, 0b101, 0b0000000), "srai": ("I", 0b0010011, 0b101, 0b0100000),
    "add": ("R", 0b0110011, 0b000, 0b0000000), "sub": ("R", 0b0110011, 0b000, 0b0100000), "sll": ("R", 0b0110011, 0b001, 0b0000000),
    "slt": ("R", 0b0110011, 0b010, 0b0000000), "sltu": ("R", 0b0110011, 0b011, 0b0000000), "xor": ("R", 0b0110011, 0b100, 0b0000000),
    "srl": ("R", 0b0110011, 0b101, 0b0000000), "sra": ("R", 0b0110011, 0b101, 0b0100000), "or": ("R", 0b0110011, 0b110, 0b0000000),
    "and": ("R", 0b0110011, 0b111, 0b0000000),
    "mul": ("R", 0b0110011, 0b000, 0b0000001), "mulh": ("R", 0b0110011, 0b001, 0b0000001), "mulhsu": ("R", 0b0110011, 0b010, 0b0000001),
    "mulhu": ("R", 0b0110011, 0b011, 0b0000001), "div": ("R", 0b0110011, 0b100, 0b0000001), "divu": ("R", 0b0110011, 0b101, 0b0000001),
    "rem": ("R", 0b0110011, 0b110, 0b0000001), "remu": ("R", 0b0110011, 0b111, 0b0000001),
    "fence": ("I", 0b0001111, 0b000, 0), "fence.i": ("I", 0b0001111, 0b001, 0),
    "ecall": ("I", 0b1110011, 0b000, 0), "ebreak": ("I", 0b1110011, 0b000, 0),
}
"""Name: format, opcode, funct3, funct7."""

REGISTER = [name for name, row in OPCODES.items() if row[0] == "R"]
IMMEDIATE = "addi slti sltiu xori ori andi".split()
SHIFTS = "slli srli srai".split()
BRANCHES = [name for name, row in OPCODES.items() if row[0] == "B"]
LOADS = "lb lh lw lbu lhu".split()
STORES = "sb sh sw".split()


def asm(name: str, rd: int = 0, rs1: int = 0, rs2: int = 0, imm: int = 0) -> int:
    """The word of one instruction. *imm* of LUI and AUIPC are the upper 20 bits as a number of 20 bits."""
    form, opcode, funct3, funct7 = OPCODES[name]
    if name == "ebreak":
        imm = 1
    if name in SHIFTS:
        imm = funct7 << 5 | imm
    word = opcode | funct3 << 12
    if form in "RIUJ":
        word |= rd << 7
    if form in "RISB":
        word |= rs1 << 15
    if form in "RSB":
        word |= rs2 << 20
    match form:
        case "R":
            word |= funct7 << 25
        case "I":
            word |= bits(imm, 11, 0) << 20
        case "S":
            word |= bits(imm, 11, 5) << 25 | bits(imm, 4, 0) << 7
        case "B":
            word |= bits(imm, 12, 12) << 31 | bits(imm, 10, 5) << 25 | bits(imm, 4, 1) << 8 | bits(imm, 11, 11) << 7
        case "U":
            word |= bits(imm, 19, 0) << 12
        case "J":
            word |= bits(imm, 20, 20) << 31 | bits(imm, 10, 1) << 21 | bits(imm, 11, 11) << 20 | bits(imm, 19, 12) << 12
    return word


def bits(value: int, high: int, low: int) -> int:
    return value >> low & (1 << high - low + 1) - 1


def li(rd: int, value: int) -> list[int]:
    """Two words that set x*rd* to *value*."""
    return [asm("lui", rd, imm=(value + 0x800) >> 12), asm("addi", rd, rd, imm=value)]


def code(words: Iterable[int]) -> bytes:
    return b"".join(word.to_bytes(4, "little") for word in words)
