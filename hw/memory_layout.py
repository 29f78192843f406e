# SPDX-License-Identifier: Apache-2.0
"""Where a PC puts its RAM: the hole of the old video memory below 1 MiB, and the hole for devices below 4 GiB."""

from __future__ import annotations

from functools import lru_cache

from verifier.address import GIB, KIB, MIB, PAGE_MASK, PAGE_SIZE, TIB, Span
from verifier.errors import UsageError

VIDEO_HOLE = Span(640 * KIB, 384 * KIB)
DEVICE_HOLE = Span(3 * GIB, 1 * GIB)
MMIO_BASE = 0xFEB0_0000
PORT_BASE = 0xC000
OTHER_MMIO_BASE, OTHER_PORT_BASE = 0xFD00_0000, 0xD000
"""Where cards go when their resources are rebalanced."""
ISA_PORT_BASE = 0x300
"""Where ISA cards have their ports; the bus decodes ten address lines."""
SMALLEST = 2 * MIB
LARGEST = 1 * TIB


@lru_cache(maxsize=64)
def ram_ranges(size: int) -> tuple[Span, ...]:
    """The RAM ranges of a PC with *size* bytes: what the device hole pushes up lies above 4 GiB, and what lies under the
    video hole is lost.

    *size* is a whole number of pages from 2 MiB to 1 TiB; `UsageError` otherwise.
    """
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(f"a machine with 0x{size:x} bytes of RAM is not modelled", "give from 2M to 1T of RAM")
    if size & PAGE_MASK:
        raise UsageError(f"0x{size:x} bytes of RAM is no whole number of pages", f"give a multiple of {PAGE_SIZE} bytes")
    ranges = [Span(0, VIDEO_HOLE.start)]
    below = min(size, DEVICE_HOLE.start)
    ranges.append(Span(VIDEO_HOLE.end, below - VIDEO_HOLE.end))
    if size > below:
        ranges.append(Span(DEVICE_HOLE.end, size - below))
    return tuple(ranges)
