# SPDX-License-Identifier: Apache-2.0
"""Covering arrays of strength two: few rows in which every two values of different axes stand together somewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

Row = tuple[int, ...]
"""For each axis the index of its value."""
_OPEN = -1


def covering_rows(sizes: Sequence[int], possible: Callable[[Row], bool] = lambda row: True) -> list[Row]:
    """Rows that cover every possible pair, found greedily and the same on every machine.

    *sizes* is how many values each axis has. *possible* judges a row; an axis that is still open is -1 there, and a row that is
    impossible stays so whatever the open axes become. A pair that stands in no possible row is left out.
    """
    left = {(a, i, b, j) for a, b in combinations(range(len(sizes)), 2) for i in range(sizes[a]) for j in range(sizes[b])}
    rows = []
    for pair in sorted(left):
        if pair not in left:
            continue
        a, i, b, j = pair
        row = _filled(tuple(i if axis == a else j if axis == b else _OPEN for axis in range(len(sizes))), sizes, left, possible)
        left.discard(pair)
        if row is not None:
            rows.append(row)
            left -= _pairs(row)
    if len(sizes) == 1:
        rows = [(i,) for i in range(sizes[0]) if possible((i,))]
    return rows


def _filled(row: Row, sizes: Sequence[int], left: set[tuple[int, int, int, int]], possible: Callable[[Row], bool]) -> Row | None:
    """*row* with its open axes set to what covers most of *left*; None if no possible row begins so."""
    if not possible(row):
        return None
    if _OPEN not in row:
        return row
    axis = row.index(_OPEN)
    choices = [(*row[:axis], value, *row[axis + 1:]) for value in range(sizes[axis])]
    for choice in sorted(choices, key=lambda one: -len(_pairs(one) & left)):
        found = _filled(choice, sizes, left, possible)
        if found is not None:
            return found
    return None


def _pairs(row: Row) -> set[tuple[int, int, int, int]]:
    held = [(axis, value) for axis, value in enumerate(row) if value != _OPEN]
    return {(a, i, b, j) for (a, i), (b, j) in combinations(held, 2)}
