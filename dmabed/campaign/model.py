# SPDX-License-Identifier: Apache-2.0
"""The words of a campaign as plain data: what is lived (`Case`) and what came out of it (`Record`)."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass, field, replace
from typing import Any

OUTCOMES = ("recovered", "degraded", "refused", "findings", "hang", "crash", "not-proven")
"""What a world can come to. The last four fail a campaign."""
FAILING = OUTCOMES[3:]
UNREACHABLE = "unreachable"
"""In place of an outcome: the fault was armed where it can do nothing. Such a world proves nothing and is listed apart."""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One world of a campaign: the faults that are armed, and the condition it lives under.

    *condition* is canonical text such as ``placement=low,windows=xp``; empty for the world as it was asked for. *root* is the id
    of the case from which this one grew, empty for one of the plan.
    """

    faults: tuple[str, ...] = ()
    condition: str = ""
    root: str = ""

    @property
    def id(self) -> str:
        """The canonical name: faults by the order in which they fire, then the condition."""
        faults = ",".join(self.faults) or "no-fault"
        return f"{faults}@{self.condition}" if self.condition else faults

    @classmethod
    def from_id(cls, id: str) -> Case:
        """The case of an `id`, without its root."""
        faults, _, condition = id.partition("@")
        return cls(() if faults == "no-fault" else tuple(faults.split(",")), condition)

    def plus(self, fault: str) -> Case:
        """The case that has *fault* as well."""
        return replace(self, faults=(*self.faults, fault), root=self.root or self.id)

    def in_shard(self, number: int, shards: int) -> bool:
        """True if the case belongs to shard *number* of *shards*, counted from 1. A case goes with its root: the same on every
        machine, whatever ran before."""
        return zlib.crc32((self.root or self.id).encode()) % shards == number - 1


@dataclass(slots=True)
class Record:
    """What one world came to."""

    case: Case
    outcome: str
    armed: int = 0
    fired: int = 0
    findings: list[Json] = field(default_factory=list)
    """As in ``dmabed run --json``, each with its ``fingerprint``."""
    detail: str = ""
    """What a hang polled, where a crash was, why something is not proven."""
    replay: str = ""
    not_reached: list[tuple[str, str]] = field(default_factory=list)
    """Armed faults that had no occasion, and the reason."""
    behind: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Fault points that are counted behind the last fault: by name the counts when it fired and at the end."""
    ran: dict[str, list[int]] | None = None
    """The statements that ran here and not in the worlds that were lived together with this one before it, by file; None where nobody
    looked."""
    minimal: str = ""
    """The id of the least case that fails alike, where a smaller one does; `replay` is its line."""

    @property
    def fails(self) -> bool:
        """True if a campaign with this world is not clean."""
        return self.outcome in FAILING

    @property
    def fingerprint(self) -> str:
        """What the cause is known by; empty where nothing failed."""
        if self.findings:
            return str(self.findings[0]["fingerprint"])
        return self.outcome if self.fails else ""

    def to_json(self) -> Json:
        """Plain data; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> Record:
        """A record from plain data."""
        case = data["case"]
        return cls(**{
            **data, "case": Case(tuple(case["faults"]), case["condition"], case["root"]),
            "not_reached": [(point, reason) for point, reason in data["not_reached"]],
            "behind": {name: (low, high) for name, (low, high) in data["behind"].items()}})
