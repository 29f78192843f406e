# SPDX-License-Identifier: Apache-2.0
"""Decoding against the assembler of the tests, and which words are instructions at all."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.rv32.decode import ILLEGAL, decode, illegal_value
from tests.hw.rv32.assembler import BRANCHES, OPCODES, STORES, asm

LIMITS = {"I": (-2048, 2047, 1), "S": (-2048, 2047, 1), "B": (-4096, 4094, 2), "J": (-0x100000, 0xFFFFE, 2), "U": (0, 0xFFFFF, 1)}


@pytest.mark.parametrize("name", sorted(set(OPCODES) - {"ecall", "ebreak", "fence", "fence.i"}))
def test_what_is_assembled_is_decoded(name: str) -> None:
    form = OPCODES[name][0]
    low, high, step = (0, 31, 1) if name in ("slli", "srli", "srai") else LIMITS.get(form, (0, 0, 1))
    rng = random.Random(name)
    single_bits = [1 << bit for bit in range(21) if step <= 1 << bit <= high]
    for immediate in (low, high, 0, low + step, high - step, *single_bits, *(rng.randrange(low, high + 1) & -step for _ in range(50))):
        rd, rs1, rs2 = (rng.randrange(32) for _ in range(3))
        step_ = decode(asm(name, rd, rs1, rs2, immediate))
        assert step_.name == name
        assert step_.immediate == (immediate << 12 if form == "U" else immediate) or form == "R"
        assert name in STORES + BRANCHES or step_.rd == rd
        assert form in "UJ" or step_.rs1 == rs1
        assert form not in "RSB" or step_.rs2 == rs2


@given(st.integers(0, 0xFFFF_FFFF))
def test_every_word_has_a_meaning(word: int) -> None:
    step = decode(word)
    assert step.word == word
    assert step.name == ILLEGAL or step.name in OPCODES
    assert (illegal_value(word) >> 16 == 0) or word & 3 == 3


def test_how_many_words_of_each_opcode_are_instructions() -> None:
    """Of funct3 and funct7 alone: rows of the manual's listing, counted by hand."""
    expected = {0x37: 1024, 0x17: 1024, 0x6F: 1024, 0x67: 128, 0x63: 768, 0x03: 640, 0x23: 384, 0x13: 6 * 128 + 3, 0x33: 18, 0x0F: 256}
    for opcode in range(128):
        legal = sum(decode(funct7 << 25 | funct3 << 12 | opcode).name != ILLEGAL for funct3 in range(8) for funct7 in range(128))
        assert legal == expected.get(opcode, 1 if opcode == 0x73 else 0), hex(opcode)


def test_system_words_are_two() -> None:
    assert decode(0x73).name == "ecall"
    assert decode(0x100073).name == "ebreak"
    rng = random.Random(1)
    for word in (0x73 | 1 << bit for bit in range(7, 32) if bit != 20):
        assert decode(word).name == ILLEGAL
    assert all(decode(0x73 | rng.getrandbits(25) << 7 | 0x80).name == ILLEGAL for _ in range(200))
