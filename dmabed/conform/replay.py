# SPDX-License-Identifier: Apache-2.0
"""Replays a trace against the model of a card and names the first difference.

The stimuli of the trace are done one after the other. What the card does meanwhile is queued by kind: cycles of reading and of
writing memory, edges of the interrupt line, and frames are each compared in their own order, because recorders see different
busses and none of them says how the four lie to one another. Where the trace has an answer that the model has not given yet, the
virtual clock runs until it comes, at most for `PATIENCE_NS`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dmabed.conform.trace import STIMULI, Step, Trace
from hw.clock import MS, US
from hw.machine import Machine
from hw.memory_layout import ram_ranges
from hw.nic import Nic
from miniport.blame import fault_of_a_model
from verifier.errors import UsageError

PATIENCE_NS = 100 * MS
"""How long the model may take for an answer that the trace has."""
_LOOK_NS = 10 * US


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where model and trace part."""

    line: int
    """Line of the trace."""
    expected: str
    """What the trace has there."""
    got: str
    """What the model did."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay came to."""

    difference: Difference | None
    compared: int
    """Answers of the card that agreed."""
    steps: tuple[Step, ...]
    """The stimuli of the trace, each followed by the answers of the model."""


class _Port:
    """A DMA port that notes the cycles of its device."""

    def __init__(self, port: Any, note: Callable[[str, dict[str, Any]], None]) -> None:
        object.__setattr__(self, "port", port)
        object.__setattr__(self, "note", note)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.port, name, value)

    def read(self, logical: int, length: int, purpose: str) -> bytes | None:
        """Note the cycle, and do it."""
        self.note("dma-read", {"address": logical, "length": length})
        data: bytes | None = self.port.read(logical, length, purpose)
        return data

    def write(self, logical: int, data: bytes, purpose: str, tag: int = 0) -> bool:
        """Note the cycle, and do it."""
        self.note("dma-write", {"address": logical, "data": bytes(data)})
        return bool(self.port.write(logical, data, purpose, tag))


class _Bench:
    """A machine with one card, all that the card does noted."""

    def __init__(self, trace: Trace, model: type[Nic]) -> None:
        self.machine = Machine(ram_ranges(trace.ram), processors=1, checks=False)
        self.nic = self.machine.add_nic(model, mac=trace.mac)
        self.queues: dict[str, deque[dict[str, Any]]] = {
            name: deque() for name in ("dma-read", "dma-write", "interrupt", "frame-out")}
        self.order: list[str] = []
        """Kinds of answers that wait, oldest first."""
        self.log: list[tuple[str, dict[str, Any]]] = []
        nic: Any = self.nic
        nic.dma = _Port(nic.dma, self._note)
        nic.set_interrupt = self._pulled
        self.nic.wire.tap = self._sent

    def _note(self, kind: str, fields: dict[str, Any]) -> None:
        self.queues[kind].append(fields)
        self.order.append(kind)
        self.log.append((kind, fields))

    def _pulled(self, asserted: bool) -> None:
        asserting, name = self.nic.interrupt_line.asserting, self.nic.name
        if asserted != (name in asserting):
            (asserting.add if asserted else asserting.discard)(name)
            self._note("interrupt", {"asserted": asserted})

    def _sent(self, time_ns: int, frame: bytes, inbound: bool, comments: Any) -> None:
        if not inbound:
            self._note("frame-out", {"data": frame})

    def take(self, kind: str) -> dict[str, Any] | None:
        """The next answer of *kind*; None if the card gives none in time."""
        end = self.machine.clock.now + PATIENCE_NS
        while not self.queues[kind] and self.machine.clock.now < end:
            self.machine.clock.advance(_LOOK_NS)
        if not self.queues[kind]:
            return None
        self.order.remove(kind)
        return self.queues[kind].popleft()

    def left(self) -> tuple[str, dict[str, Any]] | None:
        """The oldest answer that the trace does not have; None if there is none."""
        return (self.order[0], self.queues[self.order[0]][0]) if self.order else None

    def do(self, step: Step) -> None:
        """Do what the trace says was done to the card."""
        machine, fields = self.machine, step.fields
        if step.op == "memory":
            if not machine.ram.contains(fields["address"], len(fields["data"])):
                raise UsageError(f"line {step.line}: there is no memory at {fields['address']:#x} for {len(fields['data'])} bytes",
                                 'give the first line of the trace more "ram"')
            machine.ram.write(fields["address"], fields["data"])
        elif step.op == "write":
            machine.bus.write(self.nic, fields["bar"], fields["offset"], fields["size"], fields["value"], self._ports(step))
            machine.bus.drain()
        elif step.op == "frame-in":
            self.nic.receive_frame(fields["data"])
        elif step.op == "link":
            self.nic.wire.set_link(fields["up"])
        elif step.op == "wait":
            machine.clock.advance(fields["ns"])

    def read(self, step: Step) -> int:
        """What the card answers to a read."""
        fields = step.fields
        return self.machine.bus.read(self.nic, fields["bar"], fields["offset"], fields["size"], self._ports(step))

    def _ports(self, step: Step) -> bool:
        bars = {bar.number: bar.ports for bar in self.nic.bars}
        if step.fields["bar"] not in bars:
            raise UsageError(f"line {step.line}: {self.nic.model} has no base address register {step.fields['bar']}",
                             f"it has {', '.join(map(str, bars))}")
        return bars[step.fields["bar"]]


def replay(trace: Trace, model: type[Nic]) -> Outcome:
    """Replay *trace* against *model* up to the first difference."""
    bench = _Bench(trace, model)
    steps: list[Step] = []
    try:
        difference, compared = _compare(trace, bench, steps)
    except Exception as problem:
        of_model = fault_of_a_model(problem)
        if of_model is None:
            raise
        raise of_model from problem
    return Outcome(difference, compared, tuple(steps))


def _compare(trace: Trace, bench: _Bench, steps: list[Step]) -> tuple[Difference | None, int]:
    compared = 0
    difference: Difference | None = None
    for step in trace.steps:
        if step.op == "read":
            value = bench.read(step)
            mask = step.fields.get("mask", (1 << 8 * step.fields["size"]) - 1)
            steps.append(Step(step.line, "read", {**step.fields, "value": value}))
            if (value ^ step.fields["value"]) & mask:
                difference = difference or Difference(step.line, str(step), f"value {value:#x}")
        elif step.op in bench.queues:
            if difference is not None or step.op in trace.ignore:
                continue
            answer = bench.take(step.op)
            if answer is None or answer != step.fields:
                difference = Difference(step.line, str(step), str(Step(0, step.op, answer)) if answer is not None else
                                        f"no {step.op} within {PATIENCE_NS // MS} ms")
        else:
            bench.do(step)
            steps.append(step)
        compared += difference is None and step.op not in STIMULI
        steps += (Step(step.line, kind, fields) for kind, fields in bench.log)
        bench.log.clear()
    bench.machine.clock.advance(PATIENCE_NS)
    steps += (Step(0, kind, fields) for kind, fields in bench.log)
    if difference is None:
        while (left := bench.left()) is not None:
            kind, fields = left
            if kind not in trace.ignore:
                last = trace.steps[-1].line if trace.steps else 1
                difference = Difference(last + 1, "the end of the trace", str(Step(0, kind, fields)))
                break
            bench.take(kind)
    return difference, compared
