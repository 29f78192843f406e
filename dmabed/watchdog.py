# SPDX-License-Identifier: Apache-2.0
"""Ends a handler that never returns although no virtual time passes: an endless loop of plain Python.

Virtual time cannot see such a loop, so the host's clock has to. It is a backstop; how long the host waited stands in no output. A
call that waits inside the operating system is not ended, nor is a handler in which the debugger of the standard library waits; with
DMABED_DEBUG=1 in the environment no handler is ended, for other debuggers.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from types import CodeType, FrameType
from typing import TypeVar

from dmabed.world import World
from miniport import rules
from miniport.ndis import WorldEnds
from verifier.events import Kind
from verifier.findings import StopWorld
from verifier.where import is_miniport, place

T = TypeVar("T")
GiveUp = Callable[[CodeType], None]

SECONDS = 20.0
"""How long one handler may run on the host."""
_LOOKS = 8
"""How often the watchdog looks within that time."""
_AGAIN = 0.02
"""Seconds between attempts to end a handler that catches everything."""
_ATTEMPTS = 50
"""Attempts after which the watchdog gives up."""
_MOST_TIMES = 1000
"""The most often that a finding of a loop without end is counted."""


def debugging() -> bool:
    """True if the environment sets DMABED_DEBUG: tracebacks are shown, a debugger can be used inside a miniport."""
    return os.environ.get("DMABED_DEBUG", "") not in ("", "0")


class TimeIsUp(WorldEnds):
    """Raised inside the handler that does not return."""

    def __init__(self) -> None:
        super().__init__("hang")


class Watchdog:
    """Watches the calling thread while it lives a world.

    *give_up* is called, in a thread of the watchdog, for a function that catches everything that is raised into it; it has to
    end the program. Without it the attempts go on.
    """

    def __init__(self, seconds: float = SECONDS, give_up: GiveUp | None = None) -> None:
        self.stuck: CodeType | None = None
        """The function of the miniport that was ended: the innermost one that the bed had called and that did not return."""
        self._give_up = give_up
        self._tick = seconds / _LOOKS
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = 0

    def run(self, live: Callable[[], T]) -> T:
        """*live*'s result. Nothing is raised into this thread any more once *live* has ended."""
        self._thread = threading.get_ident()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        try:
            return live()
        finally:
            self._stop()

    def _stop(self) -> None:
        """From here on nothing is raised; what was raised and has not arrived yet arrives here.

        Taking it back through `PyThreadState_SetAsyncExc` with NULL leaves CPython 3.11 looking for it for ever.
        """
        while not self._over.is_set():
            try:
                with self._lock:
                    self._over.set()
            except TimeIsUp:
                continue
        try:
            for _ in range(3):
                pass
        except TimeIsUp:
            return

    def _watch(self) -> None:
        seen: list[tuple[FrameType, int]] = []
        tick, attempts = self._tick, 0
        while not self._over.wait(tick):
            # Look and raise without a pause between: the handler is still inside when the exception reaches it.
            with self._lock:
                entries = _entries(sys._current_frames().get(self._thread))
                same = [(frame, looks + 1) for (frame, looks), entry in zip(seen, entries, strict=False) if frame is entry]
                old = [frame for frame, looks in same if looks >= _LOOKS]
                if old and not self._over.is_set():
                    self.stuck = self.stuck or old[-1].f_code
                    _raise_in(self._thread, TimeIsUp)
                    tick, attempts = _AGAIN, attempts + 1
            if attempts >= _ATTEMPTS and self._give_up is not None and self.stuck is not None:
                self._give_up(self.stuck)
            seen = same + [(entry, 0) for entry in entries[len(same):]]


CANNOT_BE_ENDED = 70
"""Exit code of a process whose miniport catches everything that would end its loop."""


def never_returns(stuck: CodeType) -> str:
    """What is said of a function that cannot be ended."""
    return f"{stuck.co_name} ({place((stuck, 0))}) never returns and catches every exception"


def end_process(stuck: CodeType) -> None:
    """Say which function cannot be ended, and end the process."""
    os.write(2, f"dmabed: {never_returns(stuck)}: the process ends\n".encode())
    os._exit(CANNOT_BE_ENDED)


def watched(live: Callable[[], World]) -> World:
    """The world of *live*, for programs of which the bed is a guest, as pytest: a handler that never returns is ended and reported. One
    that catches everything that would end it ends the process: nothing behind it could run, and nobody could say why."""
    if debugging():
        return live()
    dog = Watchdog(SECONDS, end_process)
    world = dog.run(live)
    if dog.stuck is not None and world.outcome == "hang":
        conclude(world, dog.stuck)
    return world


def conclude(world: World, stuck: CodeType) -> None:
    """Report the handler that was ended, at the line of its definition, and forget what the loop did: how far it came
    depends on the host."""
    findings, record = world.machine.findings, world.machine.events.events
    now = world.machine.clock.now
    time_ns = now if record and record[0][0] == now else 0
    open_entries: list[tuple[int, str]] = []
    for index, event in enumerate(record):
        if event[1] == Kind.ENTER:
            open_entries.append((index, event[3]))
        elif event[1] == Kind.LEAVE and open_entries:
            open_entries.pop()
    entry = next((e for e in reversed(open_entries) if e[1] == stuck.co_name), open_entries[0] if open_entries else None)
    if entry is None:
        record.clear()
    else:
        time_ns = record[entry[0]][0]
        while len(record) > entry[0] + 1:
            record.pop()
        world.ndis.calls = dict(Counter(event[3] for event in record if event[1] == Kind.ENTER))
    for finding in (*findings.errors, *findings.notices):
        finding.times = min(finding.times, _MOST_TIMES)
    if any(finding.rule is rules.TIME_LIMIT for finding in findings.errors):
        return
    world.machine.clock.now = time_ns
    try:
        findings.report(
            rules.TIME_LIMIT, f"{stuck.co_name} never returned: it ran on and on and was ended", where=(stuck, 0), subject=("stuck",))
    except StopWorld:
        return


def _entries(frame: FrameType | None) -> list[FrameType]:
    """The frames below `Watchdog.run`, outermost first, in which the bed's code called the miniport's; none while a debugger waits in
    them."""
    entries = []
    debugger = getattr(sys.modules.get("bdb"), "__file__", None)
    while frame is not None and frame.f_code is not Watchdog.run.__code__:
        if frame.f_code.co_filename == debugger:
            return []
        caller = frame.f_back
        if caller is not None and is_miniport(frame.f_code) and not is_miniport(caller.f_code):
            entries.append(frame)
        frame = caller
    return entries[::-1]


def _raise_in(thread: int, kind: type[BaseException]) -> None:
    """Raise *kind* in another thread at its next bytecode."""
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))
