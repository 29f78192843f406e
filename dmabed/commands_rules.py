# SPDX-License-Identifier: Apache-2.0
"""What ``dmabed rules`` and ``dmabed explain`` do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from dmabed.catalogue import GROUPS, Entry, catalogue, find
from dmabed.commands import Answer
from dmabed.result import SCHEMA_VERSION
from dmabed.rule_page import page
from verifier.errors import UsageError
from verifier.standing import State


def rules(state: str | None = None, group: str | None = None) -> Answer:
    """All rules, or those of one *state* and *group*."""
    state = _one_of(state, [one.value for one in State], "state")
    group = _one_of(group.upper() if group is not None else None, list(GROUPS), "group")
    chosen = [entry for entry in catalogue().values()
              if (state is None or entry.state == state) and (group is None or entry.group == group)]

    def text(width: int, colour: bool) -> str:
        return "\n".join([*_table(chosen), _counts(chosen), ""])

    return Answer(0, {"schema": SCHEMA_VERSION, "rules": [rule_json(entry) for entry in chosen]}, text)


def explain(id: str) -> Answer:
    """The page of one rule."""
    entry = find(id)
    return Answer(0, {"schema": SCHEMA_VERSION, **rule_json(entry), "page": page(entry)}, lambda width, colour: page(entry))


def rule_json(entry: Entry) -> dict[str, Any]:
    """One rule as plain data."""
    book = entry.book
    return {
        "id": entry.id, "state": entry.state.value, "severity": entry.severity, "reason": entry.reason, "versions": entry.versions,
        "group": entry.group, "primaries": [rule.id for rule in entry.primaries], "text": entry.text, "source": entry.source,
        "reading": (book.reading if book is not None else "") or None,
        "remedy": entry.primaries[0].remedy if entry.primaries else None,
        "tests": {"breaks": list(entry.tests.breaks), "keeps": list(entry.tests.keeps)},
    }


def _table(entries: Iterable[Entry]) -> list[str]:
    """One line for each rule, group by group, in 80 columns."""
    lines: list[str] = []
    group = ""
    for entry in sorted(entries, key=lambda entry: list(GROUPS).index(entry.group)):
        if entry.group != group:
            group = entry.group
            lines += [*([""] if lines else []), f"{group}  {GROUPS[group]}"]
        about = entry.severity or ""
        if entry.primaries and entry.primaries[0].id != entry.id:
            about = f"as {entry.primaries[0].id}"
        tests = entry.tests
        shown = f"{len(tests.breaks)}+{len(tests.keeps)}" if entry.primaries else str(len(tests.keeps)) if tests.keeps else ""
        line = f"  {entry.id:<35} {entry.state:<13} {about:<21} {shown:>5}"
        lines.append(line.rstrip() if len(line) <= 80 else f"  {entry.id:<35} {entry.state:<13} {about}"[:80])
    return [*lines, *([""] if lines else [])]


def _counts(entries: Iterable[Entry]) -> str:
    counts = Counter(entry.state for entry in entries)
    total = sum(counts.values())
    parts = [f"{counts[state]} {state}" for state in State if counts[state]]
    return f"{total} rule{'' if total == 1 else 's'}: {', '.join(parts)}" if parts else "no rule"


def _one_of(given: str | None, known: list[str], what: str) -> str | None:
    if given is None or given in known:
        return given
    near = get_close_matches(given, known, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"there is no {what} {given!r}", f"{hint}known: {', '.join(known)}")
