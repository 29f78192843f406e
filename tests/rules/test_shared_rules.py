# SPDX-License-Identifier: Apache-2.0
"""Shared memory: NULL that is used, addresses that mean nothing, buffers that are still lent, memory that nobody gave."""

from __future__ import annotations

from typing import Any

import pytest

from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from miniport import status as s
from miniport.nulls import POISON_ADDRESS
from tests.miniport.conftest import HERE
from tests.rules.test_contexts import in_initialize, rules

FAILS = ("NdisMAllocateSharedMemory#1",)


def shared(adapter: Any, use: Any, length: int = 4096) -> int:
    """Register for DMA, allocate, *use* what came, free both; without memory initialize fails."""
    adapter.allocate_map_registers(0, s.NDIS_DMA_32BITS, 1, 1514)
    view, address = adapter.allocate_shared_memory(length, False)
    adapter.nic.dma.bus_master = True
    try:
        use(adapter, view, address)
    finally:
        if view is not None:
            adapter.free_shared_memory(length, False, view, address)
        adapter.free_map_registers()
    status: int = s.NDIS_STATUS_RESOURCES if view is None else s.NDIS_STATUS_SUCCESS
    return status


def zeroes(adapter: Any, view: Any, address: int) -> None:
    view.fill(0, 64)


def zeroes_if_there(adapter: Any, view: Any, address: int) -> None:
    if view is not None:
        zeroes(adapter, view, address)


@pytest.mark.breaks("shared-alloc-check-required")
def test_null_that_is_used_names_the_call_that_failed(bare: Any) -> None:
    world = in_initialize(bare, lambda adapter: shared(adapter, zeroes), faults=FAILS)
    [finding] = world.machine.findings.errors
    assert (world.outcome, finding.rule.id, finding.also) == ("crash", "shared-alloc-check-required", ("miniport-exception",))
    assert finding.message.endswith("; NdisMAllocateSharedMemory had given no memory")


@pytest.mark.keeps("shared-alloc-check-required")
@pytest.mark.parametrize("faults", [(), FAILS])
def test_null_that_is_tested_is_survived(bare: Any, faults: tuple[str, ...]) -> None:
    world = in_initialize(bare, lambda adapter: shared(adapter, zeroes_if_there), faults=faults)
    assert world.outcome == "ran" and rules(world) <= {"init-fail-log"}


@pytest.mark.keeps("shared-alloc-check-required")
def test_a_smaller_block_after_a_failure_is_as_good(bare: Any) -> None:
    def use(adapter: Any, view: Any, address: int) -> None:
        view, address = adapter.allocate_shared_memory(64, False)
        zeroes(adapter, view, address)
        adapter.free_shared_memory(64, False, view, address)

    assert rules(in_initialize(bare, lambda adapter: shared(adapter, use), faults=FAILS)) == {"init-fail-log"}


@pytest.mark.breaks("shared-alloc-null-both")
@pytest.mark.parametrize("bits", [24, 32, 64])
@pytest.mark.parametrize("limits", ["lance-isa", "rtl8139", "tg3-40"])
@pytest.mark.parametrize("at", [0, 64, 4096 - 64])
def test_the_address_of_a_failed_allocation_does_not_go_to_the_card(bare: Any, bits: int, limits: str, at: int) -> None:
    def use(adapter: Any, view: Any, address: int) -> None:
        assert address == POISON_ADDRESS
        adapter.nic.dma.read((address & (1 << bits) - 1) + at, 64, "test")

    world = in_initialize(bare, lambda adapter: shared(adapter, use), faults=FAILS, limits=limits)
    [finding] = world.machine.findings.errors
    assert finding.rule.id == "shared-alloc-null-both" and finding.also == ("shared-alloc-check-required",)
    assert "NdisMAllocateSharedMemory gave no memory" in finding.message


@pytest.mark.keeps("shared-alloc-null-both")
@pytest.mark.parametrize("faults", [(), FAILS])
def test_an_address_goes_to_the_card_where_there_is_memory(bare: Any, faults: tuple[str, ...]) -> None:
    def use(adapter: Any, view: Any, address: int) -> None:
        if view is not None:
            view.fill(0, 64)
            adapter.nic.dma.read(address, 64, "test")

    assert rules(in_initialize(bare, lambda adapter: shared(adapter, use), faults=faults, limits="rtl8139")) <= {"init-fail-log"}


@pytest.mark.parametrize("address", [POISON_ADDRESS - 1 & 0xFF_FFFF, POISON_ADDRESS + 4096 & 0xFF_FFFF])
def test_an_address_beside_it_is_another_one(bare: Any, address: int) -> None:
    world = in_initialize(bare, lambda adapter: shared(adapter, lambda adapter, view, _: adapter.nic.dma.read(address, 1, "test")),
                          faults=FAILS, limits="rtl8139")
    assert rules(world) & {"shared-alloc-null-both", "dma-stray"} == {"dma-stray"}


# Memory that nobody gave


@pytest.mark.breaks("shared-only-way")
def test_pool_memory_is_no_memory_for_the_card(bare: Any) -> None:
    def initialize(adapter: Any) -> None:
        view = adapter.allocate_memory_with_tag(64, "Test")[1]
        view.fill(0, 64)
        adapter.nic.dma.bus_master = True
        adapter.nic.dma.read(adapter.mm_get_physical_address(view), 64, "test")
        adapter.free_memory(view, 64)

    [finding] = in_initialize(bare, initialize, limits="rtl8139").machine.findings.errors
    assert finding.rule.id == "dma-stray" and finding.also == ("shared-only-way",)


@pytest.mark.keeps("shared-only-way")
def test_shared_memory_is(bare: Any) -> None:
    def use(adapter: Any, view: Any, address: int) -> None:
        view.fill(0, 64)
        adapter.nic.dma.read(address, 64, "test")

    assert rules(in_initialize(bare, lambda adapter: shared(adapter, use), limits="rtl8139")) == set()


# Receive buffers


def receives(hooked: Any, **hooks: Any) -> World:
    """A life in which the protocol keeps the first packet that is indicated until halt."""
    return run_world(WorldSpec(frames=4, faults=("indicate#1+=hold",)), hooked(**hooks), HERE)


@pytest.mark.breaks("shared-free-receive-returned")
def test_the_memory_of_a_packet_that_the_protocol_holds_is_not_freed(hooked: Any) -> None:
    done = []

    def frees(adapter: Any) -> None:
        held = list(adapter.outstanding_receives.values())
        claim = next((claim for claim in adapter.claims.values() if claim.block is not None and held and any(
            adapter._ndis.protocol.receiving.lies_in(packet, claim.block) for packet in held)), None)
        if claim is not None and not done:
            block = claim.block
            done.append(block)
            view = type(adapter.context.view)(adapter._ndis.port, block)
            adapter.free_shared_memory(block.size, block.cached, view, block.logical)

    world = receives(hooked, handle_interrupt=frees)
    assert done and "shared-free-receive-returned" in rules(world)


@pytest.mark.keeps("shared-free-receive-returned")
def test_halt_frees_when_every_packet_is_back(hooked: Any) -> None:
    assert rules(receives(hooked)) == set()
