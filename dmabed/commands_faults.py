# SPDX-License-Identifier: Apache-2.0
"""What ``dmabed faults`` does: it plans a campaign, runs it, and hands its result to every output that was asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any

from dmabed import campaign
from dmabed.campaign.baseline import apply_baseline, baseline_text, read_baseline
from dmabed.campaign.conditions import pairwise_conditions, possible_for, single_conditions
from dmabed.campaign.engine import Campaign, Progress
from dmabed.campaign.model import Case, Record
from dmabed.campaign.plan import SERIES
from dmabed.campaign.points import Selection
from dmabed.campaign.result import campaign_json
from dmabed.campaign.worker import Job, live
from dmabed.commands import Answer, case_of, live_case
from dmabed.commands import Case as World
from dmabed.fault_points import KINDS, effects_of
from dmabed.output import check_writable
from dmabed.report import facts
from dmabed.result import SCHEMA_VERSION
from dmabed.watchdog import SECONDS, GiveUp, Watchdog
from verifier.errors import UsageError

WORTH_A_PROCESS = 2.0
"""Seconds of work for which another process is started where nobody says how many."""
_EVERY = 0.2
"""Seconds between two lines of progress."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands on the line besides the options of the world."""

    kinds: str | None = None
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    chaos: bool = False
    persistent: bool = False
    pairs: bool = False
    random: str | None = None
    conditions: str | None = None
    pairwise: bool = False
    all_uses: bool = False
    workers: str | None = None
    dask: str | None = None
    no_coverage: bool = False
    shard: str | None = None
    max_time: str | None = None
    resume: Path | None = None
    list_only: bool = False
    report: Path | None = None
    junit: Path | None = None
    sarif: Path | None = None
    baseline: Path | None = None
    write_baseline: Path | None = None
    today: str | None = None


def faults(line: Mapping[str, Any], asked: Asked, *, give_up: GiveUp | None = None) -> Answer:
    """Run the campaign of *line*, or with `Asked.list_only` say what it would do."""
    world = case_of(line, None)
    if world.spec.silicon or world.spec.stop:
        raise UsageError("a campaign needs every check of every world", "leave --silicon and --stop out")
    for path, name in ((asked.junit, "--junit"), (asked.sarif, "--sarif"), (asked.write_baseline, "--write-baseline")):
        if path is not None:
            check_writable(path, name, directory=False)
    if asked.report is not None:
        check_writable(asked.report, "--report", directory=True)
    if asked.dask is not None and asked.workers is not None:
        raise UsageError("--dask and --workers exclude each other", "give one of the two")
    plan, today = _plan(world, asked), _day(asked.today)
    entries = read_baseline(asked.baseline) if asked.baseline is not None else []
    if asked.list_only:
        return _list(plan, world, asked, give_up)
    max_time = None if asked.max_time is None else _number(asked.max_time, "--max-time", 0, 10**9)
    with _progress() as progress:
        done = campaign.run(plan, world.miniport, workers=_workers(plan, world, asked, give_up), dask=asked.dask, resume=asked.resume,
                            max_time=max_time, progress=progress, give_up=give_up, coverage=not asked.no_coverage)
    complaints = apply_baseline(done, entries, today)
    bare = live_case(world, False, Watchdog(SECONDS, give_up))
    result = campaign_json(done, bare, complaints)
    written = _write(done, result, world, asked, today)

    def text(width: int, colour: bool) -> str:
        from dmabed.campaign.text import render

        return render(done, result, complaints, width=width, colour=colour) + written

    return Answer(0 if done.verdict == "clean" else 1, result, text)


def _write(done: Campaign, result: dict[str, Any], world: World, asked: Asked, today: date) -> str:
    """Write what was asked for besides the text; the lines that say so."""
    files: list[tuple[str, Path, str]] = []
    if asked.junit is not None:
        from dmabed.campaign.junit import junit_text

        files.append(("junit", asked.junit, junit_text(done, str(result["world"]["miniport"]))))
    if asked.sarif is not None:
        from dmabed.campaign.sarif import sarif_text

        files.append(("sarif", asked.sarif, sarif_text(done)))
    if asked.write_baseline is not None:
        files.append(("baseline", asked.write_baseline, baseline_text(done, today)))
    said = ""
    for name, path, text in files:
        try:
            path.write_text(text, encoding="utf-8", newline="\n")
        except OSError as problem:
            raise UsageError(f"{path} cannot be written: {problem.strerror or problem}", "make room, or name another file") from None
        said += f"{name:<8} {facts.clean(path)}\n"
    if asked.report is not None:
        from dmabed.campaign.html import write_campaign_report

        said += f"report   {facts.clean(write_campaign_report(done, result, world, asked.report))}\n"
    return said


def _plan(world: World, asked: Asked) -> campaign.Plan:
    kinds = KINDS if asked.kinds is None else tuple(part.strip() for part in asked.kinds.split(",") if part.strip())
    selection = Selection(kinds, asked.only, asked.skip, asked.chaos, asked.persistent)

    possible = possible_for(world.miniport)
    conditions: list[str] = []
    if asked.conditions is not None:
        if not asked.conditions.strip(", "):
            raise UsageError("no condition is named", "give all, or names with commas between, as placement,windows=xp")
        conditions += single_conditions(asked.conditions, world.spec, possible)
    if asked.pairwise:
        conditions += [one for one in pairwise_conditions(world.spec, possible) if one not in conditions]
    random = 0 if asked.random is None else _number(asked.random, "--random", 0, 10_000_000)
    return campaign.Plan(replace(world.spec, faults=()), selection, tuple(conditions), asked.pairs, random, world.spec.seed,
                         _shard(asked.shard), series=0 if asked.all_uses else SERIES)


def _list(plan: campaign.Plan, world: World, asked: Asked, give_up: GiveUp | None) -> Answer:
    """The fault points of the recordings, how many worlds follow from them at once, and how long they take here."""
    records, seconds = _recorded(plan, world, give_up)
    bare = records[0]
    good = [record for record in records if not record.fails]
    worlds = sum(1 for _ in plan.singles(good)) + len(records) + (sum(1 for _ in plan.sets(bare)) if not bare.fails else 0)
    rows = []
    for name, (_, uses) in bare.behind.items():
        count = sum(1 for _ in plan.selection.faults(name, 0, uses, plan.spec))
        if count:
            effects = [effect for effect in effects_of(name, plan.spec) if plan.selection.wants(effect)]
            rows.append((name, uses, count, effects))
    data = {"schema": SCHEMA_VERSION, "points": [
        {"name": name, "uses": uses, "worlds": count,
         "effects": [{"name": e.name, "kind": e.kind, "chaos": e.chaos, "text": e.text} for e in effects]}
        for name, uses, count, effects in rows], "conditions": list(plan.conditions), "worlds": worlds}
    estimate = worlds * seconds / max(1, _number(asked.workers, "--workers", 1, 512) if asked.workers is not None else 1)

    def text(width: int, colour: bool) -> str:
        lines = [f"{'fault point':<34}{'uses':>6}{'worlds':>8}  effects"]
        for name, uses, count, effects in rows:
            names = ", ".join(e.name for e in effects)
            lines.append(f"{name:<34}{uses:>6,}{count:>8,}  {names}"[:max(width, 60)])
        conditions = f" under {facts.count(len(plan.conditions) + 1, 'condition')}" if plan.conditions else ""
        lines += ["", f"{facts.count(worlds, 'world')}{conditions}, about {_duration(estimate)}"
                  + (", and those of pairs, which show while they run" if plan.pairs else "")
                  + "; points that only a fault brings about are found on the way", ""]
        return "\n".join(lines)

    return Answer(1 if bare.fails else 0, data, text)


def _recorded(plan: campaign.Plan, world: World, give_up: GiveUp | None) -> tuple[list[Record], float]:
    """The recordings, and the seconds that one life takes here."""
    job = Job(plan.spec, plan.selection)
    live(job, world.miniport, [Case()], give_up)  # the first one pays for what is made once
    started = monotonic()
    records = live(job, world.miniport, plan.recordings(), give_up)
    return records, (monotonic() - started) / len(records)


def _workers(plan: campaign.Plan, world: World, asked: Asked, give_up: GiveUp | None) -> int:
    """How many processes: what was asked for, else as many as the work is worth and the machine has."""
    if asked.dask is not None:
        return 1
    if asked.workers is not None:
        return _number(asked.workers, "--workers", 1, 512)
    processors = os.cpu_count() or 1
    if processors == 1:
        return 1
    records, seconds = _recorded(replace(plan, conditions=()), world, give_up)
    if records[0].fails:
        return 1
    worlds = sum(1 for _ in plan.singles(records)) * (1 + len(plan.conditions)) + plan.random
    worlds = worlds * worlds // 2 if plan.pairs else worlds
    return max(1, min(processors, int(worlds * seconds / WORTH_A_PROCESS)))


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """Progress with rate and remaining time, on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    started = last = monotonic()

    def show(done: int, known: int) -> None:
        nonlocal last
        now = monotonic()
        if now - last >= _EVERY:
            last = now
            rate = done / (now - started)
            sys.stderr.write(f"\r{done:,} of {known:,} worlds, {rate:,.0f}/s, {_duration((known - done) / rate)} to go\x1b[K")
            sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 0.1):.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _shard(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    number, slash, shards = text.partition("/")
    if not (slash and number.isdecimal() and shards.isdecimal() and text.isascii() and len(text) < 12):
        raise UsageError(f"--shard: {text!r} is not I/N", "give for instance 2/4, the second of four parts; N is at most 10,000")
    return int(number), int(shards)


def _number(text: str, option: str, least: int, most: int) -> int:
    if not (text.isdecimal() and text.isascii() and len(text) < 12 and least <= int(text) <= most):
        raise UsageError(f"{option}: {text!r} is no whole number from {least:,} to {most:,}", "give a whole number, for instance 4")
    return int(text)


def _day(text: str | None) -> date:
    """The day on which a baseline is read: it decides what has expired, and stands in no output."""
    if text is None:
        return date.today()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--today: {text!r} is no date", "write it like 2027-01-31") from None
