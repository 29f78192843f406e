# SPDX-License-Identifier: Apache-2.0
"""Fields of the adapter context that handlers share need a lock that all of them hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from miniport.context import AdapterContext, Array, Pointer, Ulong
from miniport.reference import ReferenceMiniport, SerializedReferenceMiniport

HERE = Path(__file__).parent
Touch = Callable[[Any, Any], None]


class Shared(AdapterContext):
    """What the tests share between handlers."""

    number = Ulong()
    pointer = Pointer()
    slots = Array(Ulong(), 4)
    lock = Pointer()
    other_lock = Pointer()
    interrupt = Pointer()


def write(adapter: Any, context: Any) -> None:
    context.number = 7


def read(adapter: Any, context: Any) -> None:
    assert context.number is not None


def write_pointer(adapter: Any, context: Any) -> None:
    context.pointer = adapter


def read_pointer(adapter: Any, context: Any) -> None:
    assert context.pointer is None or context.pointer is adapter


def write_slot(adapter: Any, context: Any) -> None:
    context.slots[1] = 7


def read_slot(adapter: Any, context: Any) -> None:
    assert context.slots[1] in (0, 7)


def add_to_slot(adapter: Any, context: Any) -> None:
    context.slots[1] += 1


def write_pool(adapter: Any, context: Any) -> None:
    context.view.write_ulong(Shared.SIZE + 4, 7)


def add_to_pool(adapter: Any, context: Any) -> None:
    context.view.write_ulong(Shared.SIZE + 4, context.view.read_ulong(Shared.SIZE + 4) + 1)


def read_pool(adapter: Any, context: Any) -> None:
    assert context.view.read(Shared.SIZE, 8) is not None


def next_slot(adapter: Any, context: Any) -> None:
    number = adapter.interlocked_increment(context.at("slots", 0))
    context.slots[1 + number % 3] = 7


def count_slot(adapter: Any, context: Any) -> None:
    adapter.interlocked_increment(context.at("slots", 1))


def count(adapter: Any, context: Any) -> None:
    adapter.interlocked_increment(context.at("number"))


def under(touch: Touch, name: str = "lock") -> Touch:
    def locked(adapter: Any, context: Any) -> None:
        lock = getattr(context, name)
        adapter.acquire_spin_lock(lock)
        touch(adapter, context)
        adapter.release_spin_lock(lock)
    return locked


def synchronized(touch: Touch) -> Touch:
    def run(adapter: Any, context: Any) -> None:
        adapter.synchronize_with_interrupt(context.interrupt, lambda _: touch(adapter, context) or True, None)
    return run


def both(first: Touch, second: Touch) -> Touch:
    def run(adapter: Any, context: Any) -> None:
        first(adapter, context)
        second(adapter, context)
    return run


def life(base: Any = ReferenceMiniport, *, processors: int = 2, seed: int = 1, how: str = "halt", faults: tuple[str, ...] = (),
         **handlers: Touch) -> World:
    """One life of a reference miniport that runs a function first in each handler that is named, on a context of its own."""
    space: dict[str, Any] = {name: _before(base, name, touch) for name, touch in handlers.items()}
    made: dict[Any, Shared] = {}

    def initialize(self: Any, adapter: Any) -> int:
        _, memory = adapter.allocate_memory_with_tag(Shared.SIZE + 16, "Test")
        memory.fill(0, Shared.SIZE + 16)
        shared = made[adapter] = Shared(memory)
        shared.lock, shared.other_lock = adapter.allocate_spin_lock(), adapter.allocate_spin_lock()
        shared.number = 0
        shared.pointer = adapter
        for number in range(4):
            shared.slots[number] = 0
        status: int = base.initialize(self, adapter)
        shared.interrupt = adapter.context.interrupt
        return status

    def halt(self: Any, adapter: Any) -> None:
        base.halt(self, adapter)
        shared = made[adapter]
        shared.number = 0
        adapter.free_spin_lock(shared.lock)
        adapter.free_spin_lock(shared.other_lock)
        adapter.free_memory(shared.view, Shared.SIZE + 16)

    def _shared(self: Any, adapter: Any) -> Shared:
        return made[adapter]

    sharing = type("Sharing", (base,), {**space, "initialize": initialize, "halt": halt, "shared": _shared})
    return run_world(WorldSpec(frames=4, processors=processors, seed=seed, life=how, faults=faults), sharing, HERE)


def _before(base: Any, name: str, touch: Touch) -> Any:
    original = getattr(base, name)

    def handler(self: Any, adapter: Any, *arguments: Any) -> Any:
        touch(adapter, self.shared(adapter))
        return original(self, adapter, *arguments)
    return handler


def found(world: World) -> list[str]:
    assert world.outcome == "ran" and not world.refused and world.received == 4
    return [finding.rule.id for finding in world.machine.findings.errors]


@pytest.mark.breaks("lockset")
@pytest.mark.parametrize("handlers", [
    {"send": under(write), "handle_interrupt": write},
    {"send": write, "handle_interrupt": under(write)},
    {"send": under(write), "handle_interrupt": read},
    {"send": under(write), "handle_interrupt": under(write, "other_lock")},
    {"send": under(write_pointer), "handle_interrupt": read_pointer},
    {"isr": write, "handle_interrupt": under(read)},
    {"isr": write, "handle_interrupt": under(write)},
    {"isr": read, "handle_interrupt": under(write)},
    {"query_information": write, "handle_interrupt": under(write)},
    {"return_packet": write, "handle_interrupt": under(read)},
    {"send": count, "handle_interrupt": write, "return_packet": under(write)},
], ids=lambda handlers: "-".join(handlers))
def test_a_field_that_two_handlers_touch_without_a_common_lock(handlers: dict[str, Touch]) -> None:
    assert found(life(**handlers)) == ["lockset"]


@pytest.mark.breaks("lockset", "int-sync-only-way")
@pytest.mark.parametrize("handlers", [
    {"isr": write, "handle_interrupt": write}, {"isr": write, "send": read}, {"isr": read, "query_information": write},
], ids=lambda handlers: "-".join(handlers))
def test_the_lock_of_a_serialized_miniport_keeps_no_isr_out(handlers: dict[str, Touch]) -> None:
    assert found(life(SerializedReferenceMiniport, **handlers)) == ["lockset"]


@pytest.mark.keeps("lockset", "int-sync-only-way")
@pytest.mark.parametrize("handlers", [
    {"send": under(write), "handle_interrupt": under(write)},
    {"send": under(write), "handle_interrupt": under(read), "return_packet": under(write)},
    {"send": read, "handle_interrupt": read},
    {"handle_interrupt": write},
    {"isr": write},
    {"isr": write, "handle_interrupt": synchronized(write)},
    {"isr": read, "handle_interrupt": synchronized(write), "send": synchronized(write)},
    {"handle_interrupt": write, "query_information": read},
    {"handle_interrupt": both(synchronized(write), read)},
    {"query_information": write},
    {"send": count, "handle_interrupt": count},
    {"send": write_slot, "handle_interrupt": write_slot},
], ids=lambda handlers: "-".join(handlers))
def test_a_field_under_a_common_lock_or_of_one_handler_is_no_race(handlers: dict[str, Touch]) -> None:
    assert found(life(**handlers)) == []


@pytest.mark.keeps("lockset")
def test_ndis_itself_holds_a_lock_around_the_handlers_of_a_serialized_miniport() -> None:
    assert found(life(SerializedReferenceMiniport, send=write, handle_interrupt=write, query_information=write)) == []


@pytest.mark.keeps("lockset")
def test_on_the_way_back_to_d0_no_other_handler_runs() -> None:
    """Sets that came before and hold as many locks are of another kind."""
    assert found(life(how="suspend", handle_interrupt=under(write), _wake=write)) == []


@pytest.mark.breaks("lockset")
@pytest.mark.parametrize("handler", ["_sleep", "set_information"])
def test_on_the_way_to_d3_and_in_other_sets_handlers_do_run(handler: str) -> None:
    assert found(life(how="suspend", handle_interrupt=under(write), **{handler: write})) == ["lockset"]


@pytest.mark.parametrize(("processors", "rules"), [(1, []), (2, ["lockset"]), (4, ["lockset"])])
def test_send_runs_beside_itself_where_there_are_two_processors(processors: int, rules: list[str]) -> None:
    assert found(life(processors=processors, send=write)) == rules


def test_a_lock_that_the_isr_interrupted_is_not_the_isrs() -> None:
    """The ISR touches the field only where it came while send held the lock."""
    came: list[Any] = []

    def isr(adapter: Any, context: Any) -> None:
        if context.lock.holder is not None:
            came.append(adapter)
            context.number = 7

    def slow_write(adapter: Any, context: Any) -> None:
        for _ in range(10):
            adapter.stall_execution(5)
            context.number = 7

    rules = [found(life(seed=seed, isr=isr, send=under(slow_write))) for seed in range(1, 21)]
    assert came and ["lockset"] in rules
    assert rules.count(["lockset"]) == len({id(adapter) for adapter in came})


BESIDE = ("send#1=concurrent",)
"""The second packet is handed down on the other processor at the first point in send where it may."""


@pytest.mark.breaks("lockset")
@pytest.mark.parametrize(("touch", "name"), [
    (write_slot, "slots[1] is"), (add_to_slot, "slots[1] is"), (both(write_slot, read_slot), "slots[1] is"),
    (write_pool, f"byte 0x{Shared.SIZE + 4:x} of pool memory"), (add_to_pool, f"byte 0x{Shared.SIZE + 4:x} of pool memory"),
    (both(write_pool, read_pool), "byte 0x")])
def test_handlers_that_meet_in_an_element_or_in_plain_memory_without_a_common_lock(touch: Touch, name: str) -> None:
    world = life(send=touch, faults=BESIDE)
    finding, = world.machine.findings.errors
    assert finding.rule.id == "lockset" and finding.message.startswith(name)
    assert finding.where is not None and finding.where[0].co_filename == __file__
    assert finding.related[0][1] is not None


@pytest.mark.keeps("lockset")
@pytest.mark.parametrize("touch", [
    under(write_slot), under(add_to_pool), read_slot, read_pool, next_slot, count_slot, both(under(write_slot), read_pool)])
def test_memory_that_is_handed_over_under_a_lock_or_never_met_in_is_no_race(touch: Touch) -> None:
    for seed in range(1, 4):
        assert found(life(send=touch, faults=BESIDE, seed=seed)) == []


@pytest.mark.keeps("lockset")
@pytest.mark.parametrize("touch", [write_slot, write_pool])
def test_what_only_others_of_a_life_touch_is_handed_over(touch: Touch) -> None:
    assert found(life(send=touch, handle_interrupt=touch, return_packet=under(touch))) == []
    assert found(life(SerializedReferenceMiniport, send=touch, handle_interrupt=touch)) == []


def test_the_finding_names_the_line_with_fewer_locks_and_the_other_one_beside_it() -> None:
    def bare(adapter: Any, context: Any) -> None:
        context.number = 1

    finding, = life(send=under(write), handle_interrupt=bare).machine.findings.errors
    assert finding.where is not None and finding.where[0] is bare.__code__
    assert finding.message == ("number is shared and no lock is common: handle_interrupt writes it under no lock, send writes it under "
                               "spin lock #1")
    assert any(what == "send writes it" for what, _ in finding.related)
    assert finding.also == ("int-sync-only-way",)
