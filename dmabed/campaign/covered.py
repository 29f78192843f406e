# SPDX-License-Identifier: Apache-2.0
"""Statements of the miniport that no traced world of a campaign ran: error paths that nothing reaches.

Traced are the lives without a fault and a choice of the worlds (`traced_cases`), each of which is lived once more for it: a trace
costs three times a life.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dmabed.after_fault import effect_of
from dmabed.campaign.model import UNREACHABLE, Case, Record
from dmabed.campaign.plan import SERIES, SWEEPS, ends
from dmabed.coverage import LineTrace, statement_lines
from dmabed.spec import WorldSpec
from hw.inject import parse_fault
from miniport.miniport import Miniport
from verifier.where import display_path

IN_A_SWEEP = 16
"""Worlds of one sweep that are traced, spread evenly over it."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A statement that never ran: its file as people see it, first line, function and source text."""

    file: str
    line: int
    function: str
    source: str


@dataclass(slots=True)
class Coverage:
    """What the traced worlds of a campaign ran of the miniport."""

    worlds: int = 0
    statements: int = 0
    missed: list[Missed] = field(default_factory=list)


def traced_cases(records: Sequence[Record], spec: WorldSpec) -> list[Case]:
    """The worlds to trace: every life without a fault; for each effect of each fault point that is hit in the world as it was asked
    for, every use of it, also behind other faults, of a long series its ends; of the sweeps `IN_A_SWEEP` each.
    A world that did not end by itself is left out."""
    chosen = []
    groups: dict[tuple[str, str, bool], list[Case]] = {}
    for record in records:
        case = record.case
        if record.outcome in (UNREACHABLE, "hang", "not-proven"):
            continue
        if not case.faults:
            chosen.append(case)
        elif not case.condition:
            fault = parse_fault(case.faults[-1])
            groups.setdefault((fault.name, fault.effect, len(case.faults) > 1), []).append(case)
    for (_, _, behind), cases in groups.items():
        effect = effect_of(parse_fault(cases[0].faults[-1]), spec)
        if effect is not None and effect.kind in SWEEPS:
            step = max(1, len(cases) // IN_A_SWEEP)
            chosen += cases[::step]
        else:
            chosen += [case for first, last in ends(0, len(cases), SERIES if behind else 2 * SERIES) for case in cases[first:last]]
    return chosen


def ran_lines(trace: LineTrace, base: Path) -> dict[str, list[int]]:
    """The lines that ran, by file as people see it."""
    found: dict[str, set[int]] = {}
    for code, lines in trace.ran.items():
        found.setdefault(display_path(code.co_filename, base), set()).update(lines)
    return {name: sorted(lines) for name, lines in found.items()}


def coverage_of(miniport: type[Miniport], base: Path, records: Iterable[Record]) -> Coverage:
    """Which statements of *miniport* ran in the traced *records*, and which did not."""
    ran: dict[str, set[int]] = {}
    coverage = Coverage()
    for record in records:
        coverage.worlds += 1
        for name, lines in record.ran.items():
            ran.setdefault(name, set()).update(lines)
    first_lines: dict[str, dict[int, int]] = {}
    statements: dict[tuple[str, int], tuple[str, str]] = {}
    did: set[tuple[str, int]] = set()
    for code, own in statement_lines(miniport):
        path = code.co_filename
        name = display_path(path, base)
        heads = first_lines.get(path)
        if heads is None:
            heads = first_lines[path] = _heads(path)
        for line in own:
            key = name, heads.get(line, line)
            statements.setdefault(key, (code.co_qualname, path))
            if line in ran.get(name, ()):
                did.add(key)
    coverage.statements = len(statements)
    coverage.missed = [Missed(name, line, function, linecache.getline(path, line).strip())
                       for (name, line), (function, path) in sorted(statements.items()) if (name, line) not in did]
    return coverage


def _heads(path: str) -> dict[int, int]:
    """The first line of the statement that each line of a file belongs to; of a compound statement its header is one."""
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except SyntaxError:
        return {}
    heads: dict[int, int] = {}
    for node in ast.walk(tree):  # inner statements come later
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            heads.update(dict.fromkeys(range(node.lineno, max(last, node.lineno) + 1), node.lineno))
    return heads
