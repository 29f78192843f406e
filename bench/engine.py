# SPDX-License-Identifier: Apache-2.0
"""Instructions per second of the RV32IM engines: run as ``python bench/engine.py``.

Programs lie in the 256 KiB of RAM of the smart NIC at 0x10000000. *per turn* is how many instructions an engine retires while a
plain Python loop takes one turn (the calibration loop): the figure to compare between machines. *first* is the time of the first
2,000 instructions of an engine whose translations no world has made before.

checksum    sum of 750 halves of a frame
copy        375 words from one buffer to another
calls       a function that saves its return address and calls another one
device      a load and a store of the bus in each five instructions
slices      checksum again, in slices of 200 instructions
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from _measure import best_us, calibration_us, print_calibration

from hw.rv32.engine import KINDS, Engine, Region, make_engine
from hw.rv32.translate import KEPT
from verifier.errors import UsageError

BASE = 0x1000_0000
BUDGET_MIPS = 8.0
"""Of the engine of Python, on hot loops."""

CHECKSUM = (
    0x100082B7,  # lui   t0, 0x10008
    0x5DC28313,  # addi  t1, t0, 1500
    0x00000393,  # li    t2, 0
    0x0002D403,  # lhu   s0, 0(t0)
    0x00228293,  # addi  t0, t0, 2
    0x008383B3,  # add   t2, t2, s0
    0xFE629AE3,  # bne   t0, t1, -12
    0x0103D413,  # srli  s0, t2, 16
    0x01039393,  # slli  t2, t2, 16
    0x0103D393,  # srli  t2, t2, 16
    0x008383B3,  # add   t2, t2, s0
    0xFD5FF06F,  # j     -44
)
COPY = (
    0x100082B7,  # lui   t0, 0x10008
    0x10009337,  # lui   t1, 0x10009
    0x5DC28393,  # addi  t2, t0, 1500
    0x0002A403,  # lw    s0, 0(t0)
    0x00832023,  # sw    s0, 0(t1)
    0x00428293,  # addi  t0, t0, 4
    0x00430313,  # addi  t1, t1, 4
    0xFE7298E3,  # bne   t0, t2, -16
    0xFE1FF06F,  # j     -32
)
CALLS = (
    0x10010137,  # lui   sp, 0x10010
    0x00150513,  # addi  a0, a0, 1
    0x008000EF,  # jal   ra, 8
    0xFF9FF06F,  # j     -8
    0xFF010113,  # addi  sp, sp, -16
    0x00112623,  # sw    ra, 12(sp)
    0x00A12423,  # sw    a0, 8(sp)
    0x014000EF,  # jal   ra, 20
    0x00C12083,  # lw    ra, 12(sp)
    0x01010113,  # addi  sp, sp, 16
    0x00008067,  # ret
    0x00000013,  # nop
    0x00757593,  # andi  a1, a0, 7
    0x02B50533,  # mul   a0, a0, a1
    0x00008067,  # ret
)
DEVICE = (
    0x400002B7,  # lui   t0, 0x40000
    0x0002A303,  # lw    t1, 0(t0)
    0x00130313,  # addi  t1, t1, 1
    0x0062A223,  # sw    t1, 4(t0)
    0xFF5FF06F,  # j     -12
)
PROGRAMS = {"checksum": (CHECKSUM, 50_000), "copy": (COPY, 50_000), "calls": (CALLS, 50_000), "device": (DEVICE, 5_000),
            "slices": (CHECKSUM, 200)}
"""Words, and the instructions of one call of `Engine.run`."""


class Quiet:
    """A bus with a device that answers 0."""

    def load(self, address: int, size: int) -> int:
        return 0

    def store(self, address: int, size: int, value: int) -> None: ...


def engine(kind: str, words: tuple[int, ...]) -> Engine:
    memory = bytearray(256 << 10)
    memory[0x8000:0x8000 + 1500] = bytes(range(1, 251)) * 6
    for number, word in enumerate(words):
        memory[4 * number:4 * number + 4] = word.to_bytes(4, "little")
    return make_engine(kind, [Region("ram", BASE, memory, executable=True)], Quiet())


def first_us(kind: str, words: tuple[int, ...]) -> float:
    """Microseconds of 2,000 instructions from reset, with nothing translated."""
    best = float("inf")
    for _ in range(5):
        KEPT.forget()
        core = engine(kind, words)
        started = perf_counter()
        core.run(2000)
        best = min(best, perf_counter() - started)
    return best * 1e6


def main() -> None:
    """A table for each engine whose package is there."""
    print_calibration()
    turn_us = calibration_us() / 1000
    for kind in KINDS:
        print(f"\n{kind:<12}{'MIPS':>8}{'budget':>9}{'ratio':>7}{'ns each':>10}{'per turn':>10}{'first us':>11}")
        try:
            for name, (words, budget) in PROGRAMS.items():
                core = engine(kind, words)
                core.run(20_000)
                mips = budget / best_us(lambda core=core, budget=budget: core.run(budget), seconds=0.05)  # type: ignore[misc]
                hot = kind == "python" and name in ("checksum", "copy")
                against = f"{BUDGET_MIPS:9.1f}{mips / BUDGET_MIPS:7.2f}" if hot else " " * 16
                print(f"{name:<12}{mips:8.2f}{against}{1000 / mips:10.1f}{mips * turn_us:10.3f}{first_us(kind, words):11.0f}")
        except UsageError as missing:
            print(f"not measured: {missing}; {missing.remedy}")


if __name__ == "__main__":
    main()
