# SPDX-License-Identifier: Apache-2.0
"""Routines from a handler that their page does not name, or above the level that it allows, and the same calls where they belong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from hw.processor import DISPATCH_LEVEL
from miniport import status as s
from miniport.reference import ReferenceMiniport
from miniport.reference import hardware as hw
from tests.miniport import conftest as miniports

bare, hooked = miniports.bare, miniports.hooked
HERE = miniports.HERE


def register_ports(adapter: Any) -> None:
    port = next(resource for resource in adapter.query_adapter_resources()[1] if resource.kind == "port")
    status, window = adapter.register_io_port_range(port.start, port.length)
    if status == s.NDIS_STATUS_SUCCESS:
        adapter.deregister_io_port_range(port.start, port.length, window)


def register_interrupt(adapter: Any) -> None:
    line = adapter.nic.interrupt_line
    status, interrupt = adapter.register_interrupt(line.vector, line.irql, False, False, 0)
    if status == s.NDIS_STATUS_SUCCESS:
        adapter.deregister_interrupt(interrupt)


def map_registers(adapter: Any) -> None:
    if adapter.allocate_map_registers(0, s.NDIS_DMA_32BITS, 1, 1514) == s.NDIS_STATUS_SUCCESS:
        adapter.free_map_registers()


def set_attributes(adapter: Any) -> None:
    adapter.set_attributes_ex(adapter.context, 0, s.NDIS_ATTRIBUTE_BUS_MASTER, s.NDIS_INTERFACE_PCI)


def scatter_gather(adapter: Any) -> None:
    adapter.initialize_scatter_gather_dma(True, 1514)


def pool(adapter: Any) -> None:
    view = adapter.allocate_memory_with_tag(64, "Test")[1]
    adapter.free_memory(view, 64)


def rules(world: World) -> set[str]:
    """The ids of every finding and notice of *world*, consequences among them."""
    found = world.machine.findings
    return {f.rule.id for first in (*found.errors, *found.notices) for f in (first, *first.consequences)}


def in_initialize(bare: Any, step: Callable[[Any], None], **options: Any) -> World:
    return run_world(WorldSpec(frames=0, **options), bare(step), HERE)


def in_send(hooked: Any, step: Callable[[Any], None]) -> World:
    return run_world(WorldSpec(frames=1), hooked(handle_interrupt=step), HERE)


@pytest.mark.breaks("ioport-register-init")
def test_ports_are_not_registered_in_a_deferred_call(hooked: Any) -> None:
    assert "ioport-register-init" in rules(in_send(hooked, register_ports))


@pytest.mark.breaks("int-register-init")
def test_an_interrupt_is_not_registered_in_a_deferred_call(hooked: Any) -> None:
    assert "int-register-init" in rules(in_send(hooked, register_interrupt))


@pytest.mark.breaks("mapreg-alloc-init-only")
def test_map_registers_are_not_allocated_in_a_deferred_call(hooked: Any) -> None:
    assert "mapreg-alloc-init-only" in rules(in_send(hooked, lambda a: a.allocate_map_registers(0, s.NDIS_DMA_32BITS, 1, 1514)))


@pytest.mark.breaks("mapreg-free-context")
def test_map_registers_are_not_freed_in_a_deferred_call(hooked: Any) -> None:
    assert "mapreg-free-context" in rules(in_send(hooked, lambda a: a.free_map_registers()))


@pytest.mark.breaks("sg5-init-only")
def test_scatter_gather_is_not_set_up_in_a_deferred_call(hooked: Any) -> None:
    assert "sg5-init-only" in rules(in_send(hooked, scatter_gather))


@pytest.mark.breaks("attr5-passive-init")
def test_attributes_are_not_set_in_a_deferred_call(hooked: Any) -> None:
    assert "attr5-passive-init" in rules(in_send(hooked, set_attributes))


def at_device_level(step: Callable[[Any], None]) -> Callable[[Any], None]:
    """*step* above DISPATCH_LEVEL."""
    def raised(adapter: Any) -> None:
        scheduler = adapter._ndis.scheduler
        before = scheduler.raise_irql(DISPATCH_LEVEL + 1)
        try:
            step(adapter)
        finally:
            scheduler.current.irql = before
    return raised


@pytest.mark.breaks("mem-ndisfreememory-irql")
def test_pool_memory_is_not_freed_above_dispatch_level(bare: Any) -> None:
    assert "mem-ndisfreememory-irql" in rules(in_initialize(bare, at_device_level(pool)))


def mapping(wrap: Callable[[Callable[[Any], None]], Callable[[Any], None]]) -> Callable[[Any], None]:
    """A mapping of pool memory that is started at the level to which *wrap* raises."""
    def step(adapter: Any) -> None:
        adapter.allocate_map_registers(0, s.NDIS_DMA_32BITS, 1, 1514)
        view, pool = adapter.allocate_memory_with_tag(64, "Test")[1], adapter.allocate_buffer_pool(1)[1]
        view.fill(0, 64)
        buffer = adapter.allocate_buffer(pool, view, 64)[1]
        wrap(lambda adapter: adapter.start_buffer_physical_mapping(buffer, 0, True))(adapter)
        adapter.complete_buffer_physical_mapping(buffer, 0)
        adapter.free_buffer(buffer)
        adapter.free_buffer_pool(pool)
        adapter.free_memory(view, 64)
        adapter.free_map_registers()
    return step


@pytest.mark.breaks("mapreg-start-irql")
def test_no_mapping_is_started_above_dispatch_level(bare: Any) -> None:
    assert "mapreg-start-irql" in rules(in_initialize(bare, mapping(at_device_level)))


@pytest.mark.keeps("mapreg-start-irql")
def test_a_mapping_is_started_below_dispatch_level(bare: Any) -> None:
    assert rules(in_initialize(bare, mapping(lambda step: step))) == set()


@pytest.mark.keeps("ioport-register-init", "int-register-init", "mapreg-alloc-init-only", "mapreg-free-context", "sg5-init-only",
                   "attr5-passive-init", "mem-ndisfreememory-irql")
@pytest.mark.parametrize("step", [register_ports, register_interrupt, map_registers, scatter_gather, pool])
def test_initialize_is_where_they_belong(bare: Any, step: Callable[[Any], None]) -> None:
    limits = {"address_bits": 32} if step is scatter_gather else {}
    assert rules(in_initialize(bare, step, **limits)) == set()


# A card that is gone


class Polls(ReferenceMiniport):
    """Waits in send until a bit falls, which never does in what is not there."""

    bounded = False

    def send(self, adapter: Any, packet: Any, flags: int) -> int:
        """Wait, then send."""
        for _ in range(100) if self.bounded else iter(int, 1):
            if not adapter.read_register_ulong(adapter.context.registers, hw.STATUS) & hw.STATUS_RESETTING:
                break
            adapter.stall_execution(50)
        status: int = super().send(adapter, packet, flags)
        return status


class PollsWithBound(Polls):
    bounded = True


@pytest.mark.breaks("surprise-all-ones")
def test_a_wait_for_a_card_that_was_pulled_out_never_ends() -> None:
    world = run_world(WorldSpec(frames=1, life="surprise"), Polls, HERE)
    assert world.outcome == "hang" and "surprise-all-ones" in rules(world)


@pytest.mark.keeps("surprise-all-ones")
def test_a_bounded_wait_ends() -> None:
    world = run_world(WorldSpec(frames=1, life="surprise"), PollsWithBound, HERE)
    assert world.outcome == "ran" and "surprise-all-ones" not in rules(world)


# Shutdown


class LeavesInterruptsOn(ReferenceMiniport):
    """Stops both engines in shutdown and leaves the mask."""

    def shutdown(self, adapter: Any) -> None:
        """Stop."""
        adapter.write_register_ulong(adapter.context.registers, hw.MASK, hw.ALL_CAUSES)
        adapter.write_register_ulong(adapter.context.registers, hw.CTRL, 0)
        adapter.read_register_ulong(adapter.context.registers, hw.STATUS)


@pytest.mark.breaks("shutdown-interrupts-off")
def test_a_card_that_pulls_its_line_after_shutdown_is_told() -> None:
    class LinkChanges(LeavesInterruptsOn):
        def shutdown(self, adapter: Any) -> None:
            """Stop, as a link change comes."""
            super().shutdown(adapter)
            adapter.nic.link_changed(False)

    assert "shutdown-interrupts-off" in rules(run_world(WorldSpec(frames=1, life="bug-check"), LinkChanges, HERE))


@pytest.mark.keeps("shutdown-interrupts-off")
def test_a_card_that_is_masked_in_shutdown_is_still() -> None:
    class Masks(ReferenceMiniport):
        def shutdown(self, adapter: Any) -> None:
            """Stop, as a link change comes."""
            super().shutdown(adapter)
            adapter.nic.link_changed(False)

    assert rules(run_world(WorldSpec(frames=1, life="bug-check"), Masks, HERE)) == set()
