# SPDX-License-Identifier: Apache-2.0
"""What a campaign costs: 10,000 full lives on two processes, memory, and the worlds per second of a real campaign.

Run as ``python bench/campaign.py`` from the repository.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from _measure import line, print_calibration

from dmabed.bed import Bed
from dmabed.campaign import Case, Plan, Selection, run
from dmabed.campaign.dispatch import Processes
from dmabed.campaign.worker import Job

WARM = 64


def lives(count: int) -> None:
    """*count* full lives (initialize, one frame out and in, halt) with every fault point counted, on two processes."""
    spec = Bed(frames=1).spec

    def cases(number: int) -> Iterator[Case]:
        return (Case() for _ in range(number))

    job = Job(spec, Selection(kinds=()))
    with Processes(2) as dispatch:
        assert all(record.outcome == "recovered" for record in dispatch.records(job, cases(WARM)))
        started = perf_counter()
        done = sum(1 for _ in dispatch.records(job, cases(count)))
        seconds = perf_counter() - started
    line(f"{done} full lives on two processes", seconds, 5.0 * count / 10_000, "s ")
    print(f"{'':52}{done / seconds:10.0f} worlds/s")
    print(f"{'':52}{getrusage(RUSAGE_CHILDREN).ru_maxrss / 1024:10.0f} MiB in the larger process")


def singles() -> None:
    """All failures of routines of the reference miniport, one frame, in this process."""
    started = perf_counter()
    done = run(Plan(Bed(frames=1).spec, Selection(kinds=("routine", "device"))))
    seconds = perf_counter() - started
    assert done.verdict == "clean", done.outcomes
    print(f"{'every failure of routines and devices':<52}{len(done.records) / seconds:10.0f} worlds/s  ({len(done.records)} worlds)")


if __name__ == "__main__":
    print_calibration()
    for number in (2_000, 10_000):
        lives(number)
    singles()
