# SPDX-License-Identifier: Apache-2.0
"""NdisMAllocateSharedMemoryAsync: each documented outcome, when and where the handler runs, and each rule on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dmabed.spec import WorldSpec
from hw.processor import DISPATCH_LEVEL, FIRST_DIRQL, PASSIVE_LEVEL
from miniport import status as s
from miniport.library.shared_async import LATE_NS, LONGEST_US, completion_irql
from miniport.nulls import POISON_ADDRESS
from miniport.versions import WINDOWS
from verifier.errors import UsageError

Got = list[tuple[Any, ...]]


class Asking:
    """Handlers of a miniport that asks in initialize, and in halt waits for what it got and frees it."""

    def __init__(self, count: int = 1, length: int = 4096, context: Any = "context", *, waits: bool = True, frees: bool = True) -> None:
        self.count, self.length, self.context, self.waits, self.frees = count, length, context, waits, frees
        self.statuses: list[int] = []
        self.got: Got = []
        self.completed_in: list[Any] = []
        self.before_return = 0

    def initialize(self, adapter: Any) -> None:
        assert adapter.allocate_map_registers(0, s.NDIS_DMA_32BITS, 1, 1514) == s.NDIS_STATUS_SUCCESS
        for _ in range(self.count):
            before = len(self.got)
            self.statuses.append(adapter.allocate_shared_memory_async(self.length, False, self.context))
            self.before_return += len(self.got) - before

    def allocate_complete(self, adapter: Any, virtual: Any, physical: int, length: int, context: Any) -> None:
        ndis = adapter._ndis
        self.got.append((virtual, physical, length, context))
        self.completed_in.append((ndis.scheduler.current.irql, ndis.clock.now))

    def halt(self, adapter: Any) -> None:
        for _ in range(100):
            if len(self.got) == self.statuses.count(s.NDIS_STATUS_PENDING) or not self.waits:
                break
            adapter.sleep(1000)
        for virtual, physical, length, _ in self.got:
            if virtual is not None and self.frees:
                adapter.free_shared_memory(length, False, virtual, physical)
        adapter.free_map_registers()


@pytest.fixture
def ask(live: Any, bare: Any) -> Callable[..., Any]:
    """Live with the handlers of an `Asking`."""

    def run(asking: Asking, **options: Any) -> Any:
        made = bare(asking.initialize, allocate_complete=asking.allocate_complete, halt=asking.halt)
        return live(made, **options)

    return run


def advice(world: Any) -> list[str]:
    return [notice.rule.id for notice in world.machine.findings.notices]


# The four outcomes


def test_failure_is_no_memory_and_no_call_of_the_handler(ask: Any, broken: Any) -> None:
    asking = Asking()
    world = ask(asking, faults=("NdisMAllocateSharedMemoryAsync#1",))
    assert (asking.statuses, asking.got, broken(world)) == ([s.NDIS_STATUS_FAILURE], [], [])


@pytest.mark.keeps("shared-async-busmaster", "shared-async-handler", "shared-async-irql")
@pytest.mark.parametrize("windows", WINDOWS)
def test_pending_is_one_call_with_memory_in_reach(ask: Any, broken: Any, windows: str) -> None:
    asking = Asking(length=5000)
    world = ask(asking, windows=windows)
    assert asking.statuses == [s.NDIS_STATUS_PENDING]
    [(virtual, physical, length, context)] = asking.got
    assert (virtual.length, virtual.block.logical, length, context) == (5000, physical, 5000, "context")
    assert physical + length <= 1 << 32
    assert broken(world) == []


@pytest.mark.keeps("shared-async-complete-null-check")
@pytest.mark.parametrize("effect", ["", "=null"])
def test_a_late_failure_is_one_call_without_memory_and_length_0(ask: Any, broken: Any, effect: str) -> None:
    asking = Asking()
    world = ask(asking, faults=(f"allocate-complete#1{effect}",))
    assert asking.got == [(None, POISON_ADDRESS, 0, "context")]
    assert (asking.statuses, broken(world), world.not_fired) == ([s.NDIS_STATUS_PENDING], [], [])


def test_memory_that_is_not_there_is_a_late_failure(ask: Any, broken: Any) -> None:
    asking = Asking(length=1 << 30)
    assert broken(ask(asking)) == []
    assert asking.got == [(None, POISON_ADDRESS, 0, "context")]


@pytest.mark.keeps("shared-async-outstanding-at-halt")
def test_a_completion_may_be_late(ask: Any, broken: Any) -> None:
    asking = Asking()
    assert broken(ask(asking, faults=("allocate-complete#1=late",))) == []
    assert asking.completed_in[0][1] >= LATE_NS and asking.got[0][0] is not None


@pytest.mark.parametrize("windows, processors", [("2003", 1), ("2003", 2), ("7", 1), ("7", 4)])
def test_a_completion_may_come_before_the_call_returns(ask: Any, broken: Any, windows: str, processors: int) -> None:
    asking = Asking()
    assert broken(ask(asking, faults=("allocate-complete#1=early",), windows=windows, processors=processors)) == []
    assert (asking.before_return, asking.statuses, len(asking.got)) == (1, [s.NDIS_STATUS_PENDING], 1)


def test_the_seed_decides_whether_it_is_early_and_when_it_comes(ask: Any, broken: Any) -> None:
    early = set()
    for seed in range(12):
        asking = Asking()
        assert broken(ask(asking, seed=seed)) == []
        early.add(asking.before_return)
        again = Asking()
        ask(again, seed=seed)
        assert again.completed_in == asking.completed_in
    assert early == {0, 1}


@pytest.mark.keeps("shared-async-context")
@pytest.mark.parametrize("seed", range(4))
def test_each_of_several_is_completed_once(ask: Any, broken: Any, seed: int) -> None:
    asking = Asking(8)
    assert broken(ask(asking, seed=seed)) == []
    assert len(asking.got) == 8 and len({physical for _, physical, _, _ in asking.got}) == 8


def test_unknown_ways_to_complete_are_refused() -> None:
    for effect in ("null", "late", "early", "fail"):
        assert WorldSpec(faults=(f"allocate-complete#1={effect}",)).parsed_faults()
    with pytest.raises(UsageError, match="no effect 'never'"):
        WorldSpec(faults=("allocate-complete#1=never",)).parsed_faults()


# Where the handler runs


@pytest.mark.parametrize("windows", WINDOWS)
def test_the_handler_runs_at_dispatch_level_and_from_vista_on_at_passive_level(ask: Any, windows: str) -> None:
    asking = Asking(6)
    ask(asking, windows=windows)
    wanted = PASSIVE_LEVEL if windows in ("vista", "2008", "7") else DISPATCH_LEVEL
    assert {irql for irql, _ in asking.completed_in} == {wanted} == {completion_irql(windows)}


def test_a_completion_that_no_fault_delays_comes_within_a_millisecond_of_its_time(ask: Any) -> None:
    asking = Asking(20)
    ask(asking)
    assert max(time for _, time in asking.completed_in) <= (LONGEST_US + 100) * 1000


# Rules


def test_memory_that_is_not_freed_is_a_leak(ask: Any, broken: Any) -> None:
    assert "halt-undo-all" in broken(ask(Asking(frees=False)))


@pytest.mark.breaks("shared-async-outstanding-at-halt")
def test_halt_waits_for_what_is_outstanding(ask: Any, broken: Any) -> None:
    late = ("allocate-complete#1=late",)
    assert broken(ask(Asking(waits=False), life="halt")) == []  # it has come long before halt

    class AskingAtTheEnd(Asking):
        def initialize(self, adapter: Any) -> None:
            adapter.allocate_map_registers(0, s.NDIS_DMA_32BITS, 1, 1514)

        def halt(self, adapter: Any) -> None:
            self.statuses.append(adapter.allocate_shared_memory_async(4096, False))
            super().halt(adapter)

    patient, hasty = AskingAtTheEnd(), AskingAtTheEnd(waits=False)
    assert broken(ask(patient, faults=late)) == [] and len(patient.got) == 1
    assert broken(ask(hasty, faults=late)) == ["shared-async-outstanding-at-halt"]
    assert hasty.got == []  # a function of a driver that has left is not called


@pytest.mark.breaks("shared-async-outstanding-at-halt")
def test_the_handler_of_a_driver_that_has_left_is_not_called(ask: Any, broken: Any) -> None:
    class Hasty(Asking):
        in_halt = 0

        def initialize(self, adapter: Any) -> None:
            adapter.allocate_map_registers(0, s.NDIS_DMA_32BITS, 1, 1514)

        def halt(self, adapter: Any) -> None:
            self.statuses.append(adapter.allocate_shared_memory_async(4096, False))
            super().halt(adapter)
            self.in_halt = len(self.got)

    early = 0
    for seed in range(8):
        hasty = Hasty(waits=False)
        found = broken(ask(hasty, seed=seed))
        assert found == ([] if hasty.in_halt else ["shared-async-outstanding-at-halt"]), seed
        assert len(hasty.got) == hasty.in_halt, seed
        early += hasty.in_halt
    assert 0 < early < 8


@pytest.mark.parametrize("locked, before_return", [(False, 1), (True, 0)])
def test_the_handler_does_not_begin_while_a_spin_lock_is_held(ask: Any, broken: Any, locked: bool, before_return: int) -> None:
    class Locked(Asking):
        def initialize(self, adapter: Any) -> None:
            lock = adapter.allocate_spin_lock()
            if locked:
                adapter.acquire_spin_lock(lock)
            super().initialize(adapter)
            if locked:
                adapter.release_spin_lock(lock)
            adapter.free_spin_lock(lock)

    asking = Locked()
    assert "lock-acquire-irql" not in broken(ask(asking, faults=("allocate-complete#1=early",)))
    assert (asking.before_return, len(asking.got)) == (before_return, 1)


@pytest.mark.breaks("shared-async-outstanding-at-halt")
def test_an_initialize_that_fails_waits_too(ask: Any, broken: Any) -> None:
    class Failing(Asking):
        def initialize(self, adapter: Any) -> Any:
            super().initialize(adapter)
            adapter.free_map_registers()
            return s.NDIS_STATUS_RESOURCES

    world = ask(Failing(), faults=("allocate-complete#1=late",))
    assert "shared-async-outstanding-at-halt" in broken(world)


@pytest.mark.parametrize("life", ["power-off", "bug-check"])
def test_nothing_is_completed_and_nothing_leaks_after_shutdown(ask: Any, broken: Any, life: str) -> None:
    assert broken(ask(Asking(), life=life)) == []


@pytest.mark.breaks("shared-async-busmaster")
def test_only_a_bus_master_that_registered_for_dma_asks(live: Any, bare: Any, broken: Any) -> None:
    statuses = []

    def initialize(adapter: Any) -> None:
        statuses.append(adapter.allocate_shared_memory_async(4096, False))

    def complete(adapter: Any, *result: Any) -> None:
        raise AssertionError("FAILURE means no call")

    for attributes in (0, s.NDIS_ATTRIBUTE_BUS_MASTER):
        world = live(bare(initialize, attributes=attributes, allocate_complete=complete))
        assert broken(world) == ["shared-async-busmaster"]
    assert statuses == [s.NDIS_STATUS_FAILURE] * 2


@pytest.mark.breaks("shared-async-handler")
def test_a_miniport_without_the_handler_does_not_ask(live: Any, bare: Any, broken: Any) -> None:
    asking = Asking()
    assert broken(live(bare(asking.initialize, halt=asking.halt))) == ["shared-async-handler"]
    assert asking.statuses == [s.NDIS_STATUS_FAILURE]


@pytest.mark.breaks("miniport-exception", "shared-async-complete-null-check")
def test_a_handler_that_does_not_look_for_none_breaks_two_rules(ask: Any, all_broken: Any) -> None:
    class Trusting(Asking):
        def allocate_complete(self, adapter: Any, virtual: Any, physical: int, length: int, context: Any) -> None:
            super().allocate_complete(adapter, virtual, physical, length, context)
            virtual.write_ulong(0, 0)

    assert all_broken(ask(Trusting())) == []
    world = ask(Trusting(), faults=("allocate-complete#1=null",))
    assert (world.outcome, all_broken(world)) == ("crash", ["miniport-exception", "shared-async-complete-null-check"])


@pytest.mark.breaks("shared-async-context")
def test_the_memory_of_the_context_lives_until_the_completion(ask: Any, broken: Any) -> None:
    class WithContext(Asking):
        def __init__(self, keeps: bool) -> None:
            super().__init__()
            self.keeps = keeps

        def initialize(self, adapter: Any) -> None:
            _, self.context = adapter.allocate_memory_with_tag(16, "Ctxt")
            super().initialize(adapter)
            if not self.keeps:
                adapter.free_memory(self.context, 16)

        def halt(self, adapter: Any) -> None:
            super().halt(adapter)
            if self.keeps:
                adapter.free_memory(self.context, 16)

    late = ("allocate-complete#1=late",)
    assert broken(ask(WithContext(True), faults=late)) == []
    assert broken(ask(WithContext(False), faults=late)) == ["shared-async-context"]


@pytest.mark.breaks("shared-async-irql")
def test_asking_above_dispatch_level_is_a_finding(ask: Any, broken: Any) -> None:
    class Above(Asking):
        def initialize(self, adapter: Any) -> None:
            before = adapter._ndis.scheduler.raise_irql(FIRST_DIRQL)
            self.statuses.append(adapter.allocate_shared_memory_async(64, False))
            adapter._ndis.scheduler.lower_irql(before)

        def halt(self, adapter: Any) -> None:
            pass

    assert "shared-async-irql" in broken(ask(Above()))


@pytest.mark.breaks("shared-async-typical-use")
def test_asking_in_initialize_is_advised_against(ask: Any) -> None:
    assert advice(ask(Asking())) == ["shared-async-typical-use"]


@pytest.mark.parametrize("length", [-1, 0])
def test_a_length_of_nothing_fails_at_once(ask: Any, broken: Any, length: int) -> None:
    asking = Asking(length=length)
    assert broken(ask(asking)) == []
    assert (asking.statuses, asking.got) == ([s.NDIS_STATUS_FAILURE], [])


@pytest.mark.keeps("shared-async-typical-use")
@pytest.mark.parametrize("seed", range(3))
def test_a_running_miniport_grows_while_frames_move(live: Any, hooked: Any, broken: Any, seed: int) -> None:
    got: Got = []
    asked = []

    def send(adapter: Any) -> None:
        if len(asked) < 4:
            asked.append(adapter.allocate_shared_memory_async(2048, False, len(asked)))

    def halt(adapter: Any) -> None:
        for virtual, physical, length, _ in got:
            adapter.free_shared_memory(length, False, virtual, physical)

    made = hooked(send=send, halt=halt)
    made.allocate_complete = lambda self, adapter, *result: got.append(result)
    world = live(made, frames=12, seed=seed)
    assert broken(world) == advice(world) == [] and world.received == 12
    assert sorted(context for *_, context in got) == [0, 1, 2, 3]
