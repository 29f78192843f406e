# SPDX-License-Identifier: Apache-2.0
"""Loads and stores at the ends of regions and on the bus, and the units of memory that translated code uses."""

from __future__ import annotations

import sys

import pytest

from hw.rv32.engine import StopReason
from hw.rv32.memory import LittleEndianUnits, units
from tests.hw.rv32.assembler import LOADS, STORES, asm
from tests.hw.rv32.card import CODE, DEVICE, NOBODY, RAM, ROM, Card
from verifier.errors import BedError

SIZES = {"lb": 1, "lbu": 1, "sb": 1, "lh": 2, "lhu": 2, "sh": 2, "lw": 4, "sw": 4}


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("end", [RAM, RAM + 8192, ROM + 4096, CODE + 4096])
def test_load_of_the_first_and_the_last_bytes_of_a_region(kind: str, name: str, end: int) -> None:
    address = end if end == RAM else end - SIZES[name]
    card = Card(kind, [asm(name, 7, 5)], {5: address})
    card.ram[:4] = card.ram[-4:] = card.code[-4:] = bytes.fromhex("81828384")
    assert card.engine.run(1) is StopReason.BUDGET
    memory, offset = {RAM: (card.ram, 0), RAM + 8192: (card.ram, 8192), ROM + 4096: (card.rom, 4096), CODE + 4096: (card.code, 4096)}[end]
    raw = memory[0:SIZES[name]] if end == RAM else memory[offset - SIZES[name]:]
    assert card.engine.register(7) == int.from_bytes(raw, "little", signed=not name.endswith("u")) & 0xFFFF_FFFF


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("end", [RAM, RAM + 8192, CODE + 4096])
def test_store_to_the_first_and_the_last_bytes_of_a_region(kind: str, name: str, end: int) -> None:
    size = SIZES[name]
    card = Card(kind, [asm(name, 0, 5, 7)], {5: end if end == RAM else end - size, 7: 0x8182_8384})
    assert card.engine.run(1) is StopReason.BUDGET
    memory = card.code if end == CODE + 4096 else card.ram
    written = 0x8182_8384.to_bytes(4, "little")[:size]
    assert (memory[:size] if end == RAM else memory[-size:]) == written
    assert sum(map(bool, card.ram)) == (0 if memory is card.code else size)


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("address", [DEVICE, NOBODY - 4])
def test_load_from_the_bus(kind: str, name: str, address: int) -> None:
    card = Card(kind, [asm("addi"), asm(name, 7, 5, imm=-4)], {5: address + 4})
    card.bus.answer = lambda _address, size: 0xF1E2_D3C4 & (1 << 8 * size) - 1
    card.engine.run(2)
    value = 0xF1E2_D3C4 & (1 << 8 * SIZES[name]) - 1
    assert card.bus.seen == [("load", address, SIZES[name], value, CODE + 4, 1)]
    if not name.endswith("u"):
        value -= value >> (8 * SIZES[name] - 1) << 8 * SIZES[name]
    assert card.engine.register(7) == value & 0xFFFF_FFFF


@pytest.mark.parametrize("name", STORES)
def test_store_to_the_bus(kind: str, name: str) -> None:
    card = Card(kind, [asm("addi"), asm(name, 0, 5, 7, imm=-4)], {5: DEVICE + 4, 7: 0xF1E2_D3C4})
    card.engine.run(2)
    assert card.bus.seen == [("store", DEVICE, SIZES[name], 0xF1E2_D3C4 & (1 << 8 * SIZES[name]) - 1, CODE + 4, 1)]


def test_load_into_x0_reaches_the_bus(kind: str) -> None:
    card = Card(kind, [asm("lw", 0, 5)], {5: DEVICE})
    card.engine.run(1)
    assert len(card.bus.seen) == 1
    assert card.engine.register(0) == 0


def test_pc_and_count_are_exact_on_the_bus_in_a_hot_loop(kind: str) -> None:
    loop = [asm("addi", 6, 6, imm=1), asm("lw", 7, 5), asm("sw", 0, 5, 6), asm("addi"), asm("bne", 0, 6, 0, imm=-16)]
    card = Card(kind, loop, {5: DEVICE})
    card.engine.run(500)
    assert [(pc, executed) for *_, pc, executed in card.bus.seen] == [
        (CODE + 4 + 4 * (index & 1), 5 * (index >> 1) + 1 + (index & 1)) for index in range(200)
    ]


def test_address_wraps_at_32_bits(kind: str) -> None:
    card = Card(kind, [asm("lw", 7, 5, imm=8), asm("lw", 6, 8, imm=-8)], {5: 0xFFFF_FFF8, 8: 4})
    card.bus.answer = lambda address, _size: address & 0xFF
    assert card.engine.run(2) is StopReason.TRAPPED
    assert card.bus.seen[0][1] == 0
    card.start({8: DEVICE - 0x1_0000_0000 + 8 & 0xFFFF_FFFF}, CODE + 4)
    card.engine.run(1)
    assert card.bus.seen[1][1] == DEVICE


@pytest.mark.parametrize(("name", "answer"), [("lb", 256), ("lbu", -1), ("lh", 1 << 16), ("lw", 1 << 32), ("lw", -1)])
def test_answer_that_does_not_fit_is_a_fault_of_the_device(kind: str, name: str, answer: int) -> None:
    card = Card(kind, [asm("addi", 6, 0, imm=7), asm(name, 7, 5)], {5: DEVICE})
    card.bus.answer = lambda *_: answer
    with pytest.raises(BedError, match="at 0x40000000"):
        card.engine.run(2)
    assert (card.engine.pc, card.engine.executed, card.engine.register(6), card.engine.register(7)) == (CODE + 4, 1, 7, 0)


@pytest.mark.parametrize("name", ["lw", "sw"])
def test_exception_of_a_device_leaves_the_core_before_the_instruction(kind: str, name: str) -> None:
    card = Card(kind, [asm("addi", 6, 6, imm=1), asm(name, 7, 5, 6), asm("jal", imm=-8)], {5: DEVICE})

    def broken() -> None:
        if len(card.bus.seen) == 40:
            raise LookupError("a device of the test")

    card.bus.then = broken
    with pytest.raises(LookupError):
        card.engine.run(1000)
    assert (card.engine.pc, card.engine.executed, card.engine.register(6)) == (CODE + 4, 39 * 3 + 1, 40)
    assert card.engine.trap is None
    assert card.engine.run(2) is StopReason.BUDGET
    assert (card.engine.pc, card.engine.executed) == (CODE, 40 * 3)


@pytest.mark.parametrize("size", [2, 4])
def test_units_are_little_endian_on_any_host(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = bytearray(range(16))
    plain = units(memory, size)
    monkeypatch.setattr(sys, "byteorder", "big")
    swapped = units(memory, size)
    assert isinstance(swapped, LittleEndianUnits)
    for index in range(16 // size):
        value = int.from_bytes(memory[size * index:size * index + size], "little")
        assert plain[index] == value
        assert swapped[index] == value
    swapped[1] = 0x0102
    assert memory[size:2 * size] == bytes([2, 1, 0, 0][:size])
