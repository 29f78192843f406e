# SPDX-License-Identifier: Apache-2.0
"""The report of a campaign: one self-contained page with the table of fault points, and each cause with its picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dmabed.campaign.conditions import changed
from dmabed.campaign.engine import Campaign
from dmabed.campaign.model import Case
from dmabed.campaign.result import Cluster, clusters
from dmabed.commands import Case as World
from dmabed.commands import live_case
from dmabed.report import facts
from dmabed.report.html import card, template, write_page
from dmabed.result import as_json, sources
from dmabed.watchdog import Watchdog

CAUSES_SHOWN = 50
"""Causes that are shown with pictures: each is lived once more for it."""


def write_campaign_report(done: Campaign, result: Mapping[str, Any], world: World, directory: Path) -> Path:
    """Write ``index.html`` into *directory* and return its path. *world* is what the campaign was asked for."""
    return write_page(render(done, result, world), directory)


def render(done: Campaign, result: Mapping[str, Any], world: World) -> str:
    """The page as a string."""
    found = clusters(done)
    numbers = {cluster.fingerprint: number for number, cluster in enumerate(found[:CAUSES_SHOWN], 1)}
    conditions = list(dict.fromkeys(record.case.condition for record in done.records))
    rows: dict[str, list[dict[str, Any] | None]] = {}
    for record in done.records:
        cells = rows.setdefault(",".join(record.case.faults) or "no fault", [None] * len(conditions))
        cells[conditions.index(record.case.condition)] = {
            "outcome": record.outcome, "cause": numbers.get(record.fingerprint) if record.fails else None}
    left = len(found) - CAUSES_SHOWN
    return template("campaign.html.j2").render(
        result=result, options=facts.options(result), conditions=conditions, rows=list(rows.items()),
        causes=[_cause(cluster, world) for cluster in found[:CAUSES_SHOWN]],
        causes_left_out=f"{facts.count(left, 'more cause')} not shown; --json holds all" if left > 0 else "")


def _cause(cluster: Cluster, world: World) -> dict[str, Any]:
    first = cluster.first
    return {
        "fingerprint": cluster.fingerprint, "outcome": cluster.outcome, "expected": cluster.expected, "detail": first.detail,
        "cards": _cards(first.case if not first.minimal else Case.from_id(first.minimal), world) if first.findings else [],
        "worlds": [{"id": r.case.id, "minimal": r.minimal, "replay": r.replay} for r in cluster.records]}


def _cards(case: Case, world: World) -> Sequence[dict[str, Any]]:
    """The findings of *case*, which is lived once more, each with its picture."""
    spec = replace(changed(world.spec, case.condition), faults=case.faults)
    lived = live_case(replace(world, spec=spec), False, Watchdog())
    shown = as_json(lived, with_timeline=False)
    files = sources(lived)
    return [{**card(finding, shown, files, 0), "severity": "finding"} for finding in shown["findings"][:facts.FINDINGS_SHOWN]]
