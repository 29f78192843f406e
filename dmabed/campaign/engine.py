# SPDX-License-Identifier: Apache-2.0
"""Runs a campaign: the recordings, one world for each fault, what the faults bring about, pairs and random sets.

::

    from dmabed import campaign
    done = campaign.run(campaign.Plan(WorldSpec(miniport="mynic.py")), workers=4)
    assert done.verdict == "clean"
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from time import monotonic

from dmabed.campaign.covered import Coverage, Union
from dmabed.campaign.dispatch import Dispatch, Here, Processes, Spread
from dmabed.campaign.journal import Journal, campaign_key
from dmabed.campaign.model import UNREACHABLE, Case, Record
from dmabed.campaign.plan import Plan, Tree, not_used
from dmabed.campaign.shrink import shrink
from dmabed.campaign.worker import Job, folder_of
from dmabed.load import find_miniport
from dmabed.watchdog import GiveUp
from hw.capture import read_frames
from miniport.miniport import Miniport

Progress = Callable[[int, int], None]
"""Called with how many worlds are done and how many are known to come."""


@dataclass(slots=True)
class Campaign:
    """What a campaign found out so far; whole unless `incomplete` says why not."""

    plan: Plan
    records: list[Record] = field(default_factory=list)
    """One for each world that proves something, in the order of the plan."""
    points: int = 0
    """Fault points found: uses at which some fault of the selection can be armed, over all conditions."""
    behind_faults: int = 0
    """Those of them that only worlds with a fault have."""
    armed: int = 0
    fired: int = 0
    unreachable: list[tuple[str, str]] = field(default_factory=list)
    """Where a fault had no occasion, and why."""
    not_covered: int = 0
    """Worlds of the plan that were not lived."""
    left_out: int = 0
    """Fault points that only a fault brings about and that were not tried: too deep, or inside a series."""
    incomplete: str = ""
    """Why the campaign was cut short; empty if it was not."""
    nothing_shown: str = ""
    """Why the campaign proves nothing although no world failed: there was no fault to arm, or none had an effect. Empty if it does."""
    coverage: Coverage | None = None
    """Statements of the miniport that ran and did not; None where nobody looked, or the campaign was cut short."""
    known: set[str] = field(default_factory=set)
    """Fingerprints that a baseline expects."""

    @property
    def outcomes(self) -> Counter[str]:
        """How many worlds came to what."""
        return Counter(record.outcome for record in self.records)

    @property
    def failing(self) -> list[Record]:
        """The worlds that fail, but for what a baseline expects."""
        return [record for record in self.records if record.fails and not self.expected(record)]

    def expected(self, record: Record) -> bool:
        """True if all that went wrong in a world stands in the baseline."""
        prints = {str(finding["fingerprint"]) for finding in record.findings} or {record.fingerprint}
        return record.fails and prints <= self.known

    @property
    def verdict(self) -> str:
        """``clean``, ``findings``, ``not-proven``, ``incomplete``, or ``refused`` where initialize fails without a fault."""
        failing = self.failing
        if any(record.outcome != "not-proven" for record in failing):
            return "findings"
        if failing:
            return "not-proven"
        if self.incomplete:
            return "incomplete"
        bare = next((r for r in self.records if r.case == Case()), None)
        if bare is not None and bare.outcome == "refused":
            return "refused"
        return "not-proven" if self.nothing_shown else "clean"


def run(plan: Plan, miniport: type[Miniport] | None = None, *, executor: Executor | None = None, workers: int = 1,
        dask: str | None = None, coverage: bool = False, resume: Path | None = None, max_time: float | None = None,
        progress: Progress | None = None, give_up: GiveUp | None = None) -> Campaign:
    """Run *plan*. *miniport* is the class, where its name in the plan is not enough to find it: such a one lives in this process.

    Worlds are lived here, or spread over *workers* processes, through any *executor*, or over the workers of the Dask scheduler at
    the address *dask*; the campaign is the same. With *coverage* the statements that run are noted in every world. *resume* names a
    folder of finished worlds. After *max_time* seconds the rest is left as not covered. Ctrl-C keeps what is done.
    """
    found = miniport if miniport is not None else find_miniport(plan.spec.miniport, plan.spec.nic)[0]
    frames = tuple(read_frames(Path(plan.spec.pcap))) if plan.spec.pcap is not None else None
    job = Job(plan.spec, plan.selection, frames=frames, coverage=coverage)
    dispatch: Dispatch
    if dask is not None:
        from dmabed.campaign.remote import Dask

        dispatch = Dask(dask, found)
    elif executor is not None:
        dispatch = Spread(executor, getattr(executor, "_max_workers", None) or os.cpu_count() or 1)
    elif workers > 1:
        dispatch = Processes(workers)
    else:
        dispatch = Here(found, give_up)
    journal = Journal(resume, campaign_key(job, found)) if resume is not None else None
    runner = _Runner(plan, job, dispatch, Here(found, give_up), journal, max_time, progress)
    with dispatch:
        try:
            runner.run()
            runner.cover(found)
        except KeyboardInterrupt:
            runner.campaign.incomplete = "interrupted"
        finally:
            if journal is not None:
                journal.close()
    return runner.campaign


class _Runner:
    def __init__(self, plan: Plan, job: Job, dispatch: Dispatch, here: Dispatch, journal: Journal | None, max_time: float | None,
                 progress: Progress | None) -> None:
        self.campaign = Campaign(plan)
        self._plan = plan
        self._job = job
        self._dispatch = dispatch
        self._here = here
        self._journal = journal
        self._end = monotonic() + max_time if max_time is not None else None
        self._progress = progress
        self._done = self._to_come = 0
        self._ran = Union()

    def run(self) -> None:
        plan, campaign = self._plan, self.campaign
        recordings = list(self._recordings())
        if not recordings:
            return
        good = [r for r in recordings if not r.fails]
        tree = Tree(plan, good)
        campaign.points = sum(high for r in good for name, (_, high) in r.behind.items() if self._any(name, high))
        singles = list(plan.singles(good))
        level = self._stage(singles, len(singles))
        grown = list(plan.sets(good[0])) if good and good[0].case == Case() else []
        while level:
            following: list[Case] = []
            for record in level:
                if not record.fails and record.outcome != UNREACHABLE:
                    following += tree.behind(record)
                record.behind = {}
            level = self._stage(following, len(following))
        campaign.behind_faults, campaign.left_out = tree.found, tree.left_out
        campaign.points += tree.found
        for record in self._stage(grown, len(grown)):
            record.behind = {}
        campaign.nothing_shown = self._nothing_shown() if good else ""

    def _nothing_shown(self) -> str:
        """A part of a campaign may well be empty; the whole may not."""
        plan, campaign = self._plan, self.campaign
        if not campaign.points:
            return f"this life has no {plan.selection.what}"
        whole = plan.shard == (1, 1) and not campaign.incomplete
        if whole and not campaign.fired and all(record.outcome != "not-proven" for record in campaign.records):
            return "no fault could have an effect where it was armed"
        return ""

    def cover(self, miniport: type[Miniport]) -> None:
        """Say which statements ran. A campaign that was cut short says nothing of it."""
        if self._job.coverage and not self.campaign.incomplete:
            self.campaign.coverage = self._ran.of(miniport, folder_of(miniport))

    def _recordings(self) -> Iterator[Record]:
        """The lives without a fault. One that fails is a world of the campaign, and its faults are not tried."""
        base: Record | None = None
        for record in self._through(self._plan.recordings()):
            self.campaign.records.append(record)
            if base is None:
                base = record
            elif not record.fails and not base.fails:
                self.campaign.unreachable += not_used(base.behind, record)
            yield record

    def _any(self, name: str, high: int) -> bool:
        return next(self._plan.selection.faults(name, 0, high, self._plan.spec), None) is not None

    def _stage(self, cases: list[Case], count: int) -> list[Record]:
        self._to_come += count
        records = []
        for record in self._through(cases):
            self._take(record)
            records.append(record)
        return records

    def _take(self, record: Record) -> None:
        campaign = self.campaign
        campaign.unreachable += [(point + ("@" + record.case.condition if record.case.condition else ""), reason)
                                 for point, reason in record.not_reached if record.outcome != "not-proven"]
        if record.outcome == UNREACHABLE:
            return
        campaign.armed += record.armed - len(record.not_reached) * (record.outcome != "not-proven")
        campaign.fired += record.fired
        if record.fails and (len(record.case.faults) > 1 or "," in record.case.condition):
            shrink(record, lambda case: next(self._here.records(self._job, [case])))
        campaign.records.append(record)

    def _through(self, cases: Iterable[Case]) -> Iterator[Record]:
        """The records of *cases*, in order; those that the journal has are not lived again."""
        queue: deque[Record | None] = deque()
        left = iter(cases)

        def unknown() -> Iterator[Case]:
            for case in left:
                if self._end is not None and monotonic() > self._end:
                    self.campaign.not_covered += 1 + sum(1 for _ in left)
                    self.campaign.incomplete = "the time is over"
                    return
                known = self._journal.get(case.id) if self._journal is not None else None
                queue.append(known)
                if known is None:
                    yield case

        for record in chain(self._dispatch.records(self._job, unknown()), (None,)):
            while queue and queue[0] is not None:
                yield self._counted(queue.popleft())
            if record is not None:
                queue.popleft()
                if self._journal is not None:
                    self._journal.put(record)
                yield self._counted(record)

    def _counted(self, record: Record | None) -> Record:
        assert record is not None
        self._ran.add(record)
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, max(self._to_come, self._done))
        return record
