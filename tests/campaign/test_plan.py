# SPDX-License-Identifier: Apache-2.0
"""From counts to cases: selections, names, shards, what grows behind a fault, random sets, conditions."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dmabed.bed import Bed
from dmabed.campaign import Case, Plan, Record, Selection
from dmabed.campaign.conditions import AXES, changed, pairwise_conditions, single_conditions
from dmabed.campaign.plan import Tree, not_used
from dmabed.spec import WorldSpec
from verifier.address import MIB
from verifier.errors import UsageError

SPEC = WorldSpec()
MAP, SHARED, READ = "NdisMMapIoSpace", "NdisMAllocateSharedMemory", "register-read:STATUS"


def recording(counts: Mapping[str, int], condition: str = "") -> Record:
    return Record(Case((), condition), "recovered", behind={name: (0, count) for name, count in counts.items()})


def lived(case: Case, behind: Mapping[str, tuple[int, int]]) -> Record:
    return Record(case, "recovered", armed=1, fired=1, behind=dict(behind))


def ids(cases: object) -> list[str]:
    return [case.id for case in cases]  # type: ignore[attr-defined]


def test_each_use_and_each_documented_failure_makes_a_case_in_the_order_of_the_life() -> None:
    plan = Plan(SPEC, Selection(kinds=("routine",)))
    assert ids(plan.singles([recording({MAP: 1, SHARED: 2})])) == [
        f"{MAP}#1", f"{MAP}#1=RESOURCE_CONFLICT", f"{MAP}#1=FAILURE", f"{SHARED}#1", f"{SHARED}#2"]


def test_chaos_is_another_class_and_never_mixed_in() -> None:
    counts = {"dma-read": 1, READ: 1, SHARED: 1}
    plain = set(ids(Plan(SPEC, Selection()).singles([recording(counts)])))
    chaos = set(ids(Plan(SPEC, Selection(chaos=True)).singles([recording(counts)])))
    assert plain and chaos and not plain & chaos
    assert f"{SHARED}#1" in plain


@pytest.mark.parametrize(("selection", "left"), [
    (Selection(only=("NdisMAllocate*",)), [f"{SHARED}#1", f"{SHARED}#2"]),
    (Selection(only=(f"{SHARED}#2",)), [f"{SHARED}#2"]),
    (Selection(skip=("*#1*",)), [f"{SHARED}#2"]),
    (Selection(only=("*=FAILURE",)), [f"{MAP}#1=FAILURE"]),
    (Selection(kinds=("device",)), []),
    (Selection(kinds=("routine",), persistent=True, only=("*Shared*",)), [f"{SHARED}#1+", f"{SHARED}#2+"]),
])
def test_globs_and_kinds_choose(selection: Selection, left: list[str]) -> None:
    assert ids(Plan(SPEC, selection).singles([recording({MAP: 1, SHARED: 2})])) == left


def test_an_unknown_kind_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="routin") as error:
        Selection(kinds=("routin",))
    assert "did you mean routine" in error.value.remedy


def test_the_condition_stands_in_the_name_of_a_case() -> None:
    plan = Plan(SPEC, Selection(kinds=("routine",)), ("placement=low",))
    assert [case.id for case in plan.recordings()] == ["no-fault", "no-fault@placement=low"]
    assert f"{SHARED}#1@placement=low" in ids(plan.singles([recording({}), recording({SHARED: 1}, "placement=low")]))


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_shards_are_apart_and_make_the_whole(shards: int) -> None:
    whole = ids(Plan(SPEC).singles([recording({SHARED: 40, MAP: 9})]))
    parts = [ids(Plan(SPEC, shard=(i, shards)).singles([recording({SHARED: 40, MAP: 9})])) for i in range(1, shards + 1)]
    assert sorted(id for part in parts for id in part) == sorted(whole)


def test_what_grows_behind_a_fault_stays_in_its_shard() -> None:
    root = Case((f"{SHARED}#1",))
    grown = root.plus(f"{MAP}#2")
    assert [grown.in_shard(i, 5) for i in range(1, 6)] == [root.in_shard(i, 5) for i in range(1, 6)]


@pytest.mark.parametrize("shard", [(0, 2), (3, 2), (1, 0), (1, 10_001)])
def test_a_shard_that_does_not_exist_is_refused(shard: tuple[int, int]) -> None:
    with pytest.raises(UsageError):
        Plan(SPEC, shard=shard)


def test_uses_beyond_the_recording_are_tried_once_behind_the_fault_that_brought_them() -> None:
    plan = Plan(SPEC, Selection(kinds=("routine",)))
    tree = Tree(plan, [recording({SHARED: 2, MAP: 1})])
    root = Case((f"{MAP}#1",))
    second = list(tree.behind(lived(root, {SHARED: (0, 4)})))
    assert ids(second) == [f"{MAP}#1,{SHARED}#3", f"{MAP}#1,{SHARED}#4"]
    assert ids(tree.behind(lived(second[0], {SHARED: (3, 5)}))) == [f"{MAP}#1,{SHARED}#3,{SHARED}#5"]
    assert not list(tree.behind(lived(second[1], {SHARED: (4, 5)})))
    assert tree.found == 3


def test_without_pairs_uses_of_the_recording_are_not_tried_again() -> None:
    plan = Plan(SPEC, Selection(kinds=("routine",)))
    assert not list(Tree(plan, [recording({SHARED: 3})]).behind(lived(Case((f"{SHARED}#1",)), {SHARED: (1, 3)})))


def test_pairs_take_their_second_fault_behind_the_first_one() -> None:
    plan = Plan(SPEC, Selection(kinds=("routine",)), pairs=True)
    tree = Tree(plan, [recording({SHARED: 3, MAP: 1})])
    assert ids(tree.behind(lived(Case((f"{SHARED}#1",)), {SHARED: (1, 3)}))) == [f"{SHARED}#1,{SHARED}#2", f"{SHARED}#1,{SHARED}#3"]


def test_pairs_are_for_the_default_condition_and_two_faults() -> None:
    plan = Plan(SPEC, Selection(kinds=("routine",)), ("placement=low",), pairs=True)
    tree = Tree(plan, [recording({SHARED: 3}), recording({SHARED: 3}, "placement=low")])
    assert not list(tree.behind(lived(Case((f"{SHARED}#1",), "placement=low"), {SHARED: (1, 3)})))
    assert not list(tree.behind(lived(Case((f"{SHARED}#1", f"{SHARED}#2")), {SHARED: (2, 3)})))


@pytest.mark.parametrize(("uses", "tried"), [(7, 7), (8, 8), (9, 8), (500, 8)])
def test_of_a_long_series_the_ends_are_tried_and_the_rest_is_counted(uses: int, tried: int) -> None:
    tree = Tree(Plan(SPEC, Selection(kinds=("routine",))), [recording({SHARED: 1})])
    cases = list(tree.behind(lived(Case((f"{SHARED}#1",)), {SHARED: (1, 1 + uses)})))
    assert len(cases) == tried
    assert cases[0].faults[1] == f"{SHARED}#2" and cases[-1].faults[1] == f"{SHARED}#{1 + uses}"
    assert (tree.found, tree.left_out) == (uses, uses - tried)


def test_a_long_series_is_tried_whole_on_demand() -> None:
    tree = Tree(Plan(SPEC, Selection(kinds=("routine",)), series=0), [recording({SHARED: 1})])
    assert len(list(tree.behind(lived(Case((f"{SHARED}#1",)), {SHARED: (1, 501)})))) == 500


def test_no_world_has_more_faults_than_the_plan_says() -> None:
    plan = Plan(SPEC, Selection(kinds=("routine",)), deepest=2)
    tree = Tree(plan, [recording({SHARED: 1})])
    assert not list(tree.behind(lived(Case((f"{SHARED}#1", f"{SHARED}#2"), root=f"{SHARED}#1"), {SHARED: (2, 5)})))
    assert tree.left_out == 3


def test_random_sets_have_one_to_four_points_and_depend_on_the_seed_alone() -> None:
    life = recording({SHARED: 9, MAP: 3})
    sets = list(Plan(SPEC, random=200, seed=5).sets(life))
    assert {len(case.faults) for case in sets} == {1, 2, 3, 4}
    assert all(len({fault.partition("=")[0] for fault in case.faults}) == len(case.faults) for case in sets)
    assert ids(sets) == ids(Plan(SPEC, random=200, seed=5).sets(life)) != ids(Plan(SPEC, random=200, seed=6).sets(life))
    assert len(set(ids(sets))) == len(sets)


def test_points_that_a_condition_does_not_reach_are_listed_with_it() -> None:
    other = recording({SHARED: 1}, "ram=64M")
    assert list(not_used({SHARED: (0, 3), MAP: (0, 1)}, other)) == [
        (f"{SHARED}#2 to #3@ram=64M", "not used under ram=64M"), (f"{MAP}#1@ram=64M", "not used under ram=64M")]


def test_a_record_survives_its_journey_through_json() -> None:
    record = Record(Case(("a#1", "b#2"), "ram=64M", "a#1"), "hang", 2, 1, [{"fingerprint": "x"}], "polls", "line",
                    [("b#2", "why")], {"c": (1, 2)}, "a#1")
    assert Record.from_json(record.to_json()) == record


def test_conditions_change_one_axis_each_and_leave_out_what_the_spec_has() -> None:
    spec = Bed().spec
    names = single_conditions("placement,bus-offset", spec, lambda _: True)
    assert names == ["placement=low", "placement=high", "placement=random", "bus-offset=8M"]
    assert changed(spec, "bus-offset=8M,placement=low") == changed(changed(spec, "placement=low"), "bus-offset=8M")
    assert changed(spec, "bus-offset=8M").bus_offset == 8 * MIB
    assert single_conditions("processors=1", spec, lambda _: True) == ["processors=1"]
    assert set(single_conditions("all", spec, lambda _: True)) > {*names, "processors=1", "aged=adversary"}


def test_versions_that_the_miniport_does_not_register_are_left_out() -> None:
    assert single_conditions("windows", SPEC, lambda spec: spec.windows != "nt4") == [
        f"windows={v}" for v in ("2000", "xp", "xp-sp1", "vista", "2008", "7")]


@pytest.mark.parametrize("names", ["place", "placement=lowest", "seed=99"])
def test_an_unknown_condition_is_refused(names: str) -> None:
    with pytest.raises(UsageError, match="there is no condition"):
        single_conditions(names, SPEC, lambda _: True)


def test_pairwise_conditions_hold_any_two_values() -> None:
    conditions = [set(text.split(",")) for text in pairwise_conditions(SPEC, lambda _: True)]
    assert any({"placement=low", "processors=1"} <= one for one in conditions)
    assert any({"ram=8G", "seed=3"} <= one for one in conditions)
    assert len(conditions) < 3 * max(map(len, AXES.values())) ** 2
