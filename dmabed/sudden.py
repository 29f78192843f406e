# SPDX-License-Identifier: Apache-2.0
"""Life events that a fault brings about in the middle of things: the system is switched off, or crashes, at a switching point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dmabed import judge
from hw.processor import DISPATCH_LEVEL, Processor
from miniport.ndis import WorldEnds
from verifier.events import Kind

if TYPE_CHECKING:
    from dmabed.world import Seat, World

Lives = Mapping[str, Callable[["Seat"], None]]


def striker(world: World, lives: Lives) -> Callable[[str, bool], bool]:
    """What the scheduler calls where a fault asks for a life event; see `hw.processor.Scheduler.on_life`."""

    def on_life(effect: str, ask: bool) -> bool:
        processor = _processor(world, effect)
        if processor is None or not any(seat.ndis.up for seat in world.seats):
            return False
        if not ask:
            _strike(world, effect, processor, lives)
        return True

    return on_life


def _processor(world: World, effect: str) -> Processor | None:
    """The processor on which the event begins: a crash anywhere, the thread that switches off where one may run, and where nobody
    holds a lock that it might spin for."""
    scheduler = world.machine.scheduler
    if effect == "bug-check":
        return scheduler.current
    willing = [processor for processor in scheduler.processors if processor.irql < DISPATCH_LEVEL]
    if scheduler.locks or not willing:
        return None
    return next((processor for processor in willing if processor is not scheduler.current), willing[0])


def _strike(world: World, effect: str, processor: Processor, lives: Lives) -> None:
    """The event, and the end of the life: what was interrupted never goes on."""
    machine = world.machine
    machine.events.append((machine.clock.now, Kind.LIFE, 0, effect))
    scheduler = machine.scheduler
    scheduler.on_life = None
    scheduler.current = processor
    if effect == "bug-check":
        scheduler.frozen = True
    for seat in world.seats:
        if seat.ndis.up:
            judge.count_frames(seat)
            lives[effect](seat)
    # What is unwound from here on is Python's own: the machine does not run any more.
    scheduler.frozen = True
    machine.findings.enabled = False
    raise WorldEnds("ran")
