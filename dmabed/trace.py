# SPDX-License-Identifier: Apache-2.0
"""The trace of a world in Chrome's trace event format (the "Trace Event Format" document of the Chromium project), which
Perfetto opens.

A track per processor with its handlers and register accesses, per device with its DMA and its interrupt line, for the
allocator with the bytes that are live, per direction of the wire; findings, injected faults and the end of life lie over
all of them. Slices are pairs of B and E events in the order of time, never X: a reader that cuts a time to whole
nanoseconds still finds them nested. All text is ASCII, and equal worlds give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dmabed.report.facts import clean
from dmabed.result import timeline, verdict_of
from dmabed.world import World
from hw.bus import READ_NS, WRITE_NS
from hw.whole_file import write_whole
from hw.wire import BIT_NS, OVERHEAD_BYTES
from verifier.address import hex_address
from verifier.events import SCHEMA, Event, Kind
from verifier.findings import Finding
from verifier.where import place

LEFT_OUT: dict[Kind, str] = {
    Kind.FINDING: "the findings themselves are drawn, which also know line, owner and remedy and never fall out of the record",
}
"""Kinds of event that the trace does not draw, and why."""

_PROCESSORS, _DEVICES, _ALLOCATOR, _WIRE, _WORLD = range(1, 6)
_PROCESSES = {_PROCESSORS: "processors", _DEVICES: "devices", _ALLOCATOR: "allocator", _WIRE: "wire", _WORLD: "world"}
_THREADS_PER_PROCESS = 1000
_NEVER_LEFT = {"text": "did not return"}

Fields = dict[str, Any]


def trace_json(world: World) -> str:
    """The trace as one JSON object with ``traceEvents``, one event a line; times are virtual, in microseconds with up to three
    decimals. *world* has ended: a handler that is still open never returned, and its slice ends with the record.

    A full record has lost its oldest events: a handler that was entered before them and never returned is not drawn.
    """
    return _Trace(world).text()


def save_trace(world: World, path: Path) -> None:
    """Write the trace to *path*, whole or not at all: a file that stood there is replaced in one step.

    A symbolic link is followed; a device or pipe is written to directly. `UsageError` if that fails.
    """
    write_whole(path, trace_json(world).encode("ascii"), "trace")


class _Track:
    """One line of the picture: a thread of the format, its open slices, and the time of its last event in nanoseconds."""

    __slots__ = ("last", "open", "pid", "tid")

    def __init__(self, pid: int, tid: int) -> None:
        self.pid = pid
        self.tid = tid
        self.last = 0
        self.open: list[str] = []


class _Trace:
    """Draws the events of a world. A row is (time in nanoseconds, event as JSON); `text` sorts the rows, and rows of the
    same time keep their order."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rows: list[tuple[int, str]] = []
        self._metadata: list[str] = []
        self._tracks: dict[tuple[int, str], _Track] = {}
        self._lines_seen: set[str] = set()
        self._live = 0
        events, findings = world.machine.events.events, world.machine.findings
        first_findings = (*findings.errors, *findings.notices)
        times: list[int] = [event[0] for event in events if event[1] not in LEFT_OUT]
        self._start = times[0] if times else 0
        self._end = max(times[-1] if times else 0, *(finding.time_ns for finding in first_findings), 0)
        for pid, name in _PROCESSES.items():
            self._name("process", pid, pid, name, pid)
        self._begin(events)
        for event, row in zip(events, timeline(world), strict=True):
            kind = Kind(event[1])
            if kind not in LEFT_OUT:
                _DRAW[kind](self, event[0], event[2], dict(zip(SCHEMA[kind], event[3:], strict=True)), clean(row["text"]))
        for track in self._tracks.values():
            while track.open:
                self._slice_ends(track, self._end, track.open.pop(), "handler", _NEVER_LEFT)
        for finding in first_findings:
            self._finding(finding)

    def text(self) -> str:
        """The whole file."""
        world = self._world
        other = {"verdict": verdict_of(world), "outcome": world.outcome, "events": len(world.machine.events.events),
                 "record_full": self._full(),
                 "replay": clean(world.spec.replay_line("{}.{}".format(*world.ndis_version)))}
        self._rows.sort(key=_time)
        lines = ",\n".join([*self._metadata, *(line for _, line in self._rows)])
        return f'{{"displayTimeUnit":"ns","otherData":{_encode(other)},"traceEvents":[\n{lines}\n]}}\n'

    # Before the first event

    def _begin(self, events: Iterable[Event]) -> None:
        for processor in self._world.machine.scheduler.processors:
            self._processor(processor.number)
        for number, names in sorted(_entered_before(events).items()):
            for name in names:
                self._slice_begins(self._processor(number), self._start, name, "handler", {"text": "began before the first event"})
        if self._full():
            made = sum(event[6] for event in events if event[1] == Kind.ALLOCATE)
            freed = sum(event[6] for event in events if event[1] == Kind.FREE)
            self._live = max(0, self._world.ndis.memory.bytes_live - made + freed)
        self._counter(_ALLOCATOR, self._start, "live memory", "bytes", self._live)

    def _full(self) -> bool:
        """True if older events may have fallen out."""
        events = self._world.machine.events.events
        return len(events) == events.maxlen

    # Tracks and rows

    def _name(self, what: str, pid: int, tid: int, name: str, order: int) -> None:
        for key, args in ((f"{what}_name", {"name": clean(name)}), (f"{what}_sort_index", {"sort_index": order})):
            self._metadata.append(_encode({"name": key, "ph": "M", "pid": pid, "tid": tid, "args": args}))

    def _track(self, pid: int, *names: str) -> _Track:
        """The track of the first of *names*; where it is missing, those of all of them are made, in their order."""
        track = self._tracks.get((pid, names[0]))
        if track is None:
            for name in names:
                tid = pid * _THREADS_PER_PROCESS + len(self._tracks)
                self._tracks[pid, name] = _Track(pid, tid)
                self._name("thread", pid, tid, name, tid)
            track = self._tracks[pid, names[0]]
        return track

    def _processor(self, number: int) -> _Track:
        return self._track(_PROCESSORS, f"processor {number}")

    def _wire(self, device: str, which: str) -> _Track:
        self._track(_WIRE, f"{device} out", f"{device} in", f"{device} link")
        return self._track(_WIRE, f"{device} {which}")

    def _row(self, ns: int, pid: int, tid: int, phase: str, name: str, category: str, **more: Any) -> None:
        event = {"name": name, "cat": category, "ph": phase, "ts": ns / 1000, "pid": pid, "tid": tid}
        self._rows.append((ns, _encode(event | {key: value for key, value in more.items() if value})))

    def _slice_begins(self, track: _Track, ns: int, name: str, category: str, args: Fields) -> None:
        track.last = ns
        track.open.append(name)
        self._row(ns, track.pid, track.tid, "B", name, category, args=args)

    def _slice_ends(self, track: _Track, ns: int, name: str, category: str, args: Fields) -> None:
        track.last = ns
        self._row(ns, track.pid, track.tid, "E", name, category, args=args)

    def _slice(self, track: _Track, start: int, end: int, name: str, category: str, args: Fields) -> None:
        """A slice with nothing inside. It begins no earlier than the last event of its track."""
        self._slice_begins(track, min(max(start, track.last), end), name, category, args)
        self._slice_ends(track, end, track.open.pop(), category, {})

    def _instant(self, track: _Track, ns: int, name: str, category: str, args: Fields) -> None:
        track.last = ns
        self._row(ns, track.pid, track.tid, "i", name, category, s="t", args=args)

    def _global(self, ns: int, name: str, category: str, args: Fields) -> None:
        self._row(ns, _WORLD, _WORLD, "i", name, category, s="g", args=args)

    def _counter(self, pid: int, ns: int, name: str, series: str, value: int) -> None:
        self._row(ns, pid, pid, "C", name, "counter", args={series: value})

    # One method for each kind of event: (time, processor, fields, the event in words)

    def _enter(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._slice_begins(self._processor(processor), ns, fields["handler"], "handler", {})

    def _leave(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        track, name = self._processor(processor), fields["handler"]
        while (left := track.open.pop()) != name:
            self._slice_ends(track, ns, left, "handler", _NEVER_LEFT)
        self._slice_ends(track, ns, name, "handler", {"text": text})

    def _routine(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._instant(self._processor(processor), ns, fields["routine"], "routine", {"text": text})

    def _register_read(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._register(ns, processor, fields, "read", READ_NS)

    def _register_write(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._register(ns, processor, fields, "write", WRITE_NS)

    def _register(self, ns: int, processor: int, fields: Fields, verb: str, cost_ns: int) -> None:
        """An access ends at its event and takes at least what one through memory space takes; ports are slower."""
        register = fields["register"]
        shown = register if isinstance(register, str) else f"0x{register:x}"
        self._slice(
            self._processor(processor), ns - cost_ns, ns, f"{verb} {shown}", f"register-{verb}",
            {"device": fields["device"], "size": fields["size"], "value": f"0x{fields['value']:x}"})

    def _dma_read(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._dma(ns, fields, "read")

    def _dma_write(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._dma(ns, fields, "write")

    def _dma(self, ns: int, fields: Fields, verb: str) -> None:
        purpose = clean(fields["purpose"])
        self._instant(
            self._track(_DEVICES, fields["device"]), ns, f"{verb} {purpose}", f"dma-{verb}",
            {"logical": hex_address(fields["logical"]), "length": fields["length"], "purpose": purpose})

    def _interrupt(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        name, asserted = f"{fields['device']} interrupt line", bool(fields["asserted"])
        if name not in self._lines_seen:
            self._lines_seen.add(name)
            self._counter(_DEVICES, self._start, name, "asserted", int(not asserted))
        self._counter(_DEVICES, ns, name, "asserted", int(asserted))

    def _frame_out(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        """A frame begins when the one before it has passed, as on the wire's other direction."""
        track = self._wire(fields["device"], "out")
        start = max(ns, track.last)
        self._slice(track, start, start + _wire_ns(fields["length"]), "frame out", "frame-out",
                    {"length": fields["length"], "waited_ns": start - ns})

    def _frame_in(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._slice(self._wire(fields["device"], "in"), ns - _wire_ns(fields["length"]), ns, "frame in", "frame-in",
                    {"length": fields["length"]})

    def _frame_dropped(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._instant(self._wire(fields["device"], "link"), ns, "frame dropped", "frame-dropped",
                      {"length": fields["length"], "reason": clean(fields["reason"])})

    def _link(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._instant(self._wire(fields["device"], "link"), ns, text, "link", {})

    def _allocate(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._memory(ns, processor, fields, "allocate", fields["length"])

    def _free(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._memory(ns, processor, fields, "free", -fields["length"])

    def _memory(self, ns: int, processor: int, fields: Fields, verb: str, change: int) -> None:
        self._instant(
            self._track(_ALLOCATOR, "memory"), ns, fields["routine"], verb,
            {"virtual": hex_address(fields["virtual"]), "physical": hex_address(fields["physical"]), "length": fields["length"],
             "processor": processor})
        self._live = max(0, self._live + change)
        self._counter(_ALLOCATOR, ns, "live memory", "bytes", self._live)

    def _fault(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._global(ns, f"fault {fields['point']}", "fault", {"message": text, "effect": fields["effect"]})

    def _log(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._instant(self._processor(processor), ns, "log", "log", {"text": text})

    def _life(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._global(ns, f"life: {fields['text']}", "life", {"message": text})

    def _power(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._global(ns, text, "power", {"device": fields["device"], "state": fields["state"]})

    def _firmware(self, ns: int, processor: int, fields: Fields, text: str) -> None:
        self._global(ns, text, "firmware", {"device": fields["device"], "state": fields["state"]})

    def _finding(self, finding: Finding, cause: str | None = None) -> None:
        args = {"message": finding.message, "severity": finding.rule.severity.value,
                "where": place(finding.where, self._world.base), "owner": finding.owner, "remedy": finding.remedy,
                "caused_by": cause}
        shown = {key: clean(value) for key, value in args.items() if value}
        self._global(finding.time_ns, finding.rule.id, "finding", shown | {"times": finding.times})
        for consequence in finding.consequences:
            self._finding(consequence, finding.rule.id)


_DRAW: dict[Kind, Callable[[_Trace, int, int, Fields, str], None]] = {
    Kind.ENTER: _Trace._enter,
    Kind.LEAVE: _Trace._leave,
    Kind.ROUTINE: _Trace._routine,
    Kind.REGISTER_READ: _Trace._register_read,
    Kind.REGISTER_WRITE: _Trace._register_write,
    Kind.DMA_READ: _Trace._dma_read,
    Kind.DMA_WRITE: _Trace._dma_write,
    Kind.INTERRUPT: _Trace._interrupt,
    Kind.FRAME_OUT: _Trace._frame_out,
    Kind.FRAME_IN: _Trace._frame_in,
    Kind.FRAME_DROPPED: _Trace._frame_dropped,
    Kind.ALLOCATE: _Trace._allocate,
    Kind.FREE: _Trace._free,
    Kind.FAULT: _Trace._fault,
    Kind.LOG: _Trace._log,
    Kind.LINK: _Trace._link,
    Kind.LIFE: _Trace._life,
    Kind.POWER: _Trace._power,
    Kind.FIRMWARE: _Trace._firmware,
}

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


def _time(row: tuple[int, str]) -> int:
    return row[0]


def _wire_ns(length: int) -> int:
    """How long a frame of *length* bytes takes to pass the wire."""
    return (length + OVERHEAD_BYTES) * 8 * BIT_NS


def _entered_before(events: Iterable[Event]) -> dict[int, list[str]]:
    """By processor, outermost first: the handlers that *events* leave without having entered them."""
    running: dict[int, list[str]] = {}
    before: dict[int, list[str]] = {}
    for _, kind, processor, *fields in events:
        if kind == Kind.ENTER:
            running.setdefault(processor, []).append(fields[0])
        elif kind == Kind.LEAVE:
            stack, name = running.setdefault(processor, []), fields[0]
            if name in stack:
                while stack.pop() != name:
                    pass
            else:
                stack.clear()
                before.setdefault(processor, []).insert(0, name)
    return before
