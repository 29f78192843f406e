# SPDX-License-Identifier: Apache-2.0
"""What worlds share: the memory file and the frame tree of a RAM map, aged or not. Everything else of a world is built new.

The touched pages of the file are known exactly and are zeroed at the end of a world; the tree is rolled back by its
undo journal. A test hashes both after random histories.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from allocator.ageing import ageing_of
from allocator.frames import FrameTree
from hw.backing import Backing, open_backing
from hw.ram import Ram
from verifier.address import PAGE_SHIFT, Span

MAPS_KEPT = 4
"""RAM maps whose file and tree are kept for the next world of the same map and age."""

_kept: OrderedDict[tuple[tuple[Span, ...], str | None], tuple[Backing, FrameTree]] = OrderedDict()


@contextmanager
def lend(ranges: tuple[Span, ...], aged: str | None = None) -> Iterator[tuple[Backing, FrameTree, list[Ram]]]:
    """Lend the memory file and the frame tree of a RAM map to one world; the caller puts its `Ram` into the list. *aged* names
    an ageing of `allocator.ageing`, which the tree went through once; None for a machine just switched on."""
    entry = _kept.pop((ranges, aged), None)
    if entry is None:
        backing = open_backing(ranges[-1].end)
        tree = FrameTree([(span.start >> PAGE_SHIFT, span.size >> PAGE_SHIFT) for span in ranges])
        if aged is not None:
            ageing_of(aged)(tree)
    else:
        backing, tree = entry
    mark = tree.mark()
    rams: list[Ram] = []
    try:
        yield backing, tree, rams
    finally:
        for ram in rams:
            ram.reset()
        tree.rollback(mark)
        _kept[ranges, aged] = backing, tree
        while len(_kept) > MAPS_KEPT:
            _kept.popitem(last=False)[1][0].close()


def digests(aged: str | None = None) -> dict[tuple[Span, ...], tuple[str, str]]:
    """Hashes of every kept file, by what it really holds, and of every kept tree: nothing that a world was should show. Of the
    maps that went through *aged* only."""
    return {ranges: (_digest(backing), tree.digest()) for (ranges, age), (backing, tree) in _kept.items() if age == aged}


def drop() -> None:
    """Close everything that is kept."""
    while _kept:
        _kept.popitem()[1][0].close()


def _digest(backing: Backing) -> str:
    state = hashlib.sha256()
    for page, content in backing.stored():
        state.update(page.to_bytes(8, "little"))
        state.update(content)
    return state.hexdigest()
