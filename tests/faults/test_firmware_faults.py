# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with firmware, on the smart NIC: the miniport recovers, goes on with less, or refuses; each fault fires."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dmabed.bed import Bed
from dmabed.campaign import Campaign, Plan, Selection, run
from dmabed.fault_points import effects_of
from dmabed.spec import WorldSpec
from dmabed.world import World
from miniport.smart import SerializedSmartMiniport, SmartMiniport

Lived = Callable[..., World]
GOOD = {"recovered", "degraded", "refused"}
OWN = ("image", "boot", "firmware", "firmware-dma", "doorbell")
"""The points that this card has and the reference NIC has not."""
FILES = ("NdisOpenFile", "NdisMapFile")
SERIALIZED = f"{SerializedSmartMiniport.__module__}:{SerializedSmartMiniport.__qualname__}"
VARIANTS = pytest.mark.parametrize("name", [None, SERIALIZED], ids=["deserialized", "serialized"])
ALL = [(point, effect.name) for point in OWN for effect in effects_of(point, WorldSpec(nic="smart"))]


def campaign(name: str | None, selection: Selection, *, frames: int = 1, deepest: int = 1, shard: tuple[int, int] = (1, 1)) -> Campaign:
    """A campaign that is clean: no finding, and each fault that was armed has fired."""
    done = run(Plan(Bed(name, nic="smart", frames=frames).spec, selection, deepest=deepest, shard=shard))
    assert set(done.outcomes) <= GOOD, [(r.case.id, r.outcome, r.detail, [f["rule"] for f in r.findings]) for r in done.failing][:5]
    assert done.verdict == "clean" and done.armed == done.fired > 0
    return done


def test_every_fault_of_the_list_is_a_fault_of_the_card() -> None:
    assert {f"{point}={effect}" for point, effect in ALL} == {
        "image=corrupt-header", "image=corrupt-0", "image=corrupt-1", "image=corrupt-2", "boot=hang", "boot=assertion",
        "boot=wrong-version", "firmware=hang", "firmware=assertion", "firmware-dma=wrong-address", "doorbell=lost"}


@pytest.mark.parametrize(("point", "effect"), ALL)
@pytest.mark.parametrize("miniport", [SmartMiniport, SerializedSmartMiniport])
def test_each_happens_at_its_first_uses_and_traffic_goes_on(lived: Lived, miniport: type, point: str, effect: str) -> None:
    for count in (1, 2, 3):
        if point in ("image", "boot") and count > 1:  # a life without a fault boots once
            break
        world = lived(f"{point}#{count}={effect}", miniport=miniport, nic="smart")
        assert world.not_fired == [] and world.machine.findings.errors == [] and world.outcome == "ran"
        assert world.status == 0 and world.seats[0].probes_lost == 0


@VARIANTS
def test_firmware_faults_are_taken_one_at_a_time(name: str | None) -> None:
    done = campaign(name, Selection(only=tuple(f"{point}#*" for point in (*OWN, *FILES))))
    hit = {str(fault).partition("#")[0] for record in done.records for fault in record.case.faults}
    assert hit == {*OWN, *FILES}


@VARIANTS
def test_firmware_faults_that_stay_are_taken(name: str | None) -> None:
    done = campaign(name, Selection(only=tuple(f"{point}#*" for point in (*OWN, *FILES)), persistent=True))
    assert done.outcomes["refused"] >= 8, "a program that never boots is refused"


@VARIANTS
def test_firmware_fault_behind_a_firmware_fault_is_taken(name: str | None) -> None:
    campaign(name, Selection(only=("image#*", "boot#*", "NdisOpenFile#*")), deepest=4)


def test_pair_of_a_firmware_fault_and_a_routine_that_fails(lived: Lived) -> None:
    for first in ("image#1=corrupt-0", "boot#1=hang"):
        for second in ("NdisMRegisterInterrupt#1", "NdisMAllocateSharedMemory#4", "register-read:VERSION#1=all-ones"):
            world = lived(first, second, miniport=SmartMiniport, nic="smart")
            assert world.machine.findings.errors == [] and world.outcome == "ran", (first, second)


@pytest.mark.long
@pytest.mark.parametrize("part", range(1, 7))
def test_every_fault_is_taken(part: int) -> None:
    campaign(None, Selection(), deepest=4, shard=(part, 6))


@pytest.mark.long
@pytest.mark.parametrize("part", range(1, 5))
def test_every_firmware_fault_in_longer_traffic_is_taken(part: int) -> None:
    campaign(None, Selection(only=tuple(f"{point}#*" for point in OWN)), frames=8, deepest=4, shard=(part, 4))


@pytest.mark.long
@pytest.mark.parametrize("part", range(1, 5))
def test_broken_hardware_is_taken(part: int) -> None:
    campaign(None, Selection(chaos=True), deepest=4, shard=(part, 4))


@pytest.mark.long
def test_every_fault_of_the_serialized_variant_is_taken() -> None:
    campaign(SERIALIZED, Selection())
