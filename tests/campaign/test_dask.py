# SPDX-License-Identifier: Apache-2.0
"""A campaign over the workers of a Dask scheduler on loopback: the same table, and no world lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from dmabed import campaign as package
from dmabed.bed import Bed
from dmabed.campaign import Plan, Selection
from dmabed.campaign.remote import Source
from dmabed.campaign.worker import Job
from dmabed.cli import main
from dmabed.load import find_miniport
from verifier.errors import UsageError

from .conftest import Write
from .test_campaign import LEAKS_ON_THE_SECOND, same

HOUSE = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HOUSE), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
               "DASK_DISTRIBUTED__WORKER__USE_FILE_LOCKING": "False"}


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "distributed.cli." + words[0], *words[1:]], cwd=folder, env=ENVIRONMENT, text=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def line_with(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if text in line:
            return line
    raise AssertionError(said)


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """A scheduler and its workers, each a process of its own, in a folder that holds no miniport. Gives the address."""
    folder.mkdir()
    with started(folder, "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard") as scheduler:
        processes = [scheduler]
        try:
            address = line_with(scheduler, "Scheduler at:").split()[-1]
            if workers:
                processes.append(started(folder, "dask_worker", address, "--host", "127.0.0.1", "--nworkers", str(workers), "--nthreads",
                                         "2", "--no-dashboard", "--local-directory", str(folder)))
                for _ in range(workers):
                    line_with(processes[-1], "Registered to:")
            yield address
        finally:
            for process in reversed(processes):
                process.terminate()
                process.communicate()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cluster(tmp_path_factory.mktemp("dask") / "elsewhere", 2) as found:
        yield found


@pytest.mark.long
def test_the_campaign_is_the_same_over_dask(write: Write, address: str) -> None:
    Path("helper.py").write_text("SIZE = 64\n", encoding="utf-8")
    name = write(LEAKS_ON_THE_SECOND.replace('64, "two"', 'helper.SIZE, "two"'), above="import helper\n")
    for miniport in (name, None, "miniport.reference:SerializedReferenceMiniport"):
        plan = Plan(Bed(miniport, frames=1).spec, Selection(("routine",)))
        assert same(package.run(plan), package.run(plan, dask=address))


@pytest.mark.long
def test_results_name_files_as_they_lie_at_home(write: Write, address: str) -> None:
    Path("drivers").mkdir()
    write(LEAKS_ON_THE_SECOND, "drivers/mine.py")
    words = ["faults", "drivers/mine.py", "--frames", "1", "--only", "NdisAllocateMemory*"]
    over = CliRunner().invoke(main, [*words, "--dask", address])
    assert over.exit_code == 1 and "drivers/mine.py:" in over.stdout
    assert over.stdout == CliRunner().invoke(main, [*words, "--workers", "1"]).stdout


@pytest.mark.long
def test_a_world_that_kills_dask_workers_is_told_from_the_others(write: Write, tmp_path: Path) -> None:
    name = write("""def initialize(self, adapter):
    status = super().initialize(adapter)
    if status == s.NDIS_STATUS_RESOURCE_CONFLICT:
        os._exit(3)
    return status""")
    plan = Plan(Bed(name, frames=1).spec, Selection(("routine",), only=("NdisMRegisterInterrupt*",)))
    with cluster(tmp_path / "elsewhere", 2) as own:
        done = package.run(plan, dask=own)
    assert same(done, package.run(plan, workers=2))
    assert done.outcomes["not-proven"] == 1 and done.outcomes["refused"] == 2


@pytest.mark.long
def test_a_scheduler_without_workers_is_refused(tmp_path: Path) -> None:
    with cluster(tmp_path / "elsewhere", 0) as own, pytest.raises(UsageError, match="has no worker"):
        package.run(Plan(Bed(frames=1).spec), dask=own)


def test_a_scheduler_that_does_not_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dmabed.campaign.remote.CONNECT_SECONDS", 0.2)
    result = CliRunner().invoke(main, ["faults", "--dask", "tcp://127.0.0.1:9"])
    assert result.exit_code == 2 and "no scheduler answers" in result.stderr


@pytest.mark.parametrize("address", ["foo", "tcp://", "127.0.0.1:x"])
def test_what_is_no_address_is_refused_before_anybody_connects(address: str) -> None:
    result = CliRunner().invoke(main, ["faults", "--dask", address])
    assert result.exit_code == 2 and f"{address!r} is no address of a scheduler" in result.stderr


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = CliRunner().invoke(main, ["faults", "--dask", "tcp://127.0.0.1:9"])
    assert result.exit_code == 2 and "pip install 'dmabed[dask]'" in result.stderr


def test_workers_and_dask_exclude_each_other() -> None:
    result = CliRunner().invoke(main, ["faults", "--dask", "tcp://127.0.0.1:9", "--workers", "2"])
    assert result.exit_code == 2 and "exclude each other" in result.stderr


def test_the_source_beside_a_miniport_travels_and_a_module_does_not(write: Write) -> None:
    name = write("pass")
    for asked, files, called in ((name, ["mine.py"], "mine.py"), (f"./{name}:Mine", ["mine.py"], "mine.py:Mine"), (None, [], None),
                                 ("miniport.reference:ReferenceMiniport", [], "miniport.reference:ReferenceMiniport")):
        job = Job(Bed(asked).spec, Selection())
        source = Source.of(job, find_miniport(asked, "reference")[0])
        assert ([file for file, _ in source.files], source.name) == (files, called)
