# SPDX-License-Identifier: Apache-2.0
"""Fault points and the one hook through which every routine, register and DMA access asks whether a fault is due.

Grammar of a fault: ``POINT[=EFFECT]`` with ``POINT = NAME#N``. NAME is a routine (``NdisMAllocateSharedMemory``), a
register (``register-read:CTRL``, ``register-write:CTRL``) or a device access (``dma-read``, ``dma-write``); N counts
the calls of that name in a world, from 1. The effect defaults to the documented failure of the routine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hw.clock import Clock
from verifier.errors import UsageError
from verifier.events import EventRecord, Kind

_POINT = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_.:-]*)#(?P<count>[0-9]{1,12})(?:=(?P<effect>[A-Za-z0-9_x-]+))?")

FAIL = "fail"
"""The effect that stands for a point's first documented failure."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault to inject: the *count*-th use of *name* in a world fails with *effect*."""

    name: str
    count: int
    effect: str = FAIL

    @property
    def point(self) -> str:
        """``NdisMAllocateSharedMemory#2``."""
        return f"{self.name}#{self.count}"

    def __str__(self) -> str:
        return self.point if self.effect == FAIL else f"{self.point}={self.effect}"


def parse_fault(text: str, effect: str | None = None) -> Fault:
    """Read a fault from ``NAME#N`` or ``NAME#N=EFFECT``; `UsageError` names what is wrong."""
    match = _POINT.fullmatch(text)
    if match is None or match["count"] == "0" * len(match["count"]):
        raise UsageError(
            f"{text!r} is no fault point",
            "write NAME#N or NAME#N=EFFECT with N from 1, for instance NdisMAllocateSharedMemory#2 or "
            "register-read:CTRL#3=all-ones")
    return Fault(match["name"], int(match["count"]), effect or match["effect"] or FAIL)


class Injector:
    """Counts every use of every point of one world, and says which use fails.

    `take` is asked with the name of a point; it answers the effect of the fault that is armed there, or None.
    """

    __slots__ = ("_armed", "_by_name", "_clock", "_events", "counts", "fired")

    def __init__(self, faults: tuple[Fault, ...], events: EventRecord, clock: Clock) -> None:
        self._armed: dict[tuple[str, int], Fault] = {(fault.name, fault.count): fault for fault in faults}
        self._by_name = {fault.name for fault in faults}
        self._events = events
        self._clock = clock
        self.counts: dict[str, int] = {}
        self.fired: list[Fault] = []

    def take(self, name: str) -> str | None:
        """Count one use of *name*; the effect that is armed for this use, or None."""
        count = self.counts.get(name, 0) + 1
        self.counts[name] = count
        if name not in self._by_name:
            return None
        fault = self._armed.get((name, count))
        if fault is None:
            return None
        self.fired.append(fault)
        self._events.append((self._clock.now, Kind.FAULT, 0, fault.point, fault.effect))
        return fault.effect

    def not_fired(self) -> list[Fault]:
        """Faults that were armed and whose point was never reached."""
        return sorted(fault for fault in self._armed.values() if fault not in self.fired)

