# SPDX-License-Identifier: Apache-2.0
"""Fault points and the one hook through which everything asks whether a fault is due: routines, registers, DMA, frames,
interrupts, switching points.

Grammar of a fault: ``POINT[=EFFECT]`` with ``POINT = NAME#N`` or, for a fault that stays, ``NAME#N+``. NAME is a routine
(``NdisMAllocateSharedMemory``), a register (``register-read:CTRL``, ``register-write:CTRL``) or one of the other names of
``docs/fault-points.md``; N counts the uses of that name in a world, from 1: ``#2`` is the second use alone, ``#2+`` every use
from the second on. The effect defaults to the first one that the point has.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

from hw.clock import Clock
from verifier.errors import UsageError
from verifier.events import EventRecord, Kind

_POINT = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z0-9_.:-]*)#(?P<count>[0-9]{1,12})(?P<onward>\+)?(?:=(?P<effect>[A-Za-z0-9_x-]+))?")

FAIL = "fail"
"""The effect that stands for a point's first one."""

KINDS = ("routine", "device", "upper-edge", "interrupt", "life", "async", "race")


@dataclass(frozen=True, slots=True)
class Effect:
    """What a fault does at a point: its *name*, its *kind* (one of `KINDS`), whether only broken hardware does it (*chaos*), and
    what happens, in words. A name that ends in ``-K`` stands for a family, with a number in place of K."""

    name: str
    kind: str
    chaos: bool
    text: str

    def covers(self, spelling: str) -> bool:
        """True if *spelling* is this effect, or one of its family."""
        stem, _, number = spelling.rpartition("-")
        return spelling == self.name or (self.name == f"{stem}-K" and number.isdecimal() and number.isascii() and len(number) < 10)


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault to inject: the *count*-th use of *name* in a world, and with *onward* every later one, has *effect*. *does* is
    the effect in full where *effect* leaves it to the point."""

    name: str
    count: int
    effect: str = FAIL
    onward: bool = False
    does: str = field(default="", compare=False)

    @property
    def point(self) -> str:
        """``NdisMAllocateSharedMemory#2``, or with a plus sign behind if the fault stays."""
        return f"{self.name}#{self.count}{'+' if self.onward else ''}"

    def __str__(self) -> str:
        return self.point if self.effect == FAIL else f"{self.point}={self.effect}"


def parse_fault(text: str, effect: str | None = None) -> Fault:
    """Read a fault from ``NAME#N``, ``NAME#N+`` or either with ``=EFFECT``; `UsageError` names what is wrong."""
    match = _POINT.fullmatch(text)
    if match is None or match["count"] == "0" * len(match["count"]):
        raise UsageError(
            f"{text!r} is no fault point",
            "write NAME#N or NAME#N=EFFECT with N from 1, for instance NdisMAllocateSharedMemory#2 or "
            "register-read:CTRL#3=all-ones; NAME#N+ is the N-th use and every later one")
    return Fault(match["name"], int(match["count"]), effect or match["effect"] or FAIL, match["onward"] is not None)


class Injector:
    """Counts every use of every point of one world, and says which use fails.

    `take` is asked with the name of a point; it answers the effect of the fault that is armed there, or None. Whoever cannot
    bring the effect about says so with `without_effect`: such a fault has not fired.
    """

    __slots__ = ("_armed", "_clock", "_events", "_onward", "_paused", "_taken", "counts", "counts_at_fire", "fired", "idle", "names",
                 "tally")

    def __init__(self, faults: tuple[Fault, ...], events: EventRecord, clock: Clock) -> None:
        self._armed: dict[tuple[str, int], Fault] = {(fault.name, fault.count): fault for fault in faults}
        self._onward = [fault for fault in faults if fault.onward]
        self.names = {fault.name for fault in faults}
        """Points at which a fault is armed. A use of any other may be counted in `tally` at once."""
        self._events = events
        self._clock = clock
        self._taken: dict[str, Fault] = {}
        """The fault that was taken last, by name, while it may turn out to have no effect."""
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.tally = self.counts
        """Where uses are counted: `counts`, and while `paused` a dictionary that nobody reads."""
        self.counts_at_fire: dict[str, int] = {}
        """The counts when a fault fired last: what is counted beyond them is reached behind it."""
        self._paused = False
        self.fired: list[Fault] = []
        self.idle: dict[str, str] = {}
        """Faults whose point was reached and that had no effect there, and why."""

    @property
    def paused(self) -> bool:
        """While True no use is counted, and of the faults only those that stay and have fired go on: for traffic of the bed's own."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        self.tally = defaultdict(int) if paused else self.counts

    def concerns(self, *prefixes: str) -> bool:
        """True if a fault is armed at a point whose name begins with one of *prefixes*."""
        return any(name.startswith(prefixes) for name in self.names)

    def take(self, name: str) -> str | None:
        """Count one use of *name*; the effect that is armed for this use, or None."""
        if name not in self.names:
            self.tally[name] += 1
            return None
        return self._armed_effect(name)

    def _armed_effect(self, name: str) -> str | None:
        """`take` of a point that some fault names."""
        if self._paused:
            staying = next((f for f in self._onward if f.name == name and f in self.fired), None)
            return None if staying is None else staying.does or staying.effect
        self.counts[name] += 1
        count = self.counts[name]
        fault = self._armed.get((name, count))
        if fault is None:
            fault = next((f for f in self._onward if f.name == name and f.count < count), None)
            if fault is None:
                return None
        effect = fault.does or fault.effect
        if fault not in self.fired:
            self.fired.append(fault)
            self.counts_at_fire = dict(self.counts)
            self.idle.pop(str(fault), None)
            self._taken[name] = fault
        else:
            self._taken.pop(name, None)
        self._events.append((self._clock.now, Kind.FAULT, 0, fault.point, effect))
        return effect

    def without_effect(self, name: str, why: str) -> Fault | None:
        """The fault that `take` gave for *name* has no effect where it was due: it has not fired, unless `had_effect` is called for
        it later. A fault that stays and had its effect before has fired."""
        fault = self._taken.pop(name, None)
        if fault is not None:
            self.fired.remove(fault)
            self.idle[str(fault)] = why
        return fault

    def had_effect(self, fault: Fault | None) -> None:
        """What `without_effect` gave has had its effect after all."""
        if fault is not None and self.idle.pop(str(fault), None) is not None:
            self.fired.append(fault)

    def not_fired(self) -> list[Fault]:
        """Faults that were armed and whose point was never reached, or that had no effect there."""
        return sorted(fault for fault in self._armed.values() if fault not in self.fired)
