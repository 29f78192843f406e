# SPDX-License-Identifier: Apache-2.0
"""Memory by Ndis, Rtl and Ex names, and the halves of a physical address."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.processor import DISPATCH_LEVEL
from miniport.library.physical_address import (
    get_physical_address_high,
    get_physical_address_low,
    set_physical_address_high,
    set_physical_address_low,
)
from verifier.errors import NotModelledError


def with_pool(live: Any, hooked: Any, step: Any, size: int = 64, **options: Any) -> Any:
    """Run *step(adapter, pool)* in initialize of the reference miniport."""
    def initialize(adapter: Any) -> None:
        pool = adapter.allocate_memory_with_tag(size, "Bed0")[1]
        pool.write(0, bytes(range(size)))
        step(adapter, pool)
        adapter.free_memory(pool, size)

    return live(hooked(initialize=initialize), **options)


@pytest.mark.parametrize("fill", ["fill_memory", "rtl_fill_memory"])
def test_fill_writes_the_lowest_8_bits_and_no_byte_more(live: Any, hooked: Any, broken: Any, fill: str) -> None:
    def step(adapter: Any, pool: Any) -> None:
        getattr(adapter, fill)(pool + 4, 3, 0x1AB)
        assert pool.read(3, 5) == b"\x03\xab\xab\xab\x07"

    assert broken(with_pool(live, hooked, step)) == []


def test_rtl_zero_memory_clears(live: Any, hooked: Any, broken: Any) -> None:
    def step(adapter: Any, pool: Any) -> None:
        adapter.rtl_zero_memory(pool + 1, 2)
        assert pool.read(0, 4) == b"\x00\x00\x00\x03"

    assert broken(with_pool(live, hooked, step)) == []


@pytest.mark.parametrize("length, same", [(3, True), (4, False), (5, False)])
def test_equal_and_compare_look_at_the_given_length(live: Any, hooked: Any, broken: Any, length: int, same: bool) -> None:
    def step(adapter: Any, pool: Any) -> None:
        pool.write(0, b"abcXabcY")
        for equal in (adapter.equal_memory, adapter.rtl_equal_memory):
            assert equal(pool, pool + 4, length) is same
        assert adapter.rtl_compare_memory(pool, pool + 4, length) == 3

    assert broken(with_pool(live, hooked, step)) == []


def test_ulongs_are_retrieved_from_and_stored_to_any_address(live: Any, hooked: Any, broken: Any) -> None:
    def step(adapter: Any, pool: Any) -> None:
        adapter.store_ulong(pool + 5, 0x1_89ABCDEF)
        adapter.retrieve_ulong(pool + 16, pool + 5)
        assert pool.read(5, 4) == pool.read(16, 4) == b"\xef\xcd\xab\x89"

    assert broken(with_pool(live, hooked, step)) == []


@pytest.mark.breaks("memory-copy-overlap")
@pytest.mark.keeps("memory-copy-overlap")
@pytest.mark.parametrize("distance, overlaps", [(7, True), (8, False), (9, False), (-7, True), (-8, False)])
def test_rtl_copy_memory_needs_ranges_apart_and_rtl_move_memory_does_not(
        live: Any, hooked: Any, broken: Any, distance: int, overlaps: bool) -> None:
    def step(adapter: Any, pool: Any) -> None:
        adapter.rtl_move_memory(pool + 16 + distance, pool + 16, 8)
        assert pool.read(16 + distance, 8) == bytes(range(16, 24))
        adapter.rtl_copy_memory(pool + 16 + distance, pool + 16, 8)
        adapter.rtl_copy_memory(pool, pool, 0)

    assert broken(with_pool(live, hooked, step)) == (["memory-copy-overlap"] if overlaps else [])


# The executive's pool


@pytest.mark.keeps("pool-tag-match", "pool-paged-irql", "pool-size-nonzero", "pool-free-right-routine")
@pytest.mark.parametrize("pool_type", [0, 1])
def test_pool_of_the_executive_is_freed_by_either_routine(live: Any, hooked: Any, broken: Any, pool_type: int) -> None:
    def initialize(adapter: Any) -> None:
        first = adapter.ex_allocate_pool_with_tag(pool_type, 1, "Bed0")
        second = adapter.ex_allocate_pool_with_tag(pool_type, 0x1001, b"Bed1")
        third = adapter.ex_allocate_pool(pool_type, 16)
        adapter.ex_free_pool_with_tag(first, "Bed0")
        adapter.ex_free_pool(second)
        adapter.ex_free_pool(third)

    assert broken(live(hooked(initialize=initialize))) == []


@pytest.mark.breaks("pool-leak-unload")
def test_pool_of_the_executive_that_stays_is_a_leak(live: Any, hooked: Any, told: Any) -> None:
    world = live(hooked(initialize=lambda adapter: adapter.ex_allocate_pool_with_tag(0, 16, "Bed0")))
    assert told(world, "halt-undo-all").startswith("pool memory #") and len(world.machine.findings.errors) == 1


@pytest.mark.breaks("pool-tag-match")
@pytest.mark.parametrize("tag", ["Bed1", "", "Bed00", "B\x1f", "B\x7f"])
def test_another_tag_or_none_is_a_finding(live: Any, hooked: Any, broken: Any, tag: str) -> None:
    def initialize(adapter: Any) -> None:
        adapter.ex_free_pool_with_tag(adapter.ex_allocate_pool_with_tag(0, 16, "Bed0"), tag)

    assert broken(live(hooked(initialize=initialize)))[0] == "pool-tag-match"


@pytest.mark.breaks("pool-free-right-routine")
@pytest.mark.parametrize("take, give", [
    (lambda a: a.allocate_memory_with_tag(16, "Bed0")[1], lambda a, m: a.ex_free_pool(m)),
    (lambda a: a.allocate_memory_with_tag(16, "Bed0")[1], lambda a, m: a.ex_free_pool_with_tag(m, "Bed0")),
    (lambda a: a.ex_allocate_pool_with_tag(0, 16, "Bed0"), lambda a, m: a.free_memory(m, 16)),
    (lambda a: a.ex_allocate_pool(0, 16), lambda a, m: a.free_memory(m, 16)),
])
def test_each_family_frees_its_own(live: Any, hooked: Any, broken: Any, take: Any, give: Any) -> None:
    assert broken(live(hooked(initialize=lambda adapter: give(adapter, take(adapter))))) == ["pool-free-right-routine"]


@pytest.mark.breaks("contig-free-right-routine")
def test_contiguous_memory_is_no_pool(live: Any, hooked: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        block = adapter.mm_allocate_contiguous_memory(0x1000, 0xFFFFFFFF)
        adapter.ex_free_pool(block)
        adapter.mm_free_contiguous_memory(block)

    assert broken(live(hooked(initialize=initialize))) == ["contig-free-right-routine"]


@pytest.mark.breaks("pool-paged-irql")
@pytest.mark.keeps("pool-paged-irql")
@pytest.mark.parametrize("pool_type, expected", [(1, ["pool-paged-irql"]), (0, [])])
def test_paged_pool_stays_below_dispatch_level(live: Any, hooked: Any, broken: Any, pool_type: int, expected: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        assert adapter._ndis.scheduler.current.irql == DISPATCH_LEVEL
        memory = adapter.ex_allocate_pool_with_tag(pool_type, 16, "Bed0")
        adapter.release_spin_lock(lock)
        adapter.ex_free_pool(memory)
        adapter.free_spin_lock(lock)

    assert broken(live(hooked(initialize=initialize))) == expected


@pytest.mark.breaks("pool-size-nonzero")
def test_no_bytes_are_no_memory(live: Any, hooked: Any, broken: Any) -> None:
    got: list[Any] = []
    world = live(hooked(initialize=lambda adapter: got.append(adapter.ex_allocate_pool_with_tag(0, 0, "Bed0"))))
    assert (broken(world), got) == (["pool-size-nonzero"], [None])


def test_other_pool_types_are_not_modelled(live: Any, hooked: Any) -> None:
    with pytest.raises(NotModelledError, match="pool type 2"):
        live(hooked(initialize=lambda adapter: adapter.ex_allocate_pool(2, 16)))


# Addresses


@given(address=st.integers(0, 2**64 - 1), other=st.integers(0, 2**64 - 1))
def test_halves_of_an_address_make_the_address(address: int, other: int) -> None:
    none: Any = None
    low, high = get_physical_address_low(none, none, address), get_physical_address_high(none, none, address)
    assert low < 2**32 and high < 2**32 and high << 32 | low == address
    assert set_physical_address_low(none, none, set_physical_address_high(none, none, other, high), low) == address


@pytest.mark.parametrize("name", ["get_physical_address_high", "get_physical_address_low", "set_physical_address_high",
                                  "set_physical_address_low"])
def test_adapters_offer_the_halves(live: Any, hooked: Any, name: str) -> None:
    got: list[int] = []
    live(hooked(initialize=lambda adapter: got.append(getattr(adapter, name)(0x1_0000_0002, *((7,) if "set" in name else ())))))
    assert got == [{"get_physical_address_high": 1, "get_physical_address_low": 2, "set_physical_address_high": 0x7_0000_0002,
                    "set_physical_address_low": 0x1_0000_0007}[name]]
