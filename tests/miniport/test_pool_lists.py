# SPDX-License-Identifier: Apache-2.0
"""Lookaside lists: entries come and go, and each has to go back where it came from."""

from __future__ import annotations

from typing import Any

import pytest

from hw.processor import DISPATCH_LEVEL


@pytest.mark.keeps("lookaside-entry")
def test_entries_have_the_size_of_the_list_and_their_content_is_undefined(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        lookaside = adapter.initialize_npaged_lookaside_list(24, "Look")
        first, second = (adapter.allocate_from_npaged_lookaside_list(lookaside) for _ in range(2))
        assert first.length == second.length == 24 and first != second
        for entry in (first, second):
            adapter.free_to_npaged_lookaside_list(lookaside, entry)
        adapter.delete_npaged_lookaside_list(lookaside)

    assert broken(live(bare(initialize))) == []


@pytest.mark.parametrize("offset, rules", [(22, []), (23, []), (24, ["shared-bounds"])])
def test_an_entry_ends_with_its_last_byte(live: Any, bare: Any, broken: Any, offset: int, rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        lookaside = adapter.initialize_npaged_lookaside_list(24, "Look")
        entry = adapter.allocate_from_npaged_lookaside_list(lookaside)
        entry.write_uchar(offset, 1)
        adapter.free_to_npaged_lookaside_list(lookaside, entry)
        adapter.delete_npaged_lookaside_list(lookaside)

    assert broken(live(bare(initialize))) == rules


def test_there_may_be_no_entry_and_the_next_one_comes(live: Any, bare: Any, broken: Any) -> None:
    got: list[bool] = []

    def initialize(adapter: Any) -> None:
        lookaside = adapter.initialize_npaged_lookaside_list(24, "Look")
        for _ in range(3):
            entry = adapter.allocate_from_npaged_lookaside_list(lookaside)
            got.append(entry is None)
            if entry is not None:
                adapter.free_to_npaged_lookaside_list(lookaside, entry)
        adapter.delete_npaged_lookaside_list(lookaside)

    world = live(bare(initialize), faults=("NdisAllocateFromNPagedLookasideList#2",))
    assert broken(world) == [] and got == [False, True, False]
    assert world.ndis.failed_routines == ["NdisAllocateFromNPagedLookasideList"]


@pytest.mark.parametrize("size, none", [(0, True), (1, False), (2, False), (1 << 30, True)])
def test_an_entry_that_the_machine_cannot_hold_is_refused(live: Any, bare: Any, broken: Any, size: int, none: bool) -> None:
    def initialize(adapter: Any) -> None:
        lookaside = adapter.initialize_npaged_lookaside_list(size, "Look")
        entry = adapter.allocate_from_npaged_lookaside_list(lookaside)
        assert (entry is None) is none
        if entry is not None:
            adapter.free_to_npaged_lookaside_list(lookaside, entry)
        adapter.delete_npaged_lookaside_list(lookaside)

    assert broken(live(bare(initialize))) == []


@pytest.mark.breaks("routine-irql")
def test_entries_are_for_dispatch_level_or_below(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        scheduler = adapter._ndis.scheduler
        lookaside = adapter.initialize_npaged_lookaside_list(24, "Look")
        for level in (DISPATCH_LEVEL, DISPATCH_LEVEL + 1):
            before = scheduler.raise_irql(level)
            entry = adapter.allocate_from_npaged_lookaside_list(lookaside)
            scheduler.lower_irql(before)
            adapter.free_to_npaged_lookaside_list(lookaside, entry)
        adapter.delete_npaged_lookaside_list(lookaside)

    assert broken(live(bare(initialize))) == ["routine-irql"]


def test_an_entry_and_a_list_that_halt_leaves_are_leaks(live: Any, bare: Any, broken: Any, told: Any) -> None:
    def initialize(adapter: Any) -> None:
        adapter.allocate_from_npaged_lookaside_list(adapter.initialize_npaged_lookaside_list(24, "Look"))

    world = live(bare(initialize))
    assert broken(world) == ["halt-undo-all", "halt-undo-all"]
    assert [finding.message for finding in world.machine.findings.errors] == [
        "lookaside list #1 of NdisInitializeNPagedLookasideList is still held after halt",
        "lookaside entry #1 of NdisAllocateFromNPagedLookasideList is still held after halt"]


@pytest.mark.breaks("lookaside-entry")
def test_an_entry_is_freed_once(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        lookaside = adapter.initialize_npaged_lookaside_list(24, "Look")
        entry = adapter.allocate_from_npaged_lookaside_list(lookaside)
        adapter.free_to_npaged_lookaside_list(lookaside, entry)
        adapter.free_to_npaged_lookaside_list(lookaside, entry)
        adapter.delete_npaged_lookaside_list(lookaside)

    assert broken(live(bare(initialize))) == ["lookaside-entry"]


@pytest.mark.breaks("lookaside-entry")
def test_an_entry_goes_back_to_its_own_list_by_its_own_pointer(live: Any, bare: Any, all_broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        mine, other = (adapter.initialize_npaged_lookaside_list(24, "Look") for _ in range(2))
        entry = adapter.allocate_from_npaged_lookaside_list(mine)
        adapter.free_to_npaged_lookaside_list(other, entry)
        adapter.free_to_npaged_lookaside_list(mine, entry + 1)
        entry.write_ulong(0, 1)  # neither call freed it
        adapter.free_to_npaged_lookaside_list(mine, entry)
        for lookaside in (mine, other):
            adapter.delete_npaged_lookaside_list(lookaside)

    assert all_broken(live(bare(initialize))) == ["lookaside-entry"] * 2


@pytest.mark.breaks("lookaside-entry")
def test_an_entry_that_went_to_the_pool_does_not_go_back_to_the_list(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        lookaside = adapter.initialize_npaged_lookaside_list(24, "Look")
        entry = adapter.allocate_from_npaged_lookaside_list(lookaside)
        adapter.free_memory(entry, 24)
        adapter.free_to_npaged_lookaside_list(lookaside, entry)
        adapter.delete_npaged_lookaside_list(lookaside)

    assert broken(live(bare(initialize))) == ["lookaside-entry"]


def test_an_entry_is_not_used_after_it_was_freed(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        lookaside = adapter.initialize_npaged_lookaside_list(24, "Look")
        entry = adapter.allocate_from_npaged_lookaside_list(lookaside)
        adapter.free_to_npaged_lookaside_list(lookaside, entry)
        entry.write_ulong(0, 1)
        adapter.delete_npaged_lookaside_list(lookaside)

    assert broken(live(bare(initialize))) == ["contig-no-use-after-free"]


@pytest.mark.breaks("lookaside-delete")
@pytest.mark.keeps("lookaside-delete")
@pytest.mark.parametrize("out, rules", [(0, []), (1, ["lookaside-delete"]), (2, ["lookaside-delete"])])
def test_a_list_is_deleted_when_its_entries_are_back(live: Any, bare: Any, out: int, rules: list[str], broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        lookaside = adapter.initialize_npaged_lookaside_list(24, "Look")
        entries = [adapter.allocate_from_npaged_lookaside_list(lookaside) for _ in range(out)]
        adapter.delete_npaged_lookaside_list(lookaside)
        for entry in entries:
            adapter.free_to_npaged_lookaside_list(lookaside, entry)

    assert broken(live(bare(initialize))) == rules


@pytest.mark.breaks("lookaside-delete")
@pytest.mark.parametrize("again", ["delete_npaged_lookaside_list", "allocate_from_npaged_lookaside_list"])
def test_a_deleted_list_is_not_used(live: Any, bare: Any, broken: Any, again: str) -> None:
    def initialize(adapter: Any) -> None:
        lookaside = adapter.initialize_npaged_lookaside_list(24, "Look")
        adapter.delete_npaged_lookaside_list(lookaside)
        entry = getattr(adapter, again)(lookaside)
        if entry is not None:
            adapter.free_to_npaged_lookaside_list(lookaside, entry)

    assert broken(live(bare(initialize))) == ["lookaside-delete"]
