# SPDX-License-Identifier: Apache-2.0
"""Lives driven step by step, and the state machine of lives: clean for the reference miniports, red for planted bugs."""

from __future__ import annotations

import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from dmabed.lives_machine import miniport_machine
from dmabed.stepper import ENDS, StepFailedError, Stepper
from miniport import status as s
from miniport.reference import ReferenceMiniport, SerializedReferenceMiniport
from miniport.reference import hardware as hw
from miniport.slave import SlaveMiniport
from verifier.errors import UsageError

HOUSE = Path(__file__).resolve().parents[2]
FEW = 4
"""Lives of the clean miniports: each has up to 20 steps."""


class LosesFilterInReset(ReferenceMiniport):
    """Says after a reset that nothing is lost, and closes the filter."""

    def reset(self, adapter: Any) -> Any:
        result = super().reset(adapter)
        adapter.write_register_ulong(adapter.context.registers, hw.FILTER, 0)
        return result[0], False


class LeaksWithSevenGroups(ReferenceMiniport):
    """Keeps memory for a multicast list of two groups or more."""

    def set_information(self, adapter: Any, oid: int, data: bytes) -> Any:
        if oid == s.OID_802_3_MULTICAST_LIST and len(data) >= 12:
            adapter.allocate_memory_with_tag(64, "Leak")
        return super().set_information(adapter, oid, data)


def outcome(case: type[unittest.TestCase]) -> str:
    """The text of the failure of *case*; empty if it passes."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun == 1
    return "".join(text for _, text in (*result.errors, *result.failures))


# Step by step


@pytest.mark.parametrize("nic", ["reference", "isa-slave", "isa-slave-16"])
@pytest.mark.parametrize("end", ENDS)
def test_every_step_is_clean_for_the_reference_miniports(nic: str, end: str) -> None:
    with Stepper(nic=nic) as life:
        life.initialize()
        life.send([14, 60, 61, 1513, 1514])
        life.receive([60, 1514])
        life.query("OID_GEN_LINK_SPEED", 4)
        life.query(s.OID_GEN_LINK_SPEED, 3)
        life.set("OID_802_3_MULTICAST_LIST", b"\x01\x00\x5e\x00\x00\x01")
        life.interrupt()
        life.reset()
        life.hand_down([60] * 5)
        life.reset()
        life.quiet()
        life.hand_down([200] * 40)
        life.wait(20)
        life.unplug()
        life.suspend()
        life.send([60])
        life.restart()
        if "rebalance" in life.possible:
            life.rebalance()
        life.send([60, 61])
        life.receive([60])
        assert (life.sent, life.received) == (53, 53 + 3)
        life.hand_down([60, 60])
        life.end(end)
        assert life.state == "over"


def test_program_of_a_failing_life_takes_the_same_steps_again(tmp_path: Path) -> None:
    with pytest.raises(StepFailedError) as failed, Stepper(LosesFilterInReset, seed=3) as life:
        life.initialize()
        life.send([60])
        life.reset()
        life.receive([64])
    text = str(failed.value)
    assert "life.receive([64])" in text and "frames arrived and" in text
    program = life.program.replace(repr(life.world.spec.miniport), "LosesFilterInReset")
    assert program.endswith("seed=3) as life:\n    life.initialize()\n    life.send([60])\n    life.reset()\n    life.receive([64])\n")
    with pytest.raises(StepFailedError) as again:
        exec(program, {"LosesFilterInReset": LosesFilterInReset})
    assert str(again.value) == text


def test_life_that_still_runs_is_halted_and_judged_at_the_end() -> None:
    with pytest.raises(StepFailedError, match="halt-undo-all"), Stepper(LeaksWithSevenGroups) as life:
        life.initialize()
        life.set("OID_802_3_MULTICAST_LIST", bytes.fromhex("01005e00000101005e000002"))


def test_two_lives_at_once_do_not_meet() -> None:
    with Stepper() as one, Stepper(seed=2) as other:
        for life in (one, other):
            life.initialize()
        for life in (one, other, one):
            life.send([60, 1514])
    assert (one.received, other.received) == (4, 2)


def test_fault_in_a_life_fires_or_is_not_proven() -> None:
    with Stepper(faults=["frame-in#2=lost"]) as life:
        life.initialize()
        life.send([60, 61, 62])
    with pytest.raises(StepFailedError, match="not-proven: frame-in#9=lost did not fire"), Stepper(faults=["frame-in#9=lost"]) as life:
        life.initialize()
        life.send([60, 61, 62])


def test_refused_initialize_leaves_no_life() -> None:
    with Stepper(faults=["NdisMMapIoSpace#1"]) as life:
        life.initialize()
        assert life.state == "refused"
        with pytest.raises(UsageError, match="the life is refused"):
            life.send([60])


def test_steps_out_of_order_and_wrong_arguments_are_told() -> None:
    with Stepper() as life:
        with pytest.raises(UsageError, match="the life is new"):
            life.send([60])
        life.initialize()
        with pytest.raises(UsageError, match="the life is up"):
            life.initialize()
        for length in (13, 1515):
            with pytest.raises(UsageError, match="is not modelled"):
                life.send([length])
        with pytest.raises(UsageError, match="OID_GEN_BOGUS"):
            life.query("OID_GEN_BOGUS", 4)
        with pytest.raises(UsageError, match="no life ends"):
            life.end("suspend")
    with pytest.raises(UsageError, match="adapters"):
        Stepper(adapters=2)
    with Stepper("examples/clean/serialized.py", windows="nt4", ndis="4.0") as life:
        life.initialize()
        with pytest.raises(UsageError, match="suspend cannot be"):
            life.suspend()


# The machine

TestReference = miniport_machine(ReferenceMiniport, examples=FEW)
TestSerialized = miniport_machine(SerializedReferenceMiniport, examples=FEW)
TestSlave = miniport_machine(SlaveMiniport, nic="isa-slave", examples=FEW)


@pytest.mark.parametrize(("miniport", "steps"), [
    (LosesFilterInReset, {"initialize", "reset"}), (LeaksWithSevenGroups, {"initialize", "set"}),
])
def test_planted_bug_is_found_and_shrunk_to_a_program(miniport: type[ReferenceMiniport], steps: set[str]) -> None:
    text = outcome(miniport_machine(miniport))
    program = text.rpartition("The steps:")[2].partition("Failing test case")[0]
    taken = [line.strip().removeprefix("life.").partition("(")[0] for line in program.splitlines() if line.strip().startswith("life.")]
    assert steps <= set(taken) and len(taken) <= 4, program


@pytest.mark.parametrize(("example", "rule"), [
    ("freed_in_shutdown", "free nothing"), ("reset_with_dma_on", ""), ("completed_twice", "send"), ("async_left_behind", "shared-async"),
])
def test_flawed_example_is_caught_and_its_clean_twin_is_not(example: str, rule: str) -> None:
    case = miniport_machine(str(HOUSE / "examples/flawed" / f"{example}.py"))
    case.settings = hypothesis.settings(case.settings, phases=[hypothesis.Phase.generate], max_examples=4 * case.settings.max_examples)
    text = outcome(case)
    assert "StepFailedError" in text and rule in text
    assert not outcome(miniport_machine(str(HOUSE / "examples/clean" / f"{example}.py"), examples=FEW))


def test_wrong_option_is_told_when_the_machine_is_made() -> None:
    with pytest.raises(UsageError, match="referense"):
        miniport_machine(nic="referense")


def test_without_hypothesis_the_remedy_is_told() -> None:
    code = ("import sys; sys.modules['hypothesis'] = None\n"
            "from dmabed.lives_machine import miniport_machine\n"
            "try:\n    miniport_machine()\n"
            "except Exception as problem:\n    print(type(problem).__name__, problem.message, problem.remedy)")
    told = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True).stdout
    assert told == "UsageError miniport_machine needs hypothesis, which is not installed pip install dmabed[hypothesis]\n"


class LosesOne(ReferenceMiniport):
    """Says of one frame that it is sent."""

    def send(self, adapter: Any, packet: Any, flags: int) -> int:
        return 0 if packet.length == 99 else super().send(adapter, packet, flags)


def test_a_fault_excuses_its_own_frame_and_not_another() -> None:
    with Stepper(faults=["frame-in#2=bad-crc"]) as life:
        life.initialize()
        life.send([60, 61, 62])
        life.send([60, 61, 62])
    with Stepper(LosesOne, faults=["frame-in#1=bad-crc"]) as life:
        life.initialize()
        with pytest.raises(StepFailedError, match=r"2 of 3 frames got lost.*more than frame-in#1=bad-crc explains"):
            life.send([60, 99, 62])


def test_a_fault_that_is_over_excuses_nothing_in_a_later_step() -> None:
    for fault in ("frame-in#1=lost", "frame-out#1=underrun", "frame-in#1=link-flap"):
        with Stepper(LosesOne, faults=[fault]) as life:
            life.initialize()
            life.send([60])
            with pytest.raises(StepFailedError, match="frame-lost-without-fault"):
                life.send([99])


@pytest.mark.parametrize("fault", [
    "interrupt#1=delayed", "preempt#150=interrupt", "indicate#1=late", "dma-write#1=late", "request#1=storm"])
def test_what_only_comes_late_or_often_explains_no_loss(fault: str) -> None:
    with Stepper(faults=[fault]) as life:
        life.initialize()
        life.send([60, 61, 62])
    with Stepper(LosesOne, faults=[fault]) as life:
        life.initialize()
        with pytest.raises(StepFailedError, match=r"got lost|frame-lost"):
            life.send([60, 99, 62])


@pytest.mark.parametrize("fault", [
    "frame-in#1=burst", "frame-in#2=link-down", "frame-out#1=never", "frame-out#2=underrun", "send#1=burst", "request#11=filter-0",
    "NdisMMapIoSpace#1", "frame-in#1+=lost", "frame-in#2=bit-flip", "interrupt#1=lost", "indicate#1=hold", "link#1=down"])
def test_the_reference_miniport_takes_each_of_them(fault: str) -> None:
    with Stepper(faults=[fault], seed=3) as life:
        life.initialize()
        for _ in range(3):
            if life.state == "up":
                life.send([60, 61, 1514])
                life.receive([64, 65])
                life.query("OID_GEN_XMIT_OK", 4)
