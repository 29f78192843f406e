# SPDX-License-Identifier: Apache-2.0
"""Random programs that jump, load, store, change their own code, reach devices and trap; all from one seed."""

from __future__ import annotations

import random

from tests.hw.rv32.assembler import BRANCHES, IMMEDIATE, LOADS, REGISTER, SHIFTS, STORES, asm
from tests.hw.rv32.card import CODE, DEVICE, NOBODY, RAM, ROM, Card

POINTERS = {1: CODE, 2: CODE, 3: RAM + 64, 4: RAM + 8192 - 64, 5: ROM + 128, 6: DEVICE + 64, 7: NOBODY}
EDGES = (0, 1, 2, 31, 32, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


def program(rng: random.Random, length: int) -> list[int]:
    """*length* words; x1 to x7 are pointers as a rule, the others data."""
    return [_word(rng) for _ in range(length)]


def _word(rng: random.Random) -> int:
    def data() -> int:
        return rng.randrange(8, 16) if rng.random() < 0.95 else rng.randrange(32)

    kind = rng.randrange(100)
    if kind < 35:
        return asm(rng.choice(REGISTER), data(), data(), data())
    if kind < 45:
        return asm(rng.choice(IMMEDIATE), data(), data(), imm=rng.choice([0, 1, -1, 2047, -2048, rng.randrange(-2048, 2048)]))
    if kind < 50:
        return asm(rng.choice(SHIFTS), data(), data(), imm=rng.randrange(32))
    if kind < 55:
        return asm(rng.choice(["lui", "auipc"]), data(), imm=rng.getrandbits(20))
    if kind < 68:
        return asm(rng.choice(LOADS), data(), rng.choice([2, 3, 3, 4, 4, 5, 6]), imm=_displacement(rng))
    if kind < 82:
        return asm(rng.choice(STORES), 0, rng.choice([2, 3, 3, 3, 4, 4, 4, 6]), data(), imm=_displacement(rng))
    if kind < 92:
        return asm(rng.choice(BRANCHES), 0, data(), data(), imm=4 * rng.randrange(-10, 12) + 2 * (rng.random() < 0.01))
    if kind < 95:
        return asm("jal", rng.choice([0, 0, 1]), imm=4 * rng.randrange(-10, 16))
    if kind < 98:
        return asm("jalr", rng.choice([0, 1, data()]), rng.choice([1, 2]), imm=4 * rng.randrange(40) + (rng.random() < 0.1))
    if kind < 99:
        return asm(rng.choice(["fence", "fence.i"]))
    return rng.choice([asm("ecall"), asm("ebreak"), asm("lw", 8, 7), rng.getrandbits(32), asm("lw", 8, 3, imm=2)])


def loops(seed: int) -> list[int]:
    """A program that runs for ever: a loop with branches that calls functions, each with a loop of its own that counts x20 down."""
    rng = random.Random(seed)
    functions = [
        [asm("addi", 20, 0, imm=rng.randrange(1, 6)), *_straight(rng), asm("addi", 20, 20, imm=-1), 0, *_straight(rng), asm("jalr", 0, 1)]
        for _ in range(3)
    ]
    for body in functions:
        turn = body.index(0)
        body[turn] = asm("bne", rs1=20, rs2=0, imm=-4 * rng.randrange(1, turn))
    body: list[int] = []
    calls: list[int] = []
    for _ in range(4):
        body += _straight(rng)
        skipped = _straight(rng)
        body += [asm(rng.choice(BRANCHES), 0, rng.randrange(8, 16), rng.randrange(8, 16), 4 * len(skipped) + 8), *skipped]
        calls.append(len(body))
        body.append(0)
    body.append(asm("jal", imm=-4 * len(body)))
    starts = []
    for function in functions:
        starts.append(len(body))
        body += function
    for call in calls:
        body[call] = asm("jal", 1, imm=4 * (rng.choice(starts) - call))
    return body


def _straight(rng: random.Random) -> list[int]:
    words = []
    for _ in range(rng.randrange(1, 6)):
        a, b, c = (rng.randrange(8, 16) for _ in range(3))
        words.append(rng.choice([
            asm(rng.choice(REGISTER), a, b, c), asm(rng.choice(IMMEDIATE), a, b, imm=rng.randrange(-2048, 2048)),
            asm(rng.choice(SHIFTS), a, b, imm=rng.randrange(32)),
            asm(rng.choice(LOADS), a, rng.choice([3, 5]), imm=_displacement(rng) & -4),
            asm(rng.choice(STORES), 0, 3, a, imm=_displacement(rng) & -4),
        ]))
    return words


def _displacement(rng: random.Random) -> int:
    return rng.randrange(-64, 64) if rng.random() < 0.02 else 4 * rng.randrange(-16, 16)


def card(kind: str, seed: int) -> Card:
    """A card with the program and registers of *seed*; its bus pauses the core now and then, and answers by the seed."""
    rng = random.Random(seed)
    words = program(rng, rng.choice([6, 30, 120]))
    made = Card(kind, words, offset=rng.choice([0, 4096 - 4 * len(words)]), writable=rng.random() < 0.7)
    made.ram[:] = rng.randbytes(8192)
    for number in range(8, 32):
        made.engine.set_register(number, rng.choice(EDGES) if rng.random() < 0.5 else rng.getrandbits(32))
    for number, address in POINTERS.items():
        made.engine.set_register(number, made.engine.pc + 4 * rng.randrange(len(words)) if address == CODE else address)
    pauses = rng.random() < 0.3
    made.bus.then = lambda: made.engine.pause() if pauses and len(made.bus.seen) % 3 == 0 else None
    return made


def budgets(seed: int) -> list[int]:
    """How the run of *seed* is cut."""
    rng = random.Random(seed)
    return [rng.choice([0, 1, 2, 3, rng.randrange(20), rng.randrange(300), rng.randrange(2000)]) for _ in range(rng.choice([1, 5, 25]))]
