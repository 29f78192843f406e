# SPDX-License-Identifier: Apache-2.0
"""The table of routines: one row a routine, from which the face of a miniport is generated.

A row stands beside its implementation, as the decorator `routine`. For each row one specialised method of
`miniport.adapter.Adapter` is generated: it asks `bed.inject` through the injector, checks IRQL and context, calls the
implementation and records the event. ``docs/add-a-routine.md`` adds one from nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hw.processor import DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL
from miniport.handlers import ANYWHERE
from miniport.status import STATUS_NAMES
from miniport.versions import WINDOWS
from verifier.errors import UsageError

T = TypeVar("T")

IrqlRange = tuple[int, int]
"""Lowest and highest IRQL at which a routine may be called."""

PASSIVE: IrqlRange = (PASSIVE_LEVEL, PASSIVE_LEVEL)
UP_TO_DISPATCH: IrqlRange = (PASSIVE_LEVEL, DISPATCH_LEVEL)
AT_DISPATCH: IrqlRange = (DISPATCH_LEVEL, DISPATCH_LEVEL)
ANY: IrqlRange = (PASSIVE_LEVEL, HIGH_LEVEL)


@dataclass(frozen=True, slots=True)
class Routine:
    """One row: what a documented routine is called, where it may be called, and how it fails.

    *irql* by Windows version: the row of the latest version that is not above the machine's; ``""`` is the default.
    *fails* names the effects that a fault may have, the first being the default; each is a status name or ``null``.
    *c* is the C prototype, *source* the document.
    """

    index: int
    name: str
    python: str
    implementation: Callable[..., Any]
    parameters: tuple[str, ...]
    defaults: tuple[Any, ...]
    irql: dict[str, IrqlRange]
    irql_rule: dict[str, str]
    handlers: int
    handlers_rule: str
    fails: tuple[str, ...]
    on_failure: Callable[[int | None], Any] | None
    c: str
    source: str
    event: bool
    direct: bool


TABLE: dict[str, Routine] = {}
"""Every routine that is modelled, by its documented name."""

BY_PYTHON: dict[str, Routine] = {}
"""The same rows by the name of their Python face."""


def routine(
    name: str, *, c: str, source: str, irql: IrqlRange | dict[str, IrqlRange] = ANY, irql_rule: str | dict[str, str] = "",
    handlers: int = ANYWHERE, handlers_rule: str = "", fails: tuple[str, ...] = (),
    on_failure: Callable[[int | None], Any] | None = None, event: bool = True, direct: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a routine into the table. The decorated function is its implementation, with (ndis, adapter, ...) first.

    *on_failure* makes what the call returns when a fault makes it fail, from the status code (None for ``null``); by
    default the status itself, or None. *direct*: the function is the method itself, without *ndis* in front: register
    accesses, which have to be fast; the bus asks for faults and records, and any IRQL and handler will do.
    """

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        if name in TABLE:
            raise ValueError(f"routine {name} stands in the table twice")
        for effect in fails:
            if effect != "null" and effect not in _STATUS_BY_NAME:
                raise ValueError(f"routine {name}: unknown failure {effect!r}")
        code = function.__code__
        row = Routine(
            len(TABLE), name, function.__name__, function, code.co_varnames[1 if direct else 2:code.co_argcount],
            function.__defaults__ or (), irql if isinstance(irql, dict) else {"": irql},
            irql_rule if isinstance(irql_rule, dict) else {"": irql_rule}, handlers, handlers_rule, fails, on_failure, c, source,
            event, direct)
        TABLE[name] = row
        BY_PYTHON[row.python] = row
        return function

    return enter


_STATUS_BY_NAME = {name.removeprefix("NDIS_STATUS_"): value for value, name in STATUS_NAMES.items()}


def failure_of(row: Routine, effect: str) -> Any:
    """What the call returns when *effect* is injected; `UsageError` names the effects that the row documents."""
    if not row.fails:
        raise UsageError(f"{row.name} never fails", "choose a routine that can fail; release routines are only raced")
    chosen = row.fails[0] if effect == "fail" else effect.removeprefix("NDIS_STATUS_")
    if chosen not in row.fails:
        raise UsageError(f"{row.name} never fails with {effect!r}", f"documented: {', '.join(row.fails)}")
    status = None if chosen == "null" else _STATUS_BY_NAME[chosen]
    return row.on_failure(status) if row.on_failure is not None else status


def irql_limits(row: Routine, windows: str) -> IrqlRange:
    """The IRQL range of *row* on Windows version *windows*."""
    return by_version(row.irql, windows, ANY)


def irql_rule(row: Routine, windows: str) -> str:
    """The id of the rule that a call at a wrong IRQL breaks on *windows*."""
    return by_version(row.irql_rule, windows, "")


def by_version(values: dict[str, T], windows: str, default: T) -> T:
    """The value of the latest version that is not above *windows*; the entry "" holds before the first one."""
    chosen = values.get("", default)
    for version in WINDOWS[:WINDOWS.index(windows) + 1]:
        chosen = values.get(version, chosen)
    return chosen


_PLAIN = '''
def {python}(self{signature}):
    """{name}. {summary}"""
    n = self._ndis
    irql = n.scheduler.current.irql
    low, high = n.irql_limits[{index}]
    if irql > high or irql < low:
        n.wrong_irql(ROW, irql, low, high)
    if n.handler & {forbidden}:
        n.wrong_context(ROW)
    if n.injector is not None:
        effect = n.injector.take("{name}")
        if effect is not None:
            return n.fail(ROW, effect)
    result = IMPLEMENTATION(n, self{arguments})
    {event}
    if n.scheduler.attention:
        n.scheduler.point()
    return result
'''
_EVENT = "n.record((n.clock.now, {kind}, n.scheduler.current.number, \"{name}\", result))"


def generate(row: Routine, event_kind: int) -> Callable[..., Any]:
    """The method of the Python face for one row."""
    names = list(row.parameters)
    first_default = len(names) - len(row.defaults)
    signature = "".join(
        f", {name}" if i < first_default else f", {name}=D{i - first_default}" for i, name in enumerate(names))
    if row.direct:
        return row.implementation
    source = _PLAIN.format(
        python=row.python, signature=signature, name=row.name, index=row.index,
        summary=(row.implementation.__doc__ or "").strip().replace('"""', "'''").replace("\\", "\\\\"),
        forbidden=~row.handlers & ANYWHERE, arguments="".join(f", {name}" for name in names),
        event=_EVENT.format(kind=event_kind, name=row.name) if row.event else "pass")
    space: dict[str, Any] = {"ROW": row, "IMPLEMENTATION": row.implementation}
    space.update({f"D{i}": value for i, value in enumerate(row.defaults)})
    exec(compile(source, f"<face of {row.name}>", "exec"), space)
    method: Callable[..., Any] = space[row.python]
    return method
