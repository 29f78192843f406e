# SPDX-License-Identifier: Apache-2.0
"""Stops a world at the miniport's line of its first finding, in the debugger of the standard library."""

from __future__ import annotations

import pdb
import sys
from types import FrameType, TracebackType

from dmabed import policy
from dmabed.world import World
from verifier.errors import UsageError
from verifier.findings import Finding
from verifier.where import is_miniport, place


def check_terminal() -> None:
    """`UsageError` where nobody could type."""
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty()):
        raise UsageError("--pdb needs a terminal", "type the line in a terminal, without a pipe or a file behind it")


def stop_at_first(world: World) -> None:
    """Let the first finding of *world* that counts open the debugger: at the running line of the miniport, or where it raised.
    ``c`` goes on with the life, ``q`` ends it. A finding of no running line is told and goes on."""
    counts = policy.stops_at(world.spec)
    findings = world.machine.findings

    def first(finding: Finding) -> bool:
        if not counts(finding):
            return False
        findings.stop = False
        line = place(finding.where, world.base) or "no line of the miniport"
        print(f"{finding.rule.id}: {finding.message} ({line})")
        frame = _running() or _raised(sys.exc_info()[2])
        if frame is None:
            print("no handler was running when this was found")
            return False
        return _debug(frame)

    findings.stop, findings.stops_at = True, first


def _debug(frame: FrameType) -> bool:
    """Open the debugger at *frame*; True if the user wants to end the life."""
    debugger = pdb.Pdb(skip=["verifier.*", "hw.*", "allocator.*", "dmabed.*"])
    debugger.reset()
    debugger.interaction(frame, None)
    if debugger.quitting:
        return True
    if debugger.stoplineno != -1 or debugger.breaks:  # anything but continue
        above: FrameType | None = frame
        while above is not None:
            above.f_trace = debugger.trace_dispatch
            debugger.botframe = above
            above = above.f_back
        sys.settrace(debugger.trace_dispatch)
    return False


def _running() -> FrameType | None:
    """The innermost frame of the miniport that is running."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_miniport(frame.f_code):
        frame = frame.f_back
    return frame


def _raised(trace: TracebackType | None) -> FrameType | None:
    """The innermost frame of the miniport that an exception went through."""
    found = None
    while trace is not None:
        if is_miniport(trace.tb_frame.f_code):
            found = trace.tb_frame
        trace = trace.tb_next
    return found
