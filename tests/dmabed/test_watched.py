# SPDX-License-Identifier: Apache-2.0
"""A bed in a program of the user's: a handler that never returns is ended by the host's clock and reported, and no byte says when."""

from __future__ import annotations

import bdb
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dmabed.watchdog
from dmabed.bed import Bed
from dmabed.plugin import PytestBed
from dmabed.stepper import StepFailedError, Stepper
from dmabed.watchdog import CANNOT_BE_ENDED, _entries
from miniport.reference import ReferenceMiniport

ROOT = Path(__file__).resolve().parents[2]


class WaitsForAField(ReferenceMiniport):
    """Waits for a field of its context that nobody changes. No virtual time passes."""

    def query_information(self, adapter: Any, oid: int, length: int) -> Any:
        while adapter.context.interrupt is not None:
            pass
        return super().query_information(adapter, oid, length)


class WaitsInSend(ReferenceMiniport):
    """The same in send."""

    def send(self, adapter: Any, packet: Any, flags: Any) -> Any:
        while adapter.context.lock is not None:
            pass
        return super().send(adapter, packet, flags)


class PlainLoop(ReferenceMiniport):
    """Touches nothing of the bed at all."""

    def halt(self, adapter: Any) -> None:
        while True:
            pass


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler may run for a fifth of a second."""
    monkeypatch.delenv("DMABED_DEBUG", raising=False)
    monkeypatch.setattr(dmabed.watchdog, "SECONDS", 0.2)


@pytest.mark.parametrize(("miniport", "handler"), [(WaitsForAField, "query_information"), (PlainLoop, "halt")])
def test_a_loop_in_which_no_virtual_time_passes_is_a_hang_of_bed_run(miniport: Any, handler: str,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    result = Bed(miniport, frames=1).run()
    finding = next(f for f in result["findings"] if f["rule"] == "time-limit")
    assert result["outcome"] == "hang" and f"{handler} never returned" in finding["message"]
    assert finding["where"].startswith("tests/dmabed/test_watched.py:")
    monkeypatch.setattr(dmabed.watchdog, "SECONDS", 0.4)
    assert Bed(miniport, frames=1).run() == result


def test_the_fixture_bed_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match="query_information never returned"):
        PytestBed(WaitsForAField, {}).run(frames=1)


def test_a_life_that_is_driven_by_hand_fails_in_the_step() -> None:
    with Stepper(WaitsInSend) as life:
        life.initialize()
        with pytest.raises(StepFailedError, match=r"time-limit[\s\S]*life.send\(\[60\]\)") as told:
            life.send([60])
        assert "send never returned" in str(told.value) and life.state == "over"


def test_what_catches_everything_ends_the_process_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text('''
from miniport.reference import ReferenceMiniport

class Mine(ReferenceMiniport):
    def initialize(self, adapter):
        while True:
            try:
                while True:
                    self.overrides("halt")
            except BaseException:
                pass
''')
    code = "import dmabed.watchdog as w\nfrom dmabed.bed import Bed\nw.SECONDS = 0.2\nBed('mine.py').run()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stdout) == (CANNOT_BE_ENDED, "")
    assert done.stderr == "dmabed: initialize (mine.py:5) never returns and catches every exception: the process ends\n"


def test_a_handler_in_which_a_debugger_waits_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[Any]] = {}

    class Debugger(bdb.Bdb):
        def user_line(self, frame: Any) -> None:
            seen["at the prompt"] = _entries(sys._getframe())

    def stops(self: Any) -> int:
        return 1

    def halt(self: Any, adapter: Any) -> None:
        seen["running"] = _entries(sys._getframe())
        Debugger().runcall(stops, self)
        ReferenceMiniport.halt(self, adapter)

    miniport = type("Debugged", (ReferenceMiniport,), {"halt": halt})
    assert Bed(miniport, frames=0).run()["verdict"] == "clean"
    assert [frame.f_code for frame in seen["running"]] == [halt.__code__] and seen["at the prompt"] == []


def test_with_the_environment_set_for_debugging_nothing_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMABED_DEBUG", "1")
    monkeypatch.setattr(dmabed.watchdog.Watchdog, "run", None)
    assert Bed(frames=0).run()["verdict"] == "clean"
