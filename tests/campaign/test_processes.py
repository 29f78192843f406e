# SPDX-License-Identifier: Apache-2.0
"""Processes that die: no world is lost with a worker, and nothing stays behind a campaign that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Write, campaign, outcomes

HOUSE = Path(__file__).resolve().parents[2]
KILLS = """def initialize(self, adapter):
    status = super().initialize(adapter)
    if status == s.NDIS_STATUS_RESOURCE_CONFLICT:
        os._exit(3)
    return status"""


def test_one_killer_among_many_worlds_is_named_and_no_other_is_lost(write: Write) -> None:
    only = ("NdisMAllocate*", "NdisMRegisterInterrupt*")
    clean = outcomes(campaign(write("pass", "clean.py"), *only, workers=2))
    done = campaign(write(KILLS), *only, workers=2)
    found = outcomes(done)
    killer, = [id for id, outcome in found.items() if outcome == "not-proven"]
    assert done.failing[0].detail == "the process that lived this world died"
    assert list(found) == list(clean)
    assert {id for id in found if found[id] != clean[id]} == {killer}


def memory_files(session: int) -> Iterator[str]:
    """Memory files that some process of *session* holds open, by inode, and what lies in /dev/shm under the bed's name."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.getsid(int(link.parts[2])) == session and str(link.readlink()).startswith("/memfd:dmabed"):
                yield f"memfd {link.stat().st_ino}"
        except OSError:  # it went while we looked
            continue
    yield from (str(path) for path in Path("/dev/shm").glob("*dmabed*"))


WAITS = """def initialize(self, adapter):
    status = super().initialize(adapter)
    if status != s.NDIS_STATUS_SUCCESS:
        print("here", flush=True, file=open(f"worker-{os.getpid()}", "w"))
        while True:
            __import__("time").sleep(0.05)
    return status"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory files are Linux's")
def test_nothing_is_left_of_a_campaign_that_is_killed(write: Write) -> None:
    name = write(WAITS)
    line = [sys.executable, "-m", "dmabed", "faults", name, "--kinds", "routine", "--frames", "1", "--workers", "2", "--no-coverage"]
    with subprocess.Popen(line, env={**os.environ, "PYTHONPATH": str(HOUSE)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as process:
        while process.poll() is None and not list(Path.cwd().glob("worker-*")):
            pass
        held = list(memory_files(process.pid))
        process.send_signal(signal.SIGKILL)
        assert process.stdout is not None
        process.stdout.read()  # the end comes when the last process that writes to it is gone
    assert len(held) >= 2
    assert not list(memory_files(process.pid))
