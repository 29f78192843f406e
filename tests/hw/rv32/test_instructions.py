# SPDX-License-Identifier: Apache-2.0
"""Every RV32IM instruction against values worked out from the Unprivileged ISA manual, on both engines."""

from __future__ import annotations

import pytest

from hw.rv32.engine import StopReason
from tests.hw.rv32.assembler import OPCODES, asm
from tests.hw.rv32.card import CODE, RAM, Card

MIN, MAX, ONES = 0x8000_0000, 0x7FFF_FFFF, 0xFFFF_FFFF

REGISTER = """
add     0 0 0              | add     ffffffff 1 0            | add    7fffffff 1 80000000          | add  80000000 80000000 0
sub     0 1 ffffffff       | sub     80000000 1 7fffffff     | sub    5 5 0                        | sub  0 80000000 80000000
sll     1 0 1              | sll     1 1f 80000000           | sll    1 20 1                       | sll  ffffffff 3f 80000000
slt     0 1 1              | slt     ffffffff 0 1            | slt    80000000 7fffffff 1          | slt  7fffffff 80000000 0
slt     1 1 0              | sltu    0 1 1                   | sltu   ffffffff 0 0                 | sltu 7fffffff 80000000 1
sltu    0 0 0              | xor     ffffffff 0f0f0f0f f0f0f0f0 | xor 5 5 0                        | or   f0f0f0f0 0f0f0f0f ffffffff
or      0 0 0              | and     ff00ff00 0ff00ff0 0f000f00 | and ffffffff 80000000 80000000   | and  1 2 0
srl     80000000 0 80000000 | srl    80000000 1f 1           | srl    80000000 20 80000000         | srl  ffffffff 3f 1
sra     80000000 0 80000000 | sra    80000000 1f ffffffff    | sra    7fffffff 1f 0                | sra  80000000 3f ffffffff
sra     80000000 20 80000000 | sra   80000000 1 c0000000     | mul    ffffffff ffffffff 1          | mul  80000000 80000000 0
mul     7fffffff 2 fffffffe | mul    0 ffffffff 0            | mulh   ffffffff ffffffff 0          | mulh 80000000 80000000 40000000
mulh    80000000 7fffffff c0000000 | mulh ffffffff 1 ffffffff | mulh  7fffffff 7fffffff 3fffffff   | mulh 0 ffffffff 0
mulhsu  ffffffff ffffffff ffffffff | mulhsu 80000000 80000000 c0000000 | mulhsu 1 ffffffff 0       | mulhsu 80000000 ffffffff 80000000
mulhsu  7fffffff ffffffff 7ffffffe | mulhu ffffffff ffffffff fffffffe | mulhu 80000000 80000000 40000000 | mulhu ffffffff 1 0
mulhu   0 ffffffff 0       | div     7 2 3                   | div    fffffff9 2 fffffffd          | div  7 fffffffe fffffffd
div     fffffff9 fffffffe 3 | div    1 0 ffffffff            | div    80000000 0 ffffffff          | div  80000000 ffffffff 80000000
div     0 0 ffffffff       | div     0 5 0                   | div    80000000 1 80000000          | divu fffffff9 2 7ffffffc
divu    1 0 ffffffff       | divu    80000000 ffffffff 0     | divu   ffffffff 1 ffffffff          | divu 0 0 ffffffff
rem     7 2 1              | rem     fffffff9 2 ffffffff     | rem    7 fffffffe 1                 | rem  fffffff9 fffffffe ffffffff
rem     5 0 5              | rem     80000000 0 80000000     | rem    80000000 ffffffff 0          | rem  fffffff9 0 fffffff9
remu    fffffff9 2 1       | remu    5 0 5                   | remu   80000000 ffffffff 80000000   | remu ffffffff 10 f
"""
"""Name, rs1, rs2, result, all hexadecimal. Division: the manual's table of semantics for division by zero and overflow."""

IMMEDIATE = """
addi 0 -1 ffffffff        | addi ffffffff 1 0         | addi 7fffffff 1 80000000  | addi 0 2047 7ff           | addi 0 -2048 fffff800
addi 800 -2048 0          | addi 5 0 5                | slti 0 1 1                | slti ffffffff 0 1         | slti 80000000 -2048 1
slti 7fffffff 2047 0      | slti fffff800 -2048 0     | slti fffff7ff -2048 1     | sltiu 0 1 1               | sltiu 1 1 0
sltiu fffffffe -1 1       | sltiu ffffffff -1 0       | sltiu 5 -2048 1           | xori 0 -1 ffffffff        | xori ffffffff -1 0
xori f0 15 ff             | ori 0 -2048 fffff800      | ori f0 15 ff              | ori 5 0 5                 | andi ffffffff -1 ffffffff
andi ffffffff 2047 7ff    | andi 80000000 -2048 80000000 | andi ff 0 0               | slli 1 0 1                | slli 1 31 80000000
slli ffffffff 1 fffffffe  | srli 80000000 31 1        | srli ffffffff 0 ffffffff  | srli 80000000 1 40000000  | srai 80000000 31 ffffffff
srai 7fffffff 31 0        | srai 80000000 0 80000000  | srai 80000000 1 c0000000  | srai 40000000 1 20000000  | srli 7fffffff 31 0
"""
"""Name, rs1 (hexadecimal), immediate (decimal), result (hexadecimal)."""

BRANCHES = """
beq  0 0 taken | beq  0 1 not | beq  ffffffff ffffffff taken | beq 80000000 0 not
bne  0 0 not | bne  0 1 taken | bne  ffffffff ffffffff not | bne 80000000 0 taken
blt  0 1 taken | blt  1 0 not | blt 0 0 not | blt ffffffff 0 taken | blt 80000000 7fffffff taken | blt 7fffffff 80000000 not
bge  0 1 not | bge  1 0 taken | bge 0 0 taken | bge ffffffff 0 not | bge 80000000 7fffffff not | bge 7fffffff 80000000 taken
bltu 0 1 taken | bltu 1 0 not | bltu 0 0 not | bltu ffffffff 0 not | bltu 7fffffff 80000000 taken | bltu 80000000 7fffffff not
bgeu 0 1 not | bgeu 1 0 taken | bgeu 0 0 taken | bgeu ffffffff 0 taken | bgeu 7fffffff 80000000 not | bgeu 80000000 7fffffff taken
"""

LOADED = """
lb 80 ffffff80 | lb 7f 7f | lb ff ffffffff | lb 0 0 | lbu 80 80 | lbu ff ff | lbu 7f 7f
lh 8000 ffff8000 | lh 7fff 7fff | lh ffff ffffffff | lh 80 80 | lhu 8000 8000 | lhu ffff ffff | lhu 7fff 7fff
lw 80000000 80000000 | lw ffffffff ffffffff | lw 7fffffff 7fffffff | lw 1 1
"""
"""Name, what lies in memory, what the register holds."""


def rows(table: str) -> list[list[str]]:
    return [row.split() for line in table.strip().splitlines() for row in line.split("|")]


@pytest.mark.parametrize(("name", "a", "b", "result"), rows(REGISTER))
def test_instruction_on_two_registers(kind: str, name: str, a: str, b: str, result: str) -> None:
    card = Card(kind, [asm(name, 7, 5, 6)], {5: int(a, 16), 6: int(b, 16), 7: 0x1234})
    assert card.engine.run(1) is StopReason.BUDGET
    assert card.registers() == [0, 0, 0, 0, 0, int(a, 16), int(b, 16), int(result, 16), *[0] * 24]
    assert (card.engine.pc, card.engine.executed) == (CODE + 4, 1)


@pytest.mark.parametrize(("name", "a", "immediate", "result"), rows(IMMEDIATE))
def test_instruction_with_an_immediate(kind: str, name: str, a: str, immediate: str, result: str) -> None:
    card = Card(kind, [asm(name, 7, 5, imm=int(immediate))], {5: int(a, 16)})
    card.engine.run(1)
    assert card.registers() == [0, 0, 0, 0, 0, int(a, 16), 0, int(result, 16), *[0] * 24]


@pytest.mark.parametrize(("name", "a", "b", "way"), rows(BRANCHES))
@pytest.mark.parametrize("distance", [-4096, -4, 8, 4094 & ~3])
def test_branch_is_taken_or_not(kind: str, name: str, a: str, b: str, way: str, distance: int) -> None:
    card = Card(kind, [asm(name, rs1=5, rs2=6, imm=distance)], {5: int(a, 16), 6: int(b, 16)}, offset=0x800)
    card.engine.run(1)
    assert card.engine.pc == CODE + 0x800 + (distance if way == "taken" else 4)
    assert card.registers() == [0, 0, 0, 0, 0, int(a, 16), int(b, 16), *[0] * 25]


@pytest.mark.parametrize("name", ["beq", "bne", "blt", "bge", "bltu", "bgeu"])
@pytest.mark.parametrize("value", [0, 1, MAX, MIN, ONES])
@pytest.mark.parametrize("zero_first", [True, False])
def test_branch_against_x0(kind: str, name: str, value: int, zero_first: bool) -> None:
    a, b = (0, value) if zero_first else (value, 0)
    card = Card(kind, [asm(name, rs1=0 if zero_first else 5, rs2=5 if zero_first else 0, imm=64)], {5: value})
    card.engine.run(1)
    signed_a, signed_b = (number - (number >> 31 << 32) for number in (a, b))
    taken = {"beq": a == b, "bne": a != b, "blt": signed_a < signed_b, "bge": signed_a >= signed_b, "bltu": a < b, "bgeu": a >= b}[name]
    assert card.engine.pc == CODE + (64 if taken else 4)


@pytest.mark.parametrize(("name", "stored", "loaded"), rows(LOADED))
@pytest.mark.parametrize("displacement", [0, -2048, 2044])
def test_load_extends_its_value(kind: str, name: str, stored: str, loaded: str, displacement: int) -> None:
    card = Card(kind, [asm(name, 7, 5, imm=displacement)], {5: RAM + 4096 - displacement, 7: 0x1234})
    card.ram[4096:4104] = int(stored, 16).to_bytes(4, "little") + b"\xee" * 4
    if name != "lw":
        card.ram[4096 + (1 if "b" in name else 2):4104] = b"\xee" * (7 if "b" in name else 6)
    card.engine.run(1)
    assert card.engine.register(7) == int(loaded, 16)


@pytest.mark.parametrize(("name", "stored"), [("sb", "78"), ("sh", "7856"), ("sw", "78563412")])
@pytest.mark.parametrize("displacement", [0, -2048, 2044])
def test_store_writes_its_bytes_alone(kind: str, name: str, stored: str, displacement: int) -> None:
    card = Card(kind, [asm(name, rs1=5, rs2=6, imm=displacement)], {5: RAM + 4096 - displacement, 6: 0x1234_5678})
    card.ram[4088:4104] = b"\xee" * 16
    card.engine.run(1)
    assert card.ram[4088:4104] == b"\xee" * 8 + bytes.fromhex(stored).ljust(8, b"\xee")


@pytest.mark.parametrize(("upper", "value"), [(0, 0), (1, 0x1000), (0x80000, MIN), (0xFFFFF, 0xFFFF_F000)])
def test_upper_immediates(kind: str, upper: int, value: int) -> None:
    card = Card(kind, [asm("lui", 5, imm=upper), asm("auipc", 6, imm=upper)])
    card.engine.run(2)
    assert (card.engine.register(5), card.engine.register(6)) == (value, value + CODE + 4 & ONES)


@pytest.mark.parametrize("distance", [-0x100000, -2048, -4, 0, 4, 0xFFFFC])
@pytest.mark.parametrize("link", [0, 1, 31])
def test_jal(kind: str, distance: int, link: int) -> None:
    card = Card(kind, [asm("jal", link, imm=distance)], offset=0x800)
    card.engine.run(1)
    assert card.engine.pc == CODE + 0x800 + distance & ONES
    assert card.registers() == [CODE + 0x804 if number and number == link else 0 for number in range(32)]


@pytest.mark.parametrize(("base", "displacement", "target"), [
    (CODE, 0, CODE), (CODE, 1, CODE), (CODE + 1, 0, CODE), (CODE, 2044, CODE + 2044), (CODE, -2048, CODE - 2048), (4, -8, 0xFFFF_FFFC),
    (ONES, 5, 4), (CODE + 3, 2, CODE + 4),
])
@pytest.mark.parametrize(("link", "register"), [(0, 5), (1, 5), (5, 5)])
def test_jalr_clears_the_lowest_bit_of_its_target(
    kind: str, base: int, displacement: int, target: int, link: int, register: int
) -> None:
    card = Card(kind, [asm("jalr", link, register, imm=displacement)], {register: base})
    card.engine.run(1)
    assert card.engine.pc == target
    if link:
        assert card.engine.register(link) == CODE + 4


@pytest.mark.parametrize("name", sorted(set(OPCODES) - {"ecall", "ebreak"}))
def test_x0_stays_zero(kind: str, name: str) -> None:
    card = Card(kind, [asm(name, 0, 5, 6, imm=4)], {0: 99, 5: RAM, 6: 3})
    card.ram[4:8] = b"\xff" * 4
    assert card.engine.register(0) == 0
    assert card.engine.run(1) is StopReason.BUDGET
    assert (card.engine.register(0), card.engine.executed) == (0, 1)


@pytest.mark.parametrize("fields", [0, 0x0FF00000, 0x8330_0000, 0xFFFF_8F80])
def test_fence_does_nothing_whatever_its_reserved_fields_hold(kind: str, fields: int) -> None:
    card = Card(kind, [asm("fence") | fields, asm("fence.i") | fields])
    card.engine.run(2)
    assert (card.engine.pc, card.registers(), card.engine.trap) == (CODE + 8, [0] * 32, None)


def test_the_tables_hold_every_instruction() -> None:
    named = {row[0] for table in (REGISTER, IMMEDIATE, BRANCHES, LOADED) for row in rows(table)}
    elsewhere = {"lui", "auipc", "jal", "jalr", "sb", "sh", "sw", "fence", "fence.i", "ecall", "ebreak"}
    assert named | elsewhere == set(OPCODES)
    assert len(OPCODES) == 40 + 8 + 1
