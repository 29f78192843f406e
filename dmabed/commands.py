# SPDX-License-Identifier: Apache-2.0
"""What the commands do. Each takes what stands on the line and returns an `Answer`; `dmabed.cli` prints it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import Any

from dmabed.debugger import check_terminal, stop_at_first
from dmabed.load import find_miniport, offered_nics
from dmabed.options import checked, defaults_of, exclusive, over, portable, read_data
from dmabed.output import Printed, check_writable
from dmabed.report import facts
from dmabed.result import SCHEMA_VERSION, address_map, as_json, nic_json, sources, verdict_of
from dmabed.spec import WorldSpec
from dmabed.watchdog import SECONDS, GiveUp, Watchdog, conclude
from dmabed.world import World, run_world
from hw.capture import read_frames
from hw.nic import MODELS
from miniport.miniport import Miniport
from verifier.errors import UsageError

LINES_UP_TO = 5000
"""Frames up to which the lines of the miniport are traced; beyond it the trace costs more than it tells."""
GOOD = ("clean", "unchecked")
"""Verdicts that exit with 0."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has to say: its exit code, the JSON object, and the same for people (from width and colour)."""

    code: int
    data: Mapping[str, Any]
    text: Callable[[int, bool], str]


@dataclass(frozen=True, slots=True)
class Case:
    """One world to live, with all that was asked for it."""

    spec: WorldSpec
    miniport: type[Miniport]
    folder: Path
    frames: list[bytes] | None
    """The frames of a capture file, where one was named."""


def run(line: Mapping[str, Any], *, data: str | None = None, report: Path | None = None, capture: Path | None = None,
        trace: Path | None = None, debug: bool = False, pdb: bool = False, seconds: float = SECONDS,
        give_up: GiveUp | None = None) -> Answer:
    """Live one world. *line* holds the options on the line by the name of their `WorldSpec` field; *data* is the JSON, or the
    file of it, that is replayed. *report* is a folder, *capture* and *trace* are files. *debug*: the miniport keeps stdout, and
    nothing ends its endless loops. *pdb*: the first finding opens a debugger, on a terminal. A handler may take *seconds* on the
    host; *give_up* ends the program for one that cannot be ended (`Watchdog`)."""
    if pdb:
        check_terminal()
    case = case_of(line, data)
    if report is not None:
        check_writable(report, "--report", directory=True)
    if capture is not None:
        check_writable(capture, "--capture", directory=False)
    if trace is not None:
        check_writable(trace, "--trace", directory=False)
    count = case.spec.frames if case.frames is None else len(case.frames)
    world = live_case(case, debug or pdb, Watchdog(seconds, give_up), capture=capture is not None,
                      trace_lines=count <= LINES_UP_TO and not pdb, watch=stop_at_first if pdb else None)
    result = as_json(world, with_timeline=report is not None)
    found = sources(world)
    written = ""
    if report is not None:
        from dmabed.report.html import write_report

        written += f"report   {facts.clean(write_report(result, report, found))}\n"
        del result["timeline"]
    if capture is not None and world.capture is not None:
        world.capture.save(capture)
        written += f"capture  {facts.clean(capture)}\n"
    if trace is not None:
        from dmabed.trace import save_trace

        save_trace(world, trace)
        written += f"trace    {facts.clean(trace)}\n"

    def text(width: int, colour: bool) -> str:
        from dmabed.report.text import render

        return render(result, width=width, colour=colour, sources=found) + written

    return Answer(0 if result["verdict"] in GOOD else 1, result, text)


def memory_map(line: Mapping[str, Any], *, debug: bool = False, seconds: float = SECONDS, give_up: GiveUp | None = None) -> Answer:
    """The address map at the end of initialize. The life goes on without a frame; findings make the exit code 1."""
    case = case_of(line, None)
    case = replace(case, spec=replace(case.spec, frames=0, pcap=None), frames=[])
    world = live_case(case, debug, Watchdog(seconds, give_up))
    result = as_json(world, with_timeline=False)

    def text(width: int, colour: bool) -> str:
        from dmabed.report import finding_picture, memory_map

        width = max(width, memory_map.LEAST_WIDTH)
        options = case.spec.miniport or "the reference miniport"
        rows = memory_map.lines(memory_map.build(result["map"], finding_picture.map_faults(result)), width)
        verdict = facts.verdict_line(result)
        more = "" if result["verdict"] in GOOD else "; dmabed run with the same options shows why"
        return "\n".join([f"{facts.clean(options)} on NIC {case.spec.nic}, at the end of initialize", "", *rows, "",
                          f"verdict  {verdict}{more}", ""])

    return Answer(0 if verdict_of(world) in GOOD else 1, address_map(world), text)


def nics() -> Answer:
    """The NICs that are modelled, and those that installed packages offer."""
    known = {**MODELS, **offered_nics()}
    data = {"schema": SCHEMA_VERSION, "nics": [nic_json(name, model) for name, model in known.items()]}

    def text(width: int, colour: bool) -> str:
        rows = [("name", "bus", "address bits", "boundary", "limits", "")]
        for name, model in known.items():
            limits = model.default_limits
            rows.append((name, model.bus_kind, str(limits.address_bits),
                         facts.size_text(limits.boundary) if limits.boundary else facts.NOTHING,
                         "settable" if model.limits_settable else "fixed", model.description))
        sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for *cells, description in rows:
            lines.append("  ".join(f"{cell:<{size}}" for cell, size in zip(cells, sizes, strict=False)).rstrip())
            lines += wrap(description, width, initial_indent="   ", subsequent_indent="   ")
        return "\n".join([*lines, ""])

    return Answer(0, data, text)


def case_of(line: Mapping[str, Any], data: str | None) -> Case:
    """Put the layers together, load the miniport, check everything that can be checked without a machine."""
    asked = checked(line)
    exclusive(asked)
    asked.update({key: portable(asked[key]) for key in ("miniport", "nic", "pcap") if asked.get(key) is not None})
    file = read_data(data) if data is not None else {}
    named = over(file, asked)
    name, nic = named.get("miniport"), named.get("nic", WorldSpec().nic)
    WorldSpec(nic=nic).model()
    with redirect_stdout(sys.stderr):  # what it prints while it is imported belongs to no world
        miniport, folder = find_miniport(name, nic)
    spec = replace(WorldSpec(), **over(over(defaults_of(miniport, folder), file), asked))
    spec.check()
    return Case(spec, miniport, folder, read_frames(Path(spec.pcap)) if spec.pcap is not None else None)


def live_case(case: Case, debug: bool, dog: Watchdog, *, capture: bool = False, trace_lines: bool = False,
              watch: Callable[[World], object] | None = None) -> World:
    """Live the world of *case*; what its miniport prints goes into the log."""
    def live() -> World:
        return run_world(case.spec, case.miniport, case.folder, capture=capture, trace_lines=trace_lines, frames=case.frames,
                         watch=watch)

    printed = Printed()
    try:
        with nullcontext() if debug else printed.taking():
            world = live() if debug else dog.run(live)
    except SystemExit as stop:
        raise UsageError(f"the miniport ends the program (exit {stop.code})", "take sys.exit out of it") from None
    if dog.stuck is not None and world.outcome == "hang":
        conclude(world, dog.stuck)
    world.ndis.log.extend(printed.lines())
    return world
