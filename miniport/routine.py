# SPDX-License-Identifier: Apache-2.0
"""The table of routines: one row a routine, from which the face of a miniport is generated.

A row stands beside its implementation, as the decorator `routine`. For each row one specialised method of
`miniport.adapter.Adapter` is generated: it asks `bed.inject` through the injector, checks IRQL and context, calls the
implementation and records the event. ``docs/add-a-routine.md`` adds one from nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from types import CodeType, FunctionType
from typing import Any, TypeVar

from hw.processor import DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL
from miniport.handlers import ANYWHERE
from miniport.status import STATUS_NAMES
from miniport.versions import WINDOWS
from verifier.errors import UsageError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

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
    on_failure: Callable[..., Any] | None
    c: str
    source: str
    event: bool
    direct: bool


TABLE: dict[str, Routine] = {}
"""Every routine that is modelled, by its documented name."""

BY_PYTHON: dict[str, Routine] = {}
"""Rows by the name of their Python face; where two NDIS names share one face, the row that was entered first."""


def routine(
    name: str, *, c: str, source: str, irql: IrqlRange | dict[str, IrqlRange] = ANY, irql_rule: str | dict[str, str] = "",
    handlers: int = ANYWHERE, handlers_rule: str = "", fails: tuple[str, ...] = (),
    on_failure: Callable[..., Any] | None = None, event: bool = True, direct: bool = False,
) -> Callable[[F], F]:
    """Enter a routine into the table. The decorated function is its implementation, with (ndis, adapter, ...) first.

    *on_failure* makes what the call returns when a fault makes it fail, from the status code (None for ``null``); by
    default the status itself, or None. *direct*: the function is the method itself, without *ndis* in front: register
    accesses, which have to be fast; the bus asks for faults and records, and any IRQL and handler will do.
    """

    def enter(function: F) -> F:
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


def alias(name: str, of: str, *, c: str, source: str, python: str = "", irql: IrqlRange | None = None) -> None:
    """Enter a second name of a routine that stands in the table: a row of its own, the same function. With *python* the name has
    a face of its own, too, at IRQL *irql* where its page says another; else it shares the face of *of*, under whose name it is
    recorded and fails."""
    if name in TABLE:
        raise ValueError(f"routine {name} stands in the table twice")
    first = TABLE[of]
    row = replace(first, index=len(TABLE), name=name, python=python or first.python, c=c, source=source,
                  irql=first.irql if irql is None else {"": irql}, fails=first.fails if python else ())
    TABLE[name] = row
    BY_PYTHON.setdefault(row.python, row)


_STATUS_BY_NAME = {name.removeprefix("NDIS_STATUS_"): value for value, name in STATUS_NAMES.items()}


def failure_of(row: Routine, effect: str, *arguments: Any) -> Any:
    """What a call with *arguments* returns when *effect* is injected; `UsageError` names the effects that the row documents.
    Where `on_failure` takes arguments of the call and there are none, the status."""
    first = BY_PYTHON.get(row.python, row)
    if first is not row and first.fails:
        raise UsageError(f"{row.name} never fails under this name: its face is that of {first.name}", f"name the fault {first.name}#N")
    if not row.fails:
        raise UsageError(f"{row.name} never fails", "choose a routine that can fail; release routines are only raced")
    chosen = row.fails[0] if effect == "fail" else effect.removeprefix("NDIS_STATUS_")
    if chosen not in row.fails:
        raise UsageError(f"{row.name} never fails with {effect!r}", f"documented: {', '.join(row.fails)}")
    status = None if chosen == "null" else _STATUS_BY_NAME[chosen]
    if row.on_failure is None:
        return status
    wanted = row.on_failure.__code__.co_argcount - 1
    return row.on_failure(status, *arguments[:wanted]) if len(arguments) >= wanted else status


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
def face(self{parameters}):
    n = self._ndis
    n.calls_left -= 1
    if not n.calls_left:
        n.called_for_ever()
    scheduler = n.scheduler
    processor = scheduler.current
    if not n.irqls[{index}] >> processor.irql & 1:
        n.wrong_irql(ROW, processor.irql)
    {context}
    injector = n.injector
    if injector is not None:
        if {name!r} in injector.names:
            effect = injector.take({name!r})
            if effect is not None:
                return n.fail(ROW, effect, self{parameters})
        else:
            injector.tally[{name!r}] += 1
    result = IMPLEMENTATION(n, self{parameters})
    {event}
    if scheduler.attention:
        scheduler.point()
    return result
'''
_CONTEXT = "if n.handler & {forbidden}: n.wrong_context(ROW)"
_EVENT = "n.record((n.clock.now, {kind}, processor.number, {name!r}, result))"
_INDEX, _FORBIDDEN, _KIND, _NAME = 0x5EED_0001, 0x5EED_0002, 0x5EED_0003, "name of the routine"
"""What stands in a shape where each row has constants of its own."""


@cache
def _shape(parameters: int, event: bool, anywhere: bool) -> CodeType:
    """The code of every face with that many *parameters*: compiled once, as compiling is what a start-up would take longest for."""
    source = _PLAIN.format(
        parameters="".join(f", p{i}" for i in range(parameters)), index=_INDEX, name=_NAME,
        context="pass" if anywhere else _CONTEXT.format(forbidden=_FORBIDDEN),
        event=_EVENT.format(kind=_KIND, name=_NAME) if event else "pass")
    module = compile(source, "<face of a routine>", "exec")
    return next(constant for constant in module.co_consts if isinstance(constant, CodeType))


def generate(row: Routine, event_kind: int) -> Callable[..., Any]:
    """The method of the Python face for one row."""
    count = len(row.parameters)
    if row.direct:
        return named(row.implementation, row.python)
    forbidden = ~row.handlers & ANYWHERE
    shape = _shape(count, row.event, not forbidden)
    own = {_INDEX: row.index, _FORBIDDEN: forbidden, _KIND: event_kind, _NAME: row.name}
    code = shape.replace(
        co_name=row.python, co_qualname=row.python, co_filename=f"<face of {row.name}>",
        co_varnames=(shape.co_varnames[0], *row.parameters, *shape.co_varnames[count + 1:]),
        co_consts=tuple(own.get(constant, constant) for constant in shape.co_consts))
    method = FunctionType(code, {"ROW": row, "IMPLEMENTATION": row.implementation}, row.python, row.defaults or None)
    method.__doc__ = f"{row.name}. {(row.implementation.__doc__ or '').strip()}"
    return method


def named(function: Callable[..., Any], python: str) -> Callable[..., Any]:
    """*function* under the name *python*: itself if that is its name."""
    if function.__name__ == python or not isinstance(function, FunctionType):
        return function
    copy = FunctionType(function.__code__, function.__globals__, python, function.__defaults__, function.__closure__)
    copy.__doc__, copy.__annotations__, copy.__module__ = function.__doc__, function.__annotations__, function.__module__
    return copy
