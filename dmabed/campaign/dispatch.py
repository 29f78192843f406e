# SPDX-License-Identifier: Apache-2.0
"""Spreads cases over whatever lives them, and gives the records back in the order of the cases."""

from __future__ import annotations

import multiprocessing
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from itertools import islice
from typing import Self

from dmabed.campaign.model import Case, Record
from dmabed.campaign.worker import Job, live, live_in_process, prepare
from dmabed.watchdog import GiveUp
from miniport.miniport import Miniport
from verifier.errors import BedError, UsageError

CHUNK = 32
"""Cases that go to a process at once."""
AHEAD = 3
"""Chunks under way for each process: enough that none waits, few enough that memory stays flat."""


class Dispatch(ABC):
    """Lives cases. A context manager that ends what it started."""

    @abstractmethod
    def records(self, job: Job, cases: Iterable[Case]) -> Iterator[Record]:
        """The record of each case, in order, as soon as it and all before it are done."""

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(self, *problem: object) -> None:
        """End what was started; what is under way is dropped."""


class Here(Dispatch):
    """Lives every world in this process, one after the other."""

    def __init__(self, miniport: type[Miniport], give_up: GiveUp | None = None) -> None:
        self._miniport = miniport
        self._give_up = give_up

    def records(self, job: Job, cases: Iterable[Case]) -> Iterator[Record]:
        """The record of each case, in order."""
        for chunk in _chunks(cases):
            yield from live(job, self._miniport, chunk, self._give_up)

    def __exit__(self, *problem: object) -> None:
        """Nothing was started."""


class Spread(Dispatch):
    """Lives worlds through any executor that can call a function with plain data elsewhere."""

    def __init__(self, executor: Executor, width: int, broken: type[Exception] = BrokenExecutor) -> None:
        self._executor = executor
        self._width = width
        self._broken = broken
        """What a future raises whose worker died."""

    def records(self, job: Job, cases: Iterable[Case]) -> Iterator[Record]:
        """The record of each case, in order."""
        under_way: deque[tuple[tuple[Case, ...], Future[list[Record]]]] = deque()
        chunks = _chunks(cases)
        while True:
            for chunk in islice(chunks, self._width * AHEAD - len(under_way)):
                under_way.append((chunk, self._submit(job, chunk)))
            if not under_way:
                return
            chunk, future = under_way.popleft()
            try:
                found = self._result(future)
            except self._broken:
                lost = [chunk, *(under_way.popleft()[0] for _ in range(self._lost_with(under_way)))]
                for one in self._again(job, lost):
                    yield from one
            else:
                yield from found

    def __exit__(self, *problem: object) -> None:
        """The executor belongs to the caller."""

    def _submit(self, job: Job, chunk: tuple[Case, ...]) -> Future[list[Record]]:
        try:
            return self._executor.submit(live_in_process, job, chunk)
        except BrokenExecutor as problem:
            broken: Future[list[Record]] = Future()
            broken.set_exception(problem)
            return broken

    def _result(self, future: Future[list[Record]]) -> list[Record]:
        return future.result()

    def _lost_with(self, later: Sequence[tuple[tuple[Case, ...], Future[list[Record]]]]) -> int:
        """How many of *later*, from the first on, are lost where a worker died: an executor that breaks loses all."""
        return len(later)

    def _again(self, job: Job, lost: Sequence[tuple[Case, ...]]) -> Iterator[list[Record]]:
        """Live once more what a dead worker had, chunk by chunk."""
        raise BedError("the executor broke: one of its workers died", "use --workers, which finds the world that kills it")


class Processes(Spread):
    """Lives worlds in *workers* processes of this machine. A process that dies loses no world: what was under way is lived
    again, and the world that kills its process is told from the others."""

    def __init__(self, workers: int) -> None:
        if not 1 <= workers <= 512:
            raise UsageError(f"{workers} workers are not offered", "give from 1 to 512")
        super().__init__(_pool(workers), workers)

    def _again(self, job: Job, lost: Sequence[tuple[Case, ...]]) -> Iterator[list[Record]]:
        for chunk in lost:
            yield self._told_apart(job, chunk)
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = _pool(self._width)

    def _told_apart(self, job: Job, chunk: tuple[Case, ...]) -> list[Record]:
        found = self._alone(job, chunk)
        if found is not None:
            return found
        if len(chunk) == 1:
            return [killer(chunk[0])]
        half = len(chunk) // 2
        return self._told_apart(job, chunk[:half]) + self._told_apart(job, chunk[half:])

    def _alone(self, job: Job, chunk: tuple[Case, ...]) -> list[Record] | None:
        """The records of *chunk* from a process of its own; None if that dies."""
        with _pool(1) as alone:
            try:
                return alone.submit(live_in_process, job, chunk).result()
            except BrokenExecutor:
                return None

    def __exit__(self, *problem: object) -> None:
        """End the processes; what is under way is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=prepare)


def killer(case: Case) -> Record:
    """The record of a world that ended its process."""
    return Record(case, "not-proven", armed=len(case.faults), detail="the process that lived this world died")


def _chunks(cases: Iterable[Case]) -> Iterator[tuple[Case, ...]]:
    left = iter(cases)
    while chunk := tuple(islice(left, CHUNK)):
        yield chunk
