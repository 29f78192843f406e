# SPDX-License-Identifier: Apache-2.0
"""Late completions, timers that expire at bad moments, and routines with more than one legal answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dmabed.world import World
from miniport import status as s
from miniport.library.shared_async import LATE_NS
from miniport.reference import ReferenceMiniport
from miniport.reference.serialized import SerializedReferenceMiniport
from verifier.events import Kind

Lived = Callable[..., World]
AGAIN = 0x1000


def errors(world: World) -> list[str]:
    return [finding.rule.id for finding in world.machine.findings.errors]


class Grows(SerializedReferenceMiniport):
    """Asks for more shared memory with the first request, and waits in halt for what is under way. The field `queue_head`, which the
    serialized variant does not use, says how far that is."""

    waits = True

    def query_information(self, adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        context = adapter.context
        if context.queue_head is None:
            context.queue_head = "asked"
            adapter.dbg_print(f"asked {adapter._ndis.clock.now}")
            if adapter.allocate_shared_memory_async(AGAIN, False, context) != s.NDIS_STATUS_PENDING:
                context.queue_head = "refused"
            adapter.dbg_print("returned")
        return super().query_information(adapter, oid, length)

    def allocate_complete(self, adapter: Any, virtual: Any, physical: int, length: int, context: Any) -> None:
        adapter.dbg_print(f"complete {adapter._ndis.clock.now} {virtual is not None} {length} {context is adapter.context}"
                          f" {adapter._ndis.scheduler.current.number}")
        context.queue_head = "done"
        if virtual is not None:
            adapter.free_shared_memory(length, False, virtual, physical)

    def halt(self, adapter: Any) -> None:
        for _ in range(100):
            if adapter.context.queue_head != "asked" or not self.waits:
                break
            adapter.sleep(1000)
        super().halt(adapter)


class Careless(Grows):
    """Does not wait."""

    waits = False


def told(world: World) -> list[list[str]]:
    return [line.split() for line in world.ndis.log]


def test_failure_means_that_no_completion_ever_comes(lived: Lived) -> None:
    world = lived("NdisMAllocateSharedMemoryAsync#1", miniport=Grows)
    assert (errors(world), world.not_fired) == ([], [])
    assert [line[0] for line in told(world)] == ["asked", "returned"]


def test_completion_without_memory_has_address_null_length_0_and_the_context(lived: Lived) -> None:
    world = lived("allocate-complete#1=null", miniport=Grows)
    assert (errors(world), world.not_fired) == ([], [])
    assert [line[2:5] for line in told(world) if line[0] == "complete"] == [["False", "0", "True"]]


class Early(ReferenceMiniport):
    """Deserialized: asks with the first request, and frees what it gets."""

    def query_information(self, adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        if not adapter._ndis.log:
            adapter.dbg_print("asked")
            adapter.allocate_shared_memory_async(AGAIN, False, None)
            adapter.dbg_print("returned")
        return super().query_information(adapter, oid, length)

    def allocate_complete(self, adapter: Any, virtual: Any, physical: int, length: int, context: Any) -> None:
        adapter.dbg_print(f"complete {adapter._ndis.scheduler.current.number}")
        adapter.free_shared_memory(length, False, virtual, physical)


def test_completion_before_the_return_comes_on_the_other_processor(lived: Lived) -> None:
    world = lived("allocate-complete#1=early", miniport=Early)
    assert (errors(world), world.not_fired) == ([], [])
    assert world.ndis.log == ["asked", "complete 1", "returned"]


def test_completion_cannot_come_before_the_return_while_ndis_holds_its_lock(lived: Lived) -> None:
    assert lived("allocate-complete#1=early", miniport=Grows).not_fired == ["allocate-complete#1=early"]


def test_late_completion_comes_late(lived: Lived) -> None:
    world = lived("allocate-complete#1=late", miniport=Grows)
    assert (errors(world), world.not_fired) == ([], [])
    asked, _, complete = told(world)
    assert int(complete[1]) - int(asked[1]) >= LATE_NS


def test_completion_while_halt_waits_comes_there(lived: Lived) -> None:
    world = lived("allocate-complete#1=at-halt", miniport=Grows)
    assert (errors(world), world.not_fired) == ([], [])
    names = [event[3] for event in world.machine.events.events if event[1] == Kind.ENTER]
    assert names.index("halt") < names.index("allocate_complete")


@pytest.mark.breaks("shared-async-outstanding-at-halt")
def test_halt_that_does_not_wait_is_found(lived: Lived) -> None:
    assert errors(lived("allocate-complete#1=null", miniport=Careless)) == []
    assert "shared-async-outstanding-at-halt" in errors(lived("allocate-complete#1=at-halt", miniport=Careless))


class Ticks(ReferenceMiniport):
    """Has a timer of an hour; cancels it in halt, and waits for a function that is about to run."""

    waits = True

    def _claim_more(self, adapter: Any, context: Any, undo: Any) -> None:
        super()._claim_more(adapter, context, undo)
        context.queue_tail = adapter.initialize_timer(self.tick, None)
        adapter.set_timer(context.queue_tail, 3_600_000)

    def tick(self, adapter: Any, context: Any) -> None:
        adapter.dbg_print("tick")
        adapter.context.refused = 7

    def halt(self, adapter: Any) -> None:
        context = adapter.context
        timer = context.queue_tail
        context.queue_tail = None
        if not adapter.cancel_timer(timer) and self.waits:
            adapter.dbg_print("too late")
            for _ in range(10):
                if context.refused == 7:
                    break
                adapter.sleep(1000)
        super().halt(adapter)


def test_timer_that_cannot_be_cancelled_says_so_and_runs(lived: Lived) -> None:
    world = lived("NdisMCancelTimer#1=fired", miniport=Ticks, frames=0)
    assert (errors(world), world.not_fired) == ([], [])
    assert world.ndis.log == ["too late", "tick"]


def test_timer_that_is_not_set_cannot_expire(lived: Lived) -> None:
    world = lived("timer#1", "NdisMCancelTimer#1=fired", miniport=Ticks, frames=0)
    assert world.not_fired == ["NdisMCancelTimer#1=fired"]
    assert world.machine.injector is not None
    assert world.machine.injector.idle == {"NdisMCancelTimer#1=fired": "the timer is not set"}


@pytest.mark.breaks("timer-cancel-false-wait")
def test_halt_that_does_not_wait_for_the_function_is_found(lived: Lived) -> None:
    class Hasty(Ticks):
        waits = False

    assert errors(lived(miniport=Hasty, frames=0)) == []
    assert "timer-cancel-false-wait" in errors(lived("NdisMCancelTimer#1=fired", miniport=Hasty, frames=0))


def test_timer_that_expires_at_a_switching_point_runs_there(lived: Lived) -> None:
    recording = lived(record=True, miniport=Ticks, frames=0)
    assert recording.machine.injector is not None
    total = recording.machine.injector.counts["timer"]
    assert total > 10
    for point in (1, total // 2, total):
        world = lived(f"timer#{point}", miniport=Ticks, frames=0)
        assert (world.not_fired, world.ndis.log.count("tick")) == ([], 1)


def test_timer_point_is_counted_only_while_a_timer_is_set(lived: Lived) -> None:
    injector = lived(record=True).machine.injector
    assert injector is not None and "timer" not in injector.counts


# Answers that are legal and rare


class Asks(ReferenceMiniport):
    """Asks what the registry and the bus say, and writes it into the log."""

    registry = {"Size": 4, "Name": "four"}

    def initialize(self, adapter: Any) -> int:
        _, handle = adapter.open_configuration()
        if handle is not None:
            for keyword in ("Size", "Name"):
                adapter.dbg_print(repr(adapter.read_configuration(handle, keyword)))
            adapter.dbg_print(repr(adapter.read_network_address(handle)))
            adapter.close_configuration(handle)
        adapter.dbg_print(repr(bytes(adapter.read_pci_slot_information(0, 0, 4))))
        return super().initialize(adapter)


@pytest.mark.parametrize("fault, line, answer", [
    ("NdisReadConfiguration#1=wrong-type", 0, (0, "not a number")), ("NdisReadConfiguration#2=wrong-type", 1, (0, 0x7FFF_FFFF)),
    ("NdisReadConfiguration#1=out-of-range", 0, (0, 0x7FFF_FFFF)), ("NdisReadConfiguration#2=out-of-range", 1, (0, "x" * 300)),
    ("NdisReadConfiguration#1", 0, (s.NDIS_STATUS_FAILURE, None)),
    ("NdisReadNetworkAddress#1", 2, (s.NDIS_STATUS_FAILURE, None)),
    ("NdisReadNetworkAddress#1=short", 2, (0, b"\x02\0\0\0\x01")), ("NdisReadNetworkAddress#1=zero", 2, (0, bytes(6))),
    ("NdisReadNetworkAddress#1=multicast", 2, (0, b"\x03\0\0\0\0\x01")),
    ("NdisReadPciSlotInformation#1=all-ones", 3, b"\xff" * 4), ("NdisReadPciSlotInformation#1", 3, b"")])
def test_answer_is_exactly_the_one_asked_for(lived: Lived, fault: str, line: int, answer: Any) -> None:
    world = lived(fault, miniport=Asks, frames=1)
    assert (errors(world), world.not_fired) == ([], [])
    assert world.ndis.log[line] == repr(answer)


@pytest.mark.parametrize("effect, left", [
    ("reordered", {"interrupt", "memory", "port"}), ("without-port", {"interrupt", "memory"}), ("without-memory", None),
    ("without-interrupt", None), ("empty", None)])
def test_resources_that_are_missing_or_moved(lived: Lived, effect: str, left: set[str] | None) -> None:
    world = lived(f"NdisMQueryAdapterResources#1={effect}")
    assert (errors(world), world.not_fired) == ([], [])
    assert world.refused is (left is None)
    if left is None:
        assert world.status == s.NDIS_STATUS_ADAPTER_NOT_FOUND
    else:
        [result] = [event[4] for event in world.machine.events.events
                    if event[1] == Kind.ROUTINE and event[3] == "NdisMQueryAdapterResources"]
        assert {descriptor.kind for descriptor in result[1]} == left


@pytest.mark.parametrize("most, granted", [(0, False), (1, True), (2, True)])
def test_map_registers_are_refused_above_the_threshold(lived: Lived, most: int, granted: bool) -> None:
    fault = f"NdisMAllocateMapRegisters#1+=grant-{most}"
    world = lived(fault)
    assert errors(world) == []
    assert world.refused is not granted
    assert world.not_fired == ([fault] if granted else [])
