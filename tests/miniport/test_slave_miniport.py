# SPDX-License-Identifier: Apache-2.0
"""The miniport of the slave-DMA card is clean in every life, at every place, on every Windows, whatever fails."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from allocator.frames import Placement
from dmabed.bed import Bed
from dmabed.result import verdict_of
from dmabed.spec import LIVES, WorldSpec, lives_of
from hw.nic import MODELS
from miniport.routine import TABLE
from miniport.versions import WINDOWS
from verifier.errors import UsageError

CARDS = ("isa-slave", "isa-slave-16")
USED = ("NdisAllocateMemoryWithTag", "NdisMQueryAdapterResources", "NdisMRegisterIoPortRange", "NdisMRegisterDmaChannel",
        "NdisAllocateBuffer", "NdisAllocatePacketPool", "NdisAllocatePacket", "NdisMRegisterInterrupt", "NdisMSetupDmaTransfer")


def world(nic: str, **options: Any) -> Any:
    return Bed(nic=nic, **{"frames": 12, **options}).world()


@pytest.mark.parametrize("nic", CARDS)
@pytest.mark.parametrize("life", [life for life in LIVES if life != "rebalance"])
def test_every_life_is_clean_at_every_place_on_every_windows(nic: str, life: str) -> None:
    for placement, windows in product(Placement, (w for w in WINDOWS if life in lives_of(MODELS[nic], w))):
        lived = world(nic, life=life, placement=placement.value, windows=windows)
        assert (verdict_of(lived), lived.lost, lived.received) == ("clean", 0, 12), (placement, windows)
        assert lived.machine.findings.notices == []


@pytest.mark.parametrize("nic", CARDS)
def test_every_order_is_clean(nic: str) -> None:
    for seed, processors in product(range(8), (1, 2, 4)):
        lived = world(nic, seed=seed, processors=processors)
        assert (verdict_of(lived), lived.lost) == ("clean", 0), (seed, processors)


@pytest.mark.parametrize("nic, adapters", [("isa-slave", 4), ("isa-slave-16", 3)])
def test_cards_side_by_side_are_clean(nic: str, adapters: int) -> None:
    lived = world(nic, adapters=adapters)
    assert (verdict_of(lived), lived.received) == ("clean", 12 * adapters)


@pytest.mark.parametrize("ram", ["2M", "16M", "4G"])
@pytest.mark.parametrize("offset", ["0", "1M", "-1M"])
def test_memory_of_any_size_and_a_bus_that_adds_are_clean(ram: str, offset: str) -> None:
    assert verdict_of(world("isa-slave", ram=ram, bus_offset=offset)) == "clean"


def test_a_machine_without_memory_in_reach_is_refused() -> None:
    assert verdict_of(world("isa-slave", bus_offset="64M")) == "refused"


@pytest.mark.parametrize("nic", CARDS)
@pytest.mark.parametrize("name", USED)
def test_whatever_fails_nothing_is_left_and_nothing_else_breaks(nic: str, name: str) -> None:
    for effect, count in product(TABLE[name].fails, (1, 2, 3)):
        lived = world(nic, frames=6, faults=(f"{name}#{count}={effect}",))
        assert verdict_of(lived) in ("clean", "refused", "not-proven"), (effect, count)
    assert lived.outcome == "ran"


@pytest.mark.parametrize("nic", CARDS)
@pytest.mark.parametrize("point", ["register-read:CAUSE", "register-read:MASK", "register-read:RX_LENGTH", "register-write:COMMAND",
                                   "register-write:MASK", "register-write:CAUSE"])
def test_a_card_that_is_pulled_out_in_the_middle_is_survived(nic: str, point: str) -> None:
    for count in (1, 2, 5):
        lived = world(nic, frames=6, faults=(f"{point}#{count}=remove",))
        assert (verdict_of(lived), lived.outcome) in (("clean", "ran"), ("refused", "ran")), count


def test_the_limits_are_not_settable() -> None:
    for option in ({"limits": "lance-isa"}, {"address_bits": 26}, {"boundary": 0}):
        with pytest.raises(UsageError, match="the limits of isa-slave are those of its silicon"):
            WorldSpec(nic="isa-slave", **option).dma_limits()


def test_the_timeline_is_the_same_again() -> None:
    first, second = (Bed(nic="isa-slave", frames=4).run() for _ in range(2))
    assert first == second
