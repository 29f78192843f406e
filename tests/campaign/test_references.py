# SPDX-License-Identifier: Apache-2.0
"""The miniports that the bed ships take every fault: each recovers, goes on with less, or refuses; nothing is left unproven."""

from __future__ import annotations

import pytest

from dmabed.bed import Bed
from dmabed.campaign import Campaign, Plan, Selection, run
from dmabed.campaign.conditions import AXES, pairwise_conditions, possible_for, single_conditions
from dmabed.load import find_miniport

GOOD = {"recovered", "degraded", "refused"}
SERIALIZED = "miniport.reference:SerializedReferenceMiniport"
MINIPORTS = [("reference", None), ("reference", SERIALIZED), ("isa-slave", None)]
CARDS = ("smart", "e1000", "rtl8139", "pcnet", "pcnet-isa")
SINGLE = ("routine", "device", "upper-edge", "async", "race")


def lived(nic: str, name: str | None, selection: Selection, *, conditions: tuple[str, ...] = (), shard: tuple[int, int] = (1, 1),
          pairs: bool = False, deepest: int = 4) -> Campaign:
    """A campaign on a life of one frame; it is whole, and its faults fire."""
    done = run(Plan(Bed(name, nic=nic, frames=1).spec, selection, conditions, pairs, shard=shard, deepest=deepest))
    assert set(done.outcomes) <= GOOD, [(r.case.id, r.outcome, r.detail, [f["rule"] for f in r.findings]) for r in done.failing][:5]
    assert done.verdict == "clean" and done.armed == done.fired > 0
    return done


def conditions_of(nic: str, name: str | None) -> tuple[str, ...]:
    return tuple(single_conditions("all", Bed(name, nic=nic).spec, possible_for(find_miniport(name, nic)[0])))


@pytest.mark.parametrize(("nic", "name"), MINIPORTS)
@pytest.mark.parametrize("selection", [Selection(), Selection(chaos=True), Selection(("routine", "device", "async"), persistent=True)],
                         ids=["contract", "chaos", "persistent"])
def test_a_sample_of_the_faults_is_taken(nic: str, name: str | None, selection: Selection) -> None:
    shards = 61 if selection.chaos else 31
    parts = [run(Plan(Bed(name, nic=nic, frames=1).spec, selection, shard=(number, shards))) for number in (1, 2)]
    assert {outcome for part in parts for outcome in part.outcomes} <= GOOD
    assert sum(part.fired for part in parts) > 0


@pytest.mark.parametrize("nic", CARDS)
@pytest.mark.parametrize("selection", [Selection(), Selection(chaos=True)], ids=["contract", "chaos"])
def test_a_sample_of_the_faults_is_taken_on_each_card(nic: str, selection: Selection) -> None:
    parts = [run(Plan(Bed(nic=nic, frames=1).spec, selection, shard=(number, 97), deepest=1)) for number in (1, 2, 3)]
    assert {outcome for part in parts for outcome in part.outcomes} <= GOOD
    assert sum(part.fired for part in parts) > 0


@pytest.mark.long
@pytest.mark.parametrize("nic", CARDS)
def test_every_fault_is_taken_on_each_card(nic: str) -> None:
    for shard in range(1, 8, 7 if nic == "smart" else 2):
        lived(nic, None, Selection(), shard=(shard, 8))


@pytest.mark.long
@pytest.mark.parametrize("nic", CARDS)
def test_registers_that_lose_what_is_written_for_good_are_survived_on_each_card(nic: str) -> None:
    lived(nic, None, Selection(chaos=True, persistent=True, only=("register-write:*",)), shard=(1, 3), deepest=2)


@pytest.mark.parametrize("condition", ["iommu=yes", "incoherent=yes", "msi=yes", "bus-offset=8M"])
def test_memory_that_cannot_be_had_is_refused_under_a_condition(condition: str) -> None:
    done = run(Plan(Bed(frames=1).spec, Selection(("routine",), only=("NdisMAllocate*",)), (condition,)))
    assert done.verdict == "clean" and {r.outcome for r in done.records if r.case.faults} == {"refused"}


@pytest.mark.long
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize(("nic", "name"), MINIPORTS)
def test_every_fault_is_taken_under_each_condition(nic: str, name: str | None, axis: str) -> None:
    own = tuple(one for one in conditions_of(nic, name) if one.startswith(axis.replace("_", "-") + "="))
    if own:
        lived(nic, name, Selection(SINGLE), conditions=own, deepest=1)
        lived(nic, name, Selection(SINGLE), conditions=own, shard=(1 + list(AXES).index(axis) % 4, 4))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["interrupt", "life"])
@pytest.mark.parametrize(("nic", "name"), MINIPORTS)
def test_every_sweep_is_taken_under_each_condition(nic: str, name: str | None, kind: str) -> None:
    conditions = conditions_of(nic, name)
    done = lived(nic, name, Selection((kind,)), conditions=conditions)
    lived_under = {record.case.condition for record in done.records if record.case.faults}
    assert lived_under >= {"", *conditions}
    assert len(done.records) > 50 * len(conditions)


@pytest.mark.long
@pytest.mark.parametrize(("nic", "name"), MINIPORTS)
def test_pairs_of_routine_and_device_faults_are_taken(nic: str, name: str | None) -> None:
    lived(nic, name, Selection(("routine", "device")), pairs=True)


@pytest.mark.long
@pytest.mark.parametrize(("nic", "name"), MINIPORTS)
def test_faults_are_taken_under_conditions_together(nic: str, name: str | None) -> None:
    together = tuple(pairwise_conditions(Bed(name, nic=nic, frames=1).spec, possible_for(find_miniport(name, nic)[0])))
    lived(nic, name, Selection(("routine", "device", "async")), conditions=together, shard=(1, 5))


@pytest.mark.long
@pytest.mark.parametrize(("nic", "name"), MINIPORTS)
def test_chaos_is_clean_by_its_oracle(nic: str, name: str | None) -> None:
    lived(nic, name, Selection(chaos=True))
