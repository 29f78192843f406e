# SPDX-License-Identifier: Apache-2.0
"""What ``dmabed faults`` prints: the table of fault points and outcomes, the causes of failures, the proof."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from dmabed.campaign.baseline import Complaint
from dmabed.campaign.engine import Campaign
from dmabed.campaign.model import FAILING, OUTCOMES, Record
from dmabed.campaign.result import Cluster, clusters, table
from dmabed.report.facts import Json, clean, count
from dmabed.report.text import Line, painted

SHOWN = 20
"""Causes, worlds of one cause, and unreachable points that are printed; ``--json`` holds all."""
_HEADS = {"recovered": "recov", "degraded": "degr", "refused": "refus", "findings": "finds", "hang": "hang", "crash": "crash",
          "not-proven": "n-prov"}
_NAME = 31
_CELL = 7


def render(campaign: Campaign, result: Json, complaints: Sequence[Complaint] = (), *, width: int = 80, colour: bool = False) -> str:
    """The campaign as text. Replay lines may be wider than *width*: they stay one line to be copied."""
    options = result["world"]
    title = f"every fault of {clean(options['miniport'])} on NIC {clean(options['nic'])}"
    sections = [[[(part, "head")] for part in textwrap.wrap(title, width)], _table(campaign), _causes(campaign, width),
                _lists(campaign, width), _not_run(campaign, width), _baseline(complaints, width), _proof(campaign, width)]
    out = [line for section in sections if section for line in [*section, []]]
    verdict = result["verdict"]
    failing = len(campaign.failing)
    more = f": {count(failing, 'world')} of {len(campaign.records):,}" if failing else ""
    out.append([("verdict  ", "head"), (f"{verdict}{more}", "good" if verdict == "clean" else "bad" if failing else "warn")])
    return painted(out, colour)


def _table(campaign: Campaign) -> list[Line]:
    rows = table(campaign)
    total: Counter[str] = sum(rows.values(), Counter())
    out: list[Line] = [[(f"{'fault point':<{_NAME}}" + "".join(f"{_HEADS[o]:>{_CELL}}" for o in OUTCOMES), "dim")]]
    for name, counts in rows.items():
        for number, part in enumerate(parts := textwrap.wrap(clean(name), _NAME) or [""]):
            out.append([(f"{part:<{_NAME}}", ""), *(_cells(counts) if number == len(parts) - 1 else [])])
    if len(rows) > 1:
        out.append([(f"{'all':<{_NAME}}", "head"), *_cells(total)])
    return out


def _cells(counts: Counter[str]) -> Line:
    return [(f"{counts[outcome] or '.':>{_CELL}}", "bad" if counts[outcome] and outcome in FAILING else "") for outcome in OUTCOMES]


def _causes(campaign: Campaign, width: int) -> list[Line]:
    found = [cluster for cluster in clusters(campaign) if not cluster.expected]
    out: list[Line] = []
    for number, cluster in enumerate(found[:SHOWN], 1):
        out += [*_cause(number, cluster, width), []]
    if len(found) > SHOWN:
        out.append([(f"{count(len(found) - SHOWN, 'more cause')} not listed; --json holds all", "warn")])
    return out[:-1] if out and not out[-1] else out


def _cause(number: int, cluster: Cluster, width: int) -> list[Line]:
    first = cluster.first
    head = f"{number}. {cluster.outcome}"
    if first.detail and cluster.outcome in ("hang", "crash", "not-proven"):
        head += f", {clean(first.detail)}"
    head += f"   {count(len(cluster.records), 'world')}, cause {cluster.fingerprint}"
    out: list[Line] = [[(line, "bad")] for line in textwrap.wrap(head, width, subsequent_indent="   ", break_on_hyphens=False)]
    for finding in first.findings[:SHOWN]:
        text = f"{clean(finding['rule'])}   {clean(finding['message'])}  ({clean(finding['where'] or 'no line of the miniport')})"
        out += [[(line, "")] for line in textwrap.wrap(text, width, initial_indent="   ", subsequent_indent="      ",
                                                       break_on_hyphens=False)]
    for record in cluster.records[:SHOWN]:
        out.append([(f"   {_label(record)}", "dim")])
        if record.replay:
            out.append([(f"   {clean(record.replay)}", "")])
    if len(cluster.records) > SHOWN:
        out.append([(f"   {count(len(cluster.records) - SHOWN, 'more world')} not listed; --json holds all", "warn")])
    return out


def _label(record: Record) -> str:
    small = f", for which {record.minimal} is enough" if record.minimal else ""
    return clean(record.case.id) + clean(small)


def _lists(campaign: Campaign, width: int) -> list[Line]:
    if not campaign.unreachable:
        return []
    reasons: dict[str, list[str]] = {}
    for point, reason in campaign.unreachable:
        reasons.setdefault(reason, []).append(point)
    out: list[Line] = [[("unreachable", "head"), ("  armed where it can do nothing, or not used there", "dim")]]
    for reason, points in list(reasons.items())[:SHOWN]:
        shown = ", ".join(points[:4]) + (f" and {len(points) - 4:,} more" if len(points) > 4 else "")
        out += [[(line, "")] for line in textwrap.wrap(f"{clean(shown)}: {clean(reason)}", width, initial_indent="   ",
                                                       subsequent_indent="      ", break_on_hyphens=False)]
    if len(reasons) > SHOWN:
        out.append([(f"   {count(len(reasons) - SHOWN, 'more reason')} not listed; --json holds all", "dim")])
    return out


def _not_run(campaign: Campaign, width: int) -> list[Line]:
    coverage = campaign.coverage
    if coverage is None:
        return []
    shard, shards = campaign.plan.shard
    part = "" if shards == 1 else f" of part {shard}/{shards}"
    head = f"  {len(coverage.missed):,} of {count(coverage.statements, 'statement')} of the miniport, in any of " \
        f"{count(coverage.worlds, 'world')}{part}"
    out: list[Line] = [[("never run", "head"), (head, "dim")]]
    if coverage.unknown:
        told = f"not known of {', '.join(map(clean, coverage.unknown))}: the source does not give the code that runs"
        out += [[(line, "warn")] for line in textwrap.wrap(told, width, initial_indent="   ", subsequent_indent="      ",
                                                                       break_on_hyphens=False)]
    for one in coverage.missed[:SHOWN]:
        text = f"   {clean(one.file)}:{one.line}  {clean(one.source)}"
        out.append([(text if len(text) <= width else text[:width - 3] + "...", "")])
    if len(coverage.missed) > SHOWN:
        out.append([(f"   {count(len(coverage.missed) - SHOWN, 'more statement')} not listed; --json holds all", "dim")])
    return out


def _baseline(complaints: Sequence[Complaint], width: int) -> list[Line]:
    return [[(line, "warn")] for c in complaints for line in textwrap.wrap(
        f"baseline: {c.entry.fingerprint} is {c.state} (expires {c.entry.expires.isoformat()}): {clean(c.entry.reason)}", width,
        subsequent_indent="   ")]


def _proof(campaign: Campaign, width: int) -> list[Line]:
    expected = sum(campaign.expected(record) for record in campaign.records)
    parts = [f"proof    {count(campaign.points, 'fault point')} found, {campaign.behind_faults:,} of them only behind a fault",
             f"{count(campaign.armed, 'fault')} armed", f"{campaign.fired:,} fired", f"{len(campaign.unreachable):,} unreachable"]
    if expected:
        parts.append(f"{count(expected, 'world')} expected by the baseline")
    if campaign.left_out:
        parts.append(f"{campaign.left_out:,} of those behind a fault not tried (inside a series, or behind {campaign.plan.deepest} faults)")
    if campaign.nothing_shown:
        parts.append(f"nothing shown: {campaign.nothing_shown}")
    if campaign.incomplete:
        parts.append(f"cut short: {campaign.incomplete}")
    if campaign.not_covered:
        parts.append(f"{count(campaign.not_covered, 'world')} of this stage not covered")
    return [[(line, "")] for line in textwrap.wrap(", ".join(parts), width, subsequent_indent=" " * 9)]
