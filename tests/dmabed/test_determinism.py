# SPDX-License-Identifier: Apache-2.0
"""Same arguments, same output to the byte: twice in a row, after any history of other worlds in the process, in a fresh
interpreter with another hash seed, from another folder, and on another version of Python where there is one."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmabed.load import find_miniport
from dmabed.report.html import render
from dmabed.result import as_json, sources
from dmabed.spec import WorldSpec
from dmabed.world import run_world
from miniport.miniport import Miniport
from miniport.reference import ReferenceMiniport
from verifier.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
REFERENCE, BASE = find_miniport(None, "reference")
MIB, GIB = 1 << 20, 1 << 30
TRACE = sys.gettrace() is None
"""Lines are traced unless a tracer is there already; the subprocesses are told to do the same."""

WORLDS: dict[str, dict[str, Any]] = {
    "default": {},
    "many frames": {"frames": 60, "seed": 9, "placement": "random"},
    "another machine": {"ram": GIB, "limits": "tg3-40", "bus_offset": 0x4000_0000, "windows": "xp", "processors": 4},
    "power-off": {"life": "power-off", "windows": "2000"},
    "surprise": {"life": "surprise", "frames": 3},
    "refused": {"faults": ("NdisMAllocateSharedMemory#2",)},
    "refused by the machine": {"ram_ranges": ((4 * GIB, 16 * MIB),)},
    "device fault": {"faults": ("register-write:CTRL#3=lost",)},
    "silicon": {"silicon": True, "address_bits": 24},
}


def outputs(options: dict[str, Any]) -> tuple[str, str, bytes]:
    """JSON, HTML and capture of one world, as `dmabed run` writes them."""
    world = run_world(WorldSpec(**options), REFERENCE, BASE, capture=True, trace_lines=TRACE)
    result = as_json(world)
    assert world.capture is not None
    return json.dumps(result), render(result, sources(world)), world.capture.to_bytes()


@functools.cache
def first(name: str) -> tuple[str, str, bytes]:
    return outputs(WORLDS[name])


class Crashing(ReferenceMiniport):
    def handle_interrupt(self, adapter: Any) -> None:
        raise RuntimeError("by hand")


class Hanging(ReferenceMiniport):
    def initialize(self, adapter: Any) -> int:
        while True:
            adapter.stall_execution(1000)


class Leaking(ReferenceMiniport):
    def halt(self, adapter: Any) -> None:
        pass


class Locking(ReferenceMiniport):
    def send(self, adapter: Any, packet: Any, flags: int) -> int:
        adapter.acquire_spin_lock(adapter.context.lock)
        return super().send(adapter, packet, flags)


class Scribbling(ReferenceMiniport):
    def halt(self, adapter: Any) -> None:
        for block in adapter._ndis.machine.book.made:
            adapter._ndis.ram.write_tagged(block.physical, b"left behind", 7)
        super().halt(adapter)


MINIPORTS: tuple[type[Miniport], ...] = (REFERENCE, Crashing, Hanging, Leaking, Locking, Scribbling)
others = st.fixed_dictionaries({
    "miniport": st.sampled_from(MINIPORTS), "life": st.sampled_from(["halt", "power-off", "bug-check", "surprise"]),
    "ram": st.sampled_from([2 * MIB, 16 * MIB, 256 * MIB, 5 * GIB]), "placement": st.sampled_from(["low", "high", "random", "hostile"]),
    "seed": st.integers(0, 5), "frames": st.integers(0, 12), "silicon": st.booleans(), "stop": st.booleans(),
    "faults": st.sampled_from([(), ("NdisMAllocateSharedMemory#1",), ("dma-read#4",), ("register-read:CAUSE#3=remove",),
                               ("NdisAllocateBuffer#3",)]),
    "address_bits": st.sampled_from([None, 20, 24, 32]), "windows": st.sampled_from(["2000", "xp", "2003", "7"]),
    "broken_off": st.booleans(),
})


def live_another(other: dict[str, Any]) -> None:
    """Run a world of any kind; what becomes of it does not matter."""
    options = dict(other)
    miniport, broken_off = options.pop("miniport"), options.pop("broken_off")
    spec = WorldSpec(**options)
    try:
        if broken_off:
            run_world(spec, type("BreakingOff", (miniport,), {"query_information": _usage_error}), BASE)
        else:
            run_world(spec, miniport, BASE)
    except UsageError as error:
        assert broken_off or "no memory left" in error.message


def _usage_error(*arguments: Any) -> None:
    raise UsageError("the world ends in the middle", "nothing")


@pytest.mark.parametrize("name", WORLDS)
def test_the_same_arguments_give_the_same_bytes_twice_in_a_row(name: str) -> None:
    assert outputs(WORLDS[name]) == outputs(WORLDS[name])


@pytest.mark.parametrize("name", list(WORLDS)[1:])
def test_other_arguments_give_other_bytes(name: str) -> None:
    assert first(name)[0] != first("default")[0] and first(name)[1] != first("default")[1]


@settings(max_examples=15)
@given(st.lists(others, max_size=5), st.sampled_from(sorted(WORLDS)))
def test_no_history_of_other_worlds_changes_a_byte(history: list[dict[str, Any]], name: str) -> None:
    expected = first(name)
    for other in history:
        live_another(other)
    assert outputs(WORLDS[name]) == expected


def test_a_finding_is_the_same_after_other_findings() -> None:
    def text() -> str:
        return json.dumps(as_json(run_world(WorldSpec(), Leaking, BASE)))

    before = text()
    for miniport in MINIPORTS:
        run_world(WorldSpec(frames=2), miniport, BASE)
    assert text() == before and '"verdict": "findings"' in before


# Other interpreters


SCRIPT = """
import hashlib, json, sys
from dmabed.load import find_miniport
from dmabed.result import as_json, sources
from dmabed.spec import WorldSpec
from dmabed.world import run_world
options = json.loads(sys.argv[1])
for key in ("faults", "ram_ranges"):
    if key in options:
        options[key] = tuple(tuple(v) if isinstance(v, list) else v for v in options[key])
miniport, base = find_miniport(None, "reference")
world = run_world(WorldSpec(**options), miniport, base, capture=True, trace_lines=sys.argv[2] == "True")
result = as_json(world)
try:
    from dmabed.report.html import render
    page = render(result, sources(world))
except ModuleNotFoundError:
    page = None
print(json.dumps([json.dumps(result), page, hashlib.sha256(world.capture.to_bytes()).hexdigest()]))
"""


def elsewhere(options: dict[str, Any], *, python: str = sys.executable, hash_seed: str = "0", folder: Path = ROOT,
              trace: bool = TRACE) -> list[str | None]:
    """JSON, HTML (None where jinja2 is missing) and the digest of the capture, from another process."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([python, "-P", "-c", SCRIPT, json.dumps(options), str(trace)], cwd=folder, env=environment, check=False,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answer: list[str | None] = json.loads(done.stdout)
    return answer


def digests_of(got: tuple[str, str, bytes]) -> list[str]:
    return [got[0], got[1], hashlib.sha256(got[2]).hexdigest()]


@pytest.mark.parametrize("name", ["another machine", "refused", "device fault"])
def test_a_fresh_interpreter_with_another_hash_seed_gives_the_same_bytes(name: str) -> None:
    assert elsewhere(WORLDS[name], hash_seed="12345") == digests_of(first(name))


@pytest.mark.parametrize("where", [lambda tmp: Path(tmp.anchor), lambda tmp: ROOT / "miniport", lambda tmp: ROOT.parent],
                         ids=["root", "inside", "above"])
def test_the_working_directory_does_not_show(where: Callable[[Path], Path], tmp_path: Path) -> None:
    got = elsewhere(WORLDS["device fault"], folder=where(tmp_path))
    assert got == digests_of(first("device fault"))
    assert str(ROOT) not in str(got) and str(ROOT)[1:] not in str(got)


def other_pythons() -> list[str]:
    """Python 3.12 and 3.13 where they are installed and start: a name on the path may be a stub."""
    found = []
    for version in ("3.12", "3.13"):
        path = shutil.which(f"python{version}")
        if path is not None and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            found.append(path)
    return found


def test_another_version_of_python_gives_the_same_bytes() -> None:
    pythons = [sys.executable, *other_pythons()]
    for name in ("device fault", "refused"):
        answers = [elsewhere(WORLDS[name], python=python, trace=False) for python in pythons]
        for answer in answers[1:]:
            assert (answer[0], answer[2]) == (answers[0][0], answers[0][2])
            assert answer[1] in (None, answers[0][1])


# Nothing of the host


def test_no_output_names_a_folder_or_a_time_of_the_host() -> None:
    for name in WORLDS:
        text, page, capture = first(name)
        for content in (text, page, capture.decode("latin-1")):
            assert str(ROOT) not in content and os.uname().nodename not in content
