# SPDX-License-Identifier: Apache-2.0
"""A campaign as plain data: what ``dmabed faults --json`` prints and every report reads. It holds no host time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from dmabed.campaign.baseline import Complaint
from dmabed.campaign.engine import Campaign
from dmabed.campaign.model import OUTCOMES, Json, Record
from dmabed.result import as_json
from dmabed.world import World


@dataclass(slots=True)
class Cluster:
    """Worlds that fail by the same cause."""

    fingerprint: str
    outcome: str
    records: list[Record] = field(default_factory=list)
    expected: bool = False
    """True if a baseline names it."""

    @property
    def first(self) -> Record:
        """The world that is shown: the first with the fewest faults."""
        return min(self.records, key=lambda record: len(record.case.faults))


def clusters(campaign: Campaign) -> list[Cluster]:
    """The failing worlds by cause, in the order of the plan."""
    found: dict[str, Cluster] = {}
    for record in campaign.records:
        if record.fails:
            cluster = found.setdefault(record.fingerprint, Cluster(record.fingerprint, record.outcome))
            cluster.records.append(record)
            cluster.expected = campaign.expected(record) and (cluster.expected or len(cluster.records) == 1)
    return list(found.values())


def campaign_json(campaign: Campaign, world: World, complaints: Sequence[Complaint] = ()) -> dict[str, Any]:
    """The result of *campaign*; *world* is its life without a fault."""
    counts = campaign.outcomes
    causes = clusters(campaign)
    result = as_json(world, with_timeline=False)
    result.update(
        verdict=campaign.verdict, findings=[_first(cluster) for cluster in causes if cluster.first.findings and not cluster.expected],
        outcomes={outcome: counts[outcome] for outcome in OUTCOMES},
        points=campaign.points, behind_faults=campaign.behind_faults, armed=campaign.armed, fired=campaign.fired,
        unreachable=[{"point": point, "reason": reason} for point, reason in campaign.unreachable],
        nothing_shown=campaign.nothing_shown or None,
        incomplete=campaign.incomplete or None, not_covered=campaign.not_covered, left_out=campaign.left_out,
        causes=[{"fingerprint": cluster.fingerprint, "outcome": cluster.outcome, "worlds": len(cluster.records),
                 "id": cluster.first.case.id, "expected": cluster.expected} for cluster in causes],
        baseline=[{"fingerprint": c.entry.fingerprint, "state": c.state, "reason": c.entry.reason,
                   "expires": c.entry.expires.isoformat()} for c in complaints],
        coverage=None if campaign.coverage is None else asdict(campaign.coverage),
        worlds=[_world(record) for record in campaign.records])
    return result


def point_name(record: Record) -> str:
    """The name of the fault point that a world is counted under: that of its last fault."""
    return record.case.faults[-1].partition("#")[0] if record.case.faults else "no fault"


def table(campaign: Campaign) -> dict[str, Counter[str]]:
    """How many worlds came to what, by the name of the fault point, in the order of the plan."""
    rows: dict[str, Counter[str]] = {}
    for record in campaign.records:
        rows.setdefault(point_name(record), Counter())[record.outcome] += 1
    return rows


def _first(cluster: Cluster) -> Json:
    finding = dict(cluster.first.findings[0])
    finding.pop("fingerprint")
    return {**finding, "replay": cluster.first.replay}


def _world(record: Record) -> Json:
    row: Json = {"id": record.case.id, "faults": list(record.case.faults), "condition": record.case.condition or None,
                 "outcome": record.outcome, "findings": record.findings}
    if record.fails:
        row.update(detail=record.detail or None, replay=record.replay or None, minimal=record.minimal or None)
    return row
