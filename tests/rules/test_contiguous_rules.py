# SPDX-License-Identifier: Apache-2.0
"""Contiguous memory: NULL that is used, and addresses that lose their high part."""

from __future__ import annotations

from typing import Any

import pytest

from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from miniport import status as s
from tests.miniport.conftest import HERE
from tests.rules.test_contexts import in_initialize, rules

GIB = 1 << 30
ALL = (1 << 64) - 1
ABOVE_4_GIB = {"ram_ranges": ((1 << 20, 4 << 20), (4 * GIB, 64 << 20)), "placement": "high", "limits": "tg3-40"}


def one_page(adapter: Any, test: bool) -> int | None:
    """Allocate a page, ask where it lies, free it; without memory, fail if *test* says so."""
    block = adapter.mm_allocate_contiguous_memory(4096, ALL)
    if block is None and test:
        return s.NDIS_STATUS_RESOURCES
    adapter.mm_get_physical_address(block)
    adapter.mm_free_contiguous_memory(block)
    return None


@pytest.mark.breaks("contig-alloc-null", "contig-lowres-may-fail")
@pytest.mark.parametrize("use", [
    lambda adapter, block: adapter.mm_get_physical_address(block), lambda adapter, block: block.fill(0, 16),
    lambda adapter, block: block + 16])
@pytest.mark.parametrize("name, arguments", [
    ("mm_allocate_contiguous_memory", (4096, ALL)), ("mm_allocate_contiguous_memory_specify_cache", (4096, 0, ALL, 0, 0))])
def test_null_that_is_used_names_the_call_that_failed(bare: Any, told: Any, name: str, arguments: tuple[int, ...], use: Any) -> None:
    routine = "MmAllocateContiguousMemory" + ("SpecifyCache" if name.endswith("cache") else "")
    world = in_initialize(bare, lambda adapter: use(adapter, getattr(adapter, name)(*arguments)), faults=(f"{routine}#1",))
    [finding] = world.machine.findings.errors
    assert (world.outcome, finding.rule.id) == ("crash", "contig-alloc-null")
    assert finding.also == ("contig-lowres-may-fail", "miniport-exception")
    assert finding.message.endswith(f"; {routine} had given no memory")


@pytest.mark.keeps("contig-alloc-null", "contig-lowres-may-fail")
@pytest.mark.parametrize("faults", [(), ("MmAllocateContiguousMemory#1",)])
def test_null_that_is_tested_is_survived(bare: Any, faults: tuple[str, ...]) -> None:
    world = in_initialize(bare, lambda adapter: one_page(adapter, test=True), faults=faults)
    assert world.outcome == "ran" and rules(world) <= {"init-fail-log"}


def test_null_that_a_later_handler_uses_is_a_success_without_resources(hooked: Any) -> None:
    def initialize(adapter: Any) -> None:
        assert adapter.mm_allocate_contiguous_memory(4096, ALL) is None

    def interrupt(adapter: Any) -> None:
        adapter.mm_get_physical_address(None)

    world = run_world(WorldSpec(frames=1, faults=("MmAllocateContiguousMemory#1",)),
                      hooked(initialize=initialize, handle_interrupt=interrupt), HERE)
    [finding] = world.machine.findings.errors
    assert finding.rule.id == "init-success-without-resources" and finding.also == ("miniport-exception", "contig-alloc-null")


def reads(bare: Any, mask: int, **options: Any) -> World:
    """A card that reads the first bytes of a page whose address was cut to *mask*."""
    def initialize(adapter: Any) -> None:
        block = adapter.mm_allocate_contiguous_memory(4096, ALL)
        block.fill(0, 4096)
        adapter.nic.dma.bus_master = True
        adapter.nic.dma.read((adapter.mm_get_physical_address(block) & mask) + 64, 64, "test")
        adapter.mm_free_contiguous_memory(block)

    return in_initialize(bare, initialize, **{**ABOVE_4_GIB, **options})


@pytest.mark.breaks("contig-phys-64bit")
def test_an_address_without_its_high_part_names_the_block_that_was_meant(bare: Any) -> None:
    world = reads(bare, 0xFFFF_FFFF)
    [finding] = world.machine.findings.errors
    assert finding.rule.id == "contig-phys-64bit" and finding.also == ("dma-stray",)
    assert "the low 32 bits of an address in contiguous memory #1" in finding.message


@pytest.mark.keeps("contig-phys-64bit")
@pytest.mark.parametrize("options", [{}, {"ram_ranges": ((1 << 20, 64 << 20),)}])
def test_a_whole_address_reaches_the_block(bare: Any, options: dict[str, Any]) -> None:
    assert rules(reads(bare, ALL, **options)) == {"contig-not-for-ndis-dma"}


def test_an_address_below_4_gib_has_no_high_part_to_lose(bare: Any) -> None:
    assert "contig-phys-64bit" not in rules(reads(bare, 0xFFFF_FFFF, ram_ranges=((1 << 20, 64 << 20),)))
