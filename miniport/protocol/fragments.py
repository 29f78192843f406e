# SPDX-License-Identifier: Apache-2.0
"""Into which fragments the protocol cuts a packet, and where they lie in its pages."""

from __future__ import annotations

from hw.processor import Random
from verifier.address import PAGE_SIZE

HEADER_BYTES = 14
SPLITS = (1, 13, 14, 60)
"""Where the first fragment may end."""
MOST_FRAGMENTS = 24
WIDEST_GAP = 7


def fragments(length: int, rng: Random) -> list[int]:
    """How long the buffers of a packet of *length* bytes are: half the time a header and the rest, else one buffer, a header
    that is cut elsewhere, empty buffers in between, single bytes, or up to `MOST_FRAGMENTS`."""
    kind = rng.below(16)
    if kind < 8:
        return _split(length, HEADER_BYTES)
    if kind < 10:
        return [length]
    if kind < 13:
        return _split(length, SPLITS[rng.below(len(SPLITS))])
    if kind == 13:
        lengths = _split(length, HEADER_BYTES)
        for _ in range(1 + rng.below(2)):
            lengths.insert(rng.below(len(lengths) + 1), 0)
        return lengths
    if kind == 14:
        singles = min(1 + rng.below(3), length)
        return [1] * singles + ([length - singles] if length > singles or not length else [])
    return _many(length, min(3 + rng.below(MOST_FRAGMENTS - 2), max(length, 1)))


def crossing(lengths: list[int], gaps: list[int], rng: Random) -> tuple[int, list[int]]:
    """How many pages a packet gets, and the offset of each fragment. *gaps* are the bytes before each fragment in one page.

    Three packets of four stay in one page. In the others one fragment crosses the end of the first page, and in half of those
    that have a later one of two bytes or more, that one crosses the end of the second page.
    """
    places, at = [], 0
    for size, gap in zip(lengths, gaps, strict=True):
        at += gap
        places.append(at)
        at += size
    long = [number for number, size in enumerate(lengths) if size > 1]
    if rng.below(4) or not long or at - places[0] > PAGE_SIZE:
        return 1, places
    first = long[rng.below(len(long))]
    shift = PAGE_SIZE - 1 - rng.below(lengths[first] - 1) - places[first]
    places = [place + shift for place in places]
    if long[-1] == first or rng.below(2):
        return 2, places
    second = long[-1]
    shift = 2 * PAGE_SIZE - 1 - rng.below(lengths[second] - 1) - places[second]
    return 3, [place + (shift if number >= second else 0) for number, place in enumerate(places)]


def _split(length: int, at: int) -> list[int]:
    return [at, length - at] if length > at else [length]


def _many(length: int, count: int) -> list[int]:
    """*count* buffers of about the same length, none empty unless the packet is."""
    return [length * (n + 1) // count - length * n // count for n in range(count)]
