# SPDX-License-Identifier: Apache-2.0
"""Every effect at every point of a life of the reference miniports: no finding, no hang, and what has not fired says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dmabed.fault_points import effects_of
from dmabed.spec import WorldSpec
from dmabed.world import World
from miniport.reference import ReferenceMiniport
from miniport.reference.serialized import SerializedReferenceMiniport
from miniport.slave import SlaveMiniport

Lived = Callable[..., World]
OFTEN = ("preempt", "register-access")
"""Points with hundreds of counts."""
MINIPORTS = {"deserialized": (ReferenceMiniport, "reference"), "serialized": (SerializedReferenceMiniport, "reference"),
             "slave": (SlaveMiniport, "isa-slave")}
EVERYWHERE = pytest.mark.parametrize("which", MINIPORTS)


def wrong(lived: Lived, which: str, chaos: bool, step: int, **options: Any) -> dict[str, Any]:
    miniport, nic = MINIPORTS[which]
    recording = lived(record=True, miniport=miniport, nic=nic, **options)
    assert recording.machine.injector is not None
    found: dict[str, Any] = {}
    for point, uses in recording.machine.injector.counts.items():
        for effect in effects_of(point, WorldSpec(nic=nic)):
            for count in range(1, uses + 1, step if point in OFTEN else 1) if effect.chaos is chaos else ():
                fault = f"{point}#{count}={effect.name}"
                world = lived(fault, miniport=miniport, nic=nic, **options)
                assert world.machine.injector is not None
                told = world.not_fired == [] or fault in world.machine.injector.idle
                if world.outcome != "ran" or world.machine.findings.errors or not told:
                    found[fault] = (world.outcome, [f.rule.id for f in world.machine.findings.errors], world.not_fired)
    return found


@EVERYWHERE
def test_every_contract_fault_is_survived(lived: Lived, which: str) -> None:
    assert wrong(lived, which, False, 29, frames=3) == {}


@EVERYWHERE
def test_broken_hardware_is_survived(lived: Lived, which: str) -> None:
    assert wrong(lived, which, True, 29, frames=3) == {}


@pytest.mark.long
@EVERYWHERE
@pytest.mark.parametrize("options", [
    {}, {"windows": "2000"}, {"windows": "7"}, {"processors": 1}, {"seed": 5, "frames": 9},
    {"placement": "low", "bus_offset": 0x4000_0000}], ids=str)
def test_every_contract_fault_at_every_point_of_other_worlds_too(lived: Lived, which: str, options: dict[str, Any]) -> None:
    assert wrong(lived, which, False, 1, **{"frames": 4, **options}) == {}
