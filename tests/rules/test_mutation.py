# SPDX-License-Identifier: Apache-2.0
"""The mutation check finds a test that does not see its rule, and one that sees another; the tests of the bed pass it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = '''
import pytest
from dmabed.spec import WorldSpec
from dmabed.world import run_world
from miniport.reference import ReferenceMiniport
from pathlib import Path


class Slow(ReferenceMiniport):
    def send(self, adapter, packet, flags):
        adapter.stall_execution(51)
        return super().send(adapter, packet, flags)


def rules():
    world = run_world(WorldSpec(frames=1), Slow, Path(__file__).parent)
    return [finding.rule.id for finding in world.machine.findings.errors]


@pytest.mark.breaks("{mark}")
def test_it():
    assert {claim}
'''


def mutate(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.mutate_rules", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), *words, str(path)],
        cwd=ROOT, env={**os.environ, "PYTEST_ADDOPTS": ""}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("mark, claim, says", [
    ("stall-50us", "rules() == ['stall-50us']", ""),
    ("stall-50us", "len(rules()) < 2", "is marked with stall-50us and stays green without its check"),
    ("dma-width", "rules() == ['stall-50us']", "turns red without stall-50us, with which it is not marked"),
])
def test_a_mark_is_held_against_what_the_test_sees(tmp_path: Path, mark: str, claim: str, says: str) -> None:
    (tmp_path / "test_it.py").write_text(TESTS.format(mark=mark, claim=claim), encoding="utf-8")
    done = mutate(tmp_path / "test_it.py")
    assert done.returncode == (1 if says else 0), done.stdout
    assert says in done.stdout and ("no problems" in done.stdout) == (not says)


@pytest.mark.long
def test_every_check_turns_its_own_tests_red_and_no_others() -> None:
    done = mutate(ROOT / "tests", "-n", "2")
    assert done.returncode == 0, done.stdout[-8000:]
