# SPDX-License-Identifier: Apache-2.0
"""The pytest items of ``@pytest.mark.every_fault``: one for each fault of a miniport's life (`dmabed.sweep`), one for each life
without a fault, and where there is a sites file (`dmabed.fault_sites`) one that compares.

pytest's workers have to collect the same items. A sites file makes them so; without one the lives without a fault are lived while
pytest collects, and the same world has the same fault points everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from dmabed.campaign.model import UNREACHABLE, Case
from dmabed.fault_sites import UPDATE, difference, read_sites, sites_file, write_sites
from dmabed.sweep import Fate, Sweep, Uses
from miniport.miniport import Miniport
from verifier.errors import BedError
from verifier.where import display_path

PARAMETER = "dmabed_fault"
"""The fixture that carries the case of an item."""
SITES_ID = "sites"
SHOWN = 40
"""Changed fault points that are named; the file's diff shows all."""

_written = pytest.StashKey[dict[Path, dict[str, Uses]]]()


@dataclass(frozen=True, slots=True)
class FaultItem:
    """What one item does: it lives *case*, or, where that is None, compares the sites file with the life."""

    sweep: Sweep
    case: Case | None
    committed: Uses | None
    path: Path
    test: str

    def check(self) -> None:
        """Skip or fail what need not be lived; a comparison is done here."""
        if self.case is None:
            self._compare()
            return
        bare = self.sweep.recordings.get(self.case.condition)
        if not self.case.faults:
            if self.sweep.nothing:
                fail(f"not-proven: {self.sweep.nothing}")
            return
        if bare is None or bare.fails:
            fail(f"the life without a fault fails already: see {self.test}[{Case((), self.case.condition).id}]")
        if self.committed is not None and not self.sweep.has(self.case):
            pytest.skip(f"the life does not come to {self.case.id} any more: see {self.test}[{SITES_ID}]")

    def live(self, allowed: frozenset[str] = frozenset(), sweep: Sweep | None = None, besides: tuple[str, ...] = ()) -> Fate:
        """Live the case, with the faults *besides*; fail the item if it fails, skip it if its fault has no occasion."""
        assert self.case is not None, "an item that compares lives nothing"
        case = Case((*self.case.faults, *besides), self.case.condition)
        fate = (sweep or self.sweep).live(case, allowed)
        if fate.failure:
            fail(fate.failure)
        if fate.record.outcome == UNREACHABLE:
            pytest.skip(f"unreachable: {fate.record.detail}")
        return fate

    def _compare(self) -> None:
        file, command = display_path(str(self.path)), f"pytest {display_path(str(self.path.with_name(_module(self.path))))} {UPDATE}"
        failing = [record for record in self.sweep.recordings.values() if record.fails]
        if failing:
            fail(f"the life without a fault fails: see {self.test}[{failing[0].case.id}]")
        changes = difference(self.committed or {}, self.sweep.uses)
        if changes:
            more = [f"  and {len(changes) - SHOWN} more"] if len(changes) > SHOWN else []
            what = "does not hold this test" if self.committed is None else "is not what the life comes to"
            fail("\n".join([f"{file} {what} (+ added, - removed fault points):", *(f"  {line}" for line in changes[:SHOWN]), *more,
                            f"look whether that is meant, then update the file: {command}"]))


def generate(metafunc: pytest.Metafunc, miniport: type[Miniport] | str | None, options: Mapping[str, Any], *, update: bool) -> None:
    """Make the items of one marked test."""
    sweep = Sweep(miniport, options)
    path, test = sites_file(metafunc.definition.path), metafunc.definition.nodeid.partition("::")[2]
    tests = read_sites(path)
    committed = tests.get(test) if tests is not None else None
    if update:
        if all(not record.fails for record in sweep.recordings.values()):
            committed = sweep.uses
        if committed is not None:
            metafunc.config.stash.setdefault(_written, {}).setdefault(path, {})[test] = committed
    cases: list[Case | None] = [*sweep.cases(sweep.uses if committed is None else committed)]
    if tests is not None or update:
        cases.insert(0, None)
    metafunc.fixturenames.append(PARAMETER)
    metafunc.parametrize(PARAMETER, [FaultItem(sweep, case, committed, path, test) for case in cases],
                         ids=[case.id if case is not None else SITES_ID for case in cases], indirect=True)


def write_collected(config: pytest.Config) -> list[Path]:
    """Write the sites files of what was collected; returns them."""
    files = config.stash.get(_written, {})
    for path, tests in files.items():
        write_sites(path, tests)
    return list(files)


def item_of(item: pytest.Item) -> FaultItem | None:
    """What a pytest item of a marked test does; None for any other."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get(PARAMETER) if callspec is not None else None
    return found if isinstance(found, FaultItem) else None


def fail(text: str) -> NoReturn:
    """Fail the test with *text* alone."""
    pytest.fail(text, pytrace=False)


def told(problem: BedError) -> str:
    """A usage error as the text of a failure."""
    return f"{problem.message}\n{problem.remedy}"


def _module(path: Path) -> str:
    return path.name.removesuffix(".faults.toml") + ".py"
