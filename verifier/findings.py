# SPDX-License-Identifier: Apache-2.0
"""Findings: broken rules, each with its numbers, its owner, its line and its remedy, causes before consequences."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from verifier.address import Span
from verifier.address_book import Block
from verifier.events import EventRecord, Kind
from verifier.rule import Rule, Severity
from verifier.where import Where, WhereCell


class StopWorld(BaseException):
    """Unwinds the world after its first finding, for ``--stop``. Not an `Exception`: a miniport cannot swallow it."""


@dataclass(slots=True, eq=False)
class Finding:
    """One broken rule in one world."""

    rule: Rule
    message: str
    where: Where | None
    time_ns: int
    space: str = "physical"
    """The address space of *span*: ``physical``, ``logical`` or ``virtual``."""
    span: Span | None = None
    owner: str | None = None
    related: list[tuple[str, Where]] = field(default_factory=list)
    bugcheck: str | None = None
    remedy: str = ""
    goes_wrong_at: int | None = None
    """The first address that breaks the rule, for the picture."""
    subjects: frozenset[Hashable] = frozenset()
    also: tuple[str, ...] = ()
    """Other ids of the rule book that state the same fact."""
    consequences: list[Finding] = field(default_factory=list)
    detail: str = ""
    """More lines for the reader, for instance a hexdump of what differs."""
    times: int = 1
    """How often the same rule was broken at the same line for the same block."""


class Clock(Protocol):
    """What findings need of a clock: the virtual time."""

    now: int
    """Virtual time in nanoseconds."""


class Findings:
    """All findings of one world. The first one on a block, packet or span is the cause; later ones on it go under it."""

    __slots__ = ("_events", "_now", "_seen", "_where", "beside", "enabled", "errors", "notices", "stop", "stops_at")

    def __init__(self, events: EventRecord, where: WhereCell, now: Clock, *, enabled: bool = True, stop: bool = False,
                 ) -> None:
        self._events = events
        self._where = where
        self._now = now
        self.enabled = enabled
        self.stop = stop
        self.stops_at: Callable[[Finding], bool] | None = None
        """With *stop*: the findings that end the world; every error where nobody says."""
        self.beside: tuple[tuple[str, Where | None], ...] = ()
        """Lines that stand beside every finding that is made now: a device that runs a program names two."""
        self.errors: list[Finding] = []
        self.notices: list[Finding] = []
        self._seen: dict[tuple[Rule, Where | None, frozenset[Hashable]], Finding] = {}

    def report(
        self, rule: Rule, message: str, *, where: Where | None = None, space: str = "physical",
        span: Span | None = None, block: Block | None = None, subject: Sequence[Hashable] = (),
        related: Sequence[tuple[str, Where | None]] = (), owner: str | None = None, remedy: str = "",
        bugcheck: str | None = None, goes_wrong_at: int | None = None,
        also: tuple[str, ...] | None = None, detail: str = "",
    ) -> Finding | None:
        """Record a broken rule. *where* defaults to the running line of the miniport; *subject* lists what the finding
        is about besides the block (a packet, a lock, …). None where checks are switched off (``--silicon``)."""
        if not self.enabled:
            return None
        if where is None:
            where = self._where.capture()
        subjects = set(subject)
        if block is not None:
            subjects.add(block)
        key = (rule, where, frozenset(subjects))
        known = self._seen.get(key)
        if known is not None:
            known.times += 1
            return known
        lines = [(what, line) for what, line in (*related, *self.beside) if line is not None]
        if block is not None and block.where is not None:
            lines.insert(0, (f"{block.name} allocated", block.where))
            if block.freed_where is not None:
                lines.insert(1, (f"{block.name} freed", block.freed_where))
        finding = Finding(
            rule, message, where, self._now.now, space, span,
            owner if owner is not None else (block.name if block is not None else None), lines, bugcheck,
            remedy or rule.remedy, goes_wrong_at, key[2], rule.also if also is None else also, detail=detail)
        self._seen[key] = finding
        self._events.append((self._now.now, Kind.FINDING, 0, rule.id, message))
        if rule.severity is not Severity.ERROR:
            self.notices.append(finding)
            if self.stop and self.stops_at is not None and self.stops_at(finding):
                raise StopWorld
            return finding
        cause = self._cause(finding)
        (self.errors if cause is None else cause.consequences).append(finding)
        if self.stop and (self.stops_at is None or self.stops_at(finding)):
            raise StopWorld
        return finding

    def _cause(self, finding: Finding) -> Finding | None:
        if finding.rule.symptom:
            return next((earlier for earlier in self.errors if earlier.rule.explains), None)
        for earlier in self.errors:
            family = [earlier, *earlier.consequences]
            for other in family:
                if finding.subjects & other.subjects:
                    return earlier
                if (finding.span is not None and other.span is not None and finding.space == other.space
                        and finding.span.overlaps(other.span)):
                    return earlier
        return None

