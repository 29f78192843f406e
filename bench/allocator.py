# SPDX-License-Identifier: Apache-2.0
"""Microseconds per contiguous allocate and free: run as ``python bench/allocator.py`` (budgets: design, section 12).

*mm* is a pair of calls of `MemoryManager` (place, block, address book, events, quarantine), *tree* the same request to the
frame tree alone; both for 16 KiB. *first* is the very first call of the tree with that placement and boundary, which makes
the index. *scan* is a look at one byte a frame from the same end (`bytearray.find`), where a scan can serve the request; at
1 TiB the bytes alone take 256 MiB. States of a machine:

free        just switched on
fragments   half of RAM used in random runs: a million free runs at 1 TiB
adversary   nothing free but 60 KiB on each side of every multiple of 16 MiB
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from time import perf_counter

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from _measure import best_us, line, print_calibration

from allocator.ageing import AGED
from allocator.frames import FrameTree, Placement
from allocator.memory_manager import SEAMS, MemoryManager
from hw.machine import Machine
from hw.processor import Random
from verifier.address import GIB, MIB, PAGE_SHIFT, TIB, Span
from verifier.address_book import BlockKind

SIZES = {"16 MiB": 16 * MIB, "4 GiB": 4 * GIB, "1 TiB": TIB}
BOUNDARIES = (0, 16 * MIB)
LENGTH = 16 << 10
BUDGET_US, BUDGET_HOSTILE_US = 20.0, 40.0

Figures = dict[tuple[str, str, Placement, int], float]


def main() -> None:
    """Print a table for each size of RAM, then the ratios that have a budget."""
    print_calibration()
    pairs: Figures = {}
    for (size_name, size), state in product(SIZES.items(), (None, *AGED)):
        started = perf_counter()
        tree = FrameTree([(0, size >> PAGE_SHIFT)])
        built = perf_counter()
        if state is not None:
            AGED[state](tree)
        aged = perf_counter()
        flags = bytearray(tree.end)
        runs = 0
        for first, count in tree.runs():
            flags[first:first + count] = b"\x01" * count
            runs += 1
        print(f"\n{size_name}, {state or 'free'}: {runs} free runs; tree {(built - started) * 1e3:.1f} ms, "
              f"ageing {(aged - built) * 1e3:.1f} ms")
        print(f"{'placement':11}{'boundary':>9}{'mm us':>9}{'budget':>8}{'tree us':>9}{'first us':>10}{'scan us':>12}")
        for placement, boundary in product(Placement, BOUNDARIES):
            first_us, tree_us = through_tree(tree, placement, boundary >> PAGE_SHIFT)
            mm_us = through_manager(tree, size, placement, boundary)
            pairs[size_name, state or "free", placement, boundary] = mm_us
            budget = BUDGET_HOSTILE_US if placement is Placement.HOSTILE else BUDGET_US
            print(f"{placement:11}{boundary >> 20:8}M{mm_us:9.2f}{budget:8.0f}{tree_us:9.2f}{first_us:10.1f}"
                  f"{scan(flags, placement, boundary >> PAGE_SHIFT)}")
    print("\naged 1 TiB against aged 16 MiB, mm (budget: at most 2.0; not asked of hostile)")
    for state, placement, boundary in product(AGED, Placement, BOUNDARIES):
        ratio = pairs["1 TiB", state, placement, boundary] / pairs["16 MiB", state, placement, boundary]
        line(f"{state}, {placement}, boundary {boundary >> 20}M", ratio, None if placement is Placement.HOSTILE else 2.0, "x ")


def through_tree(tree: FrameTree, placement: Placement, boundary: int) -> tuple[float, float]:
    """Microseconds of the first pair, and of one of the many after it."""
    draw = Random(1).below

    def pair() -> None:
        first = tree.allocate(LENGTH >> PAGE_SHIFT, lowest=0, highest_start=tree.end, boundary=boundary, placement=placement,
                              seams=SEAMS, rng=draw)
        if first is not None:
            tree.free(first, LENGTH >> PAGE_SHIFT)

    started = perf_counter()
    pair()
    return (perf_counter() - started) * 1e6, best_us(pair)


def through_manager(tree: FrameTree, size: int, placement: Placement, boundary: int) -> float:
    """Microseconds of a pair through `MemoryManager`. Its freed frames pass through quarantine, as they do in a long life."""
    mark = tree.mark()
    memory = MemoryManager(Machine((Span(0, size),)), tree, placement)

    def pair() -> None:
        block = memory.allocate(BlockKind.CONTIGUOUS, "bench", "block", LENGTH, boundary=boundary)
        if block is not None:
            memory.free(block, "bench")

    figure = best_us(pair)
    tree.rollback(mark)
    return figure


def scan(flags: bytearray, placement: Placement, boundary: int) -> str:
    """Microseconds of the same pair by a look at every frame on the way, as text."""
    if placement not in (Placement.LOW, Placement.HIGH):
        return f"{'-':>12}"
    count = LENGTH >> PAGE_SHIFT
    wanted, used = b"\x01" * count, bytes(count)

    def pair() -> None:
        if placement is Placement.LOW:
            first = flags.find(wanted)
            while first >= 0 and boundary and first // boundary != (first + count - 1) // boundary:
                first = flags.find(wanted, first + 1)
        else:
            first = flags.rfind(wanted)
            while first >= 0 and boundary and first // boundary != (first + count - 1) // boundary:
                first = flags.rfind(wanted, 0, first + count - 1)
        if first >= 0:
            flags[first:first + count] = used
            flags[first:first + count] = wanted

    return f"{best_us(pair):12.2f}"


def rare(size: int = TIB) -> None:
    """An ask in vain, for a run that no fragment holds: the first one looks into every leaf, the next one knows."""
    tree = FrameTree([(0, size >> PAGE_SHIFT)])
    AGED["fragments"](tree)
    flags = bytearray(tree.end)
    for first, count in tree.runs():
        flags[first:first + count] = b"\x01" * count
    print("\n1.2 MiB asked of a million fragments, in vain")
    for name in ("first ask", "second ask"):
        started = perf_counter()
        tree.allocate(300, lowest=0, highest_start=tree.end, placement=Placement.LOW, rng=Random(1).below)
        line(name, (perf_counter() - started) * 1e6)
    started = perf_counter()
    flags.find(b"\x01" * 300)
    line("linear scan, each time", (perf_counter() - started) * 1e6)


if __name__ == "__main__":
    main()
    rare()
