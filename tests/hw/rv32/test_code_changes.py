# SPDX-License-Identifier: Apache-2.0
"""Code that is written while it runs, by the program, by a transfer, or unseen; and translations that worlds share."""

from __future__ import annotations

import pytest

from hw.rv32 import translate
from hw.rv32.engine import StopReason, Trap, TrapCause
from tests.hw.rv32.assembler import asm
from tests.hw.rv32.card import CODE, DEVICE, RAM, ROM, Card

INCREMENT, DECREMENT = asm("addi", 6, 6, imm=1), asm("addi", 6, 6, imm=-1)
LOOP = [INCREMENT, asm("addi"), asm("jal", imm=-8)]
HOT = 300


@pytest.mark.parametrize("distance", [4, 8, 12])
@pytest.mark.parametrize("fence", [True, False])
def test_store_ahead_in_the_same_block_takes_effect_at_once(kind: str, distance: int, fence: bool) -> None:
    card = Card(kind, [asm("sw", rs1=5, rs2=7), *[INCREMENT] * 3, asm("jal", imm=-16)], {5: CODE + distance, 7: DECREMENT})
    if fence and distance > 4:
        card.code[4:8] = asm("fence.i").to_bytes(4, "little")
    for turn in range(1, 40):
        card.engine.run(5)
        assert card.engine.register(6) == turn * (0 if fence and distance > 4 else 1)


def test_loop_that_rewrites_itself_each_turn(kind: str) -> None:
    card = Card(kind, [INCREMENT, asm("sw", rs1=5, rs2=7), asm("xor", 7, 7, 8), asm("jal", imm=-12)],
                {5: CODE, 7: DECREMENT, 8: INCREMENT ^ DECREMENT})
    card.engine.run(4 * 101)
    assert (card.engine.register(6), card.engine.trap) == (1, None)


@pytest.mark.parametrize(("name", "shift", "immediate"), [
    ("sb", 0, 1), ("sb", 2, 15), ("sb", 3, -15), ("sh", 0, 1), ("sh", 2, -1), ("sw", 0, -1),
])
def test_store_of_a_part_of_an_instruction(kind: str, name: str, shift: int, immediate: int) -> None:
    card = Card(kind, [INCREMENT, asm(name, rs1=5, rs2=7), asm("jal", imm=-8)], {5: CODE + shift, 7: INCREMENT >> 8 * shift})
    card.engine.run(3 * HOT)
    card.engine.set_register(7, DECREMENT >> 8 * shift)
    card.engine.run(3)
    card.engine.run(1)
    assert card.code[:4] == asm("addi", 6, 6, imm=immediate).to_bytes(4, "little")
    assert card.engine.register(6) == HOT + 1 + immediate


@pytest.mark.parametrize("turns", [0, HOT])
@pytest.mark.parametrize(("address", "length"), [(CODE, 4), (CODE + 3, 1), (CODE - 100, 200), (0, 1 << 32), (CODE, 1)])
def test_transfer_into_code_is_seen(kind: str, turns: int, address: int, length: int) -> None:
    card = Card(kind, LOOP)
    card.engine.run(3 * turns)
    card.code[:4] = DECREMENT.to_bytes(4, "little")
    card.engine.changed(address, length)
    card.engine.run(3)
    assert card.engine.register(6) == turns - 1 & 0xFFFF_FFFF


@pytest.mark.parametrize("name", ["sw", "lw"])
@pytest.mark.parametrize("turn", [1, 50])
def test_transfer_into_the_running_block_takes_effect_at_the_next_instruction(kind: str, name: str, turn: int) -> None:
    card = Card(kind, [asm(name, 9, 5, 7), INCREMENT, asm("jal", imm=-8)], {5: DEVICE})

    def transfer() -> None:
        if len(card.bus.seen) == turn:
            card.code[4:8] = DECREMENT.to_bytes(4, "little")
            card.engine.changed(CODE + 4, 4)

    card.bus.then = transfer
    assert card.engine.run(3 * turn) is StopReason.BUDGET
    assert card.engine.register(6) == turn - 2 & 0xFFFF_FFFF


def test_reset_and_fence_see_what_nobody_told(kind: str) -> None:
    card = Card(kind, [*LOOP[:2], asm("fence.i"), asm("jal", imm=-12)])
    card.engine.run(4 * HOT + 2)
    card.code[:4] = DECREMENT.to_bytes(4, "little")
    card.engine.run(2 + 4 * HOT)
    assert card.engine.register(6) == 1
    card.code[:4] = asm("addi", 6, 6, imm=5).to_bytes(4, "little")
    card.engine.reset(CODE)
    card.engine.run(1)
    assert card.engine.register(6) == 5


def test_load_that_becomes_a_store_into_the_same_region(kind: str) -> None:
    card = Card(kind, [asm("lw", 7, 5), asm("jal", imm=-4)], {5: ROM})
    card.engine.run(2 * HOT)
    card.code[:4] = asm("sw", rs1=5, rs2=6).to_bytes(4, "little")
    card.engine.changed(CODE, 4)
    assert card.engine.run(2 * HOT) is StopReason.TRAPPED
    assert card.engine.trap == Trap(TrapCause.STORE_ACCESS, CODE, ROM)
    assert card.rom[:4] == bytes(range(4))


def test_data_beside_code_does_not_disturb_it(kind: str) -> None:
    card = Card(kind, [asm("sw", rs1=5, rs2=6), INCREMENT, asm("jal", imm=-8)], {5: CODE + 12})
    card.engine.run(3 * HOT)
    assert int.from_bytes(card.code[12:16], "little") == HOT - 1


def test_worlds_share_translations_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "KEPT", translate.Kept())
    monkeypatch.setattr("hw.rv32.python_engine.KEPT", translate.KEPT)
    translated: list[int] = []
    real = translate.translate

    def counting(pc: int, *rest: object) -> object:
        translated.append(pc)
        return real(pc, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("hw.rv32.python_engine.translate", counting)
    program = [INCREMENT, asm("sw", rs1=5, rs2=6), asm("lw", 7, 5), asm("jal", imm=-12)]
    first = Card("python", program, {5: RAM})
    first.engine.run(401)
    made = len(translated)
    second = Card("python", program, {5: RAM + 8, 6: 1000})
    second.engine.run(401)
    assert len(translated) == made > 0
    assert first.engine.register(6) == first.engine.register(7) + 1 == 101
    assert second.engine.register(6) == second.engine.register(7) + 1 == 1101
    other = Card("python", [DECREMENT, *program[1:]], {5: RAM})
    other.engine.run(401)
    assert other.engine.register(6) == -101 & 0xFFFF_FFFF
    assert len(translated) > made


def test_the_process_keeps_a_bounded_number_of_translations(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = translate.Kept()
    monkeypatch.setattr("hw.rv32.python_engine.KEPT", kept)
    monkeypatch.setattr(translate, "MOST_KEPT", 10)
    for number in range(50):
        card = Card("python", [asm("addi", 6, 0, imm=number), asm("jal", imm=-4)])
        card.engine.run(100)
        assert card.engine.register(6) == number
    assert sum(map(len, kept._translations.values())) <= 10
