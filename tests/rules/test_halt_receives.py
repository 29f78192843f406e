# SPDX-License-Identifier: Apache-2.0
"""Halt of an NDIS 5.1 miniport waits until every packet that it indicated is back."""

from __future__ import annotations

from typing import Any

import pytest

from dmabed.result import verdict_of
from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from miniport.reference import ReferenceMiniport, SerializedReferenceMiniport
from tests.miniport.conftest import HERE

FAULT = "indicate#{}=through-halt"


class Hasty(ReferenceMiniport):
    """Halts at once."""

    def _await_receives(self, adapter: Any, context: Any) -> None:
        pass


def life(miniport: type[ReferenceMiniport] | type[SerializedReferenceMiniport], count: int = 1, **options: Any) -> World:
    return run_world(WorldSpec(faults=(FAULT.format(count),), **options), miniport, HERE)


@pytest.mark.breaks("halt-wait-receives")
@pytest.mark.parametrize("count", [1, 4, 8])
def test_a_halt_that_does_not_wait_leaves_packets_with_the_protocol(count: int) -> None:
    world = life(Hasty, count)
    found = [finding.rule.id for first in world.machine.findings.errors for finding in (first, *first.consequences)]
    assert "halt-wait-receives" in found and verdict_of(world) == "findings"


@pytest.mark.keeps("halt-wait-receives")
@pytest.mark.parametrize("count", [1, 4, 8])
@pytest.mark.parametrize("miniport", [ReferenceMiniport, SerializedReferenceMiniport])
@pytest.mark.parametrize("ending", ["halt", "surprise", "suspend"])
def test_the_reference_miniport_waits(miniport: type[ReferenceMiniport], ending: str, count: int) -> None:
    world = life(miniport, count, life=ending)
    assert verdict_of(world) == "clean" and world.ndis.calls["return_packet"] >= 7
    assert not world.ndis.adapter.outstanding_receives


@pytest.mark.parametrize("ending", ["power-off", "bug-check"])
def test_shutdown_waits_for_nothing(ending: str) -> None:
    assert verdict_of(life(Hasty, life=ending)) == "clean"


def test_before_ndis_5_1_nobody_keeps_a_packet() -> None:
    world = life(Hasty, windows="2000")
    assert verdict_of(world) == "not-proven" and world.machine.findings.errors == []
    assert "5.1" in next(iter(world.machine.injector.idle.values()))  # type: ignore[union-attr]
