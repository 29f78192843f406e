# SPDX-License-Identifier: Apache-2.0
"""What RAM costs: nanoseconds per read and write beside a plain copy of the same size into and out of an mmap.

Run as `python -m bench.ram` from the repository. The last column is the speed in percent of the plain copy. Budgets
(two-core machine of the notes): write 64 bytes 350 ns, read 64 bytes 300 ns, 64 KiB at 60 % of the plain copy.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from _measure import print_calibration

from hw.backing import BackingKind, open_backing
from hw.ram import Ram
from verifier.address import GIB, KIB, MIB, Span

SIZES = (64, 1514, 64 * KIB)
ADDRESS = 16 * MIB
ROUNDS = 7
MAP = (Span(0, 640 * KIB), Span(MIB, 255 * MIB))


def nanoseconds(action: Callable[[], object], repeats: int) -> float:
    """The best of some rounds of *repeats* calls, per call, an empty call taken off."""

    def empty() -> None: ...

    def best(what: Callable[[], object]) -> float:
        least = sys.maxsize
        for _ in range(ROUNDS):
            begin = perf_counter_ns()
            for _ in range(repeats):
                what()
            least = min(least, perf_counter_ns() - begin)
        return least / repeats

    return max(best(action) - best(empty), 0.0)


def line(what: str, cost: float, yardstick: float | None = None) -> None:
    percent = f"{100 * yardstick / cost:6.0f} %" if yardstick else ""
    print(f"{what:<44}{cost:>10.0f} ns {percent}")


def transfers(ram: Ram, plain: mmap.mmap, size: int) -> None:
    """Lines for one size of access, on a RAM that is reset afterwards."""
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    repeats = 20_000 if size < 4096 else 5_000
    end = ADDRESS + size
    offset = 0

    def moved() -> int:
        nonlocal offset
        offset = (offset + size) & (MIB - 1)
        return ADDRESS + MIB + offset

    def plain_write() -> None:
        plain[ADDRESS:end] = data

    def plain_write_elsewhere() -> None:
        at = moved()
        plain[at : at + size] = data

    def cost(action: Callable[[], object]) -> float:
        return nanoseconds(action, repeats)

    moving = cost(moved)
    write, read = cost(plain_write), cost(lambda: plain[ADDRESS:end])
    line("  plain mmap write", write)
    line("  Ram.write", cost(lambda: ram.write(ADDRESS, data)), write)
    elsewhere = cost(plain_write_elsewhere) - moving
    line("  Ram.write, each somewhere else", cost(lambda: ram.write(moved(), data)) - moving, elsewhere)
    line("  plain mmap read", read)
    line("  Ram.read", cost(lambda: ram.read(ADDRESS, size)), read)
    ram.write_tagged(ADDRESS, data, 7)
    line("  Ram.write, untagged over other tags", cost(lambda: ram.write(ADDRESS + MIB, data)), write)
    line("  Ram.write, tagged", cost(lambda: ram.write_tagged(ADDRESS, data, 7)), write)
    line("  Ram.first_foreign", cost(lambda: ram.first_foreign(ADDRESS, size, 7)))
    ram.forget(ADDRESS + size // 2, 1)
    line("  Ram.read, one byte never written", cost(lambda: ram.read(ADDRESS, size)), read)
    ram.reset()


def worlds(kind: BackingKind) -> None:
    with open_backing(4 * GIB, kind) as backing:
        ranges = (*MAP, Span(GIB, 3 * GIB))

        def world() -> None:
            ram = Ram(ranges, backing)
            for page in range(0, 40, 2):
                ram.write(ADDRESS + (page << 12), b"descriptor")
            ram.reset()

        print(f"a world, {kind}")
        line("  Ram()", nanoseconds(lambda: Ram(ranges, backing), 5_000))
        line("  Ram(), store to 20 pages, reset()", nanoseconds(world, 1_000))


def main() -> None:
    print_calibration()
    kinds: tuple[BackingKind, ...] = ("file", "chunked")
    for kind in kinds:
        with open_backing(MAP[-1].end, kind) as backing, mmap.mmap(-1, 32 * MIB) as plain:
            ram = Ram(MAP, backing)
            for size in SIZES:
                print(f"{size} bytes, {kind}")
                transfers(ram, plain, size)
        worlds(kind)


if __name__ == "__main__":
    main()
