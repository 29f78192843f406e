# SPDX-License-Identifier: Apache-2.0
"""Lives worlds on the workers of a Dask cluster (https://distributed.dask.org), which need the bed but not the miniport.

The source beside the miniport travels with each piece of work, and is laid in a folder of its own on the worker. A worker has
one thread that lives worlds, whatever its number of threads: an endless loop is ended by the process.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from threading import Lock
from typing import Any

from dmabed import __version__
from dmabed.campaign.dispatch import Spread, killer
from dmabed.campaign.model import Case, Record
from dmabed.campaign.worker import Job, end_process, folder_of, live
from dmabed.load import find_miniport, find_nic, is_file, lies_at
from miniport.miniport import Miniport
from verifier.errors import BedError, UsageError

CONNECT_SECONDS = 10
"""How long a scheduler may take to answer."""
_LOOK_SECONDS = 15.0
"""How often it is looked whether a worker is left while a result is waited for."""
_alone = Lock()
"""Held while a world lives: stdout and the watchdog belong to the whole process."""


@dataclass(frozen=True, slots=True)
class Source:
    """A miniport as it travels: the name it was asked for by, and the Python files beside it where it is a file."""

    name: str | None
    files: tuple[tuple[str, bytes], ...] = ()
    folder: str = "."
    """Where they lie, seen from the working directory: as results name them."""
    nic_files: tuple[tuple[str, bytes], ...] = ()
    """The Python files beside the model of the card, where that is a file."""

    @classmethod
    def of(cls, job: Job, miniport: type[Miniport]) -> Source:
        """What a worker needs to find *miniport*. A module is looked for on the worker's own path."""
        name = job.spec.miniport
        nic_files = _beside(folder_of(find_nic(job.spec.nic))) if is_file(job.spec.nic) else ()
        file, colon, class_name = (name or "").rpartition(":") if name and not name.endswith(".py") else (name or "", "", "")
        if not file.endswith(".py"):
            return cls(name, nic_files=nic_files)
        folder = folder_of(miniport)
        here = Path.cwd().resolve()
        below = folder.relative_to(here).as_posix() if folder.is_relative_to(here) else "../elsewhere"
        return cls(Path(file).name + colon + class_name, _beside(folder), below, nic_files)


def _beside(folder: Path) -> tuple[tuple[str, bytes], ...]:
    """The Python files in *folder*, by name."""
    return tuple((path.name, path.read_bytes()) for path in sorted(folder.glob("*.py")))


@cache
def _laid_out(source: Source) -> Path:
    """A working directory from which the files of *source* lie as they do at home; it goes with the process."""
    root = tempfile.TemporaryDirectory(prefix="dmabed-")
    _kept.append(root)
    here = Path(root.name).resolve() / "here"
    folder = here / source.folder
    here.mkdir()
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in source.files:
        (folder / name).write_bytes(data)
    nics = here.parent / "nic"
    nics.mkdir()
    for name, data in source.nic_files:
        (nics / name).write_bytes(data)
    return here


_kept: list[tempfile.TemporaryDirectory[str]] = []


def live_remotely(job: Job, source: Source, cases: Sequence[Case]) -> list[Record]:
    """Live *cases* on a worker."""
    with _alone, chdir(_laid_out(source)):
        with redirect_stdout(sys.stderr):  # what it prints while it is imported belongs to no world
            if source.nic_files:
                lies_at(job.spec.nic, f"../nic/{PurePath(job.spec.nic).name}")
            miniport, _ = find_miniport(f"{source.folder}/{source.name}" if source.files else source.name, job.spec.nic)
        return live(job, miniport, cases, end_process)


def bed_digest() -> str:
    """What the bed of this process is: its version and the Python source of all its packages."""
    state = hashlib.sha256(__version__.encode())
    house = Path(__file__).resolve().parents[2]
    for floor in ("dmabed", "miniport", "allocator", "hw", "firmware", "verifier"):
        for path in sorted((house / floor).rglob("*.py")):
            state.update(path.relative_to(house).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()


class Dask(Spread):
    """Lives worlds on the workers of the scheduler at *address*, such as ``tcp://127.0.0.1:8786``. `UsageError` where there is none,
    where it has no worker, or where a worker has another bed than this process."""

    def __init__(self, address: str, miniport: type[Miniport]) -> None:
        try:
            import distributed
        except ImportError:
            raise UsageError("--dask needs Dask, which is not installed", "install the extra: pip install 'dmabed[dask]'") from None
        from distributed.comm import addressing
        client: Any = distributed.Client
        try:
            scheme, place = addressing.parse_address(address)
            if scheme in ("tcp", "tls"):
                addressing.parse_host_port(place)
        except ValueError:
            raise UsageError(f"--dask: {address!r} is no address of a scheduler",
                             "start one with dask scheduler, and give the address it prints, as tcp://127.0.0.1:8786") from None
        try:
            self._client = client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as problem:
            raise UsageError(f"--dask: no scheduler answers at {address!r} ({type(problem).__name__})",
                             "start one with dask scheduler, and give the address it prints, as tcp://127.0.0.1:8786") from None
        try:
            width = sum(self._client.nthreads().values())
            if not width:
                raise UsageError(f"--dask: the scheduler at {address} has no worker", f"start some: dask worker {address}")
            self._same_bed()
        except BaseException:
            self._client.close()
            raise
        super().__init__(self._client.get_executor(pure=False), width, distributed.KilledWorker)
        self._miniport = miniport
        self._source: Source | None = None

    def _same_bed(self) -> None:
        try:
            found = self._client.run(bed_digest)
        except Exception as problem:
            raise UsageError(f"--dask: a worker cannot import the bed ({type(problem).__name__}: {problem})",
                             f"install dmabed {__version__} where the workers run") from None
        mine = bed_digest()
        other = sorted(worker for worker, digest in found.items() if digest != mine)
        if other:
            raise UsageError(f"--dask: the worker {other[0]} has another bed than this program",
                             f"install the same dmabed {__version__} where the workers run, and start them again")

    def _submit(self, job: Job, chunk: tuple[Case, ...]) -> Future[list[Record]]:
        if self._source is None:
            self._source = Source.of(job, self._miniport)
        return self._executor.submit(live_remotely, job, self._source, chunk)

    def _result(self, future: Future[list[Record]]) -> list[Record]:
        while True:
            try:
                return future.result(_LOOK_SECONDS)
            except TimeoutError:
                if not future.done() and not self._client.nthreads():
                    raise BedError("the scheduler has no worker left", "start workers with a nanny, which starts those anew that die"
                                   ) from None

    def _again(self, job: Job, lost: Sequence[tuple[Case, ...]]) -> Iterator[list[Record]]:
        for chunk in lost:
            for case in chunk:
                try:
                    yield self._result(self._submit(job, (case,)))
                except self._broken:
                    yield [killer(case)]

    def _lost_with(self, later: Sequence[tuple[tuple[Case, ...], Future[list[Record]]]]) -> int:
        return 0

    def __exit__(self, *problem: object) -> None:
        """Leave the cluster as it was; what is under way is dropped."""
        self._client.close()
