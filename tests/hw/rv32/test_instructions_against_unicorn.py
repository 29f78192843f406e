# SPDX-License-Identifier: Apache-2.0
"""Every RV32IM instruction on every pair of edge values: the engine of Python register by register against Unicorn."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from tests.hw.rv32.assembler import BRANCHES, IMMEDIATE, LOADS, REGISTER, SHIFTS, STORES, asm
from tests.hw.rv32.card import CODE, RAM, Card

EDGES = (0, 1, 2, 31, 32, 33, 0x5555_5555, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xAAAA_AAAA, 0xFFFF_FFFE, 0xFFFF_FFFF)
IMMEDIATES = (0, 1, -1, 2047, -2048, 0x555)
AMOUNTS = (0, 1, 15, 16, 30, 31)


@pytest.fixture
def cards(unicorn: str) -> tuple[Card, Card]:
    return Card("python", []), Card(unicorn, [])


def agree(cards: tuple[Card, Card], word: int, registers: dict[int, int], turns: int = 1) -> None:
    for card in cards:
        card.code[0x800:0x804] = word.to_bytes(4, "little")
        card.start({4: 0x4444_4444, 7: 0x7777_7777, **registers}, CODE + 0x800)
        card.engine.run(turns)
    assert cards[0].state() == cards[1].state(), f"{word:08x} {registers}"


def numbers() -> Iterator[tuple[int, int, int]]:
    """rd, rs1, rs2: all apart, each pair alike, all alike, and x0 in each place."""
    yield from ((7, 5, 6), (5, 5, 6), (6, 5, 6), (7, 5, 5), (5, 5, 5), (0, 5, 6), (7, 0, 6), (7, 5, 0), (7, 0, 0), (31, 30, 29))


@pytest.mark.parametrize("name", REGISTER)
def test_instruction_on_two_registers(cards: tuple[Card, Card], name: str) -> None:
    for a, b in product(EDGES, EDGES):
        agree(cards, asm(name, 7, 5, 6), {5: a, 6: b})


@pytest.mark.parametrize("name", REGISTER)
def test_instruction_on_any_two_registers(cards: tuple[Card, Card], name: str) -> None:
    for (rd, rs1, rs2), (a, b) in product(numbers(), [(0x8000_0000, 0xFFFF_FFFF), (7, 0), (0xFFFF_FFF9, 2)]):
        agree(cards, asm(name, rd, rs1, rs2), {rs2: b, rs1: a})


@pytest.mark.parametrize("name", IMMEDIATE + SHIFTS)
def test_instruction_with_an_immediate(cards: tuple[Card, Card], name: str) -> None:
    for a, immediate in product(EDGES, AMOUNTS if name in SHIFTS else IMMEDIATES):
        for rd, rs1 in ((7, 5), (5, 5), (0, 5), (7, 0)):
            agree(cards, asm(name, rd, rs1, imm=immediate), {rs1: a})


@pytest.mark.parametrize("name", BRANCHES)
def test_branch(cards: tuple[Card, Card], name: str) -> None:
    for a, b in product(EDGES, EDGES):
        agree(cards, asm(name, rs1=5, rs2=6, imm=-256), {5: a, 6: b})
    for a, (rs1, rs2) in product(EDGES, ((0, 5), (5, 0), (5, 5), (0, 0))):
        agree(cards, asm(name, rs1=rs1, rs2=rs2, imm=256), {5: a})


@pytest.mark.parametrize("name", LOADS + STORES)
def test_load_and_store_at_every_offset_of_a_word(cards: tuple[Card, Card], name: str) -> None:
    for card in cards:
        card.ram[:16] = bytes.fromhex("007f80ff 01fe7f80 ff00807f 80808080")
    for offset, (base, immediate) in product(range(12), ((RAM, 0), (RAM + 2048, -2048), (RAM - 2047, 2047), (RAM + 5, -5))):
        for rd in (7, 5, 0):
            registers = {5: base + offset, 7: 0xFEDC_BA98}
            agree(cards, asm(name, rd, 5, 7, imm=immediate), registers)


@pytest.mark.parametrize("name", ["lui", "auipc"])
def test_upper_immediate(cards: tuple[Card, Card], name: str) -> None:
    for rd, upper in product((0, 7, 31), (0, 1, 0x7FFFF, 0x80000, 0xFFFFF)):
        agree(cards, asm(name, rd, imm=upper), {})


def test_jumps(cards: tuple[Card, Card]) -> None:
    for rd, distance in product((0, 1, 31), (-0x100000, -4096, -4, -2, 0, 2, 4, 6, 0xFFFFE)):
        agree(cards, asm("jal", rd, imm=distance), {})
    for (rd, base), displacement in product(((0, 5), (1, 5), (5, 5), (0, 0), (1, 0)), (*IMMEDIATES, 2, 3, 4, -4)):
        for value in (*EDGES, CODE, CODE + 0x900, CODE + 0x901, CODE + 0x902):
            agree(cards, asm("jalr", rd, base, imm=displacement), {base: value})
            agree(cards, asm("jalr", rd, base, imm=displacement), {base: value}, turns=2)
