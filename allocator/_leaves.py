# SPDX-License-Identifier: Apache-2.0
"""Bit arithmetic on leaves. A leaf is a Python int: bit *n* is set while frame *n* of its 4096 frames is free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from verifier.errors import UsageError

LEAF_SHIFT = 12
LEAF_FRAMES = 1 << LEAF_SHIFT
LEAF_MASK = LEAF_FRAMES - 1
FULL = (1 << LEAF_FRAMES) - 1

MAX_FRAMES = 1 << 28
"""Most frames a machine may have: 1 TiB."""

FRAME_LIMIT = 1 << 30
"""One beyond the highest possible frame: holes may stretch a machine to 4 TiB."""


def run_starts(bits: int, count: int) -> int:
    """The bits of *bits* at which *count* set bits begin (*count* at least 1)."""
    have = 1
    while have < count:
        step = min(have, count - have)
        bits &= bits >> step
        have += step
    return bits


def prefix(bits: int) -> int:
    """Number of set bits from bit 0 up to the first clear one."""
    return (bits ^ (bits + 1)).bit_length() - 1


def suffix(bits: int) -> int:
    """Number of set bits from the top bit of a leaf down to the first clear one."""
    return LEAF_FRAMES - (bits ^ FULL).bit_length()


def run_around(bits: int, offset: int, count: int) -> int:
    """Length of the maximal run in the leaf that holds the *count* set bits from *offset* on."""
    begin = (~bits & ((1 << offset) - 1)).bit_length()
    return offset + count + prefix(bits >> (offset + count)) - begin


@lru_cache(maxsize=1024)
def start_mask(count: int, boundary: int, seam: int) -> int:
    """The starts in a leaf from which *count* frames cross no multiple of *boundary* and cross one of *seam*.

    Both are powers of two up to 4096 frames, or 0 for no such rule. A seam below *count* is always crossed.
    """
    mask = FULL
    if boundary:
        mask &= _repeated((1 << max(boundary - count + 1, 0)) - 1, boundary)
    if seam and count <= seam:
        mask &= _repeated(((1 << (count - 1)) - 1) << (seam - count + 1), seam)
    return mask


def masks_of(first: int, count: int) -> Iterator[tuple[int, int]]:
    """Each leaf that holds some of *count* frames from *first* on, with the mask of them, ascending."""
    end = first + count
    while first < end:
        leaf, offset = first >> LEAF_SHIFT, first & LEAF_MASK
        inside = min(LEAF_FRAMES - offset, end - first)
        yield leaf, FULL if inside == LEAF_FRAMES else ((1 << inside) - 1) << offset
        first += inside


def leaves_of(ranges: Sequence[tuple[int, int]]) -> list[int]:
    """The leaves of RAM at *ranges*, and one empty leaf behind them."""
    remedy = "give (first_frame, count) pairs, ascending and disjoint, each of at least 1 frame"
    if not ranges:
        raise UsageError("a machine without RAM", remedy)
    end = 0
    for first, count in ranges:
        if first < end or count < 1:
            raise UsageError(f"RAM range of {count} frames from 0x{first:x} after RAM up to 0x{end:x}", remedy)
        end = first + count
    total = sum(count for _, count in ranges)
    if total > MAX_FRAMES or end > FRAME_LIMIT:
        raise UsageError(f"RAM of {total} frames up to 0x{end:x}", "keep to 2**28 frames below frame 2**30")
    leaves = [0] * (((end + LEAF_MASK) >> LEAF_SHIFT) + 1)
    for first, count in ranges:
        whole, end_leaf = (first + LEAF_MASK) >> LEAF_SHIFT, (first + count) >> LEAF_SHIFT
        if whole < end_leaf:
            leaves[whole:end_leaf] = [FULL] * (end_leaf - whole)
        for edge, edge_count in _edges(first, count, whole, end_leaf):
            leaves[edge >> LEAF_SHIFT] |= ((1 << edge_count) - 1) << (edge & LEAF_MASK)
    return leaves


def _repeated(pattern: int, period: int) -> int:
    return pattern * (FULL // ((1 << period) - 1))


def _edges(first: int, count: int, whole: int, end_leaf: int) -> Iterator[tuple[int, int]]:
    """The parts of a range before and behind its whole leaves [*whole*, *end_leaf*), as ``(first, count)``."""
    if whole > end_leaf:
        yield first, count
        return
    if before := (whole << LEAF_SHIFT) - first:
        yield first, before
    if behind := (first + count) - (end_leaf << LEAF_SHIFT):
        yield end_leaf << LEAF_SHIFT, behind
