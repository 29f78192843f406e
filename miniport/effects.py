# SPDX-License-Identifier: Apache-2.0
"""What a fault can do to a routine besides making it fail with a documented status: another answer, a race, a late completion.

An effect is entered by `effect`, beside the row of its routine in `miniport.routine.TABLE`. Its function stands in for the
implementation, and may call it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hw.inject import Effect
from miniport.routine import Routine

if TYPE_CHECKING:
    from miniport.ndis import Ndis


class NoEffectError(Exception):
    """Raised by the function of an effect that cannot be brought about in this call; the call then goes on as ever."""


@dataclass(frozen=True, slots=True)
class RoutineEffect:
    """One effect: how it is called, and its function, which takes (ndis, adapter, K, arguments of the routine)."""

    effect: Effect
    act: Callable[..., Any]


EFFECTS: dict[str, tuple[RoutineEffect, ...]] = {}
"""By documented name of the routine, in the order of their entry."""


def effect(routine: str, name: str, text: str, *, kind: str = "routine", chaos: bool = False,
           ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter an effect of *routine*; *name* and *text* are those of `Effect`."""
    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        EFFECTS[routine] = (*EFFECTS.get(routine, ()), RoutineEffect(Effect(name, kind, chaos, text), function))
        return function

    return enter


def effect_of(routine: str, spelling: str) -> RoutineEffect | None:
    """The effect of *routine* that is spelled so; None if it has no such one."""
    return next((entry for entry in EFFECTS.get(routine, ()) if entry.effect.covers(spelling)), None)


def act(ndis: Ndis, row: Routine, spelling: str, adapter: Any, arguments: tuple[Any, ...]) -> Any:
    """Call *row* with the effect that is spelled so, as a fault asks."""
    entry = effect_of(row.name, spelling)
    assert entry is not None
    number = spelling.rpartition("-")[2]
    try:
        return entry.act(ndis, adapter, int(number) if number.isdecimal() else 0, *arguments)
    except NoEffectError as reason:
        if ndis.injector is not None:
            ndis.injector.without_effect(row.name, str(reason))
        return row.implementation(ndis, adapter, *arguments)
