# SPDX-License-Identifier: Apache-2.0
"""A failing world of a campaign is replayed: its trace byte for byte, and the debugger at the miniport's line."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dmabed.cli import main

from .conftest import Write, campaign
from .test_campaign import LEAKS_ON_THE_SECOND

FREES_TWICE = """def initialize(self, adapter):
    secret = 4711
    memory = adapter.allocate_memory_with_tag(64, "one")[1]
    if memory is None:
        return s.NDIS_STATUS_RESOURCES
    status = super().initialize(adapter)
    if status != s.NDIS_STATUS_SUCCESS:
        adapter.free_memory(memory, 64)
    adapter.free_memory(memory, 64)
    return status"""
RAISES = """def initialize(self, adapter):
    status = super().initialize(adapter)
    secret = 4711
    if status != s.NDIS_STATUS_SUCCESS:
        raise ValueError("unexpected")
    return status"""


def words_of(miniport: str, only: str) -> list[str]:
    """The replay line of the first failing world, as words behind ``dmabed``."""
    record = campaign(miniport, only).failing[0]
    return record.replay.replace("'", "").split()[1:]


def test_the_trace_of_a_failing_world_is_the_same_bytes_each_time(write: Write) -> None:
    words = words_of(write(LEAKS_ON_THE_SECOND), "NdisAllocateMemory*")
    for name in ("one.json", "two.json"):
        result = CliRunner().invoke(main, [*words, "--trace", name])
        assert result.exit_code == 1 and f"trace    {name}" in result.stdout
    one = Path("one.json").read_bytes()
    assert one == Path("two.json").read_bytes()
    assert b"NdisAllocateMemoryWithTag#2" in one and b"init-fail-release-all" in one


def typed(words: list[str], keys: str) -> str:
    """What a terminal shows while *keys* are typed into ``dmabed replay --pdb``."""
    mine, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "dmabed", *words, "--pdb"], stdin=theirs, stdout=theirs, stderr=theirs,
                          env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "TERM": "dumb"}) as process:
        os.close(theirs)
        os.write(mine, keys.encode())
        shown = b""
        while True:
            try:
                piece = os.read(mine, 4096)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            shown += piece
        os.close(mine)
    assert process.returncode == 1
    return shown.decode()


@pytest.mark.parametrize(("body", "line"), [(FREES_TWICE, 16), (RAISES, 12)])
def test_pdb_stops_at_the_line_of_the_first_finding(write: Write, body: str, line: int) -> None:
    words = words_of(write(body), "NdisMMapIoSpace#1")
    for end in ("q", "c"):
        shown = typed(words, f"p secret\n{end}\n")
        assert f"mine.py({line})initialize()" in shown
        assert "4711" in shown and "verdict" in shown


def test_pdb_steps_on_in_the_miniport(write: Write) -> None:
    shown = typed(words_of(write(FREES_TWICE), "NdisMMapIoSpace#1"), "n\nc\n")
    assert "mine.py(17)initialize()" in shown


def test_pdb_off_a_terminal_is_refused(write: Write) -> None:
    result = CliRunner().invoke(main, ["replay", write("pass"), "--pdb"])
    assert result.exit_code == 2 and "needs a terminal" in result.stderr
    result = CliRunner().invoke(main, ["replay", write("pass"), "--pdb", "--json"])
    assert result.exit_code == 2 and "exclude each other" in result.stdout + result.stderr
