# SPDX-License-Identifier: Apache-2.0
"""Machines that have run for a while: the system uses frames all over RAM, the same ones in every run.

What is claimed here belongs to the system: no block stands for it and nothing frees it. Each function takes a tree in
any state and claims free frames only, so that one may follow another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from hashlib import shake_256
from itertools import accumulate, chain, count
from struct import unpack

from allocator._leaves import FULL, LEAF_FRAMES, LEAF_MASK, LEAF_SHIFT, masks_of
from allocator.frames import FrameTree
from verifier.address import MIB, PAGE_SHIFT
from verifier.errors import UsageError


def age(tree: FrameTree, seed: int, fill: float, largest: int) -> None:
    """Use runs of random length, so that about the part *fill* of all frames is used and no free run has more than
    *largest* frames.

    From frame 0 on, free and used runs alternate. Lengths are independent: those of free runs are uniform from 1 to
    *largest*, those of used ones uniform from 1 to ``round(fill / (1 - fill) * (largest + 1)) - 1``, so that the means
    are as *fill* to 1 - *fill*. They come from SHAKE-256 of *seed* (any integer), alike on every computer. `UsageError`
    for *largest* below 1, and where used runs would have to be shorter than one frame or longer than 2**31.
    """
    if largest < 1:
        raise UsageError(f"free runs of at most {largest} frames", "leave free runs of at least 1 frame")
    longest_used = round(fill / (1 - fill) * (largest + 1)) - 1 if 0 < fill < 1 else 0
    if not 1 <= longest_used <= 1 << 31:
        raise UsageError(f"runs of up to {largest} free frames cannot leave a machine {fill:g} full",
                         f"fill it from {2 / (largest + 3):.3g} on and below 1")
    tree.occupy(_alternating(_lengths(seed, largest, longest_used), tree.end))


def age_with_gaps(tree: FrameTree, gap: int, every: int) -> None:
    """Use all but *gap* frames from each multiple of *every* (a power of two, in frames) on, from 0 on."""
    _use_all_but(tree, 0, gap, every)


def straddle_every_seam(tree: FrameTree, seam: int, reach: int) -> None:
    """Use all but *reach* frames on each side of each multiple of *seam* (a power of two, in frames), 0 included: every
    free run lies across one, and none of more than *reach* frames lies between two."""
    _use_all_but(tree, -reach, 2 * reach, seam)


AGED: dict[str, Callable[[FrameTree], None]] = {
    "fragments": partial(age, seed=1, fill=0.5, largest=256),
    "adversary": partial(straddle_every_seam, seam=16 * MIB >> PAGE_SHIFT, reach=15),
}
"""Ageings of a world by name. *fragments*: half of RAM is used, and no free run has more than 1 MiB; a million of them at
1 TiB. *adversary*: nothing is free but 60 KiB on each side of every multiple of 16 MiB."""


def ageing_of(name: str) -> Callable[[FrameTree], None]:
    """The ageing called *name* in `AGED`; `UsageError` if there is none."""
    if name not in AGED:
        raise UsageError(f"no ageing is called {name!r}", f"choose one of {', '.join(AGED)}")
    return AGED[name]


def _lengths(seed: int, free: int, used: int) -> Iterator[int]:
    """Random lengths without end: one up to *free*, one up to *used*, and so on."""
    for number in count():
        draws = unpack("<2048I", shake_256(f"{seed}/{number}".encode()).digest(8192))
        yield from chain.from_iterable(
            (1 + (one * free >> 32), 1 + (two * used >> 32)) for one, two in zip(draws[::2], draws[1::2], strict=True))


def _alternating(lengths: Iterator[int], end: int) -> Iterator[tuple[int, int]]:
    """Each leaf below frame *end* with the mask of its frames in used runs: the second of *lengths*, the fourth, …"""
    leaf, mask, used = 0, 0, False
    for edge in accumulate(lengths):
        while edge >> LEAF_SHIFT > leaf:
            # Each edge has flipped what lies below it, and what lies above the last one is as that one left it.
            yield leaf, mask ^ FULL if used else mask
            leaf += 1
            mask = 0
            if leaf << LEAF_SHIFT >= end:
                return
        mask ^= (1 << (edge & LEAF_MASK)) - 1
        used = not used


def _use_all_but(tree: FrameTree, first: int, length: int, period: int) -> None:
    """Leave free only *length* frames from *first* on, and the same again after each *period* frames."""
    if period < 1 or period & (period - 1) or not 0 < length < period:
        raise UsageError(f"gaps of {length} frames in every {period}", "give a power of two, and gaps below it of at least 1 frame")
    kept: dict[int, int] = {}  # by number of the leaf in a stretch of at least one leaf after which all repeats
    stretch = max(period, LEAF_FRAMES)
    for start in range(first, first + stretch, period):
        for leaf, mask in chain(masks_of(start % stretch, min(length, stretch - start % stretch)),
                                masks_of(0, start % stretch + length - stretch)):
            kept[leaf] = kept.get(leaf, 0) | mask
    leaves = (tree.end + LEAF_MASK) >> LEAF_SHIFT
    tree.occupy((leaf, FULL ^ kept.get(leaf % (stretch >> LEAF_SHIFT), 0)) for leaf in range(leaves))
