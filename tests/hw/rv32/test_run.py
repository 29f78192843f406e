# SPDX-License-Identifier: Apache-2.0
"""Budgets, pauses and resets: both engines stop at the same instruction, however a run is cut."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable

import pytest

from hw.rv32.engine import PAGE, BusFault, Engine, Region, StopReason, make_engine
from tests.hw.rv32.assembler import asm
from tests.hw.rv32.card import CODE, DEVICE, NOBODY, RAM, Bus, Card
from verifier.errors import BedError, UsageError

LOOP = [
    asm("addi", 6, 6, imm=1), asm("andi", 7, 6, imm=3), asm("bne", 0, 7, 0, imm=12),
    asm("add", 8, 8, 6), asm("sw", 0, 5, 8), asm("lw", 9, 5), asm("jal", 1, imm=8), asm("jal", imm=-28),
    asm("xor", 10, 10, 9), asm("jalr", 0, 1),
]
"""A loop with a branch in it and a call of two instructions."""


def test_any_cut_of_a_run_gives_the_same_states(kind: str) -> None:
    whole = Card(kind, LOOP, {5: RAM})
    states = []
    for _ in range(300):
        states.append(whole.state())
        assert whole.engine.run(1) is StopReason.BUDGET
    random_ = random.Random(1)
    for _ in range(30):
        card = Card(kind, LOOP, {5: RAM})
        while (left := 299 - card.engine.executed) > 0:
            before, budget = card.engine.executed, min(random_.choice([0, 1, 2, 3, 7, 11, 50]), left)
            assert card.engine.run(budget) is StopReason.BUDGET
            assert card.engine.executed == before + budget
            assert card.state() == states[card.engine.executed]


@pytest.mark.parametrize("budget", [1, 2, 3, 9, 10, 11, 99, 100, 101, 12_345])
def test_budget_is_exact(kind: str, budget: int) -> None:
    card = Card(kind, [asm("addi", 6, 6, imm=1), asm("jal", imm=-4)])
    assert card.engine.run(budget) is StopReason.BUDGET
    assert (card.engine.executed, card.engine.register(6)) == (budget, budget + 1 >> 1)


def test_budget_of_nothing_does_nothing(kind: str) -> None:
    card = Card(kind, [0])
    assert card.engine.run(0) is StopReason.BUDGET
    assert (card.engine.pc, card.engine.executed, card.engine.trap) == (CODE, 0, None)


def test_negative_budget_is_refused(kind: str) -> None:
    with pytest.raises(UsageError, match="-1"):
        Card(kind, LOOP).engine.run(-1)


@pytest.mark.parametrize("length", [1, 47, 48, 49, 96, 97, 200])
def test_long_blocks(kind: str, length: int) -> None:
    card = Card(kind, [*[asm("addi", 6, 6, imm=1)] * length, asm("jal", imm=-4 * length)])
    for _ in range(40):
        card.engine.run(length - 1)
    assert card.engine.executed == 40 * (length - 1)
    rounds, rest = divmod(card.engine.executed, length + 1)
    assert card.engine.register(6) == rounds * length + rest


@pytest.mark.parametrize("name", ["lw", "sw"])
@pytest.mark.parametrize("turn", [1, 2, 50])
def test_pause_ends_the_run_after_the_access(kind: str, name: str, turn: int) -> None:
    card = Card(kind, [asm("addi", 6, 6, imm=1), asm(name, 7, 5, 6), asm("addi", 8, 8, imm=1), asm("jal", imm=-12)], {5: DEVICE})
    card.bus.then = lambda: card.engine.pause() if len(card.bus.seen) == turn else None
    assert card.engine.run(10_000) is StopReason.PAUSED
    assert (card.engine.pc, card.engine.executed) == (CODE + 8, 4 * (turn - 1) + 2)
    assert (card.engine.register(6), card.engine.register(8), len(card.bus.seen)) == (turn, turn - 1, turn)
    if name == "lw":
        assert card.engine.register(7) == card.bus.answer(DEVICE, 4)
    assert card.engine.run(2) is StopReason.BUDGET
    assert (card.engine.pc, card.engine.register(8)) == (CODE, turn)


def test_pause_extends_the_sign_of_what_was_loaded(kind: str) -> None:
    card = Card(kind, [asm("lb", 7, 5)], {5: DEVICE})
    card.bus.answer = lambda *_: 0x80
    card.bus.then = card.engine.pause
    assert card.engine.run(9) is StopReason.PAUSED
    assert card.engine.register(7) == 0xFFFF_FF80


def test_pause_wins_over_the_budget_and_a_trap_over_the_pause(kind: str) -> None:
    card = Card(kind, [asm("sw", 0, 5, 0), asm("sw", 0, 6, 0)], {5: DEVICE, 6: NOBODY})
    card.bus.then = card.engine.pause
    assert card.engine.run(1) is StopReason.PAUSED
    assert card.engine.run(1) is StopReason.TRAPPED

    def pausing(address: int, size: int, value: int) -> None:
        card.engine.pause()
        raise BusFault

    card.start({5: DEVICE})
    card.bus.store = pausing  # type: ignore[method-assign]
    assert card.engine.run(9) is StopReason.TRAPPED
    assert card.engine.executed == 0


def test_pause_outside_a_run_has_no_effect(kind: str) -> None:
    card = Card(kind, LOOP, {5: RAM})
    card.engine.pause()
    assert card.engine.run(20) is StopReason.BUDGET
    assert card.engine.executed == 20


def test_registers(kind: str) -> None:
    card = Card(kind, [])
    for number in range(32):
        card.engine.set_register(number, -number)
    assert card.registers() == [-number & 0xFFFF_FFFF for number in range(32)]
    card.engine.set_register(5, 0x1_2345_6789)
    assert card.engine.register(5) == 0x2345_6789


def test_reset_leaves_nothing_of_the_run_before(kind: str) -> None:
    card = Card(kind, LOOP, {5: RAM, 31: 7})
    card.engine.run(500)
    card.engine.reset(CODE + 8)
    assert card.state()[:5] == (CODE + 8, 0, None, [0] * 32, [])


def test_an_engine_starts_at_its_first_executable_region(kind: str) -> None:
    assert Card(kind, []).engine.name == kind
    low, high = Region("ram", 0, bytearray(PAGE)), Region("code", 0x8000_0000, bytearray(PAGE), executable=True)
    assert make_engine(kind, [high, low], Bus()).pc == 0x8000_0000
    assert make_engine(kind, [low], Bus()).pc == 0
    assert make_engine(kind, [], Bus()).run(1) is StopReason.TRAPPED


def test_the_whole_address_space_can_be_used(kind: str) -> None:
    bus = Bus()
    last = Region("last", 0x1_0000_0000 - PAGE, bytearray(PAGE), executable=True)
    engine = bus.engine = make_engine(kind, [Region("first", 0, bytearray(PAGE), executable=True), last], bus)
    last.memory[-4:] = asm("addi", 5, 5, imm=1).to_bytes(4, "little")
    engine.reset(0xFFFF_FFFC)
    engine.run(1)
    assert (engine.pc, engine.register(5)) == (0, 1)


@pytest.mark.parametrize(("base", "length"), [
    (1, PAGE), (2048, PAGE), (0, 1), (0, PAGE - 4), (0, 0), (-PAGE, PAGE), (0x1_0000_0000 - PAGE, 2 * PAGE),
])
def test_region_that_is_not_made_of_pages_is_refused(kind: str, base: int, length: int) -> None:
    with pytest.raises(UsageError, match="'odd'"):
        make_engine(kind, [Region("odd", base, bytearray(length))], Bus())


@pytest.mark.parametrize(("second", "refused"), [(0, True), (PAGE, True), (2 * PAGE, False)])
def test_regions_that_overlap_are_refused(kind: str, second: int, refused: bool) -> None:
    regions = [Region("two", second, bytearray(PAGE)), Region("one", 0, bytearray(2 * PAGE))]
    if refused:
        with pytest.raises(UsageError, match="overlap"):
            make_engine(kind, regions, Bus())
    else:
        make_engine(kind, regions, Bus())


def test_unknown_engine_is_refused() -> None:
    with pytest.raises(UsageError, match="'qemu'") as refusal:
        make_engine("qemu", [], Bus())
    assert refusal.value.remedy == "take one of: python, unicorn"


def test_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unicorn", None)
    monkeypatch.delitem(sys.modules, "hw.rv32.unicorn_engine", raising=False)
    with pytest.raises(UsageError, match="not installed") as refusal:
        make_engine("unicorn", [], Bus())
    assert refusal.value.remedy == "pip install dmabed[unicorn]"


def test_the_engine_of_python_does_not_import_unicorn() -> None:
    program = "import sys, hw.rv32.engine as e; e.make_engine('python', [], None); print('unicorn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("number", [-1, 32, 33])
def test_register_that_does_not_exist_is_refused(kind: str, number: int) -> None:
    engine = Card(kind, []).engine
    with pytest.raises(UsageError, match=f"x{number}"):
        engine.register(number)
    with pytest.raises(UsageError, match=f"x{number}"):
        engine.set_register(number, 1)


@pytest.mark.parametrize("use", [
    lambda engine: engine.reset(0), lambda engine: engine.register(5),
    lambda engine: engine.set_register(5, 1), lambda engine: engine.run(1),
])
def test_bus_that_uses_the_engine_that_calls_it_is_refused(kind: str, use: Callable[[Engine], object]) -> None:
    card = Card(kind, [asm("addi"), asm("lw", 7, 5)], {5: DEVICE})
    card.bus.then = lambda: use(card.engine)
    with pytest.raises(BedError, match="the engine that was calling it"):
        card.engine.run(5)
    assert (card.engine.pc, card.engine.executed, card.engine.register(5)) == (CODE + 4, 1, DEVICE)
    card.bus.then = lambda: None
    assert card.engine.run(1) is StopReason.BUDGET
