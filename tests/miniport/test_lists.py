# SPDX-License-Identifier: Apache-2.0
"""Doubly linked lists in emulated memory: their order, their ends, and what is wrong with links that do not agree."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmabed.spec import WorldSpec
from dmabed.world import run_world
from miniport.library.lists import LIST_ENTRY_BYTES
from miniport.miniport import Miniport
from miniport.status import NDIS_ATTRIBUTE_BUS_MASTER, NDIS_INTERFACE_PCI, NDIS_STATUS_SUCCESS

ENTRIES = 6
BYTES = LIST_ENTRY_BYTES * (1 + ENTRIES)


def with_list(adapter: Any) -> tuple[Any, list[Any], Callable[[], None]]:
    """A head, some entries, and what frees their memory."""
    _, memory = adapter.allocate_memory_with_tag(BYTES, "List")
    adapter.initialize_list_head(memory)
    return memory, [memory + LIST_ENTRY_BYTES * n for n in range(1, 1 + ENTRIES)], lambda: adapter.free_memory(memory, BYTES)


def drained(adapter: Any, head: Any) -> list[Any]:
    got = []
    while not adapter.is_list_empty(head):
        got.append(adapter.remove_head_list(head))
    return got


def test_a_list_head_points_to_itself(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        head, _, free = with_list(adapter)
        assert head.read_ulonglong(0) == head.read_ulonglong(8) == int(head)
        assert adapter.is_list_empty(head)
        assert adapter.remove_head_list(head) == adapter.remove_tail_list(head) == head
        free()

    assert broken(live(bare(initialize))) == []


def test_entries_come_off_in_the_order_of_the_ends_at_which_they_were_put(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        head, (a, b, c, d, *_), free = with_list(adapter)
        adapter.insert_tail_list(head, b)
        adapter.insert_tail_list(head, c)
        adapter.insert_head_list(head, a)
        adapter.insert_tail_list(head, d)
        assert not adapter.is_list_empty(head)
        assert adapter.remove_tail_list(head) == d
        assert drained(adapter, head) == [a, b, c]
        free()

    assert broken(live(bare(initialize))) == []


def test_links_are_flink_then_blink(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        head, (a, b, *_), free = with_list(adapter)
        adapter.insert_tail_list(head, a)
        adapter.insert_tail_list(head, b)
        links = [(view.read_ulonglong(0), view.read_ulonglong(8)) for view in (head, a, b)]
        assert links == [(int(a), int(b)), (int(b), int(head)), (int(head), int(a))]
        free()

    assert broken(live(bare(initialize))) == []


@pytest.mark.keeps("list-linked")
def test_an_entry_is_taken_out_of_the_middle_and_the_last_one_says_that_the_list_is_empty(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        head, (a, b, c, *_), free = with_list(adapter)
        for entry in (a, b, c):
            adapter.insert_tail_list(head, entry)
        assert adapter.remove_entry_list(b) is False
        assert adapter.remove_entry_list(a) is False
        assert adapter.remove_entry_list(c) is True
        assert adapter.is_list_empty(head)
        free()

    assert broken(live(bare(initialize))) == []


def test_the_interlocked_forms_tell_what_stood_there_and_none_for_an_empty_list(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        head, (a, b, c, *_), free = with_list(adapter)
        lock = adapter.allocate_spin_lock()
        assert adapter.interlocked_remove_head_list(head, lock) is None
        assert adapter.interlocked_insert_tail_list(head, b, lock) is None
        assert adapter.interlocked_insert_tail_list(head, c, lock) == b
        assert adapter.interlocked_insert_head_list(head, a, lock) == b
        assert [adapter.interlocked_remove_head_list(head, lock) for _ in range(4)] == [a, b, c, None]
        assert adapter.interlocked_insert_head_list(head, a, lock) is None
        adapter.free_spin_lock(lock)
        free()

    assert broken(live(bare(initialize))) == []


OPERATIONS = ("insert_head", "insert_tail", "remove_head", "remove_tail", "remove_entry")


@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, ENTRIES - 1)), max_size=25))
@settings(max_examples=25, deadline=None)
def test_a_list_behaves_as_a_double_ended_queue(steps: list[tuple[str, int]]) -> None:
    class Listing(Miniport):
        ndis_versions = ((5, 1),)

        def initialize(self, adapter: Any) -> int:
            adapter.set_attributes_ex(None, 0, NDIS_ATTRIBUTE_BUS_MASTER, NDIS_INTERFACE_PCI)
            head, entries, free = with_list(adapter)
            model: deque[Any] = deque()
            for operation, number in steps:
                entry = entries[number]
                if operation.startswith("insert"):
                    if entry not in model:
                        getattr(adapter, f"{operation}_list")(head, entry)
                        (model.appendleft if operation == "insert_head" else model.append)(entry)
                elif operation == "remove_entry":
                    if entry in model:
                        model.remove(entry)
                        assert adapter.remove_entry_list(entry) is (not model)
                else:
                    expected = (model.popleft() if operation == "remove_head" else model.pop()) if model else head
                    assert getattr(adapter, f"{operation}_list")(head) == expected
            assert drained(adapter, head) == list(model)
            free()
            return NDIS_STATUS_SUCCESS

        def halt(self, adapter: Any) -> None:
            pass

    assert run_world(WorldSpec(frames=0), Listing, Path(__file__).parent).machine.findings.errors == []


def test_a_list_that_two_processors_use_stays_whole(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        head, entries, free = with_list(adapter)
        lock = adapter.allocate_spin_lock()
        scheduler = adapter._ndis.scheduler
        taken: list[Any] = []

        def elsewhere() -> None:
            taken.append(adapter.interlocked_remove_head_list(head, lock))

        for entry in entries:
            scheduler.processors[1].dpcs.append(elsewhere)
            scheduler.attention = True
            adapter.interlocked_insert_tail_list(head, entry, lock)
        adapter.sleep(1)
        assert [entry for entry in taken if entry is not None] + drained(adapter, head) == entries
        adapter.free_spin_lock(lock)
        free()

    assert broken(live(bare(initialize))) == []


# What is wrong


@pytest.mark.breaks("list-linked", "memory-uninitialized")
def test_a_head_that_was_not_initialized_is_a_finding(live: Any, bare: Any, broken: Any, all_broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        _, memory = adapter.allocate_memory_with_tag(BYTES, "List")
        adapter.insert_tail_list(memory, memory + LIST_ENTRY_BYTES)
        adapter.free_memory(memory, BYTES)

    world = live(bare(initialize))
    assert broken(world) == ["memory-uninitialized"]
    assert "list-linked" in all_broken(world)


@pytest.mark.breaks("list-linked")
def test_an_entry_that_is_inserted_twice_is_found(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        head, (a, b, *_), free = with_list(adapter)
        adapter.insert_tail_list(head, a)
        adapter.insert_tail_list(head, b)
        adapter.insert_tail_list(head, a)
        adapter.remove_head_list(head)
        adapter.remove_head_list(head)
        free()

    assert broken(live(bare(initialize))) == ["list-linked"]


@pytest.mark.breaks("list-linked")
def test_an_entry_that_is_removed_twice_is_found_and_nothing_is_unlinked(live: Any, bare: Any, broken: Any, told: Any) -> None:
    def initialize(adapter: Any) -> None:
        head, (a, b, *_), free = with_list(adapter)
        for entry in (a, b):
            adapter.insert_tail_list(head, entry)
        adapter.remove_entry_list(a)
        adapter.remove_entry_list(a)
        assert adapter.remove_head_list(head) == b
        free()

    world = live(bare(initialize))
    assert broken(world) == ["list-linked"]
    assert "Flink of the list entry at" in told(world, "list-linked") and "whose Blink holds" in told(world, "list-linked")


@pytest.mark.breaks("list-linked")
def test_a_link_that_points_nowhere_is_a_finding_and_not_followed(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        head, (a, *_), free = with_list(adapter)
        head.write_ulonglong(0, 0x1000)
        assert adapter.remove_head_list(head) == head
        adapter.insert_head_list(head, a)
        free()

    world = live(bare(initialize))
    assert broken(world) == ["list-linked"]
    assert "holds 0x00001000, where no memory is" in world.machine.findings.errors[0].message


def test_an_entry_in_freed_memory_is_a_use_after_free(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        head, _, free = with_list(adapter)
        _, entry = adapter.allocate_memory_with_tag(LIST_ENTRY_BYTES, "Entr")
        adapter.insert_tail_list(head, entry)
        adapter.free_memory(entry, LIST_ENTRY_BYTES)
        adapter.remove_head_list(head)
        free()

    assert broken(live(bare(initialize)))[0] == "contig-no-use-after-free"


@pytest.mark.breaks("lock-not-recursive")
@pytest.mark.parametrize("form", ["insert_head", "insert_tail", "remove_head"])
def test_the_caller_of_an_interlocked_form_does_not_hold_the_lock(live: Any, bare: Any, broken: Any, form: str) -> None:
    def initialize(adapter: Any) -> None:
        head, (a, *_), _ = with_list(adapter)
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        arguments = (head, lock) if form == "remove_head" else (head, a, lock)
        getattr(adapter, f"interlocked_{form}_list")(*arguments)

    world = live(bare(initialize))
    assert (world.outcome, broken(world)) == ("hang", ["lock-not-recursive"])
