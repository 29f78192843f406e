# SPDX-License-Identifier: Apache-2.0
"""The table of fault points: complete, exact, counted in every world with an injector, and the page made from it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dmabed.bed import Bed
from dmabed.fault_points import COMMON, KINDS, checked_fault, effects_of
from dmabed.spec import WorldSpec
from dmabed.world import World
from hw.inject import FAIL, parse_fault
from hw.nic import MODELS
from miniport.effects import EFFECTS
from miniport.routine import TABLE
from verifier.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
SPEC = WorldSpec()
Lived = Callable[..., World]


def every_point() -> list[tuple[str, str]]:
    """(NIC, point) for each point that a world can have."""
    return [(name, point) for name, model in MODELS.items() for point in (
        *TABLE, *COMMON, *model.faults, *(f"{access}:{slot.name}" for access in ("register-read", "register-write")
                                          for slot in model.registers.slots))]


def test_every_effect_of_every_point_is_taken_and_is_of_a_known_kind() -> None:
    for nic, point in every_point():
        effects = effects_of(point, WorldSpec(nic=nic))
        assert len({effect.name for effect in effects}) == len(effects), point
        for effect in effects:
            fault = checked_fault(parse_fault(f"{point}#1={effect.name}"))
            assert (fault.does, effect.kind in KINDS, bool(effect.text)) == (effect.name, True, True)


def test_the_first_effect_is_the_default() -> None:
    for nic, point in every_point():
        effects = effects_of(point, WorldSpec(nic=nic))
        if effects and (point not in TABLE or TABLE[point].fails):
            model_wide = point in TABLE or point in COMMON or nic == "reference"
            assert not model_wide or checked_fault(parse_fault(f"{point}#1")).does == effects[0].name


def test_effects_stand_with_routines_that_exist() -> None:
    assert set(EFFECTS) <= set(TABLE)


@pytest.mark.parametrize("point", ["dma-reed", "register-read", "register-read:NOTHING", "frame-up", "preempted", "NdisMAllocate", ""])
def test_an_unknown_name_has_no_effects(point: str) -> None:
    assert effects_of(point, SPEC) == ()


@pytest.mark.parametrize("fault, words", [
    ("dma-reed#1", "did you mean dma-read"), ("register-read:NOTHING#1", "no NIC has a register 'NOTHING'"),
    ("preempt#1=sleep", "known: interrupt, power-off, bug-check"), ("mac#1=good", "known: multicast"),
    ("NdisMCancelTimer#1", "name an effect: fired"), ("register-write:CTRL#1=all-ones", "known: lost"),
    ("register-read:ID#1=0x123456789", "has no effect")])
def test_what_does_not_exist_is_refused_with_what_does(fault: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked_fault(parse_fault(fault))
    assert words in f"{caught.value.message} {caught.value.remedy}"


@pytest.mark.parametrize("fault", ["register-read:STATUS#1=0x10", "register-read:STATUS#1=slow-17", "register-write:CTRL#1=remove",
                                   "NdisMAllocateMapRegisters#1=grant-12", "NdisMMapIoSpace#1=NDIS_STATUS_RESOURCES"])
def test_values_families_and_full_names_of_statuses_are_taken(fault: str) -> None:
    assert checked_fault(parse_fault(fault)).effect != FAIL


def test_a_bed_takes_every_point_by_its_name() -> None:
    bed = Bed()
    for point in ("preempt#3=interrupt", "indicate#1+=hold", "register-access#5", "frame-out#1=never", "halt#1=send"):
        bed.inject(point)
    assert bed.spec.faults == ("preempt#3=interrupt", "indicate#1+=hold", "register-access#5", "frame-out#1=never", "halt#1=send")


def plain(world: World) -> list[tuple[Any, ...]]:
    """The record, objects of this process by their type."""
    def of(thing: Any) -> Any:
        if isinstance(thing, tuple):
            return tuple(map(of, thing))
        return thing if isinstance(thing, int | str | bytes | None) else type(thing).__name__
    return [tuple(map(of, event)) for event in world.machine.events.events]


@pytest.mark.parametrize("options", [{}, {"processors": 1}, {"seed": 7, "frames": 9}, {"windows": "2000"}, {"life": "surprise"}], ids=str)
def test_a_recording_is_the_same_world(lived: Lived, options: dict[str, Any]) -> None:
    assert plain(lived(record=True, **options)) == plain(lived(**options))


def test_a_recording_counts_what_there_is(lived: Lived) -> None:
    injector = lived(record=True).machine.injector
    assert injector is not None
    counts = injector.counts
    assert {"mac": 1, "link": 1, "frame-in": 4, "frame-out": 4, "indicate": 4, "send": 4, "halt": 1}.items() <= counts.items()
    reads = sum(n for name, n in counts.items() if name.startswith(("register-read:", "register-write:")))
    assert counts["register-access"] == reads > 50
    assert counts["preempt"] > counts["register-access"]


def test_the_fault_world_counts_as_the_recording_up_to_the_fault(lived: Lived) -> None:
    first, second = lived(record=True), lived("NdisMRegisterInterrupt#1")
    assert first.machine.injector is not None and second.machine.injector is not None
    counts = second.machine.injector.counts
    assert counts["mac"] == 1 and counts["NdisMAllocateSharedMemory"] == 3 and "preempt" not in counts
    assert all(counts[name] <= first.machine.injector.counts.get(name, counts[name]) for name in counts if name.startswith("Ndis")
               and "Free" not in name and "Deregister" not in name and "Unmap" not in name)


@pytest.mark.parametrize("point, effect", [
    ("register-access", ""), ("register-read:STATUS", "=all-ones"), ("register-write:MASK", "=lost"), ("dma-read", ""),
    ("dma-write", "=late"),
    ("frame-in", "=bad-crc"), ("frame-out", "=underrun"), ("interrupt", "=delayed"), ("indicate", ""), ("send", "=burst"), ("request", ""),
    ("halt", ""), ("mac", ""), ("link", ""), ("NdisMAllocateSharedMemory", ""),
    ("NdisMAllocateSharedMemory", "=null")])
def test_the_first_and_the_last_use_fire_and_the_one_behind_does_not(lived: Lived, point: str, effect: str) -> None:
    recording = lived(record=True).machine.injector
    assert recording is not None
    last = recording.counts[point]
    for count in {1, last}:
        assert lived(f"{point}#{count}{effect}").not_fired == []
    beyond = f"{point}#{last + 1000}{effect}"
    assert lived(beyond).not_fired == [beyond]


def test_the_page_is_the_generated_one() -> None:
    spec = importlib.util.spec_from_file_location("make_fault_points", ROOT / "docs" / "make_fault_points.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text("utf-8") == module.page()
