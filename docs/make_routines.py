# SPDX-License-Identifier: Apache-2.0
"""Writes ``docs/routines.md`` from the table of routines: ``python docs/make_routines.py``."""

from __future__ import annotations

from pathlib import Path

from hw.processor import HIGH_LEVEL, irql_name
from miniport import library
from miniport.handlers import ANYWHERE, INIT, INIT_OR_HALT, METHODS, NOT_AT_DIRQL, NOT_SHUTDOWN, RUN_TIME
from miniport.routine import TABLE, IrqlRange, Routine, by_version
from miniport.versions import WINDOWS

PAGE = Path(__file__).resolve().parent / "routines.md"

HEAD = """\
# Routines

Every routine that this version models. `docs/make_routines.py` writes this page from the table that also makes the calls
([miniport/routine.py](../miniport/routine.py)); a test holds both together.

- **Python face**: a method of `adapter`, with the NDIS name in snake_case. Failures are the statuses and None of the
  documents; several out parameters come as one tuple. `help(adapter.NAME)` says what comes back.
- **IRQL**: where the routine may be called; by Windows version where versions differ ("xp to 2003" includes both).
- **handlers**: from which handlers. *Below DIRQL*: all but isr, disable_interrupt and a synchronize function.
- **failures**: what an injected fault may return, the default first. None: the routine cannot fail, and none is injected.
- **source**: `ddi:`, `docs:` Microsoft's windows-driver-docs, `ndis5:` the NDIS 5.1 reference, `nt4:` the NT 4 DDK, `osr:` the
  mirror of the XP DDK at OSR, `seed2` the DDK page of NdisMFreeSharedMemory for XP and Server 2003, `[K]` common knowledge: no
  page was read.

What stands in parentheses has no rule of its own in the rule book; a call that breaks it is `routine-irql` or
`routine-context`, in the ISR `int-isr-any-irql-only`. A routine that is not here raises *not modelled* (exit 3) and names
[add-a-routine.md](add-a-routine.md);
[routines-left.md](routines-left.md) says what does instead, or what is missing.

| NDIS name | Python face | IRQL | handlers | failures | source |
|---|---|---|---|---|---|
"""

_SETS = {ANYWHERE: "anywhere", INIT: "initialize", INIT_OR_HALT: "initialize, halt", NOT_SHUTDOWN: "all but shutdown",
         NOT_AT_DIRQL: "below DIRQL"}
_IRQL_BY_CONTEXT = {
    "NdisMFreeSharedMemory": "xp to 2003: DISPATCH_LEVEL, but PASSIVE_LEVEL in halt and initialize; others: <= DISPATCH_LEVEL"}
"""Routines whose implementation checks the IRQL itself, because it depends on the handler."""


def page() -> str:
    """The whole page; the rows in alphabetic order of the NDIS names."""
    assert library.__all__, "importing the library fills the table"
    return HEAD + "".join(f"| {' | '.join(cells(TABLE[name]))} |\n" for name in sorted(TABLE))


def cells(row: Routine) -> tuple[str, ...]:
    """The six cells of one row."""
    return (f"`{row.name}`", f"`{row.python}({', '.join(_parameters(row))})`", irql_text(row), handlers_text(row),
            ", ".join(row.fails) or "–", row.source)


def irql_text(row: Routine) -> str:
    """Where the routine may be called: ``<= DISPATCH_LEVEL``, or by versions ``xp to 2003: …; vista to 7: …``."""
    if row.name in _IRQL_BY_CONTEXT:
        return _IRQL_BY_CONTEXT[row.name]
    runs: list[tuple[str, list[str]]] = []
    for version in WINDOWS:
        text = _range_text(by_version(row.irql, version, (0, HIGH_LEVEL)))
        if runs and runs[-1][0] == text:
            runs[-1][1].append(version)
        else:
            runs.append((text, [version]))
    if len(runs) == 1:
        text = runs[0][0]
    else:
        text = "; ".join(f"{versions[0]}{f' to {versions[-1]}' if len(versions) > 1 else ''}: {text}" for text, versions in runs)
    return text if text == "any" or any(row.irql_rule.values()) else f"({text})"


def handlers_text(row: Routine) -> str:
    """The set of handlers in words."""
    if row.handlers == RUN_TIME and not row.handlers_rule:
        return "below DIRQL (not shutdown)"
    text = _SETS.get(row.handlers) or ", ".join(
        name for bit, name in METHODS.items() if row.handlers & bit)
    return text if row.handlers in (ANYWHERE, NOT_AT_DIRQL) or row.handlers_rule else f"({text})"


def _range_text(limits: IrqlRange) -> str:
    low, high = limits
    if (low, high) == (0, HIGH_LEVEL):
        return "any"
    return irql_name(low) if low == high else f"<= {irql_name(high)}" if low == 0 else f"{irql_name(low)} to {irql_name(high)}"


def _parameters(row: Routine) -> list[str]:
    plain = len(row.parameters) - len(row.defaults)
    return [*row.parameters[:plain], *(
        f"{name}={_default(value)}" for name, value in zip(row.parameters[plain:], row.defaults, strict=True))]


def _default(value: object) -> str:
    return hex(value) if isinstance(value, int) and value > 9 else repr(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
