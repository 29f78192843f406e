# SPDX-License-Identifier: Apache-2.0
"""`Sweep`: every fault of one miniport's life as single worlds that can be lived one by one, as the pytest items of
``@pytest.mark.every_fault`` are. What is planned, lived and judged is the campaign's (`dmabed.campaign`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from dmabed.bed import Bed
from dmabed.campaign.conditions import possible_for, single_conditions
from dmabed.campaign.model import UNREACHABLE, Case, Record
from dmabed.campaign.plan import Plan, Tree
from dmabed.campaign.points import Selection
from dmabed.campaign.shrink import shrink
from dmabed.campaign.worker import Job, live
from dmabed.fault_points import KINDS
from dmabed.report import text
from dmabed.result import as_json, sources
from dmabed.spec import WorldSpec
from dmabed.world import World
from hw.inject import parse_fault
from miniport.miniport import Miniport
from verifier.errors import UsageError

Uses = Mapping[str, Mapping[str, int]]
"""By condition (empty for none), by name: how often a life uses the fault points of a name."""
KEYWORDS = ("kinds", "only", "skip", "conditions", "chaos", "persistent")
"""What says which faults are tried; all else are options of the world."""
WIDTH = 100
"""Columns of the text of a failure."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What a case came to: the record that decides, the world of the case itself, and what to say if it failed."""

    record: Record
    world: World
    failure: str


class Sweep:
    """The faults of *miniport*, a class or what the command line takes, under the options of a world and `KEYWORDS`: *kinds*, *only*,
    *skip* and *conditions* as text with commas or lists of text, *chaos* and *persistent* as on the command line."""

    def __init__(self, miniport: type[Miniport] | str | None, options: Mapping[str, Any]) -> None:
        _check(options)
        self._options = dict(options)
        own = {name: options[name] for name in KEYWORDS if name in options}
        bed = Bed(miniport, **{name: value for name, value in options.items() if name not in KEYWORDS})
        if bed.spec.silicon or bed.spec.stop or bed.spec.faults:
            raise UsageError("every fault is tried alone, and judged by every check", "leave faults, silicon and stop out")
        self.miniport = bed.miniport
        kinds = _names(own, "kinds") if "kinds" in own else KINDS
        selection = Selection(kinds, _names(own, "only"), _names(own, "skip"), _flag(own, "chaos"), _flag(own, "persistent"))
        conditions = single_conditions(",".join(_names(own, "conditions")), bed.spec, possible_for(bed.miniport))
        self.plan = Plan(bed.spec, selection, tuple(conditions))
        self._job = Job(bed.spec, selection)

    def varied(self, miniport: type[Miniport] | str | None, options: Mapping[str, Any]) -> Sweep:
        """This sweep with other options. *miniport* may not be another one: its fault points are not those that were recorded."""
        if miniport is None or (isinstance(miniport, type) and miniport is self.miniport):
            return Sweep(self.miniport, {**self._options, **options}) if options else self
        other = Sweep(miniport, {**self._options, **options})
        if other.miniport is not self.miniport:
            name, own = other.miniport.__name__, self.miniport.__name__
            raise UsageError(f"the test runs {name}, and its marker recorded the fault points of {own}",
                             f"name it in the marker: @pytest.mark.every_fault({name})")
        return other

    @cached_property
    def recordings(self) -> dict[str, Record]:
        """By condition, the lives without a fault. Lived once."""
        return {record.case.condition: record for record in live(self._job, self.miniport, self.plan.recordings())}

    @property
    def uses(self) -> dict[str, dict[str, int]]:
        """The fault points of the lives without a fault at which something is tried, as far as those do not fail."""
        plan = self.plan
        return {condition: {name: high for name, (_, high) in record.behind.items()
                            if next(plan.selection.faults(name, 0, high, plan.spec), None) is not None}
                for condition, record in self.recordings.items() if not record.fails}

    def cases(self, uses: Uses) -> list[Case]:
        """The lives without a fault, then one case for each fault at *uses*."""
        recordings = [Record(Case((), condition), "recovered", behind={name: (0, count) for name, count in names.items()})
                      for condition, names in uses.items() if condition in ("", *self.plan.conditions)]
        singles = list(self.plan.singles(recordings))
        if not singles:
            self.plan.refuse_globs([record for record in self.recordings.values() if not record.fails])
        return [*self.plan.recordings(), *singles]

    @property
    def nothing(self) -> str:
        """Why this sweep proves nothing although its lives without a fault are good; empty if it tries some fault."""
        uses = self.uses
        return f"this life has no {self.plan.selection.what}" if uses and not any(uses.values()) else ""

    def has(self, case: Case) -> bool:
        """True if the life without a fault has the fault points of *case*."""
        names = self.uses.get(case.condition, {})
        return all(names.get(fault.name, 0) >= fault.count for fault in map(parse_fault, case.faults))

    def live(self, case: Case, allowed: frozenset[str] = frozenset()) -> Fate:
        """Live *case*, and what its fault brings about: the faults at points that only worlds with it have. Findings of rules in
        *allowed* do not count."""
        record, world = self._one(case)
        level = [record]
        bare = self.recordings.get(case.condition)
        tree = Tree(self.plan, [bare]) if bare is not None and not bare.fails and case.faults else None
        while level:
            failing = next((one for one in level if one.fails and not _excused(one, allowed)), None)
            if failing is not None:
                return Fate(failing, world, self._told(failing))
            following = [grown for one in level if tree and one.outcome != UNREACHABLE and not one.fails for grown in tree.behind(one)]
            level = live(self._job, self.miniport, following) if following else []
        return Fate(record, world, "")

    def _one(self, case: Case) -> tuple[Record, World]:
        worlds: list[World] = []
        record, = live(self._job, self.miniport, [case], see=worlds.append)
        return record, worlds[0]

    def _told(self, record: Record) -> str:
        """The outcome with its reason, the picture of each finding, and the line that replays the world."""
        if len(record.case.faults) > 1:
            shrink(record, lambda case: self._one(case)[0])
        case = Case.from_id(record.minimal) if record.minimal else record.case
        _, world = self._one(case)
        head = f"{record.outcome}: {case.id}" + (f": {record.detail}" if record.detail else "")
        picture = text.render({**as_json(world, with_timeline=False), "findings": record.findings, "notices": []}, width=WIDTH,
                              sources=sources(world))
        replay = "" if record.findings else f"replay  {record.replay}\n"
        return f"{head}\n\n{picture}{replay}"


def point_text(name: str, first: int, last: int) -> str:
    """``NAME#3``, or ``NAME#3 to #7``."""
    return f"{name}#{first}" + (f" to #{last}" if last > first else "")


def _excused(record: Record, allowed: frozenset[str]) -> bool:
    return record.outcome == "findings" and all(
        finding["rule"] in allowed or allowed & set(finding["also"]) for finding in record.findings)


def _check(options: Mapping[str, Any]) -> None:
    known = [*KEYWORDS, *(field.name for field in fields(WorldSpec))]
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"every_fault has no option {name!r}", f"{hint}known: {', '.join(known)}")


def _names(own: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = own.get(name, ())
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise UsageError(f"every_fault: {name}={value!r} is neither text nor a list of text", f"write for instance {name}=[\"…\"]")
    return tuple(part.strip() for part in parts if part.strip())


def _flag(own: Mapping[str, Any], name: str) -> bool:
    value = own.get(name, False)
    if not isinstance(value, bool):
        raise UsageError(f"every_fault: {name}={value!r} is neither True nor False", "write one of them")
    return value
