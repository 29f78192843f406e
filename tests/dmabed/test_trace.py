# SPDX-License-Identifier: Apache-2.0
"""The trace file, read by a reader of its own: a strict schema of the format, and slices that nest on every track."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from dmabed.bed import Bed
from dmabed.trace import LEFT_OUT, save_trace, trace_json
from dmabed.world import World
from miniport.reference import ReferenceMiniport
from verifier.errors import UsageError
from verifier.events import SCHEMA, Event, Kind

LIVES = ["halt", "power-off", "bug-check", "surprise", "suspend", "rebalance"]
CPUS, DEVICES, ALLOCATOR, WIRE = "processors", "devices", "allocator", "wire"

_NUMBERS = {"type": "integer", "minimum": 1}
_COMMON = {
    "name": {"type": "string", "minLength": 1}, "cat": {"type": "string", "minLength": 1}, "ph": {"type": "string"},
    "ts": {"type": "number", "minimum": 0}, "pid": _NUMBERS, "tid": _NUMBERS}
_ARGS = {"type": "object", "minProperties": 1,
         "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0, "maximum": 2**53}]}}


def _event(phases: list[str], required: Iterable[str] = (), **more: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": [*_COMMON, *required],
            "properties": {**_COMMON, "ph": {"enum": phases}, "args": _ARGS, **more}}


def _metadata(what: str, **value: str) -> dict[str, Any]:
    args = {"type": "object", "required": list(value), "additionalProperties": False,
            "properties": {key: {"type": kind} for key, kind in value.items()}}
    return {"type": "object", "additionalProperties": False, "required": ["name", "ph", "pid", "tid", "args"],
            "properties": {"name": {"enum": [f"process_{what}", f"thread_{what}"]}, "ph": {"const": "M"}, "pid": _NUMBERS,
                           "tid": _NUMBERS, "args": args}}


FILE = Draft202012Validator({
    "type": "object", "additionalProperties": False, "required": ["traceEvents", "displayTimeUnit", "otherData"],
    "properties": {"displayTimeUnit": {"const": "ns"}, "otherData": {"type": "object"},
                   "traceEvents": {"type": "array", "items": {"type": "object", "required": ["ph"]}}}})
_SLICE = Draft202012Validator(_event(["B", "E"]))
EVENTS = {
    "B": _SLICE, "E": _SLICE,
    "i": Draft202012Validator(_event(["i"], ["s"], s={"enum": ["g", "t"]})),
    "C": Draft202012Validator(_event(["C"], ["args"], args={
        "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {"type": "integer", "minimum": 0}})),
    "M": Draft202012Validator({"oneOf": [_metadata("name", name="string"), _metadata("sort_index", sort_index="integer")]})}


@dataclass
class Slice:
    name: str
    category: str
    start: int
    end: int
    depth: int
    args: dict[str, Any]


@dataclass
class Read:
    """A trace as a reader of the format sees it, by (process, thread) name; times in nanoseconds."""

    slices: dict[tuple[str, str], list[Slice]] = field(default_factory=lambda: defaultdict(list))
    instants: dict[tuple[str, str], list[Slice]] = field(default_factory=lambda: defaultdict(list))
    counters: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    everywhere: list[Slice] = field(default_factory=list)

    def of(self, *categories: str) -> list[Slice]:
        """All slices and instants of the categories, in the order of their end."""
        return [s for kind in (self.slices, self.instants) for track in kind.values() for s in track if s.category in categories]


def both(text: str) -> None:
    check_format(text)
    read(text)


def nanoseconds(ts: Decimal | int) -> int:
    """Microseconds with at most three decimals, and the same number in the binary floating point that readers use."""
    exact = Decimal(ts) * 1000
    assert exact == int(exact), ts
    assert round(float(ts) * 1000) == exact
    return int(exact)


def check_format(text: str) -> None:
    """Refuse a file that breaks the schema of the format."""
    data = json.loads(text)
    FILE.validate(data)
    for event in data["traceEvents"]:
        EVENTS[event["ph"]].validate(event)


def read(text: str) -> Read:
    """Read a trace and refuse what breaks it: threads without names, B without E, E of another slice, time that goes back."""
    assert text.isascii()
    data = json.loads(text, parse_float=Decimal, parse_constant=pytest.fail)
    processes: dict[int, str] = {}
    threads: dict[int, tuple[int, str]] = {}
    open_slices: dict[int, list[Slice]] = defaultdict(list)
    last: dict[int, int] = {}
    result = Read()
    for event in data["traceEvents"]:
        pid, tid, phase, name = event["pid"], event["tid"], event["ph"], event["name"]
        if phase == "M":
            if name == "process_name":
                assert processes.setdefault(pid, event["args"]["name"]) == event["args"]["name"]
            elif name == "thread_name":
                assert tid not in threads and tid not in processes, "a thread id is used twice"
                threads[tid] = pid, event["args"]["name"]
            continue
        ns = nanoseconds(event["ts"])
        assert ns >= last.get(tid, 0), f"time goes back: {event}"
        last[tid] = ns
        args = event.get("args", {})
        if phase == "C":
            [(series, value)] = args.items()
            assert value >= 0
            result.counters[processes[pid], f"{name} {series}"].append((ns, value))
        elif phase == "i" and event["s"] == "g":
            result.everywhere.append(Slice(name, event["cat"], ns, ns, 0, args))
        else:
            assert threads[tid][0] == pid, f"a thread of another process: {event}"
            track, stack = (processes[pid], threads[tid][1]), open_slices[tid]
            if phase == "B":
                stack.append(Slice(name, event["cat"], ns, -1, len(stack), args))
            elif phase == "E":
                top = stack.pop()
                assert (top.name, top.category) == (name, event["cat"]), f"E of another slice than {top}: {event}"
                top.end = ns
                top.args = {**top.args, **args}
                result.slices[track].append(top)
            else:
                result.instants[track].append(Slice(name, event["cat"], ns, ns, len(stack), args))
    assert not any(open_slices.values()), "a slice has no end"
    return result


def world_of(miniport: Any = None, **options: Any) -> World:
    faults = options.pop("faults", ())
    bed = Bed(miniport, **{"frames": 4, **options})
    for fault in faults:
        bed.inject(fault)
    return bed.world()


@cache
def empty() -> World:
    """A world for tests that give it events of their own."""
    return world_of(frames=0)


def with_events(world: World, events: Iterable[Event], limit: int | None = None) -> World:
    world.machine.events.events = deque(events, maxlen=limit)
    return world


def of_kind(world: World, *kinds: Kind) -> Iterator[dict[str, Any]]:
    for time_ns, kind, processor, *fields in world.machine.events.events:
        if kind in kinds:
            yield {"ns": time_ns, "processor": processor, **dict(zip(SCHEMA[Kind(kind)], fields, strict=True))}


def hooked(**handlers: Callable[[Any], Any]) -> type[ReferenceMiniport]:
    """The reference miniport with something done first in the handlers that are named."""
    def make(name: str, first: Callable[[Any], Any]) -> Callable[..., Any]:
        def handler(self: Any, adapter: Any, *arguments: Any) -> Any:
            first(adapter)
            return getattr(ReferenceMiniport, name)(self, adapter, *arguments)
        return handler
    return type("Hooked", (ReferenceMiniport,), {name: make(name, first) for name, first in handlers.items()})


def boom(adapter: Any) -> None:
    raise RuntimeError("boom")


def poll_for_ever(adapter: Any) -> None:
    while True:
        adapter.stall_execution(1_000_000)


def dawdle(adapter: Any) -> None:
    for _ in range(10):
        adapter.stall_execution(5)


def never_left(trace: Read) -> list[str]:
    return [s.name for track in trace.slices.values() for s in track if s.args.get("text") == "did not return"]


# What a world does, and what the trace shows


@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize("processors", [1, 2, 8])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_life_gives_a_trace_that_a_strict_reader_takes(life: str, processors: int, seed: int) -> None:
    world = world_of(life=life, processors=processors, seed=seed)
    text = trace_json(world)
    check_format(text)
    trace = read(text)
    handlers = Counter(s.name for s in trace.of("handler"))
    assert handlers == world.ndis.calls
    assert never_left(trace) == []
    assert [s.name for s in trace.everywhere if s.category == "life"] == [f"life: {life}"]


def test_every_processor_has_its_track_also_one_that_never_runs_a_handler() -> None:
    text = trace_json(world_of(processors=8, frames=0))
    names = [e["args"]["name"] for e in json.loads(text)["traceEvents"] if e["name"] == "thread_name" and e["pid"] == 1]
    assert names == [f"processor {number}" for number in range(8)]


def test_handlers_stand_on_the_processor_that_ran_them_from_their_entry_to_their_return() -> None:
    world = world_of(seed=3, frames=40)
    running: dict[int, list[tuple[str, int]]] = defaultdict(list)
    expected = defaultdict(list)
    for event in world.machine.events.events:
        if event[1] == Kind.ENTER:
            running[event[2]].append((event[3], event[0]))
        elif event[1] == Kind.LEAVE:
            name, start = running[event[2]].pop()
            expected[f"processor {event[2]}"].append((name, start, event[0], len(running[event[2]])))
    trace = read(trace_json(world))
    drawn = {track: [(s.name, s.start, s.end, s.depth) for s in slices if s.category == "handler"]
             for (_, track), slices in trace.slices.items() if any(s.category == "handler" for s in slices)}
    assert drawn == expected
    assert set(drawn) == {"processor 0", "processor 1"}
    assert any(depth for slices in drawn.values() for *_, depth in slices), "no handler was entered inside another"


def test_an_entry_on_another_processor_in_the_middle_of_a_handler_nests_on_both_tracks() -> None:
    def overlaps(seed: int) -> bool:
        trace = read(trace_json(world_of(hooked(return_packet=dawdle, send=dawdle), seed=seed)))
        one, other = ([s for s in trace.slices[CPUS, f"processor {n}"] if s.category == "handler"] for n in (0, 1))
        return any(a.start < b.start and b.end < a.end for a in one for b in other)

    assert any(overlaps(seed) for seed in range(1, 20))


def test_register_accesses_are_slices_that_end_when_the_record_says_inside_their_handler() -> None:
    world = world_of(seed=2)
    trace = read(trace_json(world))
    for kind, verb, longest in ((Kind.REGISTER_READ, "read", 400), (Kind.REGISTER_WRITE, "write", 40)):
        drawn = trace.of(f"register-{verb}")
        expected = list(of_kind(world, kind))
        assert sorted((s.end, s.name, s.args["value"]) for s in drawn) == sorted(
            (e["ns"], f"{verb} {e['register']}", hex(e["value"])) for e in expected)
        assert all(s.depth >= 1 and 0 <= s.end - s.start <= longest for s in drawn)
        assert max(s.end - s.start for s in drawn) == longest


def test_routines_are_instants_with_their_result_and_no_address_of_the_host() -> None:
    world = world_of(seed=3)
    text = trace_json(world)
    trace = read(text)
    drawn = trace.of("routine")
    for number in (0, 1):
        shown = [(s.start, s.name) for s in trace.instants[CPUS, f"processor {number}"] if s.category == "routine"]
        assert shown == [(e["ns"], e["routine"]) for e in of_kind(world, Kind.ROUTINE) if e["processor"] == number]
        assert shown
    assert all(s.args["text"].startswith(f"{s.name} -> ") for s in drawn)
    assert "object at" not in text and str(Path.cwd()) not in text


def test_dma_stands_on_the_track_of_its_device_with_address_length_and_purpose() -> None:
    world = world_of(bus_offset=-(1 << 20))
    trace = read(trace_json(world))
    expected = [(e["ns"], int(e["logical"]), e["length"], e["purpose"]) for e in of_kind(world, Kind.DMA_READ, Kind.DMA_WRITE)]
    drawn = trace.instants[DEVICES, "nic0"]
    assert [(s.start, int(s.args["logical"], 16), s.args["length"], s.args["purpose"]) for s in drawn] == expected
    assert {s.category for s in drawn} == {"dma-read", "dma-write"}


def test_the_interrupt_line_is_a_counter_that_is_low_before_it_is_first_pulled() -> None:
    world = world_of()
    values = read(trace_json(world)).counters[DEVICES, "nic0 interrupt line asserted"]
    changes = [(e["ns"], int(e["asserted"])) for e in of_kind(world, Kind.INTERRUPT)]
    assert changes and values == [(0, 0), *changes]
    assert all(before != after for (_, before), (_, after) in pairwise(values))


@pytest.mark.parametrize("life", ["halt", "bug-check"])
def test_the_allocator_shows_each_block_and_the_bytes_that_are_live(life: str) -> None:
    world = world_of(life=life)
    trace = read(trace_json(world))
    drawn = [(s.category, int(s.args["virtual"], 16), int(s.args["physical"], 16), s.args["length"])
             for s in trace.instants[ALLOCATOR, "memory"]]
    blocks = world.machine.book.made
    assert drawn[0] == ("allocate", blocks[0].virtual, blocks[0].physical, blocks[0].size)
    assert Counter(category for category, *_ in drawn) == Counter(
        {"allocate": len(blocks), "free": sum(not block.live for block in blocks)})
    live = trace.counters[ALLOCATOR, "live memory bytes"]
    assert live[0] == (0, 0)
    assert live[-1][1] == world.ndis.memory.bytes_live == sum(block.size for block in blocks if block.live)


def test_frames_are_slices_of_their_wire_time_and_come_back_from_the_loopback_when_they_have_left() -> None:
    world = world_of(frames=30)
    trace = read(trace_json(world))
    out, back = trace.slices[WIRE, "nic0 out"], trace.slices[WIRE, "nic0 in"]
    lengths = [e["length"] for e in of_kind(world, Kind.FRAME_OUT)]
    assert [s.args["length"] for s in out] == lengths and len(lengths) == 30
    assert [s.end - s.start for s in out] == [(length + 24) * 80 for length in lengths]
    assert [s.start - s.args["waited_ns"] for s in out] == [e["ns"] for e in of_kind(world, Kind.FRAME_OUT)]
    assert [(s.start, s.end) for s in back[:30]] == [(s.start, s.end) for s in out]
    assert [s.end for s in back] == [e["ns"] for e in of_kind(world, Kind.FRAME_IN)]
    assert all(s.depth == 0 for s in (*out, *back))


def test_dropped_frames_say_why() -> None:
    world = world_of()
    dropped = read(trace_json(world)).instants[WIRE, "nic0 link"]
    assert [(s.start, s.args["reason"]) for s in dropped] == [(e["ns"], e["reason"]) for e in of_kind(world, Kind.FRAME_DROPPED)]
    assert dropped


def test_a_fault_lies_over_all_tracks_with_its_effect() -> None:
    world = world_of(faults=["NdisMAllocateSharedMemory#2"])
    [fault] = [s for s in read(trace_json(world)).everywhere if s.category == "fault"]
    [expected] = of_kind(world, Kind.FAULT)
    assert (fault.name, fault.start) == ("fault NdisMAllocateSharedMemory#2", expected["ns"])
    assert fault.args == {"message": "injected fault NdisMAllocateSharedMemory#2: null", "effect": "null"}


def test_findings_lie_over_all_tracks_with_message_and_line_and_their_consequences_with_their_cause() -> None:
    def leak(adapter: Any) -> None:
        adapter.allocate_memory_with_tag(64, 0x6B61654C)
        adapter.allocate_shared_memory(0, False)

    world = world_of(hooked(handle_interrupt=leak))
    findings = world.machine.findings
    drawn = {(s.name, s.start, s.args["message"]): s.args for s in read(trace_json(world)).everywhere if s.category == "finding"}
    everything = [*findings.errors, *findings.notices, *(c for f in findings.errors for c in f.consequences)]
    assert set(drawn) == {(f.rule.id, f.time_ns, f.message) for f in everything}
    assert len(everything) >= 2
    assert any(args.get("where", "").startswith("tests/dmabed/test_trace.py:") for args in drawn.values())
    for cause in findings.errors:
        for consequence in cause.consequences:
            assert drawn[consequence.rule.id, consequence.time_ns, consequence.message]["caused_by"] == cause.rule.id


# Handlers that never return


@pytest.mark.parametrize("handler", ["initialize", "isr", "handle_interrupt", "send", "return_packet", "halt"])
def test_a_handler_that_raised_ends_with_the_record_and_says_so(handler: str) -> None:
    world = world_of(hooked(**{handler: boom}))
    assert world.outcome == "crash"
    trace = read(trace_json(world))
    assert handler in never_left(trace)
    end = max(event[0] for event in world.machine.events.events)
    assert {s.end for track in trace.slices.values() for s in track if s.args.get("text") == "did not return"} == {end}
    assert Counter(s.name for s in trace.of("handler")) == world.ndis.calls


def test_a_handler_that_hangs_lasts_as_long_as_virtual_time_did() -> None:
    world = world_of(hooked(halt=poll_for_ever))
    assert world.outcome == "hang"
    trace = read(trace_json(world))
    [stuck] = [s for s in trace.of("handler") if s.name == "halt"]
    assert stuck.end - stuck.start >= 60_000_000_000
    assert never_left(trace) == ["halt"]


def test_a_world_that_stops_at_its_first_finding_closes_what_was_open() -> None:
    world = world_of(hooked(halt=boom), stop=True)
    trace = read(trace_json(world))
    assert never_left(trace) == ["halt"]
    assert len([s for s in trace.everywhere if s.category == "finding"]) == 1


def test_an_inner_handler_that_never_returned_ends_where_the_outer_one_does() -> None:
    events = [(10, Kind.ENTER, 0, "handle_interrupt"), (20, Kind.ENTER, 0, "return_packet"),
              (30, Kind.LEAVE, 0, "handle_interrupt", None), (40, Kind.ENTER, 0, "isr"), (50, Kind.LEAVE, 0, "isr", (True, True))]
    trace = read(trace_json(with_events(world_of(), events)))
    assert [(s.name, s.start, s.end, s.depth) for s in trace.slices[CPUS, "processor 0"]] == [
        ("return_packet", 20, 30, 1), ("handle_interrupt", 10, 30, 0), ("isr", 40, 50, 0)]
    assert never_left(trace) == ["return_packet"]


# Records that lost their oldest events


def test_a_return_without_an_entry_is_a_slice_from_the_first_event_on() -> None:
    events = [(70, Kind.LOG, 1, "first"), (80, Kind.LEAVE, 1, "isr", (True, True)), (90, Kind.LEAVE, 1, "send", 259)]
    trace = read(trace_json(with_events(world_of(), events, limit=3)))
    drawn = trace.slices[CPUS, "processor 1"]
    assert [(s.name, s.start, s.end, s.depth) for s in drawn] == [("isr", 70, 80, 1), ("send", 70, 90, 0)]
    assert all(s.args["text"] for s in drawn)


def test_a_return_without_an_entry_ends_what_was_entered_and_not_left_inside() -> None:
    events = [(10, Kind.ENTER, 0, "isr"), (20, Kind.LEAVE, 0, "send", 259), (30, Kind.LEAVE, 0, "isr", (True, True))]
    trace = read(trace_json(with_events(world_of(), events, limit=3)))
    assert [(s.name, s.start, s.end, s.depth) for s in trace.slices[CPUS, "processor 0"]] == [
        ("isr", 10, 20, 2), ("send", 10, 20, 1), ("isr", 10, 30, 0)]


@settings(max_examples=60)
@given(kept=st.integers(0, 265))
def test_what_is_left_of_a_record_is_drawn_as_in_the_whole_trace(kept: int) -> None:
    world = world_of(seed=3)
    whole = read(trace_json(world))
    events = list(world.machine.events.events)
    rest = events[len(events) - kept:]
    part = read(trace_json(with_events(world, rest, limit=max(kept, 1))))
    ends = Counter((s.name, s.end) for s in whole.of("handler"))
    assert Counter((s.name, s.end) for s in part.of("handler")) <= ends
    assert len(part.of("handler")) == sum(event[1] == Kind.LEAVE for event in rest)
    assert part.of("dma-read", "dma-write") == whole.of("dma-read", "dma-write")[len(whole.of("dma-read", "dma-write")) - sum(
        event[1] in (Kind.DMA_READ, Kind.DMA_WRITE) for event in rest):]
    if any(event[1] in (Kind.ALLOCATE, Kind.FREE) for event in rest):
        assert part.counters[ALLOCATOR, "live memory bytes"][-1] == whole.counters[ALLOCATOR, "live memory bytes"][-1]


HANDLERS = st.sampled_from(["isr", "send", "halt"])
STEPS = st.one_of(
    st.tuples(st.just(Kind.ENTER), st.integers(0, 2), HANDLERS),
    st.tuples(st.just(Kind.LEAVE), st.integers(0, 2), HANDLERS, st.none()),
    st.tuples(st.just(Kind.REGISTER_READ), st.integers(0, 2), st.just("nic0"), st.just("CTRL"), st.just(4), st.just(1)),
    st.tuples(st.just(Kind.FRAME_OUT), st.just(0), st.just("nic0"), st.integers(60, 1514)),
    st.tuples(st.just(Kind.FRAME_IN), st.just(0), st.just("nic0"), st.integers(60, 1514)),
    st.tuples(st.just(Kind.FRAME_DROPPED), st.just(0), st.just("nic0"), st.just(60), st.just("runt")),
    st.tuples(st.just(Kind.FREE), st.just(0), st.just("NdisFreeMemory"), st.just(4096), st.just(8192), st.just(64)))


@settings(max_examples=150)
@given(steps=st.lists(st.tuples(st.integers(0, 900), STEPS), max_size=40), full=st.booleans())
def test_any_order_of_entries_and_returns_gives_slices_that_nest(steps: list[tuple[int, tuple[Any, ...]]], full: bool) -> None:
    now, events = 0, []
    for passed, step in steps:
        now += passed
        events.append((now, *step))
    trace = read(trace_json(with_events(empty(), events, limit=max(1, len(events)) if full else None)))
    entered, returned = (Counter(e[3] for e in events if e[1] == kind) for kind in (Kind.ENTER, Kind.LEAVE))
    drawn = Counter(s.name for s in trace.of("handler"))
    assert entered <= drawn <= entered + returned


# Every kind of event


VALUES = {
    "handler": "isr", "status": 0, "routine": "NdisFreeMemory", "result": None, "device": "nic0", "register": "CTRL", "size": 4,
    "value": 1, "logical": 4096, "length": 60, "purpose": "descriptor", "asserted": True, "reason": "runt", "virtual": 4096,
    "physical": 8192, "point": "dma-read#1", "effect": "fail", "rule": "dma-width", "message": "m", "text": "t", "up": False,
    "state": "D3"}


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_event_is_drawn_or_left_out_for_a_reason(kind: Kind) -> None:
    before: list[Event] = [(5, Kind.ENTER, 0, "isr")] if kind is Kind.LEAVE else []
    event = (7, kind, 0, *(VALUES[name] for name in SCHEMA[kind]))
    without, drawn = (trace_json(with_events(empty(), events)).count('"ts":0.007') for events in ([*before], [*before, event]))
    assert drawn == without == 0 if kind in LEFT_OUT else drawn > without
    assert all(LEFT_OUT.values())


def test_the_kind_that_is_left_out_is_drawn_from_the_findings() -> None:
    assert set(LEFT_OUT) == {Kind.FINDING}


# The file


def test_text_with_control_characters_and_lone_surrogates_stays_readable_json() -> None:
    events = [(1, Kind.LOG, 0, "a\x1b[31m\n\ud800\x00ü"), (2, Kind.DMA_READ, 0, "nic0", 1 << 63, 4, "\udfff")]
    text = trace_json(with_events(world_of(), events))
    [log] = read(text).of("log")
    assert log.args == {"text": "a\\x1b[31m\\n\\ud800\\x00ü"}
    assert "\\ud" not in text.replace("\\\\ud", "")


def test_a_record_without_events_is_a_trace() -> None:
    trace = read(trace_json(with_events(world_of(), [])))
    assert not trace.slices and not trace.instants


@pytest.mark.parametrize("ns, ts", [(0, "0.0"), (1, "0.001"), (999, "0.999"), (1000, "1.0"), (1001, "1.001"),
                                    (60_000_000_000_001, "60000000000.001")])
def test_times_are_microseconds_and_keep_their_nanoseconds(ns: int, ts: str) -> None:
    text = trace_json(with_events(empty(), [(ns, Kind.LOG, 0, "here")]))
    [line] = [line for line in text.splitlines() if '"text":"here"' in line]
    assert f'"ts":{ts},' in line


def test_equal_worlds_give_equal_bytes_whatever_the_hash_seed() -> None:
    program = ("import sys; from dmabed.bed import Bed; from dmabed.trace import trace_json; "
               "sys.stdout.write(trace_json(Bed(seed=5, frames=4).world()))")
    root = Path(__file__).parents[2]
    outputs = [subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=root,
                              env={**os.environ, "PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")]
    assert outputs[0] == outputs[1] == trace_json(world_of(seed=5))


def test_the_file_says_which_world_it_shows() -> None:
    other = json.loads(trace_json(world_of(seed=9, life="surprise")))["otherData"]
    assert other["verdict"] == "clean" and other["record_full"] is False
    assert other["replay"].endswith("--life surprise --seed 9")


def test_saving_writes_the_trace_and_replaces_the_file_that_stood_there(tmp_path: Path) -> None:
    world, path = world_of(), tmp_path / "trace.json"
    path.write_text("old")
    with path.open() as reader:
        save_trace(world, path)
        assert reader.read() == "old", "the file was written over and not replaced"
    assert path.read_bytes() == trace_json(world).encode("ascii")
    assert list(tmp_path.iterdir()) == [path]


def test_saving_through_a_symbolic_link_keeps_the_link(tmp_path: Path) -> None:
    link, target = tmp_path / "link.json", tmp_path / "trace.json"
    link.symlink_to(target)
    save_trace(empty(), link)
    assert link.is_symlink() and target.read_text().startswith("{")


@pytest.mark.parametrize("where", ["missing/trace.json", "folder", "a\0b"])
def test_a_trace_that_cannot_be_written_is_a_usage_error_and_leaves_nothing(tmp_path: Path, where: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match=r"trace .* cannot be written") as caught:
        save_trace(empty(), tmp_path / where)
    assert caught.value.remedy
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trace.json"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(UsageError, match="No space left"):
        save_trace(empty(), path)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("trace.json", "old")]


# The reader itself


@pytest.mark.parametrize("rows", [
    ['{"name":"a","cat":"c","ph":"B","ts":1,"pid":1,"tid":1000}'],
    ['{"name":"a","cat":"c","ph":"B","ts":2,"pid":1,"tid":1000}', '{"name":"a","cat":"c","ph":"E","ts":1,"pid":1,"tid":1000}'],
    ['{"name":"a","cat":"c","ph":"B","ts":1,"pid":1,"tid":1000}', '{"name":"b","cat":"c","ph":"E","ts":1,"pid":1,"tid":1000}'],
    ['{"name":"a","cat":"c","ph":"E","ts":1,"pid":1,"tid":1000}'],
    ['{"name":"a","cat":"c","ph":"i","ts":1,"pid":1,"tid":1000}'],
    ['{"name":"a","cat":"c","ph":"i","ts":0.0001,"s":"t","pid":1,"tid":1000}'],
    ['{"name":"a","cat":"c","ph":"i","ts":1,"s":"t","pid":2,"tid":1000}'],
    ['{"name":"a","cat":"c","ph":"C","ts":1,"pid":1,"tid":1,"args":{"n":"1"}}'],
])
def test_the_reader_refuses_a_broken_trace(rows: list[str]) -> None:
    names = ['{"name":"process_name","ph":"M","pid":1,"tid":1,"args":{"name":"p"}}',
             '{"name":"thread_name","ph":"M","pid":1,"tid":1000,"args":{"name":"t"}}']
    text = '{"displayTimeUnit":"ns","otherData":{},"traceEvents":[%s]}'
    read(text % ",".join(names))
    check_format(text % ",".join(names))
    with pytest.raises((AssertionError, IndexError, ValidationError)):
        both(text % ",".join(names + rows))
