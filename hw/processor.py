# SPDX-License-Identifier: Apache-2.0
"""Processors with their IRQL, interrupt lines, deferred calls, and the seeded scheduler that decides who runs when.

Everything that may be switched calls `Scheduler.point` when `Scheduler.attention` is set: at every register access,
memory access and NDIS routine. The seed alone decides whether an interrupt is taken at once or some accesses later, and
on which processor. An entry on another processor runs nested at such a point. Deferred calls, which may take spin
locks, begin only while no spin lock is held: a processor that would have to spin starts later instead, which is one of
the orders that real machines show.
"""

from __future__ import annotations

from collections.abc import Callable

from hw.clock import NEVER, Clock
from hw.inject import Fault, Injector
from verifier.events import EventRecord, Kind

_INTERRUPT = int(Kind.INTERRUPT)

PASSIVE_LEVEL = 0
APC_LEVEL = 1
DISPATCH_LEVEL = 2
FIRST_DIRQL = 3
HIGH_LEVEL = 31

IRQL_NAMES = {PASSIVE_LEVEL: "PASSIVE_LEVEL", APC_LEVEL: "APC_LEVEL", DISPATCH_LEVEL: "DISPATCH_LEVEL",
              HIGH_LEVEL: "HIGH_LEVEL"}

STORM_LIMIT = 64
"""How often a line that stays asserted calls its service routines in a row before it counts as a storm."""

LONGEST_WAIT = 6
"""How many switching points an interrupt may wait at most."""

QUIET_PERIODS = 8
"""How many background entries of the clock `Scheduler.settle` lets run while nothing else happens."""

MOST_PERIODS = 512
"""How many it lets run in all while nothing else is due."""

LIFE_EVENTS = ("power-off", "bug-check")
_ANOTHER = "another device"
_COUNTED = 2
"""`Scheduler.attention` where nothing waits and switching points are counted all the same: while an interrupt is connected or a timer
is queued, in worlds with an injector."""

MOST_WORK = 64
"""How many work items run in a row; one that schedules itself again and again would never let go."""


def irql_name(irql: int) -> str:
    """``DISPATCH_LEVEL``, or ``DIRQL 9`` for a device level."""
    return IRQL_NAMES.get(irql, f"DIRQL {irql}")


class Processor:
    """One processor: its number, its IRQL and its queue of deferred calls."""

    __slots__ = ("dpcs", "irql", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.irql = PASSIVE_LEVEL
        self.dpcs: list[Callable[[], None]] = []


class Line:
    """One interrupt line: level triggered, shared by any number of devices and service routines."""

    __slots__ = ("asserting", "busy", "irql", "on_storm", "services", "vector", "waited")

    def __init__(self, vector: int, irql: int) -> None:
        self.vector = vector
        self.irql = irql
        self.asserting: set[str] = set()
        self.busy = False
        """True while a service routine runs on some processor: the interrupt's own spin lock keeps the others out."""
        self.services: list[Callable[[], bool]] = []
        """Service routines in the order of connection; each says whether its device interrupted."""
        self.on_storm: Callable[[Line], None] | None = None
        self.waited = 0

    def serve(self) -> None:
        """Ask the service routines, up to the first who says that it was his; the scheduler calls this while the line is
        asserted."""
        for service in tuple(self.services):
            if service():
                return


class Random:
    """A small seeded generator (a 64-bit linear congruence): cheap to make, equal on every Python."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = (seed * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF

    def below(self, n: int) -> int:
        """A number from 0 to n-1."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (self._state >> 24) % n


class Scheduler:
    """The processors and what waits for them."""

    __slots__ = (
        "_changed", "_clock", "_events", "_forced", "_injector", "_only_counted", "_rng", "_served", "_settled", "attention", "current",
        "frozen", "lines", "locks", "on_life", "processors", "quiet", "timers", "waits", "work")

    def __init__(self, count: int, clock: Clock, events: EventRecord, rng: Random) -> None:
        self.processors = tuple(Processor(number) for number in range(count))
        self.current = self.processors[0]
        self.attention: int = False
        """True while something waits for a switching point; hot paths test it and nothing else."""
        self.locks = 0
        """Spin locks held by any processor at this moment."""
        self.frozen = False
        """True from a bug check on: nothing is delivered any more."""
        self.lines: dict[int, Line] = {}
        self.work: list[Callable[[], None]] = []
        """Work items in the order in which they were scheduled."""
        self.quiet = 0
        """Background entries of the clock that ran since `settle` last saw anything else happen. Whoever sees progress that
        the clock does not see sets it to 0."""
        self.waits: list[Callable[[], bool]] = []
        """Each says whether it waits for an entry of the background: nobody cuts `settle` short while one does."""
        self.timers: dict[object, Callable[[], None]] = {}
        """What makes each timer that is queued expire at once."""
        self.on_life: Callable[[str, bool], bool] | None = None
        """Called with ``power-off`` or ``bug-check`` where a fault asks for it: with True it says whether that can be at this moment,
        with False it brings it about."""
        self._clock = clock
        self._events = events
        self._rng = rng
        self._settled = -1
        """When the machine settled last with nothing but background entries due."""
        self._injector: Injector | None = None
        self._only_counted = False
        """True if no fault is armed at switching points: those at which nothing waits are counted, and that is all."""
        self._served = False
        """True if an interrupt is connected."""
        self._changed = True
        """True if that has to be looked up."""
        self._forced: list[tuple[str, Fault | None]] = []
        """Effects of faults that are due at the first switching point where they can be."""

    def inject(self, injector: Injector | None) -> None:
        """With an injector every switching point is visited, and counted as a fault point while an interrupt is connected."""
        self._injector = injector
        if injector is not None:
            self.attention = True
            self._only_counted = not injector.concerns("preempt", "timer")

    def count_points(self) -> None:
        """An interrupt was connected or disconnected, or a timer was queued: where faults are counted, switching points are while one
        of them is there."""
        if self._injector is not None:
            self._changed = self.attention = True

    def line(self, vector: int, irql: int) -> Line:
        """The line with *vector*, made on first use."""
        line = self.lines.get(vector)
        if line is None:
            line = self.lines[vector] = Line(vector, irql)
        return line

    def assert_line(self, line: Line, device: str) -> None:
        """*device* pulls the line."""
        if device not in line.asserting:
            if not line.asserting:
                line.waited = 0
            line.asserting.add(device)
            self._events.append((self._clock.now, _INTERRUPT, self.current.number, device, True))
        self.attention = True

    def deassert_line(self, line: Line, device: str) -> None:
        """*device* lets go of the line."""
        if device in line.asserting:
            line.asserting.discard(device)
            self._events.append((self._clock.now, _INTERRUPT, self.current.number, device, False))

    def queue_dpc(self, call: Callable[[], None], processor: Processor | None = None) -> None:
        """Queue a deferred call on a processor, the current one by default; one that waits on any processor is not queued twice."""
        if not self.dpc_pending(call):
            (processor or self.current).dpcs.append(call)
        self.attention = True

    def dpc_pending(self, call: Callable[[], None]) -> bool:
        """True if *call* waits on any processor."""
        return any(call in processor.dpcs for processor in self.processors)

    def drop_dpc(self, call: Callable[[], None]) -> None:
        """Take *call* out of all queues."""
        for processor in self.processors:
            if call in processor.dpcs:
                processor.dpcs.remove(call)

    def queue_work(self, call: Callable[[], None]) -> None:
        """Queue a work item. It begins where the thread that runs on a processor at PASSIVE_LEVEL waits, in `point(now=True)`:
        in `settle`, and where a handler sleeps or waits for an event."""
        self.work.append(call)
        self.attention = True

    def raise_irql(self, irql: int) -> int:
        """Raise the current processor to *irql*; returns the level before."""
        before = self.current.irql
        self.current.irql = irql
        return before

    def lower_irql(self, irql: int) -> None:
        """Lower the current processor to *irql*; what waited below may run now."""
        self.current.irql = irql
        if self.attention:
            self.point()

    def point(self, *, now: bool = False) -> None:
        """A switching point: deliver what the seed says is due; *now* delivers all that can be delivered."""
        injector = self._injector
        if injector is not None and self.attention == _COUNTED and self._only_counted and not self.frozen:
            tally = injector.tally
            if self._served:
                tally["preempt"] += 1
            if self.timers:
                tally["timer"] += 1
            return
        if self.frozen:
            self.attention = False
            return
        if injector is not None:
            self._fault_point(injector)
            if self.attention == _COUNTED:  # nothing waits
                return
        waiting = False
        for line in self.lines.values():
            if line.asserting and line.services and not line.busy:
                self._offer(line, now)
                if line.asserting and line.services:
                    waiting = True
        for processor in self.processors:
            if processor.dpcs:
                if not self.locks and processor.irql < DISPATCH_LEVEL:
                    self._run_dpcs(processor)
                if processor.dpcs:
                    waiting = True
        if now and self.work and self.current.irql == PASSIVE_LEVEL:
            self._run_work()
        self.attention = waiting or self._left() or (injector is not None and self._idle_attention())

    def _idle_attention(self) -> int:
        """What `attention` is in a world with an injector while nothing waits."""
        if self._changed:
            self._changed = False
            self._served = any(line.services for line in self.lines.values())
        return _COUNTED if self._served or self.timers or not self._only_counted else False

    def serve_once(self, line: Line) -> None:
        """Call the services of *line* on the current processor, whether or not anybody pulls it: as when another device does."""
        self._service(line, self.current, forced=True)

    def foreign_interrupt(self, line: Line) -> None:
        """Another device pulls *line*, until its own service routine, which comes last, has been asked."""
        def serve() -> bool:
            self.deassert_line(line, _ANOTHER)
            line.services.remove(serve)
            self.count_points()
            return True

        line.services.append(serve)
        self.count_points()
        self.assert_line(line, _ANOTHER)

    def _fault_point(self, injector: Injector) -> None:
        """Count this switching point, and bring about what faults ask for here or asked for earlier in vain."""
        for line in self.lines.values():
            if line.services:
                effect = injector.take("preempt")
                if effect is not None:
                    fault = injector.without_effect("preempt", "nothing of the kind was possible afterwards")
                    if all(effect != waiting for waiting, _ in self._forced):
                        self._forced.append((effect, fault))
                break
        if self.timers and injector.take("timer") is not None:
            next(iter(self.timers.values()))()
        for entry in tuple(self._forced) if self._forced else ():
            effect, fault = entry
            if entry in self._forced and self._possible(effect):
                self._forced.remove(entry)
                injector.had_effect(fault)
                self._force(effect)

    def _possible(self, effect: str) -> bool:
        if effect in LIFE_EVENTS:
            return self.on_life is not None and self.on_life(effect, True)
        return any(line.services and not line.busy and any(p.irql < line.irql for p in self.processors) for line in self.lines.values())

    def _force(self, effect: str) -> None:
        if effect in LIFE_EVENTS:
            assert self.on_life is not None
            self.on_life(effect, False)
            return
        for line in self.lines.values():
            if line.services and not line.busy:
                willing = [p for p in self.processors if p.irql < line.irql]
                if willing:
                    self._service(line, next((p for p in willing if p is not self.current), willing[0]), forced=True)
                    return

    def _left(self) -> bool:
        """True if something waits that came while other things were delivered."""
        for line in self.lines.values():
            if line.asserting and line.services:
                return True
        for processor in self.processors:
            if processor.dpcs:
                return True
        return bool(self.work)

    def settle(self, until: int = NEVER) -> None:
        """Let the machine run until nothing is due any more, or until virtual time *until*.

        What is due in the background, the timers of miniports, runs in its turn and does not hold up the end: when nothing
        else is due, `QUIET_PERIODS` of its entries run; if that brings nothing else about, the machine has settled. A timer
        that fires for ever, periodically or because its function sets it again, ends therefore. With *until* they run on.
        A machine to which nothing happened since it settled is settled.
        """
        clock = self._clock
        if clock.now == self._settled and until == NEVER and self.attention in (False, _COUNTED) and not clock.awaited:
            return
        self.quiet = periods = 0
        while not self.frozen:
            if self.attention:
                before = self.attention
                self.point(now=True)
                if before and not self.attention:
                    continue
            if clock.awaited:
                self.quiet = 0
            elif clock.idle and until == NEVER:
                self.quiet += 1
                periods += 1
                if self.quiet > QUIET_PERIODS or periods > MOST_PERIODS:
                    self._settled = clock.now
                    return
            if clock.due > until or not clock.run_next():
                return

    def _offer(self, line: Line, now: bool) -> None:
        """Deliver *line* on a processor below its level, unless the seed lets it wait."""
        willing = [p for p in self.processors if p.irql < line.irql]
        if not willing:
            return
        rng = self._rng
        if not now and line.waited < LONGEST_WAIT and rng.below(4) == 0:
            line.waited += 1
            return
        own = self.current
        processor = own if own in willing and (len(willing) == 1 or rng.below(4)) else willing[rng.below(len(willing))]
        self._service(line, processor)

    def _service(self, line: Line, processor: Processor, forced: bool = False) -> None:
        """Call the services of a line while it is asserted; if *forced* once in any case, as when another device pulls it."""
        before, irql = self.current, processor.irql
        self.current = processor
        processor.irql = line.irql
        line.busy = True
        calls = 0
        try:
            while (line.asserting or forced) and line.services:
                calls += 1
                forced = False
                if calls > STORM_LIMIT:
                    if line.on_storm is not None:
                        line.on_storm(line)
                    line.asserting.clear()
                    break
                line.serve()
        finally:
            line.busy = False
            processor.irql = irql
            self.current = before

    def _run_work(self) -> None:
        """Run work items on the current processor, whose thread waits."""
        for _ in range(MOST_WORK):
            if not self.work or self.frozen:
                return
            self.work.pop(0)()

    def _run_dpcs(self, processor: Processor) -> None:
        before, irql = self.current, processor.irql
        self.current = processor
        processor.irql = DISPATCH_LEVEL
        try:
            while processor.dpcs and not self.locks:
                processor.dpcs.pop(0)()
        finally:
            processor.irql = irql
            self.current = before
