# SPDX-License-Identifier: Apache-2.0
"""NUMA nodes: which part of RAM is near which processors. A node is a stretch of physical addresses.

Holes between ranges of RAM may lie in a node. Blocks of callers who name no node may lie in two.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from verifier.address import PAGE_SHIFT, Span
from verifier.errors import UsageError

MM_ANY_NODE_OK = 0x8000_0000
"""PreferredNode of a caller who takes memory of any node (wdm.h)."""
MOST_NODES = 64
"""What Windows calls MAXIMUM_NODE_COUNT."""


def nodes_of(ranges: Sequence[Span], count: int) -> tuple[Span, ...]:
    """*count* nodes over RAM at *ranges*, in order of address: each from its first page of RAM to its last.

    All have the same number of pages; where that does not come out even, the first nodes have one more. `UsageError`
    unless there are from 1 to `MOST_NODES` nodes of at least one page.
    """
    return _split(tuple(ranges), count)


@lru_cache(maxsize=64)
def _split(ranges: tuple[Span, ...], count: int) -> tuple[Span, ...]:
    pages = sum(span.size for span in ranges) >> PAGE_SHIFT
    if not 1 <= count <= min(MOST_NODES, pages):
        raise UsageError(f"{count} nodes in a machine of {pages} pages are not modelled",
                         f"give from 1 to {min(MOST_NODES, pages)} nodes")
    share, larger = divmod(pages, count)
    nodes, done = [], 0
    for number in range(count):
        size = share + (number < larger)
        start, last = _address(ranges, done), _address(ranges, done + size - 1)
        nodes.append(Span(start, last + (1 << PAGE_SHIFT) - start))
        done += size
    return tuple(nodes)


def _address(ranges: tuple[Span, ...], page: int) -> int:
    """Address of the RAM page number *page*, counted from the first one without the holes."""
    offset = page << PAGE_SHIFT
    for span in ranges:
        if offset < span.size:
            return span.start + offset
        offset -= span.size
    raise UsageError(f"RAM has no page number {page}", "count from 0 to the number of pages less one")
