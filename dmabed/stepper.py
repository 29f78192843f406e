# SPDX-License-Identifier: Apache-2.0
"""`Stepper`: one life of a miniport, driven step by step. Each step is judged, and the steps are kept as a Python program.

::

    with Stepper(MyMiniport, nic="reference") as life:
        life.initialize()
        life.send([60, 1514])
        life.reset()
        life.receive([64])
        life.end("halt")

What happens in a step, and how it is judged, is what the fixed lives do (`dmabed.world`, `dmabed.lives`, `dmabed.judge`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from dmabed import judge, lives, policy
from dmabed.after_fault import effect_of, excuse_for, explained
from dmabed.bed import Bed
from dmabed.options import portable
from dmabed.result import as_json, sources
from dmabed.spec import lives_of
from dmabed.watchdog import watched
from dmabed.world import World, begin, end, lived, opened
from hw.clock import US
from hw.frames import ETHERTYPE_TEST, HEADER_BYTES, MAX_FRAME_BYTES
from hw.inject import Fault
from hw.processor import Random
from hw.wire import MINIMUM_FRAME, Wire, loopback
from miniport.miniport import Miniport
from miniport.protocol import exchange
from miniport.status import OID_NAMES
from verifier.errors import UsageError

ENDS = ("halt", "power-off", "bug-check", "surprise")
"""How a life can end."""
_OIDS = {name: oid for oid, name in OID_NAMES.items()}


class StepFailedError(AssertionError):
    """A step left a finding, lost a packet, crashed or hung. The text holds the picture and all steps as a Python program; it is
    made where it is asked for, which a search for the shortest life hardly ever does."""

    def __init__(self, tell: Callable[[], str]) -> None:
        super().__init__()
        self._tell = tell
        self._text: str | None = None

    def __str__(self) -> str:
        if self._text is None:
            self._text = self._tell()
        return self._text


class Stepper:
    """A miniport on a machine of its own. The arguments are those of `dmabed.bed.Bed`; one adapter, all checks on.

    Any step may be taken between `initialize` and `end`; one out of order is a `UsageError`. A step raises `StepFailedError` for anything
    that is wrong after it, and ends the life by that. Steps that wait (all but `hand_down` and `wait`) end when nothing moves any
    more, and no packet may be lost then but what a fault that fired since the last wait explains (`dmabed.after_fault.explained`), or where
    a reset was asked for while packets were out.
    """

    def __init__(self, miniport: type[Miniport] | str | None = None, **options: Any) -> None:
        bed = Bed(miniport, **options)
        spec = bed.spec
        if spec.adapters != 1:
            raise UsageError(f"{spec.adapters} adapters are not driven step by step", "give adapters=1")
        if spec.silicon or spec.stop:
            raise UsageError("steps are judged by every check", "leave silicon and stop out")
        self.steps: list[str] = []
        """The calls so far, as Python."""
        name = portable(bed.spec.miniport) if bed.spec.miniport else None
        self._head = ", ".join([repr(name), *(f"{option}={value!r}" for option, value in options.items())])
        self._stack = ExitStack()
        self._world = self._stack.enter_context(opened(replace(spec, frames=0, pcap=None), bed.miniport, bed.base))
        self._seat = self._world.seats[0]
        self._seat.arrivals = []
        self._seat.nic.wire.far_end = self._echo
        self._number = 0
        self._asked_reset = False
        self._ended_early = False
        self._lost = ""
        self._fired = 0
        """How many faults had fired when nothing moved last."""
        self.state = "new"
        """``new``, ``up``, ``refused`` where initialize failed and may, or ``over``."""
        self.sent = 0
        """Frames that were handed down so far."""
        self.received = 0
        """Frames that were indicated so far."""
        self.possible = frozenset(lives_of(spec.model(), spec.windows))
        """Lives that the machine can have: ``suspend`` and ``rebalance`` are steps where they are in it."""

    @property
    def world(self) -> World:
        """All that was seen so far."""
        return self._world

    # Steps

    def initialize(self) -> None:
        """Load the driver, initialize the adapter; a protocol binds to it."""
        self._take("initialize", "new", self._begin)
        if self.state == "new":
            self.state = "refused" if self._seat.refused else "up"

    def send(self, lengths: Sequence[int]) -> None:
        """Send frames of these lengths (14 to 1514 bytes), in fragments, and wait until each is complete and back from the wire."""
        frames = [self._frame(length, lives.FOREIGN, self._seat.nic.mac) for length in lengths]
        self._take(f"send({list(lengths)!r})", "up", lambda: self._offer(frames))

    def hand_down(self, lengths: Sequence[int]) -> None:
        """Hand frames down and go on at once: what comes next meets them on their way."""
        frames = [self._frame(length, lives.FOREIGN, self._seat.nic.mac) for length in lengths]
        self._take(f"hand_down({list(lengths)!r})", "up", lambda: self._offer(frames, push=True), wait=False)

    def receive(self, lengths: Sequence[int]) -> None:
        """Frames of these lengths (60 to 1514 bytes) arrive one behind the other; wait until each is indicated."""
        if any(length < MINIMUM_FRAME for length in lengths):
            raise UsageError("no frame of less than 60 bytes arrives at a card", "give lengths from 60 to 1514")
        frames = [self._frame(length, self._seat.nic.mac, lives.FOREIGN) for length in lengths]
        self._take(f"receive({list(lengths)!r})", "up", lambda: self._arrive(frames))

    def query(self, oid: int | str, length: int) -> None:
        """Query an OID, by number or name, into a buffer of *length* bytes."""
        number = _oid(oid)
        self._take(f"query({oid!r}, {length})", "up", lambda: self._seat.ndis.protocol.requests.query(number, length))

    def set(self, oid: int | str, data: bytes) -> None:
        """Set an OID, by number or name."""
        number = _oid(oid)
        self._take(f"set({oid!r}, {data!r})", "up", lambda: self._seat.ndis.protocol.requests.set(number, data))

    def interrupt(self) -> None:
        """The service routine is called although the card did not interrupt: another device shares the line."""
        self._take("interrupt()", "up", lambda: self._world.machine.scheduler.serve_once(self._seat.nic.interrupt_line))

    def reset(self) -> None:
        """A protocol asks for a reset; nothing happens where the miniport has no reset handler."""
        self._take("reset()", "up", self._reset)

    def unplug(self) -> None:
        """The cable is pulled, and put back when nothing moves any more."""
        self._take("unplug()", "up", self._unplug)

    def suspend(self) -> None:
        """The system sleeps, and wakes."""
        self._take_interlude("suspend", lives.MIDDLES["suspend"])

    def rebalance(self) -> None:
        """The adapter is halted, its card gets other resources, and it is initialized again."""
        self._take_interlude("rebalance", lives.MIDDLES["rebalance"])

    def restart(self) -> None:
        """The adapter is disabled, and enabled again."""
        self._take_interlude("restart", lives.restart)

    def wait(self, microseconds: int) -> None:
        """Let the machine run for some virtual time; what is on its way after that stays on its way."""
        machine = self._world.machine
        self._take(f"wait({microseconds})", "up", lambda: machine.settle(machine.clock.now + microseconds * US), wait=False)

    def quiet(self) -> None:
        """Wait until nothing moves any more."""
        self._take("quiet()", "up", lambda: None)

    def end(self, life: str) -> None:
        """End the life: ``halt``, ``power-off``, ``bug-check`` or ``surprise``. The sends are drained before ``halt`` alone."""
        if life not in ENDS:
            raise UsageError(f"no life ends with {life!r}", f"choose one of {', '.join(ENDS)}")
        self._take(f"end({life!r})", "up", lambda: self._end(life), wait=False)
        self.state = "over"

    # The life as a whole

    @property
    def program(self) -> str:
        """The steps so far as a Python program that takes them again."""
        lines = ["from dmabed.stepper import Stepper", "", f"with Stepper({self._head}) as life:"]
        return "\n".join(lines + [f"    life.{step}" for step in self.steps or ["state"]]) + "\n"

    def close(self) -> None:
        """Give the machine's memory back. Whatever has not ended is left as it is."""
        self.state = "over"
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        """Halt what still runs, close, and raise `StepFailedError` if an armed fault did not fire."""
        try:
            if kind is None and self.state == "up":
                self.end("halt")
        finally:
            self.close()
        if kind is None and self._world.not_fired:
            raise StepFailedError(lambda: f"not-proven: {', '.join(self._world.not_fired)} did not fire\n\n{self.program}")

    # Inside

    def _take(self, step: str, state: str, part: Callable[[], object], *, wait: bool = True) -> None:
        if self.state != state:
            raise UsageError(f"{step} cannot be: the life is {self.state}", "initialize first, end last, and close it once")
        step = step if step.endswith(")") else f"{step}()"
        self.steps.append(step)

        def whole() -> None:
            part()
            if wait:
                self._settle()

        def step_lived() -> World:
            self._ended_early = not lived(self._world, whole)
            return self._world

        watched(step_lived)
        self._check()

    def _take_interlude(self, name: str, middle: lives.Middle) -> None:
        if name in lives.MIDDLES and name not in self.possible:
            raise UsageError(f"{name} cannot be on this machine", f"it can {', '.join(sorted(self.possible & set(lives.MIDDLES)))}")
        rng = Random(self._world.spec.seed ^ len(self.steps))
        self._take(name, "up", lambda: lives.interlude(self._world, [self._seat], middle, rng))
        if self._seat.refused:
            self.state = "refused"

    def _begin(self) -> None:
        if not begin(self._world):
            self._seat.refused = True

    def _end(self, life: str) -> None:
        if life == "halt":
            self._seat.ndis.protocol.drain()
        end(self._world, [self._seat], life)

    def _offer(self, frames: list[bytes], *, push: bool = False) -> None:
        protocol = self._seat.ndis.protocol
        self._seat.frames += frames
        self.sent += len(frames)
        protocol.offer(frames)
        if push:
            protocol.push()

    def _arrive(self, frames: list[bytes]) -> None:
        for frame in frames:
            self._brought(frame)
            self._seat.nic.wire.deliver(frame)

    def _echo(self, wire: Wire, frame: bytes) -> None:
        self._brought(frame)
        loopback(wire, frame)

    def _brought(self, frame: bytes) -> None:
        assert self._seat.arrivals is not None
        self._seat.arrivals.append(frame)

    def _reset(self) -> None:
        protocol = self._seat.ndis.protocol
        self._asked_reset = protocol.hang.ask() or self._asked_reset

    def _unplug(self) -> None:
        exchange([self._seat.ndis.protocol], self._world.machine)
        self._world.machine.settle()
        wire = self._seat.nic.wire
        wire.set_link(False)
        self._world.machine.settle()
        wire.set_link(True)

    def _settle(self) -> None:
        """Wait, judge what was sent and received since the last time, and forget it."""
        seat, machine = self._seat, self._world.machine
        if not seat.ndis.up:
            return
        protocol, wire = seat.ndis.protocol, seat.nic.wire
        exchange([protocol], machine)
        machine.settle()
        faults = self._excusing()
        judge.traffic(seat, faults)
        if machine.findings.errors:
            return
        excuse = excuse_for(faults, seat.spec)
        if not self._asked_reset and (excuse is None or not (excuse.chaos or excuse.lasts)) and wire.up and not protocol.hang.given_up:
            self._lost = self._missing(faults)
            if self._lost:
                return
        if machine.injector is not None:
            self._fired = len(machine.injector.fired)
        self.received += len(protocol.received_frames)
        for books in (seat.frames, protocol.sent, protocol.sent_numbers, protocol.failed, protocol.received_frames, wire.sent,
                      seat.arrivals or []):
            books.clear()
        wire.arrived = seat.nic.lost_for_want_of_descriptors = protocol.hang.resets = 0
        self._asked_reset = False

    def _excusing(self) -> list[Fault]:
        """The faults that can excuse something since the last time: those that fired since, those that stay, and chaos."""
        injector, spec = self._world.machine.injector, self._seat.spec
        fired = injector.fired if injector is not None else []
        return [fault for number, fault in enumerate(fired) if number >= self._fired or fault.onward
                or ((effect := effect_of(fault, spec)) is not None and effect.chaos)]

    def _missing(self, faults: list[Fault]) -> str:
        """What is wrong with the traffic since the last time beyond what *faults* explain; empty if nothing is."""
        seat, protocol = self._seat, self._seat.ndis.protocol
        loss = explained(faults, seat.spec)
        if faults:
            out = max(len(seat.frames) - seat.sent, len(protocol.failed))
            back = len(seat.arrivals or ()) - seat.received - seat.nic.lost_for_want_of_descriptors
            lost = (loss.sent is not None and out > loss.sent) or (loss.received is not None and back > loss.received)
        else:
            lost = bool(seat.lost or protocol.failed)
        if lost:
            resets = f", and NDIS reset the adapter {protocol.hang.resets} times" if protocol.hang.resets else ""
            more = f", more than {', '.join(map(str, faults))} explains" if faults else ""
            return f"{seat.lost} of {len(seat.frames)} frames got lost, {len(protocol.failed)} sends failed{resets}{more}"
        stays = None not in (loss.sent, loss.received) and any(protocol.at_work)
        return "something stays with the miniport while nothing moves any more" if stays else ""

    def _check(self) -> None:
        policy.apply(self._world)
        if self._lost or self._ended_early or self._world.machine.findings.errors:
            self.state = "over"
            raise StepFailedError(self._told)

    def _told(self) -> str:
        from dmabed.report import text

        shown = as_json(self._world, with_timeline=False)
        for finding in shown["findings"]:
            finding["replay"] = ""
        picture = text.render({**shown, "notices": []}, width=100, sources=sources(self._world))
        head = f"{self._lost or self._world.outcome} in life.{self.steps[-1]}\n\n" if not shown["findings"] else ""
        return f"{head}{picture}\nThe steps:\n\n{self.program}"

    def _frame(self, length: int, destination: bytes, source: bytes) -> bytes:
        """A frame whose content no other frame of this life has."""
        if not HEADER_BYTES <= length <= MAX_FRAME_BYTES:
            raise UsageError(f"a frame of {length} bytes is not modelled", f"give from {HEADER_BYTES} to {MAX_FRAME_BYTES}")
        self._number += 1
        content = hashlib.shake_128(f"{self._world.spec.seed}/{self._number}".encode()).digest(length - HEADER_BYTES)
        return destination + source + ETHERTYPE_TEST.to_bytes(2, "big") + content


def _oid(oid: int | str) -> int:
    if isinstance(oid, int):
        return oid
    if oid not in _OIDS:
        raise UsageError(f"there is no {oid!r}", "name an OID of miniport.status, or give its number")
    return _OIDS[oid]
