# SPDX-License-Identifier: Apache-2.0
"""What a world may look like after a fault: which faults excuse what, and traffic that has to work once the fault is over.

Contract faults are what documents allow to happen: every rule holds and later traffic works. Chaos is what broken hardware does:
data may be lost. A persistent fault is never over, so that later traffic is not asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmabed.fault_points import effects_of
from hw.frames import test_frames
from hw.inject import FAIL, Effect, Fault
from miniport import rules
from miniport.protocol import exchange, padded
from verifier.where import where_of_function

if TYPE_CHECKING:
    from dmabed.spec import WorldSpec
    from dmabed.world import Seat
    from hw.inject import Injector

PROBES = 4
"""Frames that are sent once the fault is over."""
_PROBE_SEED = 0x9E3779B97F4A7C15
_INNOCENT = ("interrupt", "race")
"""Kinds that take nothing from a miniport: they excuse neither a lost frame nor a failing initialize."""


@dataclass(frozen=True, slots=True)
class Excuse:
    """What the faults that fired so far excuse."""

    chaos: bool
    """Data may be lost or changed."""
    loses: bool
    """Frames may be lost, initialize may fail."""
    lasts: bool
    """Some fault goes on."""


def excuse_of(injector: Injector | None, spec: WorldSpec) -> Excuse | None:
    """What the faults that have fired excuse; None where none has."""
    return excuse_for(injector.fired, spec) if injector is not None else None


def excuse_for(faults: Sequence[Fault], spec: WorldSpec) -> Excuse | None:
    """What *faults* excuse, all of which have fired; None where there are none."""
    if not faults:
        return None
    effects = [effect_of(fault, spec) for fault in faults]
    return Excuse(any(e is not None and e.chaos for e in effects), any(e is None or e.kind not in _INNOCENT for e in effects),
                  any(fault.onward for fault in faults))


@dataclass(frozen=True, slots=True)
class Loss:
    """What a fault can explain, in frames of the stretch in which it fired; None for any number."""

    sent: int | None = None
    """Frames that fail, or never reach the wire."""
    received: int | None = None
    """Frames that arrive and are not indicated, besides those that the card dropped for want of a descriptor."""

    def __add__(self, other: Loss) -> Loss:
        """What two faults explain together."""
        return Loss(None if self.sent is None or other.sent is None else self.sent + other.sent,
                    None if self.received is None or other.received is None else self.received + other.received)


NO_LOSS = Loss(0, 0)
_ONE_IN, _ONE_OUT = Loss(0, 1), Loss(1, 0)
_LOSSES = {
    **{("frame-in", name): _ONE_IN for name in ("lost", "bad-crc", "runt", "overlong", "missed", "overflow", "overrun")},
    **{("frame-out", name): _ONE_OUT for name in ("late-collision", "excess-collisions", "retry", "abort")},
    ("frame-in", "burst"): NO_LOSS, ("dma-write", "late"): NO_LOSS, ("request", "filter-0"): Loss(0, None), ("reset", "send"): Loss(),
}
"""What faults explain that take something from the miniport, by name and effect. The card may drop frames for want of a descriptor."""
_LATE = ("interrupt",)
"""Names whose faults only come late."""


def explained(faults: Sequence[Fault], spec: WorldSpec) -> Loss:
    """What *faults* explain together, which fired in one stretch of a life, at the end of which nothing moves any more. Where they
    may have brought about more than their own frame, as a reset, they explain everything."""
    total = NO_LOSS
    for fault in faults:
        effect = effect_of(fault, spec)
        if effect is None:
            return Loss()
        own = _LOSSES.get((fault.name, effect.name))
        if own is None:
            own = NO_LOSS if effect.kind in (*_INNOCENT, "upper-edge") or (fault.name in _LATE and not effect.chaos) else Loss()
        total += own
    return total


def effect_of(fault: Fault, spec: WorldSpec) -> Effect | None:
    """The effect that *fault* names; None for one that can be injected and is not listed, as a value that a register shows."""
    effects = effects_of(fault.name, spec)
    if fault.effect == FAIL:
        return effects[0] if effects else None
    name = fault.effect.removeprefix("NDIS_STATUS_")
    return next((effect for effect in effects if effect.covers(name)), None)


def probe(seats: Sequence[Seat]) -> None:
    """Send some more frames on every adapter and judge them. Nothing of it counts as a use of a fault point."""
    machine = seats[0].machine
    injector = machine.injector
    assert injector is not None
    injector.paused = True
    watched = []
    for seat in seats:
        protocol, nic = seat.ndis.protocol, seat.nic
        sends = seat.ndis.miniport.overrides("send") or seat.ndis.miniport.overrides("send_packets")
        if not nic.present or not nic.wire.up or not sends:
            continue
        frames = test_frames(PROBES, seat.spec.seed ^ _PROBE_SEED, nic.mac, seat.destination)
        watched.append((seat, frames, len(nic.wire.sent), len(protocol.received_frames)))
        protocol.requests.repeat_failed_sets()
        protocol.offer(frames)
    exchange([seat.ndis.protocol for seat, *_ in watched], machine)
    machine.settle()
    injector.paused = False
    for seat, frames, sent, received in watched:
        _judge(seat, frames, sent, received)


def _judge(seat: Seat, frames: list[bytes], sent: int, received: int) -> None:
    ndis = seat.ndis
    protocol, nic = ndis.protocol, seat.nic
    protocol.receiving.give_all_back()
    out, back = set(nic.wire.sent[sent:]), set(protocol.received_frames[received:])
    lost_out = sum(not {frame, padded(frame)} & out for frame in frames)
    lost_in = sum(not {frame, padded(frame)} & back for frame in frames)
    seat.probes_lost = max(lost_out, lost_in)
    excuse = excuse_of(ndis.injector, seat.spec)
    if excuse is None or excuse.chaos or excuse.lasts or not nic.present or not nic.wire.up or protocol.hang.given_up:
        return
    report = ndis.findings.report
    if lost_out:
        function = ndis.miniport.send_packets if ndis.miniport.overrides("send_packets") else ndis.miniport.send
        report(rules.TRAFFIC_AFTER_FAULT, f"{lost_out} of {len(frames)} frames that were sent after the fault never reached the wire",
               where=where_of_function(function), subject=("after the fault",))
    elif lost_in and not protocol.receiving.through_halt:  # a protocol that keeps a packet may well keep a ring from going round
        report(rules.TRAFFIC_AFTER_FAULT, f"{lost_in} of {len(frames)} frames that arrived after the fault were never indicated",
               where=where_of_function(ndis.miniport.handle_interrupt), subject=("after the fault",))
    elif protocol.accepted:
        first = next(iter(protocol.accepted.values()))
        report(rules.LOST_CAUSE, f"{first!r} stays with the miniport although frames that were sent after it are complete",
               where=where_of_function(ndis.miniport.handle_interrupt), subject=(first,))
