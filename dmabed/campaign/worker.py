# SPDX-License-Identifier: Apache-2.0
"""Lives the worlds of a campaign, in this process or in another one."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType

from dmabed.campaign.conditions import changed
from dmabed.campaign.covered import Notes, noted
from dmabed.campaign.model import Case, Record
from dmabed.campaign.outcome import Listed, record_of
from dmabed.campaign.points import Selection
from dmabed.load import find_miniport
from dmabed.output import Printed
from dmabed.spec import WorldSpec
from dmabed.watchdog import CANNOT_BE_ENDED, SECONDS, GiveUp, Watchdog, conclude
from dmabed.world import World, registered_version, run_world
from miniport.miniport import Miniport
from verifier.errors import BedError, NotModelledError, UsageError

PARENT_GONE = 71
"""Exit code of a process for which nobody waits any more."""


@dataclass(frozen=True, slots=True)
class Job:
    """What all cases of a campaign share. It can be sent to another process: the miniport is loaded there by its name."""

    spec: WorldSpec
    selection: Selection
    seconds: float = SECONDS
    """How long a handler may run on the host before it counts as hung."""
    frames: tuple[bytes, ...] | None = None
    """The frames of a capture file, where one is named."""
    coverage: bool = False
    """True to note in each record which statements of the miniport ran."""

    def world_spec(self, case: Case) -> WorldSpec:
        """The world of *case*."""
        if not case.condition and case.faults == self.spec.faults:
            return self.spec
        return replace(changed(self.spec, case.condition), faults=case.faults)


def prepare() -> None:
    """Make a process ready to work: Ctrl-C is for the one that waits for it, and it ends when that one is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(PARENT_GONE)


def live_in_process(job: Job, cases: Sequence[Case]) -> list[Record]:
    """Live *cases* in a process that may know nothing yet."""
    with redirect_stdout(sys.stderr):  # what it prints while it is imported belongs to no world
        miniport, _ = find_miniport(job.spec.miniport, job.spec.nic)
    return live(job, miniport, cases, end_process)


def end_process(stuck: CodeType) -> None:
    """End a process whose miniport cannot be ended."""
    os._exit(CANNOT_BE_ENDED)


def live(job: Job, miniport: type[Miniport], cases: Sequence[Case], give_up: GiveUp | None = None,
         see: Callable[[World], object] | None = None) -> list[Record]:
    """Live *cases*, in order. An endless loop ends by the host's clock; nothing that a miniport prints is shown. *give_up* ends
    the process of one that cannot be ended; *see* is shown each world."""
    records: list[Record] = []
    dog = Watchdog(job.seconds, give_up)
    base = folder_of(miniport)
    listed: dict[str, Listed] = {}

    def all_of_them(notes: Notes | None) -> None:
        for case in cases:
            try:
                world = one_world(job, miniport, base, case)
            except (UsageError, NotModelledError) as problem:
                if not case.faults and not case.condition:
                    raise
                records.append(_not_lived(job, miniport, case, problem))
                if notes is not None:
                    notes.forget()
                continue
            if dog.stuck is not None and world.outcome == "hang":
                conclude(world, dog.stuck)
                if notes is not None:
                    notes.forget()  # how far it came depends on the host
            dog.stuck = None
            if see is not None:
                see(world)
            record = record_of(world, case, job.selection, listed)
            record.ran = notes.take() if notes is not None else None
            records.append(record)

    with Printed().taking(), noted(miniport, base) if job.coverage else nullcontext() as notes:
        dog.run(lambda: all_of_them(notes))
    return records


def one_world(job: Job, miniport: type[Miniport], base: Path, case: Case) -> World:
    """Live the world of *case*; its points are counted even if no fault is armed."""
    try:
        frames = None if job.frames is None else list(job.frames)
        return run_world(job.world_spec(case), miniport, base, record=True, frames=frames)
    except SystemExit as stop:
        raise UsageError(f"the miniport ends the program (exit {stop.code})", "take sys.exit out of it") from None
    except (UsageError, NotModelledError):
        raise
    except Exception as problem:
        said = problem.message if isinstance(problem, BedError) else f"{type(problem).__name__}: {problem}"
        raise BedError(f"{said} (in the world {case.id})", problem.remedy if isinstance(problem, BedError) else "") from problem


def _not_lived(job: Job, miniport: type[Miniport], case: Case, problem: BedError) -> Record:
    """The record of a world that the bed cannot live to its end: nothing is proven there, and the others go on."""
    spec = job.world_spec(case)
    major, minor = registered_version(spec, miniport)
    return Record(case, "not-proven", armed=len(case.faults), detail=f"{problem.message}; {problem.remedy}",
                  replay=spec.replay_line(f"{major}.{minor}"))


def folder_of(source: type) -> Path:
    """The folder of the source of a miniport, or of the model of a card."""
    return Path(inspect.getfile(source)).resolve().parent
