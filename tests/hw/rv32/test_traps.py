# SPDX-License-Identifier: Apache-2.0
"""What stops the core, with its cause, pc and value, and the state before the instruction, in the middle of a block too."""

from __future__ import annotations

import pytest

from hw.rv32.engine import StopReason, Trap, TrapCause
from tests.hw.rv32.assembler import LOADS, STORES, asm
from tests.hw.rv32.card import CODE, DEVICE, NOBODY, RAM, ROM, Card

SIZES = {"lb": 1, "lbu": 1, "sb": 1, "lh": 2, "lhu": 2, "sh": 2, "lw": 4, "sw": 4}

BEFORE = [asm("addi", 8, 8, imm=1), asm("add", 9, 8, 8), asm("xori", 10, 9, imm=-1)]
AFTER = [asm("addi", 8, 0, imm=99), asm("addi", 7, 0, imm=99), asm("jal", imm=-24)]


def trapped(kind: str, word: int, registers: dict[int, int], turns: int = 0) -> Card:
    """A card stopped by *word*, the fourth instruction of a loop; nothing but the three before it has happened."""
    card = Card(kind, [*BEFORE, asm("addi"), *AFTER], registers)
    card.engine.run(7 * turns)
    for number, value in registers.items():
        card.engine.set_register(number, value)
    card.code[12:16] = word.to_bytes(4, "little")
    card.engine.changed(CODE + 12, 4)
    old = card.engine.register(8)
    assert card.engine.run(1000) is StopReason.TRAPPED
    assert card.engine.executed == 7 * turns + 3
    assert card.engine.register(8) == old + 1
    assert card.engine.register(9) == 2 * old + 2
    assert card.engine.register(10) == 2 * old + 2 ^ 0xFFFF_FFFF
    assert card.engine.pc == CODE + 12
    for number, value in registers.items():
        assert card.engine.register(number) == value
    return card


def values(words: str) -> list[int]:
    return [int(word, 16) for word in words.split()]


ILLEGAL = values(
    "00000000 ffffffff 00000001 00009002 "  # all zeros, all ones, compressed instructions
    "30001073 30002573 c0002573 c0001073 "  # Zicsr, counters
    "10200073 30200073 10500073 12000073 00200073 00100173 00008073 "  # SRET, MRET, WFI, SFENCE.VMA, URET, fields of EBREAK and ECALL
    "1000a52f 0000a52f 00052507 00a52027 00000053 0000b003 0000b023 "  # LR, AMOADD, FLW, FSW, F, LD, SD
    "0000002b 0000003b 0000001b 02001013 40001013 20005013 80000033 40001033 04000033 00006003 00007003 00003023 00002063 00003063 "
    "0000200f 00001067 0000000b"
)
"""Atomics, F, CSRs, privileged and compressed instructions, RV64, shifts by 32, and rows of the opcode map that are empty."""


@pytest.mark.parametrize("word", ILLEGAL)
@pytest.mark.parametrize("turns", [0, 100])
def test_what_is_not_rv32im_is_illegal(kind: str, word: int, turns: int) -> None:
    card = trapped(kind, word, {5: RAM, 7: 1}, turns)
    assert card.engine.trap == Trap(TrapCause.ILLEGAL, CODE + 12, word if word & 3 == 3 else word & 0xFFFF)


@pytest.mark.parametrize("turns", [0, 100])
def test_ecall_and_ebreak(kind: str, turns: int) -> None:
    assert trapped(kind, 0x0000_0073, {}, turns).engine.trap == Trap(TrapCause.ENVIRONMENT_CALL, CODE + 12, 0)
    assert trapped(kind, 0x0010_0073, {}, turns).engine.trap == Trap(TrapCause.BREAKPOINT, CODE + 12, CODE + 12)


@pytest.mark.parametrize("turns", [0, 100])
@pytest.mark.parametrize("name", LOADS + STORES)
@pytest.mark.parametrize("start", [RAM, RAM + 8192, ROM - 4, RAM - 4, DEVICE, NOBODY, 0, 0xFFFF_FFFC])
def test_misaligned_access_wherever_it_goes(kind: str, name: str, start: int, turns: int) -> None:
    for offset in range(4):
        if offset % SIZES[name]:
            address = start + offset
            card = trapped(kind, asm(name, 7, 5, 7, imm=-8), {5: address + 8 & 0xFFFF_FFFF, 7: 0x0123_4567}, turns)
            cause = TrapCause.STORE_MISALIGNED if name in STORES else TrapCause.LOAD_MISALIGNED
            assert card.engine.trap == Trap(cause, CODE + 12, address)
            assert card.bus.seen == []
            assert (bytes(card.ram), bytes(card.rom)) == (bytes(8192), bytes(range(256)) * 16)


@pytest.mark.parametrize("turns", [0, 100])
@pytest.mark.parametrize("name", LOADS + STORES)
@pytest.mark.parametrize("address", [NOBODY, 0, 0xFFFF_FFFC, RAM - 4, ROM + 4096])
def test_access_that_nobody_answers(kind: str, name: str, address: int, turns: int) -> None:
    card = trapped(kind, asm(name, 7, 5, 7), {5: address, 7: 0x0123_4567}, turns)
    cause = TrapCause.STORE_ACCESS if name in STORES else TrapCause.LOAD_ACCESS
    assert card.engine.trap == Trap(cause, CODE + 12, address)
    assert [(pc, executed) for *_, pc, executed in card.bus.seen] == [(CODE + 12, 7 * turns + 3)]


@pytest.mark.parametrize("turns", [0, 100])
@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("address", [ROM, ROM + 4092])
def test_store_into_a_region_that_is_not_writable(kind: str, name: str, address: int, turns: int) -> None:
    card = trapped(kind, asm(name, rs1=5, rs2=7), {5: address, 7: 1}, turns)
    assert card.engine.trap == Trap(TrapCause.STORE_ACCESS, CODE + 12, address)
    assert card.rom == bytes(range(256)) * 16
    assert card.bus.seen == []


def test_store_into_code_that_is_not_writable(kind: str) -> None:
    card = Card(kind, [asm("sw", rs1=5, rs2=0)], {5: CODE}, writable=False)
    assert card.engine.run(5) is StopReason.TRAPPED
    assert card.engine.trap == Trap(TrapCause.STORE_ACCESS, CODE, CODE)


@pytest.mark.parametrize("turns", [0, 100])
@pytest.mark.parametrize("word", [asm("jal", 7, imm=6), asm("jal", 0, imm=-6), asm("beq", rs1=7, rs2=7, imm=10),
                                  asm("bne", rs1=7, rs2=0, imm=-2)])
def test_jump_to_half_a_word(kind: str, word: int, turns: int) -> None:
    distance = {0x6F: {1: 6, 0: -6}, 0x63: {0: 10, 1: -2}}[word & 0x7F][word >> 7 & 1 if word & 0x7F == 0x6F else word >> 12 & 1]
    card = trapped(kind, word, {7: 0x0123_4567}, turns)
    assert card.engine.trap == Trap(TrapCause.INSTRUCTION_MISALIGNED, CODE + 12, CODE + 12 + distance)


@pytest.mark.parametrize("turns", [0, 100])
@pytest.mark.parametrize("link", [0, 1, 5])
@pytest.mark.parametrize("target", [CODE + 2, CODE + 3, RAM + 2, DEVICE + 2, NOBODY + 2])
def test_computed_jump_to_half_a_word_leaves_its_link_alone(kind: str, link: int, target: int, turns: int) -> None:
    card = trapped(kind, asm("jalr", link, 5), {5: target, 1: 0x1111}, turns)
    assert card.engine.trap == Trap(TrapCause.INSTRUCTION_MISALIGNED, CODE + 12, target & ~1)


@pytest.mark.parametrize("turns", [0, 100])
def test_branch_to_half_a_word_that_is_not_taken(kind: str, turns: int) -> None:
    card = Card(kind, [asm("bne", imm=6), asm("jal", imm=-4)])
    card.engine.run(2 * turns + 1)
    assert (card.engine.trap, card.engine.pc) == (None, CODE + 4)


@pytest.mark.parametrize("target", [RAM, ROM, DEVICE, NOBODY, 0, 0xFFFF_FFFC, CODE + 4096])
def test_fetch_from_where_nothing_is_executed(kind: str, target: int) -> None:
    card = Card(kind, [asm("jalr", 1, 5)], {5: target})
    assert card.engine.run(2) is StopReason.TRAPPED
    assert card.engine.trap == Trap(TrapCause.INSTRUCTION_ACCESS, target, target)
    assert (card.engine.pc, card.engine.executed, card.engine.register(1)) == (target, 1, CODE + 4)
    assert card.bus.seen == []


@pytest.mark.parametrize("length", [1, 3])
def test_running_off_the_end_of_the_code(kind: str, length: int) -> None:
    card = Card(kind, [asm("addi", 5, 5, imm=1)] * length, offset=4096 - 4 * length)
    assert card.engine.run(length) is StopReason.BUDGET
    assert card.engine.run(1) is StopReason.TRAPPED
    assert card.engine.trap == Trap(TrapCause.INSTRUCTION_ACCESS, CODE + 4096, CODE + 4096)
    assert card.engine.executed == length


@pytest.mark.parametrize("pc", [CODE + 1, CODE + 2, CODE + 3, NOBODY + 2])
def test_reset_to_half_a_word(kind: str, pc: int) -> None:
    card = Card(kind, [])
    card.engine.reset(pc)
    assert card.engine.run(1) is StopReason.TRAPPED
    assert card.engine.trap == Trap(TrapCause.INSTRUCTION_MISALIGNED, pc, pc)


def test_a_trap_holds_until_reset(kind: str) -> None:
    card = Card(kind, [asm("ebreak")])
    card.engine.run(1)
    trap = card.engine.trap
    assert card.engine.run(5) is StopReason.TRAPPED
    assert card.engine.run(0) is StopReason.TRAPPED
    assert (card.engine.trap, card.engine.executed) == (trap, 0)
    card.engine.reset(CODE)
    assert card.engine.trap is None
    assert card.engine.run(0) is StopReason.BUDGET


def test_a_trap_reads_as_a_line() -> None:
    assert str(Trap(TrapCause.LOAD_ACCESS, 0x1000, 0xF000_0000)) == "LOAD_ACCESS at pc 0x00001000, value 0xf0000000"


def test_causes_are_those_of_mcause() -> None:
    assert [cause.value for cause in TrapCause] == [0, 1, 2, 3, 4, 5, 6, 7, 11]


@pytest.mark.parametrize(("name", "step", "first", "last"), [
    ("lw", 4, RAM, ROM + 4096), ("lhu", 2, RAM, ROM + 4096), ("lb", 1, RAM, ROM + 4096),
    ("sw", 4, RAM, ROM), ("sh", 2, RAM, ROM), ("sb", 1, RAM, ROM), ("lw", -4, RAM + 4000, RAM - 4), ("sb", -1, RAM + 4000, RAM - 1),
])
def test_hot_loop_that_walks_off_the_end_of_memory(kind: str, name: str, step: int, first: int, last: int) -> None:
    card = Card(kind, [asm("addi", 6, 6, imm=1), asm(name, 7, 5, 7), asm("addi", 5, 5, imm=step), asm("jal", imm=-12)], {5: first})
    assert card.engine.run(100_000) is StopReason.TRAPPED
    turns = (last - first) // step
    assert card.engine.executed == 4 * turns + 1
    assert (card.engine.pc, card.engine.register(5), card.engine.register(6)) == (CODE + 4, last, turns + 1)
    cause = TrapCause.STORE_ACCESS if name in STORES else TrapCause.LOAD_ACCESS
    assert card.engine.trap == Trap(cause, CODE + 4, last)
