# SPDX-License-Identifier: Apache-2.0
"""Interlocked operations: their results, and that nothing comes between their load and their store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmabed.spec import WorldSpec
from dmabed.world import run_world
from hw.processor import DISPATCH_LEVEL
from miniport.context import AdapterContext, Array, Pointer, Ulong, Ulonglong
from miniport.miniport import Miniport
from miniport.status import NDIS_ATTRIBUTE_BUS_MASTER, NDIS_INTERFACE_PCI, NDIS_STATUS_SUCCESS


class Context(AdapterContext):
    """Fields of every kind."""

    count = Ulong()
    total = Ulonglong()
    counts = Array(Ulong(), 3)
    where = Pointer()


def with_context(adapter: Any) -> tuple[Context, Any]:
    _, memory = adapter.allocate_memory_with_tag(Context.SIZE, "Ctxt")
    return Context(memory), lambda: adapter.free_memory(memory, Context.SIZE)


@pytest.mark.parametrize("start, up, down", [
    (0, 1, -1), (1, 2, 0), (0x7FFFFFFE, 0x7FFFFFFF, 0x7FFFFFFD), (0x7FFFFFFF, -0x80000000, 0x7FFFFFFE),
    (0x80000000, -0x7FFFFFFF, 0x7FFFFFFF), (0xFFFFFFFF, 0, -2)])
def test_increment_and_decrement_give_the_signed_result(live: Any, bare: Any, broken: Any, start: int, up: int, down: int) -> None:
    def initialize(adapter: Any) -> None:
        context, free = with_context(adapter)
        context.count = start
        assert adapter.interlocked_increment(context.at("count")) == up
        assert context.count == up & 0xFFFFFFFF
        context.count = start
        assert adapter.interlocked_decrement(context.at("count")) == down
        assert context.count == down & 0xFFFFFFFF
        free()

    assert broken(live(bare(initialize))) == []


@pytest.mark.parametrize("change, start, after", [
    (lambda adapter, at: adapter.interlocked_exchange(at, 5), 0xFFFFFFFF, 5),
    (lambda adapter, at: adapter.interlocked_exchange(at, -2), 7, 0xFFFFFFFE),
    (lambda adapter, at: adapter.interlocked_compare_exchange(at, 9, 7), 7, 9),
    (lambda adapter, at: adapter.interlocked_compare_exchange(at, 9, 6), 7, 7),
    (lambda adapter, at: adapter.interlocked_compare_exchange(at, 9, -1), 0xFFFFFFFF, 9),
    (lambda adapter, at: adapter.interlocked_exchange_add(at, 3), 0xFFFFFFFE, 1),
    (lambda adapter, at: adapter.interlocked_exchange_add(at, -3), 1, 0xFFFFFFFE),
    (lambda adapter, at: adapter.interlocked_or(at, 0x80000001), 2, 0x80000003),
    (lambda adapter, at: adapter.interlocked_and(at, -2), 7, 6)])
def test_each_leaves_its_result_and_gives_what_was_there(live: Any, bare: Any, broken: Any, change: Any, start: int, after: int) -> None:
    def initialize(adapter: Any) -> None:
        context, free = with_context(adapter)
        context.counts[0] = context.counts[2] = 7
        context.counts[1] = start
        assert change(adapter, context.at("counts", 1)) == start - (start >> 31 << 32)
        assert list(context.counts) == [7, after, 7]
        free()

    assert broken(live(bare(initialize))) == []


def test_add_wraps_and_leaves_the_neighbours_alone(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        context, free = with_context(adapter)
        lock = adapter.allocate_spin_lock()
        context.counts[0] = context.counts[2] = 7
        context.counts[1] = 0xFFFFFFFF
        assert adapter.interlocked_add_ulong(context.at("counts", 1), 3, lock) is None
        assert list(context.counts) == [7, 2, 7]
        adapter.free_spin_lock(lock)
        free()

    assert broken(live(bare(initialize))) == []


@given(st.lists(st.sampled_from(["increment", "decrement"]), max_size=12))
@settings(max_examples=20, deadline=None)
def test_a_count_is_the_sum_of_its_steps(steps: list[str]) -> None:
    class Counting(Miniport):
        ndis_versions = ((5, 1),)

        def initialize(self, adapter: Any) -> int:
            adapter.set_attributes_ex(None, 0, NDIS_ATTRIBUTE_BUS_MASTER, NDIS_INTERFACE_PCI)
            context, free = with_context(adapter)
            for step in steps:
                getattr(adapter, f"interlocked_{step}")(context.at("count"))
            assert context.count == sum(1 if step == "increment" else -1 for step in steps) & 0xFFFFFFFF
            free()
            return NDIS_STATUS_SUCCESS

        def halt(self, adapter: Any) -> None:
            pass

    assert run_world(WorldSpec(frames=0), Counting, Path(__file__).parent).machine.findings.errors == []


def test_nothing_comes_between_load_and_store(live: Any, bare: Any, broken: Any) -> None:
    """A deferred call on the other processor counts as well: at every switching point one is due."""
    counted: list[int] = []

    def initialize(adapter: Any) -> None:
        context, free = with_context(adapter)
        context.count = 0
        scheduler = adapter._ndis.scheduler

        def elsewhere() -> None:
            counted.append(adapter.interlocked_increment(context.at("count")))

        for n in range(50):
            scheduler.processors[n % 2].dpcs.append(elsewhere)
            scheduler.attention = True
            adapter.interlocked_increment(context.at("count"))
        adapter.sleep(1)
        assert context.count == 100 and len(counted) == 50
        free()

    assert broken(live(bare(initialize))) == []


def test_a_plain_count_loses_what_comes_between(live: Any, bare: Any) -> None:
    """The other way round: this is what the interlocked form is for."""
    lost: list[int] = []

    def initialize(adapter: Any) -> None:
        context, free = with_context(adapter)
        context.count = 0
        scheduler = adapter._ndis.scheduler

        def elsewhere() -> None:
            context.count += 1

        for _ in range(50):
            scheduler.processors[1].dpcs.append(elsewhere)
            scheduler.attention = True
            context.count += 1
        adapter.sleep(1)
        lost.append(100 - context.count)
        free()

    live(bare(initialize))
    assert lost[0] > 0


@pytest.mark.breaks("lock-not-recursive")
def test_the_caller_does_not_hold_the_lock(live: Any, bare: Any, broken: Any, told: Any) -> None:
    def initialize(adapter: Any) -> None:
        context, _ = with_context(adapter)
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        adapter.interlocked_add_ulong(context.at("count"), 1, lock)

    world = live(bare(initialize))
    assert world.outcome == "hang" and broken(world) == ["lock-not-recursive"]
    assert "while processor 0 holds it: deadlock" in told(world, "lock-not-recursive")


@pytest.mark.breaks("lock-init-first")
def test_the_lock_is_there(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        context, free = with_context(adapter)
        lock = adapter.allocate_spin_lock()
        adapter.free_spin_lock(lock)
        adapter.interlocked_add_ulong(context.at("count"), 1, lock)
        free()

    assert broken(live(bare(initialize))) == ["lock-init-first"]


@pytest.mark.breaks("routine-irql")
@pytest.mark.keeps("routine-irql")
@pytest.mark.parametrize("windows, versions, rules", [("nt4", ((4, 0),), ["routine-irql"]), ("2000", ((5, 0),), ["routine-irql"]),
                                                      ("xp", ((5, 1),), [])])
def test_the_forms_with_a_lock_are_for_any_irql_from_xp_on(
        live: Any, bare: Any, broken: Any, windows: str, versions: Any, rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        context, free = with_context(adapter)
        lock = adapter.allocate_spin_lock()
        before = adapter._ndis.scheduler.raise_irql(DISPATCH_LEVEL + 1)
        adapter.interlocked_add_ulong(context.at("count"), 1, lock)
        adapter._ndis.scheduler.lower_irql(before)
        adapter.free_spin_lock(lock)
        free()

    assert broken(live(bare(initialize, versions=versions), windows=windows)) == rules


@pytest.mark.breaks("memory-uninitialized")
def test_memory_that_was_never_written_holds_no_count(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        _, memory = adapter.allocate_memory_with_tag(4, "Cnt1")
        adapter.interlocked_increment(memory)
        adapter.free_memory(memory, 4)

    assert broken(live(bare(initialize))) == ["memory-uninitialized"]


def test_a_count_in_freed_memory_is_a_use_after_free(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        context, free = with_context(adapter)
        view = context.at("count")
        free()
        adapter.interlocked_increment(view)

    assert broken(live(bare(initialize))) == ["contig-no-use-after-free"]


@pytest.mark.parametrize("name, index, offset", [("count", 0, 0), ("total", 0, 8), ("counts", 0, 16), ("counts", 1, 20), ("counts", 2, 24)])
def test_a_field_has_an_address(live: Any, bare: Any, broken: Any, name: str, index: int, offset: int) -> None:
    def initialize(adapter: Any) -> None:
        context, free = with_context(adapter)
        assert int(context.at(name, index)) == int(context.view) + offset
        free()

    assert broken(live(bare(initialize))) == []


@pytest.mark.parametrize("name, index, error", [
    ("where", 0, TypeError), ("counts", 3, IndexError), ("counts", -1, IndexError), ("count", 1, IndexError), ("nothing", 0, KeyError)])
def test_what_is_no_number_of_the_context_has_none(live: Any, bare: Any, broken: Any, name: str, index: int, error: type) -> None:
    def initialize(adapter: Any) -> None:
        context, free = with_context(adapter)
        with pytest.raises(error):
            context.at(name, index)
        free()

    assert broken(live(bare(initialize))) == []
