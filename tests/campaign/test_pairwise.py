# SPDX-License-Identifier: Apache-2.0
"""Covering arrays: every possible pair of values stands in some row, and no impossible row is made."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmabed.campaign.pairwise import Row, covering_rows


def pairs(row: Row) -> set[tuple[int, int, int, int]]:
    return {(a, row[a], b, row[b]) for a, b in combinations(range(len(row)), 2)}


@settings(max_examples=40)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.sets(st.tuples(*[st.integers(0, 3)] * 4), max_size=2))
def test_rows_cover_each_pair_that_a_brute_force_search_finds_possible(sizes: list[int], forbidden: set[tuple[int, ...]]) -> None:
    banned = {(a % len(sizes), i, b % len(sizes), j) for a, i, b, j in forbidden if a % len(sizes) != b % len(sizes)}

    def possible(row: Row) -> bool:
        return not any(row[a] == i and row[b] == j for a, i, b, j in banned)

    legal = [row for row in product(*map(range, sizes)) if possible(row)]
    wanted = set().union(*map(pairs, legal)) if legal else set()
    rows = covering_rows(sizes, possible)
    assert all(row in legal for row in rows)
    assert set().union(*map(pairs, rows)) == wanted if rows else not wanted


def test_many_axes_need_few_rows() -> None:
    assert len(covering_rows([3] * 8)) < 24


@pytest.mark.parametrize(("sizes", "rows"), [([3], 3), ([1, 1], 1), ([2, 3], 6)])
def test_small_arrays_are_as_small_as_can_be(sizes: list[int], rows: int) -> None:
    assert len(covering_rows(sizes)) == rows


def test_rows_are_the_same_every_time() -> None:
    assert covering_rows([4, 3, 2, 3]) == covering_rows([4, 3, 2, 3])
