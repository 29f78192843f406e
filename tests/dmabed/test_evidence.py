# SPDX-License-Identifier: Apache-2.0
"""What a verdict says it did not exercise: every rule has evidence of its own, and what was done counts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dmabed import evidence
from dmabed.catalogue import catalogue
from dmabed.exercised import not_exercised
from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from miniport import status as s
from miniport.miniport import Miniport
from miniport.reference import ReferenceMiniport
from verifier.rule import declared_rules

HOUSE = Path(__file__).resolve().parents[2]
RULES, GROUPS = evidence.table()
assert catalogue()


class Idle(Miniport):
    """Supplies little and does less."""

    ndis_versions = ((5, 1),)

    def initialize(self, adapter: Any) -> int:
        adapter.set_attributes_ex(None, 0, s.NDIS_ATTRIBUTE_BUS_MASTER, s.NDIS_INTERFACE_PCI)
        adapter.initialize_timer(lambda adapter, context: None)
        adapter.rtl_copy_memory(*[adapter.allocate_memory_with_tag(8, 0x41414141)[1] for _ in range(2)], 0)
        return s.NDIS_STATUS_FAILURE

    def halt(self, adapter: Any) -> None:
        """Nothing."""


def lived(miniport_class: type[Miniport], **options: Any) -> World:
    return run_world(WorldSpec(**options), miniport_class, HOUSE, trace_lines=True)


def test_every_declared_rule_has_evidence_and_nothing_else_has() -> None:
    catalogue()  # the models of cards declare some, and are imported when somebody asks for them
    assert set(RULES) == set(declared_rules())
    assert all(RULES.values())


def test_every_name_in_the_table_is_that_of_a_routine_a_handler_a_group_or_a_sign() -> None:
    names = {name.strip() for items in RULES.values() for item in items for name in item.split("&")}
    assert names <= evidence.known_names()
    assert {name for group in GROUPS.values() for name in group} <= evidence.known_names() - GROUPS.keys()
    assert GROUPS.keys() <= names


@pytest.mark.parametrize(("seen", "expected"), [
    (set(), False), ({"NdisMFreeSharedMemory"}, False), ({"NdisMFreeMapRegisters"}, False),
    ({"NdisMFreeSharedMemory", "NdisMFreeMapRegisters"}, True)])
def test_all_names_of_an_item_have_to_be_seen(seen: set[str], expected: bool) -> None:
    assert evidence.exercised("shared-free-before-mapregs", seen) is expected


def test_what_the_reference_miniport_does_counts_and_what_it_does_not_do_is_named() -> None:
    missing = not_exercised(lived(ReferenceMiniport, frames=4))
    assert not {"dma-width", "shared-free-exact", "lock-lifo", "lockset", "send-status", "rx-bytes-of-this-frame"} & set(missing["rules"])
    assert {"contig-node-any", "slave-counter", "hal-iommu", "reset-status", "shutdown-quiesce", "surprise-note"} <= set(missing["rules"])
    assert missing["handlers"] == ["shutdown", "reset"]


@pytest.mark.parametrize(("options", "rule"), [
    ({"life": "surprise"}, "surprise-note"), ({"life": "power-off"}, "shutdown-no-free-poweroff"), ({"iommu": True}, "hal-iommu"),
    ({"incoherent": True}, "shared-align-cacheline"), ({"life": "suspend"}, "power-no-access"),
    ({"life": "rebalance"}, "resources-current"), ({"faults": ("NdisMAllocateSharedMemory#1",)}, "shared-alloc-null-both")])
def test_a_condition_exercises_its_rules(options: dict[str, Any], rule: str) -> None:
    assert rule in not_exercised(lived(ReferenceMiniport, frames=1))["rules"]
    assert rule not in not_exercised(lived(ReferenceMiniport, frames=1, **options))["rules"]


def test_routines_that_leave_no_event_count_where_lines_are_traced() -> None:
    world = lived(Idle, frames=0)
    assert "memory-copy-overlap" not in not_exercised(world)["rules"]
    assert "list-linked" in not_exercised(world)["rules"]


def test_a_function_that_was_handed_over_and_never_called_is_named() -> None:
    assert not_exercised(lived(Idle, frames=0))["handlers"] == ["halt", "timer"]


def test_a_rule_that_was_broken_was_exercised(monkeypatch: pytest.MonkeyPatch) -> None:
    world = lived(Idle, frames=0)
    assert "initialize-failed-without-fault" not in not_exercised(world)["rules"]
    monkeypatch.setitem(RULES, "initialize-failed-without-fault", ["NdisMSleep"])
    assert "initialize-failed-without-fault" not in not_exercised(world)["rules"]


@pytest.mark.long
def test_each_world_in_which_a_rule_is_broken_shows_evidence_of_it() -> None:
    run = subprocess.run([sys.executable, "-m", "tests.exercise_rules", "tests"], cwd=HOUSE, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
