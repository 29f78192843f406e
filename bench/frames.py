# SPDX-License-Identifier: Apache-2.0
"""Microseconds per allocate and free of the page-frame allocator: run as ``python bench/frames.py``.

Beside each figure stands the same request served by a plain scan over one byte per frame (``bytearray.find``), where a
scan can serve it, and on top the time of a fixed pure-Python loop, by which two computers compare. States of a machine:

free        nothing is used
aged        up to a million used runs of random length, from a fixed seed
adversary   all used but 15 frames on each side of every 16 MiB seam, and one run that fits halfway
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from _measure import best_us, print_calibration

from allocator.frames import FrameTree, Placement

LEAF = 4096
SIZES = {"16 MiB": 1 << 12, "256 MiB": 1 << 16, "4 GiB": 1 << 20, "1 TiB": 1 << 28}
SEAMS = (1 << 20, LEAF, 16)
REQUESTS = ((1, 0), (4, 0), (16, LEAF))


def main() -> None:
    """Print one table for each size of RAM."""
    print_calibration()
    for name, frames in SIZES.items():
        print(f"\n{name}: new tree {best_us(partial(FrameTree, [(0, frames)])):.1f} us")
        print(f"{'state':10}{'placement':11}{'frames':>7}{'boundary':>9}{'us':>9}{'scan us':>12}")
        for state, age in STATES.items():
            tree = FrameTree([(0, frames)])
            age(tree, frames)
            flags = bytearray(frames)
            for first, count in tree.runs():
                flags[first : first + count] = b"\x01" * count
            for placement in Placement:
                for count, boundary in REQUESTS:
                    show(tree, flags, state, placement, count, boundary)


def show(tree: FrameTree, flags: bytearray, state: str, placement: Placement, count: int, boundary: int) -> None:
    """Measure one request and print its line."""
    draw = random.Random(1).randrange
    frames = len(flags)

    def pair() -> None:
        first = tree.allocate(count, lowest=0, highest_start=frames, boundary=boundary, placement=placement,
                              seams=SEAMS, rng=draw)
        if first is not None:
            tree.free(first, count)

    def scan_pair() -> None:
        first = scan(flags, count, boundary, placement)
        if first >= 0:
            flags[first : first + count] = bytes(count)
            flags[first : first + count] = b"\x01" * count

    scanned = f"{best_us(scan_pair):12.2f}" if placement in (Placement.LOW, Placement.HIGH) else f"{'-':>12}"
    print(f"{state:10}{placement:11}{count:7}{boundary:9}{best_us(pair):9.2f}{scanned}")


def scan(flags: bytearray, count: int, boundary: int, placement: Placement) -> int:
    """First frame of the lowest or highest run, or -1: every frame on the way is looked at."""
    wanted = b"\x01" * count
    if placement is Placement.LOW:
        first = flags.find(wanted)
        while first >= 0 and boundary and first // boundary != (first + count - 1) // boundary:
            first = flags.find(wanted, first + 1)
        return first
    first = flags.rfind(wanted)
    while first >= 0 and boundary and first // boundary != (first + count - 1) // boundary:
        first = flags.rfind(wanted, 0, first + count - 1)
    return first


def leave_free(tree: FrameTree, frames: int) -> None:
    """A machine just switched on."""


def age_at_random(tree: FrameTree, frames: int) -> None:
    """Claim runs all over RAM; half of it stays free."""
    rng = random.Random(1)
    runs = min(frames // 16, 1_000_000)
    longest = max(frames // runs, 2)
    for _ in range(runs):
        tree.take(rng.randrange(frames), rng.randrange(1, longest))


def age_by_adversary(tree: FrameTree, frames: int) -> None:
    """Leave runs that look long enough and are not."""
    tree.take(0, frames)
    for seam in range(LEAF, frames, LEAF):
        tree.free(seam - 15, 30)
    tree.free(frames // 2 + 100, 16)


STATES: dict[str, Callable[[FrameTree, int], None]] = {
    "free": leave_free, "aged": age_at_random, "adversary": age_by_adversary,
}


if __name__ == "__main__":
    main()
