# SPDX-License-Identifier: Apache-2.0
"""The reference miniport in both variants: clean wherever it lives, and each full ring dealt with as its variant has to."""

from __future__ import annotations

from pathlib import Path

import pytest

from allocator.frames import Placement
from dmabed.result import timeline, verdict_of
from dmabed.spec import LIVES, WorldSpec
from dmabed.world import World, run_world
from hw.inject import Fault
from hw.limits import PRESETS, DmaKind
from miniport.packet import Packet
from miniport.reference import ReferenceMiniport, SerializedReferenceMiniport, core
from miniport.reference.core import TX_SLOTS, Context, ReferenceCore
from miniport.routine import TABLE
from miniport.status import NDIS_STATUS_RESOURCES

VARIANTS = (ReferenceMiniport, SerializedReferenceMiniport)
MASTERS = [None, *(name for name, limits in PRESETS.items() if limits.kind is DmaKind.MASTER)]
BASE = Path(core.__file__).resolve().parent


def life(miniport: type[ReferenceCore], **options: object) -> World:
    return run_world(WorldSpec(**options), miniport, BASE)  # type: ignore[arg-type]


def calls(world: World, routine: str) -> int:
    return sum(row["text"].startswith(f"{routine} ->") for row in timeline(world))


@pytest.mark.parametrize("preset", MASTERS)
@pytest.mark.parametrize("end", LIVES)
@pytest.mark.parametrize("miniport", VARIANTS)
def test_every_life_is_clean_at_every_place(miniport: type[ReferenceCore], end: str, preset: str | None) -> None:
    for number, placement in enumerate(Placement):
        spec = {"life": end, "limits": preset, "placement": placement.value, "seed": 7 * number + 1, "adapters": number + 1,
                "frames": 3 + 20 * (number % 2), "processors": 1 + number % 3}
        world = life(miniport, **spec)
        assert [finding.message for finding in world.machine.findings.errors] == [], spec
        assert (verdict_of(world), world.lost) == ("clean", 0), spec


@pytest.mark.parametrize("windows", ["2000", "xp", "2003", "vista", "7"])
@pytest.mark.parametrize("miniport", VARIANTS)
def test_every_windows_is_clean(miniport: type[ReferenceCore], windows: str) -> None:
    assert verdict_of(life(miniport, windows=windows)) == "clean"


@pytest.mark.parametrize("seed", range(1, 21))
def test_serialized_variant_is_clean_in_every_order(seed: int) -> None:
    world = life(SerializedReferenceMiniport, seed=seed, frames=40, adapters=seed % 4 + 1)
    assert (verdict_of(world), world.lost) == ("clean", 0)


@pytest.mark.keeps("init-fail-release-all", "init-status-set")
@pytest.mark.parametrize("miniport", VARIANTS)
def test_nothing_is_left_whichever_routine_fails(miniport: type[ReferenceCore]) -> None:
    fired = 0
    for fault in (str(Fault(row.name, 1, effect)) for row in TABLE.values() for effect in row.fails):
        world = life(miniport, frames=0, faults=(fault,))
        assert [finding.message for finding in world.machine.findings.errors] == [], fault
        fired += not world.not_fired
    assert fired >= 8


def test_only_the_deserialized_variant_serializes_itself() -> None:
    own, ndis = life(ReferenceMiniport), life(SerializedReferenceMiniport)
    assert (own.ndis.adapter.serialized, ndis.ndis.adapter.serialized) == (False, True)
    assert (calls(own, "NdisAllocateSpinLock"), calls(ndis, "NdisAllocateSpinLock")) == (1, 0)


class Counting(SerializedReferenceMiniport):
    """Counts the packets that it refuses, in the log."""

    def send(self, adapter: object, packet: Packet, flags: int) -> int:
        status = super().send(adapter, packet, flags)  # type: ignore[arg-type]
        if status == NDIS_STATUS_RESOURCES:
            adapter.dbg_print("refused")  # type: ignore[attr-defined]
        return status


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_packet_that_finds_the_ring_full_is_refused_and_asked_for_again(seed: int) -> None:
    world = life(Counting, frames=4 * TX_SLOTS, seed=seed)
    refused, announced = world.ndis.log.count("refused"), calls(world, "NdisMSendResourcesAvailable")
    assert refused > 0
    assert 0 < announced <= refused
    assert (verdict_of(world), world.sent, world.lost) == ("clean", 4 * TX_SLOTS, 0)


@pytest.mark.parametrize("frames", [TX_SLOTS - 2, TX_SLOTS - 1])
def test_nothing_is_announced_where_nothing_was_refused(frames: int) -> None:
    world = life(Counting, frames=frames)
    assert (world.ndis.log, calls(world, "NdisMSendResourcesAvailable")) == ([], 0)


def test_deserialized_variant_queues_and_announces_nothing() -> None:
    world = life(ReferenceMiniport, frames=4 * TX_SLOTS)
    assert (verdict_of(world), world.sent, calls(world, "NdisMSendResourcesAvailable")) == ("clean", 4 * TX_SLOTS, 0)


class Overrun(SerializedReferenceMiniport):
    """Takes the last free slot, too."""

    def _full(self, context: Context) -> bool:
        return False


class Deserialized(SerializedReferenceMiniport):
    """Refuses packets and is not serialized."""

    attributes = ReferenceMiniport.attributes


@pytest.mark.breaks("desc-owner", "send-status")
@pytest.mark.keeps("desc-owner", "send-status")
@pytest.mark.parametrize("broken, rule", [(Overrun, "desc-owner"), (Deserialized, "send-status")])
def test_variant_that_does_it_wrong_is_found(broken: type[ReferenceCore], rule: str) -> None:
    world = life(broken, frames=4 * TX_SLOTS)
    assert verdict_of(world) == "findings"
    rules = {finding.rule.id for finding in world.machine.findings.errors}
    assert rules & {rule, *(also for finding in world.machine.findings.errors for also in finding.also)}, rules
