# SPDX-License-Identifier: Apache-2.0
"""Statements of the miniport that no world of a campaign ran: error paths that nothing reaches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dmabed.campaign.model import Record
from dmabed.campaign.probes import Probes, probes_of
from miniport.miniport import Miniport
from verifier.where import display_path


@dataclass(frozen=True, slots=True)
class Missed:
    """A statement that never ran: its file as people see it, first line, method and source text."""

    file: str
    line: int
    function: str
    source: str


@dataclass(slots=True)
class Coverage:
    """What the worlds of a campaign ran of the miniport."""

    worlds: int = 0
    """Worlds in which it was looked: all of the campaign but those that ended their process."""
    statements: int = 0
    missed: list[Missed] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Methods of which nothing is known: their source does not give the code that runs."""


class Notes:
    """Tells of each world what ran in it and in none before, so that records stay small."""

    def __init__(self, probes: Probes, base: Path) -> None:
        self._probes = probes
        self._base = base
        self._told: dict[str, set[int]] = {}

    def take(self) -> dict[str, list[int]]:
        """The places of the statements that ran since the last time and not before, by file as people see it."""
        found = {}
        for path, ran in self._probes.ran.items():
            told = self._told.setdefault(path, set())
            fresh = ran - told
            told |= fresh
            if fresh:
                found[display_path(path, self._base)] = sorted(fresh)
        return found

    def forget(self) -> None:
        """What ran since the last time does not count."""
        for path, ran in self._probes.ran.items():
            ran &= self._told.get(path, set())


@contextmanager
def noted(miniport: type[Miniport], base: Path) -> Iterator[Notes]:
    """While this is open, the statements of *miniport* are noted."""
    probes = probes_of(miniport)
    with probes.planted():
        yield Notes(probes, base)


class Union:
    """What ran in any world of a campaign."""

    def __init__(self) -> None:
        self._worlds = 0
        self._ran: dict[str, set[int]] = {}

    def add(self, record: Record) -> None:
        """Add the world of *record*; nothing of it is kept there."""
        self._worlds += record.ran is not None
        for name, places in (record.ran or {}).items():
            self._ran.setdefault(name, set()).update(places)
        record.ran = None

    def of(self, miniport: type[Miniport], base: Path) -> Coverage:
        """Which statements of *miniport* ran, and which did not."""
        probes = probes_of(miniport)
        missed = []
        for one in probes.statements:
            name = display_path(one.path, base)
            if one.place not in self._ran.get(name, ()):
                missed.append((name, one.place, Missed(name, one.line, one.function, one.source)))
        return Coverage(self._worlds, len(probes.statements), [one for *_, one in sorted(missed, key=lambda row: row[:2])],
                        sorted(probes.unknown))
