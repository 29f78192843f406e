# SPDX-License-Identifier: Apache-2.0
"""Kernel virtual addresses: every block gets pages of its own with unmapped guard pages around, and none twice.

A freed range of addresses is never given out again in the same world, so that a stale pointer always names its killer.
"""

from __future__ import annotations

from bisect import bisect_right

from verifier.address import PAGE_MASK, PAGE_SHIFT, VirtualAddress
from verifier.address_book import Block

ABOVE_4G = 0xFFFF_FA80_0000_0000
"""Where a 64-bit kernel keeps its nonpaged memory."""
BELOW_4G = 0x8100_0000
"""Where a 32-bit kernel keeps it."""
GUARD_PAGES = 1


class VirtualSpace:
    """Hands out virtual address ranges upwards and finds the block behind an address."""

    __slots__ = ("_blocks", "_next", "_starts")

    def __init__(self, base: int = ABOVE_4G) -> None:
        self._next = base
        self._starts: list[int] = []
        self._blocks: list[Block] = []

    def reserve(self, pages: int) -> VirtualAddress:
        """The address of *pages* fresh pages behind a guard page."""
        start = self._next + (GUARD_PAGES << PAGE_SHIFT)
        self._next = start + (pages << PAGE_SHIFT)
        return VirtualAddress(start)

    def enter(self, block: Block) -> None:
        """Make *block*, whose virtual address came from `reserve`, known."""
        self._starts.append(block.virtual)
        self._blocks.append(block)

    def block_at(self, address: int) -> Block | None:
        """The block, live or freed, whose pages hold *address*; None for a guard page or a foreign address."""
        index = bisect_right(self._starts, address | PAGE_MASK) - 1
        if index < 0:
            return None
        block = self._blocks[index]
        first = block.virtual & ~PAGE_MASK
        last = (block.virtual + block.size - 1) | PAGE_MASK
        return block if first <= address <= last else None
