# SPDX-License-Identifier: Apache-2.0
"""The order in which a miniport takes its spin locks: two taken in opposite order, anywhere in a life, can deadlock."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from verifier.rule import rule
from verifier.where import Where

if TYPE_CHECKING:
    from miniport.ndis import Ndis

HIERARCHY = rule("lock-hierarchy", "take the locks in one order everywhere")


class LockOrder:
    """Which lock was taken while which other was held. An edge leads from the held lock to the one that was taken."""

    __slots__ = ("_edges", "_ndis")

    def __init__(self, ndis: Ndis) -> None:
        self._ndis = ndis
        self._edges: dict[Any, dict[Any, tuple[Where | None, Where | None]]] = {}
        """By the held lock, then by the one that was taken: the lines that acquired the two."""

    def nested(self, taken: Any) -> None:
        """*taken* was acquired while others are held: is there a way back from it to one of them?"""
        for held in self._ndis.held[:-1]:
            known = self._edges.setdefault(held, {})
            if taken in known:
                continue
            known[taken] = held.acquired_at, taken.acquired_at
            way = self._way(taken, held)
            if way is not None:
                self._report(held, taken, way)

    def _way(self, start: Any, end: Any) -> list[Any] | None:
        """Locks from *start* to *end*, each taken while the one before was held."""
        ways, seen = [[start]], {start}
        for way in ways:
            for lock in self._edges.get(way[-1], ()):
                if lock is end:
                    return [*way, end]
                if lock not in seen:
                    seen.add(lock)
                    ways.append([*way, lock])
        return None

    def _report(self, held: Any, taken: Any, way: list[Any]) -> None:
        related = [(f"{held.name} acquired", held.acquired_at)]
        for first, second in pairwise(way):
            lines = self._edges[first][second]
            related += [(f"the other order: {first.name} acquired", lines[0]), (f"then {second.name}", lines[1])]
        names = " before ".join(lock.name for lock in way)
        self._ndis.findings.report(
            HIERARCHY, f"{taken.name} is acquired while {held.name} is held, and elsewhere {names}: two processors can wait for each "
            "other for ever", subject=("lock order", *sorted((held.name, taken.name))), related=related,
            bugcheck="0xC4/0x1001 under deadlock detection")
