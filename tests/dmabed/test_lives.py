# SPDX-License-Identifier: Apache-2.0
"""The lives in which something comes in the middle of the traffic, and the stress of interrupts that come as messages."""

from __future__ import annotations

from typing import Any

import pytest

from dmabed.bed import Bed
from dmabed.result import as_json, timeline, verdict_of
from dmabed.spec import LIVES, WorldSpec, lives_of
from dmabed.trace import trace_json
from dmabed.world import World
from hw.nic import MODELS
from miniport.reference import ReferenceMiniport, SerializedReferenceMiniport
from miniport.reference import hardware as hw
from miniport.versions import WINDOWS
from verifier.errors import UsageError
from verifier.events import Kind

VARIANTS = (ReferenceMiniport, SerializedReferenceMiniport)
MIDDLES = ("suspend", "rebalance")


def run(miniport: Any = ReferenceMiniport, **options: Any) -> World:
    return Bed(miniport, **options).world()


def said(world: World, device: str) -> list[str]:
    return [event[4] for event in world.machine.events.events if event[1] == Kind.POWER and event[3] == device]


def judged(world: World) -> tuple[str, int, list[str], list[str]]:
    findings = world.machine.findings
    return verdict_of(world), world.lost, [f.message for f in findings.errors], [f.message for f in findings.notices]


# Lives


@pytest.mark.parametrize("life", MIDDLES)
@pytest.mark.parametrize("miniport", VARIANTS)
@pytest.mark.parametrize("msi", [False, True])
def test_every_order_is_clean(miniport: Any, life: str, msi: bool) -> None:
    for seed in range(1, 13):
        options = {"seed": seed, "adapters": 1 + seed % 4, "frames": (0, 1, 2, 9, 40)[seed % 5], "processors": 1 + seed % 3}
        world = run(miniport, life=life, msi=msi, **options)
        assert judged(world) == ("clean", 0, [], []), options
        assert world.received == options["frames"] * options["adapters"]


@pytest.mark.parametrize("life", MIDDLES)
def test_half_of_the_frames_go_out_before_and_half_after(life: str) -> None:
    events = run(life=life, frames=10).machine.events.events
    marks = [n for n, event in enumerate(events) if event[1] == Kind.POWER]
    out = [n for n, event in enumerate(events) if event[1] == Kind.FRAME_OUT]
    assert (sum(n < marks[-1] for n in out), len(out)) == (5, 10)


def test_the_seed_says_whether_the_cards_keep_a_trickle_of_power() -> None:
    seen = {tuple(said(run(life="suspend", frames=0, seed=seed), "nic0")) for seed in range(1, 9)}
    assert seen == {("D3hot", "D0"), ("D3hot", "D3cold", "D0 after power-up")}
    assert said(run(life="suspend"), "system") == ["the system goes to sleep", "the system wakes"]


def test_a_rebalanced_card_has_another_place_and_perhaps_another_line() -> None:
    texts = {said(run(life="rebalance", frames=0, seed=seed), "nic0")[0] for seed in range(1, 13)}
    assert texts == {f"other resources: memory at 0xfd000000, interrupt {vector}" for vector in (5, 10, 11)}


def test_blocks_of_the_second_life_have_names_of_their_own() -> None:
    world = run(SerializedReferenceMiniport, life="suspend")
    names = [block.name for block in world.machine.book.made if block.name.startswith("shared memory")]
    assert len(names) == len(set(names)) == 6


def test_power_events_stand_in_timeline_and_trace() -> None:
    world = run(life="suspend")
    assert "nic0: D3hot" in [row["text"] for row in timeline(world)]
    assert '"nic0: D3hot"' in trace_json(world) and '"life: suspend"' in trace_json(world)


@pytest.mark.parametrize("life", MIDDLES)
def test_the_replay_line_gives_the_same_world(life: str) -> None:
    result = as_json(run(life=life, msi=True, seed=5))
    assert f"--life {life}" in result["replay"] and "--msi" in result["replay"]
    assert result["world"]["msi"] is True
    assert as_json(run(life=life, msi=True, seed=5)) == result


@pytest.mark.parametrize("life", MIDDLES)
def test_an_initialize_that_fails_in_mid_life_is_refused_and_leaves_nothing(life: str) -> None:
    uses = 6 // 2  # shared memory: three blocks in each initialize
    world = run(SerializedReferenceMiniport, life=life, faults=("NdisMAllocateMapRegisters#2+",))
    assert (verdict_of(world), world.not_fired, [f.message for f in world.machine.findings.errors]) == ("refused", [], [])
    assert [b.name for b in world.machine.book.made if b.live and not b.name.endswith("of the protocol")] == []
    assert sum(block.name.startswith("shared memory") for block in world.machine.book.made) == uses


@pytest.mark.parametrize("life", MIDDLES)
def test_a_card_pulled_out_before_is_no_trouble(life: str) -> None:
    for n in range(1, 40, 4):
        world = run(life=life, frames=4, faults=(f"register-access#{n}=remove",))
        assert [f.message for f in world.machine.findings.errors] == [], n


# What cannot be


def test_every_machine_says_which_lives_it_can_have() -> None:
    assert lives_of(MODELS["reference"], "2000") == LIVES
    assert set(LIVES) - set(lives_of(MODELS["isa-slave"], "xp")) == {"rebalance"}
    assert set(LIVES) - set(lives_of(MODELS["reference"], "nt4")) == {"suspend", "rebalance"}


@pytest.mark.parametrize("options, word", [
    ({"life": "suspend", "windows": "nt4"}, "older"), ({"life": "rebalance", "windows": "nt4"}, "older"),
    ({"life": "rebalance", "nic": "isa-slave"}, "jumpers"), ({"msi": True, "nic": "isa-slave"}, "PCI"),
    ({"life": "resurrect"}, "resurrect")])
def test_what_cannot_be_is_a_usage_error(options: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError) as caught:
        WorldSpec(**options).check()
    assert word in caught.value.message and caught.value.remedy


@pytest.mark.parametrize("nic", ["isa-slave", "isa-slave-16"])
def test_an_isa_card_is_halted_and_initialized_again_when_the_system_sleeps(nic: str) -> None:
    for windows in WINDOWS[1:]:
        world = Bed(nic=nic, life="suspend", windows=windows, frames=12).world()
        assert judged(world) == ("clean", 0, [], []), windows
        assert world.ndis.calls["initialize"] == 2 and said(world, "nic0") == ["D3cold", "D0 after power-up"]


# Messages


def test_the_interrupt_is_latched_and_nobodys_else() -> None:
    seen: list[Any] = []

    class Looks(ReferenceMiniport):
        def initialize(self, adapter: Any) -> int:
            seen.extend(r for r in adapter.query_adapter_resources()[1] if r.kind == "interrupt")
            return super().initialize(adapter)

    run(Looks, msi=True, adapters=2)
    assert [(r.start, r.shared, r.mode) for r in seen] == [(0x30, False, 1), (0x31, False, 1)]


@pytest.mark.breaks("lost-cause", "int-isr-quiet")
@pytest.mark.parametrize("msi, rule", [(False, "int-isr-quiet"), (True, "lost-cause")])
def test_a_cause_that_is_left_unserved_storms_on_a_line_and_silences_a_card_with_messages(msi: bool, rule: str) -> None:
    class ForgetsTheLink(ReferenceMiniport):
        """Knows of frames alone: a change of the link is never acknowledged."""

        def initialize(self, adapter: Any) -> int:
            status = super().initialize(adapter)
            adapter.nic.link_changed(True)
            return status

        def isr(self, adapter: Any) -> tuple[bool, bool]:
            registers = adapter.context.registers
            cause = adapter.read_register_ulong(registers, hw.CAUSE)
            if cause == hw.GONE or not cause:
                return False, False
            adapter.write_register_ulong(registers, hw.CAUSE, cause & ~hw.CAUSE_LINK_CHANGE)
            adapter.read_register_ulong(registers, hw.CAUSE)
            return True, True

        def handle_interrupt(self, adapter: Any) -> None:
            self._serve(adapter, adapter.context)

        def enable_interrupt(self, adapter: Any) -> None:
            pass

        def check_for_hang(self, adapter: Any) -> bool:
            return False

    assert rule in [finding.rule.id for finding in run(ForgetsTheLink, msi=msi).machine.findings.errors]


@pytest.mark.keeps("lost-cause")
@pytest.mark.parametrize("seed", range(1, 9))
def test_a_driver_that_masks_serves_and_unmasks_hears_of_every_cause(seed: int) -> None:
    assert judged(run(msi=True, seed=seed, frames=60, adapters=2)) == ("clean", 0, [], [])
