# SPDX-License-Identifier: Apache-2.0
"""Rules of a miniport's life: initialize, halt, shutdown, reset and removal."""

from __future__ import annotations

from typing import Any

import pytest

from miniport import status as s
from miniport.context import AdapterContext, Ulong
from miniport.reference import ReferenceMiniport
from miniport.reference import hardware as hw


class Context(AdapterContext):
    """A context of one number."""

    number = Ulong()


def notices(world: Any) -> list[str]:
    return [finding.rule.id for finding in world.machine.findings.notices]


def also(world: Any, rule: str) -> tuple[str, ...]:
    [finding] = [f for f in world.machine.findings.errors if f.rule.id == rule]
    return finding.also


# Initialize


@pytest.mark.breaks("irql-restored")
@pytest.mark.parametrize("handler, fact", [("initialize", "init-passive"), ("halt", "halt-passive")])
def test_the_dpr_form_at_passive_level_leaves_the_handler_at_dispatch_level(live: Any, bare: Any, handler: str, fact: str) -> None:
    def step(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        adapter.dpr_acquire_spin_lock(lock)
        adapter.dpr_release_spin_lock(lock)
        adapter.free_spin_lock(lock)

    world = live(bare(**{handler: step}))
    assert also(world, "irql-restored") == (fact,)


@pytest.mark.keeps("irql-restored")
@pytest.mark.parametrize("handler", ["initialize", "halt"])
def test_the_plain_form_gives_the_level_back(live: Any, bare: Any, broken: Any, handler: str) -> None:
    def step(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        adapter.release_spin_lock(lock)
        adapter.free_spin_lock(lock)

    assert broken(live(bare(**{handler: step}))) == []


@pytest.mark.breaks("time-limit")
@pytest.mark.parametrize("handler, facts", [("initialize", ("init-no-hang-timeout",)), ("halt", ())])
def test_a_handler_that_waits_for_ever_is_ended(live: Any, bare: Any, handler: str, facts: tuple[str, ...]) -> None:
    def step(adapter: Any) -> None:
        while True:
            adapter.sleep(1_000_000)

    world = live(bare(**{handler: step}))
    assert world.outcome == "hang" and also(world, "time-limit") == facts


@pytest.mark.keeps("time-limit")
@pytest.mark.parametrize("handler", ["initialize", "halt"])
def test_initialize_and_halt_may_sleep_up_to_the_limit(live: Any, bare: Any, broken: Any, handler: str) -> None:
    def step(adapter: Any) -> None:
        adapter.sleep(30_000_000)
        adapter.sleep(29_000_000)

    world = live(bare(**{handler: step}))
    assert (world.outcome, broken(world)) == ("ran", [])


@pytest.mark.breaks("init-fail-log")
def test_a_failing_initialize_says_why_in_the_error_log(live: Any, bare: Any) -> None:
    assert "init-fail-log" in notices(live(bare(lambda adapter: s.NDIS_STATUS_FAILURE)))


@pytest.mark.keeps("init-fail-log")
@pytest.mark.parametrize("status", [s.NDIS_STATUS_FAILURE, s.NDIS_STATUS_SUCCESS])
def test_an_entry_in_the_error_log_is_enough_and_success_needs_none(live: Any, bare: Any, status: int) -> None:
    def initialize(adapter: Any) -> int:
        if status != s.NDIS_STATUS_SUCCESS:
            adapter.write_error_log_entry(0xC0001389)
        return status

    assert "init-fail-log" not in notices(live(bare(initialize)))


@pytest.mark.breaks("init-shutdown-handler-last")
def test_hardware_that_is_claimed_behind_the_shutdown_handler_is_told(live: Any, bare: Any) -> None:
    def initialize(adapter: Any) -> None:
        adapter.register_adapter_shutdown_handler(None, lambda context: None)
        adapter.allocate_map_registers(0, s.NDIS_DMA_32BITS, 1, 1514)

    def halt(adapter: Any) -> None:
        adapter.deregister_adapter_shutdown_handler()
        adapter.free_map_registers()

    assert "init-shutdown-handler-last" in notices(live(bare(initialize, halt=halt), ndis="5.0"))


@pytest.mark.keeps("init-shutdown-handler-last", "halt-deregister-shutdown-first", "halt-reverse-order")
def test_the_shutdown_handler_comes_last_and_goes_first(live: Any) -> None:
    world = live(ReferenceMiniport, ndis="5.0", frames=2)
    assert not {"init-shutdown-handler-last", "halt-deregister-shutdown-first", "halt-reverse-order"} & set(notices(world))


@pytest.mark.breaks("hang-interval-init")
@pytest.mark.parametrize("seconds, slept", [(0, 2), (4, 4), (5, 4), (60, 59)])
def test_initialize_is_shorter_than_the_interval_of_check_for_hang(live: Any, bare: Any, seconds: int, slept: int) -> None:
    def run(microseconds: int) -> list[str]:
        def initialize(adapter: Any) -> None:
            adapter.set_attributes_ex(None, seconds, 0, s.NDIS_INTERFACE_PCI)
            for _ in range(slept):
                adapter.sleep(microseconds)

        return notices(live(bare(initialize, attributes=None, check_for_hang=lambda adapter: False)))

    assert ("hang-interval-init" in run(1_000_001)) == (seconds < 60)


@pytest.mark.keeps("hang-interval-init")
@pytest.mark.parametrize("checked, seconds", [(True, 2), (False, 3)])
def test_an_interval_that_is_just_long_enough_or_that_nobody_uses(live: Any, bare: Any, checked: bool, seconds: int) -> None:
    more: dict[str, Any] = {"check_for_hang": lambda adapter: False} if checked else {}
    world = live(bare(lambda adapter: adapter.sleep(seconds * 1_000_000), **more))
    assert "hang-interval-init" not in notices(world)


# A step that failed


class Heedless(ReferenceMiniport):
    """Takes no notice of an interrupt that it did not get."""

    def initialize(self, adapter: Any) -> int:
        def register(*arguments: Any, **more: Any) -> Any:
            return s.NDIS_STATUS_SUCCESS, type(adapter).register_interrupt(adapter, *arguments, **more)[1]

        return super().initialize(_Face(adapter, register_interrupt=register))


class _Face:
    """An adapter of which some routines are replaced."""

    def __init__(self, adapter: Any, **replaced: Any) -> None:
        self._adapter = adapter
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


@pytest.mark.breaks("init-success-without-resources")
def test_success_without_the_interrupt_leaves_frames_where_they_are(live: Any, broken: Any) -> None:
    world = live(Heedless, frames=4, faults=("NdisMRegisterInterrupt#1",))
    assert "init-success-without-resources" in broken(world)


@pytest.mark.breaks("init-success-without-resources")
def test_success_without_memory_that_is_used_later(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        adapter.allocate_memory_with_tag(64, "Test")

    def query(adapter: Any, oid: int, length: int) -> Any:
        nothing: Any = None
        return nothing.read_ulong(0)

    world = live(bare(initialize, query_information=query), faults=("NdisAllocateMemoryWithTag#1",))
    assert broken(world)[0] == "init-success-without-resources"


@pytest.mark.keeps("init-success-without-resources")
@pytest.mark.parametrize("fault", ["NdisAllocateMemoryWithTag#1", "NdisMRegisterInterrupt#1", "NdisAllocatePacket#8",
                                   "NdisMAllocateSharedMemory#3"])
def test_a_miniport_that_fails_or_does_without_is_in_order(live: Any, broken: Any, fault: str) -> None:
    assert "init-success-without-resources" not in broken(live(ReferenceMiniport, frames=4, faults=(fault,)))


# Halt


@pytest.mark.breaks("halt-reverse-order")
@pytest.mark.keeps("halt-reverse-order")
@pytest.mark.parametrize("in_order", [True, False])
def test_hardware_goes_back_in_the_reverse_order(live: Any, bare: Any, broken: Any, in_order: bool) -> None:
    held: list[Any] = []

    def initialize(adapter: Any) -> None:
        [memory] = [r for r in adapter.query_adapter_resources()[1] if r.kind == "memory"]
        held.append((adapter.map_io_space(memory.start, memory.length)[1], memory.length))
        adapter.allocate_map_registers(0, s.NDIS_DMA_32BITS, 1, 1514)

    def halt(adapter: Any) -> None:
        steps = [lambda: adapter.unmap_io_space(*held[0]), adapter.free_map_registers]
        for step in reversed(steps) if in_order else steps:
            step()

    world = live(bare(initialize, halt=halt))
    assert broken(world) == [] and ("halt-reverse-order" in notices(world)) == (not in_order)


@pytest.mark.breaks("halt-deregister-shutdown-first")
@pytest.mark.parametrize("first", [True, False])
def test_the_shutdown_handler_goes_before_anything_else(live: Any, bare: Any, first: bool) -> None:
    def initialize(adapter: Any) -> None:
        adapter.allocate_map_registers(0, s.NDIS_DMA_32BITS, 1, 1514)
        adapter.register_adapter_shutdown_handler(None, lambda context: None)

    def halt(adapter: Any) -> None:
        steps = [adapter.deregister_adapter_shutdown_handler, adapter.free_map_registers]
        for step in steps if first else reversed(steps):
            step()

    assert ("halt-deregister-shutdown-first" in notices(live(bare(initialize, halt=halt), ndis="5.0"))) == (not first)


# Shutdown


def shut(live: Any, bare: Any, step: Any, life: str, version: str = "5.1") -> Any:
    """A life whose shutdown is *step*, with a spin lock and pool memory."""
    held: list[Any] = []

    def initialize(adapter: Any) -> None:
        held.extend((adapter.allocate_spin_lock(), adapter.allocate_memory_with_tag(64, "Test")[1]))
        if version != "5.1":
            adapter.register_adapter_shutdown_handler(adapter, lambda context: step(context, *held))

    return live(bare(initialize, shutdown=lambda adapter: step(adapter, *held)), life=life, ndis=version)


@pytest.mark.breaks("shutdown-any-irql")
@pytest.mark.parametrize("step", [
    lambda adapter, lock, memory: adapter.sleep(10), lambda adapter, lock, memory: adapter.get_cache_fill_size()])
def test_shutdown_calls_only_what_any_irql_allows(live: Any, bare: Any, broken: Any, step: Any) -> None:
    assert "shutdown-any-irql" in broken(shut(live, bare, step, "bug-check"))


@pytest.mark.breaks("shutdown-any-irql")
def test_shutdown_takes_no_lock_in_a_bug_check(live: Any, bare: Any, broken: Any) -> None:
    def step(adapter: Any, lock: Any, memory: Any) -> None:
        adapter.acquire_spin_lock(lock)
        adapter.release_spin_lock(lock)

    assert "shutdown-any-irql" in broken(shut(live, bare, step, "bug-check"))


@pytest.mark.keeps("shutdown-any-irql", "shutdown-no-ndis51")
@pytest.mark.parametrize("life", ["bug-check", "power-off"])
def test_shutdown_may_stall(live: Any, bare: Any, broken: Any, life: str) -> None:
    world = shut(live, bare, lambda adapter, lock, memory: adapter.stall_execution(50), life)
    assert broken(world) == [] and "shutdown-no-ndis51" not in notices(world)


@pytest.mark.breaks("shutdown-no-ndis51")
@pytest.mark.parametrize("version", ["5.0", "5.1"])
def test_from_ndis_51_on_shutdown_calls_nothing_of_ndis(live: Any, bare: Any, version: str) -> None:
    world = shut(live, bare, lambda adapter, lock, memory: adapter.initialize_event(), "power-off", version)
    assert ("shutdown-no-ndis51" in notices(world)) == (version == "5.1")


@pytest.mark.breaks("shutdown-no-free-bugcheck", "shutdown-no-free-poweroff")
@pytest.mark.parametrize("life, rule", [("bug-check", "shutdown-no-free-bugcheck"), ("power-off", "shutdown-no-free-poweroff")])
def test_shutdown_frees_nothing(live: Any, bare: Any, all_broken: Any, life: str, rule: str) -> None:
    world = shut(live, bare, lambda adapter, lock, memory: adapter.free_memory(memory, 64), life)
    assert rule in [*all_broken(world), *notices(world)]


@pytest.mark.keeps("shutdown-no-free-bugcheck", "shutdown-no-free-poweroff")
@pytest.mark.parametrize("life", ["bug-check", "power-off"])
def test_what_shutdown_leaves_is_no_leak(live: Any, broken: Any, life: str) -> None:
    world = live(ReferenceMiniport, life=life, frames=2)
    assert broken(world) == [] and notices(world) == []


# Reset


class Hung(ReferenceMiniport):
    """Says once that the card hangs."""

    def check_for_hang(self, adapter: Any) -> bool:
        return "reset" not in adapter._ndis.calls


def resetting(step: Any) -> type[ReferenceMiniport]:
    """A miniport whose reset does *step* and completes its packets."""

    class Resetting(Hung):
        def reset(self, adapter: Any) -> tuple[int, bool]:
            step(adapter)
            self._fail_all_sends(adapter, adapter.context)
            return s.NDIS_STATUS_SUCCESS, False

    return Resetting


@pytest.mark.breaks("stall-50us")
@pytest.mark.keeps("stall-50us")
@pytest.mark.parametrize("microseconds", [49, 50, 51])
def test_reset_stalls_50_microseconds_at_a_time(live: Any, microseconds: int) -> None:
    world = live(resetting(lambda adapter: adapter.stall_execution(microseconds)))
    assert [f.also for f in world.machine.findings.errors if f.rule.id == "stall-50us"] == [("reset-stall-limit",)] * (microseconds > 50)


@pytest.mark.breaks("reset-not-free-init")
def test_reset_does_not_free_what_initialize_claimed(live: Any, bare: Any) -> None:
    held: list[Any] = []

    def reset(adapter: Any) -> tuple[int, bool]:
        adapter.free_memory(held.pop(), 64)
        return s.NDIS_STATUS_SUCCESS, False

    world = live(bare(lambda adapter: held.append(adapter.allocate_memory_with_tag(64, "Test")[1]), reset=reset,
                      check_for_hang=lambda adapter: bool(held)))
    assert "reset-not-free-init" in notices(world)


@pytest.mark.keeps("reset-not-free-init")
def test_reset_frees_what_it_claimed_itself_and_cancels_timers(live: Any, bare: Any, broken: Any) -> None:
    timers: list[Any] = []

    def initialize(adapter: Any) -> None:
        timers.append(adapter.initialize_timer(lambda adapter, context: None))
        adapter.set_timer(timers[0], 60_000)

    def reset(adapter: Any) -> tuple[int, bool]:
        adapter.free_memory(adapter.allocate_memory_with_tag(64, "Test")[1], 64)
        adapter.cancel_timer(timers.pop())
        return s.NDIS_STATUS_SUCCESS, False

    world = live(bare(initialize, reset=reset, check_for_hang=lambda adapter: bool(timers)))
    assert "reset-not-free-init" not in notices(world) and broken(world) == []


# Removal


@pytest.mark.breaks("surprise-all-ones")
@pytest.mark.parametrize("flag", [0, s.NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK])
def test_who_says_that_removal_is_fine_does_not_wait_for_a_card_that_is_gone(live: Any, flag: int) -> None:
    class Waits(ReferenceMiniport):
        def _surprise_flag(self, adapter: Any) -> int:
            return flag

        def _quiet(self, adapter: Any, context: Any) -> None:
            while adapter.read_register_ulong(context.registers, hw.STATUS) & hw.STATUS_LINK:
                adapter.write_register_ulong(context.registers, hw.CTRL, 0)

    world = live(Waits, life="surprise")
    expected = ("time-limit", "halt-surprise-removed", *(("surprise-remove-ok-flag",) if flag else ()))
    assert also(world, "surprise-all-ones") == expected


@pytest.mark.keeps("surprise-all-ones")
def test_a_bounded_wait_copes_with_removal(live: Any, broken: Any) -> None:
    assert broken(live(ReferenceMiniport, life="surprise", frames=2)) == []


@pytest.mark.breaks("surprise-note")
@pytest.mark.keeps("surprise-note")
@pytest.mark.parametrize("heeds", [True, False])
def test_nothing_succeeds_once_the_miniport_knows_that_the_card_is_gone(live: Any, bare: Any, heeds: bool) -> None:
    noted: list[str] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        return s.NDIS_STATUS_FAILURE if noted and heeds else s.NDIS_STATUS_SUCCESS

    world = live(bare(send=send, pnp_event_notify=lambda adapter, event, *more: noted.append(event),
                      attributes=s.NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK), life="surprise", frames=1)
    assert noted and ("surprise-note" in notices(world)) == (not heeds)


# The adapter context


@pytest.mark.breaks("attr5-context-resident")
@pytest.mark.parametrize("where", ["initialize", "query_information"])
def test_the_adapter_context_lives_until_halt(live: Any, bare: Any, all_broken: Any, where: str) -> None:
    held: list[Any] = []

    def free(adapter: Any) -> None:
        if held:
            adapter.free_memory(held.pop(), Context.SIZE)

    def initialize(adapter: Any) -> None:
        held.append(adapter.allocate_memory_with_tag(Context.SIZE, "Test")[1])
        adapter.set_attributes_ex(Context(held[0]), 0, 0, s.NDIS_INTERFACE_PCI)
        if where == "initialize":
            free(adapter)

    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        free(adapter)
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0

    assert "attr5-context-resident" in all_broken(live(bare(initialize, attributes=None, query_information=query)))


@pytest.mark.keeps("attr5-context-resident")
def test_halt_frees_the_adapter_context(live: Any, bare: Any, broken: Any) -> None:
    held: list[Any] = []

    def initialize(adapter: Any) -> None:
        held.append(adapter.allocate_memory_with_tag(Context.SIZE, "Test")[1])
        adapter.set_attributes_ex(Context(held[0]), 0, 0, s.NDIS_INTERFACE_PCI)

    assert broken(live(bare(initialize, attributes=None, halt=lambda adapter: adapter.free_memory(held[0], Context.SIZE)))) == []


class Contiguous(ReferenceMiniport):
    """Takes contiguous memory for its rings, and registers for no DMA."""

    def initialize(self, adapter: Any) -> int:
        def allocate(length: int, cached: bool) -> tuple[Any, int]:
            view = adapter.mm_allocate_contiguous_memory_specify_cache(length, 0, 0xFFFFFF, 0, 0)
            return view, adapter.mm_get_physical_address(view)

        return super().initialize(_Face(
            adapter, allocate_map_registers=lambda *arguments: s.NDIS_STATUS_SUCCESS, free_map_registers=lambda: None,
            allocate_shared_memory=allocate, free_shared_memory=lambda length, cached, view, _: adapter.mm_free_contiguous_memory(view)))


@pytest.mark.breaks("attr5-bus-master")
@pytest.mark.keeps("attr5-bus-master")
@pytest.mark.parametrize("flag", [0, s.NDIS_ATTRIBUTE_BUS_MASTER])
def test_a_card_that_reads_and_writes_memory_is_a_bus_master(live: Any, all_broken: Any, flag: int) -> None:
    class Told(Contiguous):
        attributes = s.NDIS_ATTRIBUTE_DESERIALIZE | flag

    world = live(Told, frames=2)
    assert world.sent == 2 and ("attr5-bus-master" in all_broken(world)) == (not flag)


@pytest.mark.keeps("attr5-bus-master")
def test_a_card_that_moves_nothing_needs_no_attribute(live: Any, bare: Any, broken: Any) -> None:
    assert broken(live(bare(attributes=0))) == []


@pytest.mark.breaks("attr5-adapter-type")
@pytest.mark.keeps("attr5-adapter-type")
@pytest.mark.parametrize("nic", ["reference", "isa-slave"])
@pytest.mark.parametrize("interface", [s.NDIS_INTERFACE_ISA, s.NDIS_INTERFACE_PCI])
def test_the_adapter_type_is_the_bus_of_the_card(live: Any, bare: Any, broken: Any, nic: str, interface: int) -> None:
    world = live(bare(lambda adapter: adapter.set_attributes_ex(None, 0, 0, interface), attributes=None), nic=nic)
    right = (nic == "isa-slave") == (interface == s.NDIS_INTERFACE_ISA)
    assert broken(world) == ([] if right else ["attr5-adapter-type"])
