# SPDX-License-Identifier: Apache-2.0
"""Interrupts, power off, bug check and surprise removal at every switching point and register access."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dmabed.load import find_miniport
from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from miniport.reference import ReferenceMiniport
from miniport.reference.serialized import SerializedReferenceMiniport
from verifier.events import Kind

Lived = Callable[..., World]
BOTH = pytest.mark.parametrize("miniport", [ReferenceMiniport, SerializedReferenceMiniport])


def clean(world: World) -> bool:
    return world.outcome == "ran" and not world.machine.findings.errors and not world.not_fired


def counts(world: World) -> dict[str, int]:
    assert world.machine.injector is not None
    return world.machine.injector.counts


def handlers(world: World) -> list[tuple[int, str]]:
    """(processor, handler) of every call, in order."""
    return [(event[2], event[3]) for event in world.machine.events.events if event[1] == Kind.ENTER]


# Interrupts


def test_the_first_switching_point_lies_in_the_registration_of_the_interrupt(lived: Lived) -> None:
    world = lived("preempt#1")
    assert clean(world)
    [fault] = [i for i, event in enumerate(world.machine.events.events) if event[1] == Kind.FAULT]
    behind = [event[3] for event in list(world.machine.events.events)[fault + 1:] if event[1] in (Kind.ROUTINE, Kind.ENTER)]
    assert behind[:2] == ["NdisMRegisterInterrupt", "isr"], "it lies in the first run of the ISR, and waits for the end of that"


@pytest.mark.parametrize("processors, expected", [(1, 0), (2, 1)])
def test_it_comes_on_the_other_processor_where_there_are_two(lived: Lived, processors: int, expected: int) -> None:
    world = lived("preempt#1=interrupt", processors=processors)
    [fault] = [i for i, event in enumerate(world.machine.events.events) if event[1] == Kind.FAULT]
    behind = list(world.machine.events.events)[fault:]
    assert next(event[2] for event in behind if event[1] == Kind.ENTER and event[3] == "isr") == expected


def test_no_deferred_call_follows_in_initialize(lived: Lived) -> None:
    class Greedy(ReferenceMiniport):
        def isr(self, adapter: Any) -> tuple[bool, bool]:
            adapter.dbg_print("isr")
            return super().isr(adapter)[0], True

    world = lived("preempt#1", miniport=Greedy, frames=0)
    before = [name for _, name in handlers(world)]
    assert before.index("isr") < before.index("query_information")
    assert "handle_interrupt" not in before[:before.index("query_information")]


@pytest.mark.breaks("int-isr-false-if-not-ours")
def test_miniport_that_claims_every_interrupt_is_found(lived: Lived) -> None:
    class Claims(ReferenceMiniport):
        def isr(self, adapter: Any) -> tuple[bool, bool]:
            return True, False

    found = [f.rule.id for f in lived("preempt#1", miniport=Claims, frames=0).machine.findings.errors]
    assert "int-isr-false-if-not-ours" in found


@pytest.mark.keeps("int-isr-false-if-not-ours")
@pytest.mark.parametrize("nic", ["reference", "rtl8139", "e1000"])
@pytest.mark.parametrize("fault", ["interrupt#6=lost", "interrupt#6=delayed"])
def test_a_card_whose_line_a_fault_holds_down_is_served_by_the_interrupt_of_its_neighbour(nic: str, fault: str) -> None:
    miniport, base = find_miniport(None, nic)
    world = run_world(WorldSpec(nic=nic, adapters=2, seed=3, faults=(fault,)), miniport, base)
    assert clean(world) and world.not_fired == []


@pytest.mark.keeps("int-isr-false-if-not-ours")
@pytest.mark.parametrize("use", [6, 11, 16])
def test_isr_that_a_wrong_register_misled_is_not_blamed(lived: Lived, use: int) -> None:
    world = lived(f"register-read:MASK#{use}=all-ones", adapters=2, frames=17)
    assert clean(world) and world.not_fired == []


@BOTH
def test_interrupt_that_comes_at_every_switching_point_is_survived(lived: Lived, miniport: Any) -> None:
    world = lived("preempt#1+=interrupt", miniport=miniport, frames=2)
    assert clean(world)
    assert world.ndis.calls["isr"] > 50


class Unmasks(ReferenceMiniport):
    """The ISR stores what halt clears, and does not survive a call behind that: a window that a quiet machine never hits."""

    def _fail_all_sends(self, adapter: Any, context: Any) -> None:
        super()._fail_all_sends(adapter, context)
        context.registers, registers = None, context.registers
        adapter.stall_execution(1)
        context.registers = registers


def test_interrupt_in_a_short_window_of_halt_is_found_by_the_fault_alone(lived: Lived) -> None:
    recording = lived(miniport=Unmasks, frames=0, record=True)
    assert clean(recording)
    total = counts(recording)["preempt"]
    found = [lived(f"preempt#{point}", miniport=Unmasks, frames=0).outcome for point in range(total - 30, total + 1)]
    assert "crash" in found and "ran" in found


# Power off and bug check


@BOTH
@pytest.mark.parametrize("effect", ["power-off", "bug-check"])
def test_life_ends_with_the_shutdown_handler(lived: Lived, miniport: Any, effect: str) -> None:
    middle = counts(lived(record=True, miniport=miniport))["preempt"] // 2
    world = lived(f"preempt#{middle}={effect}", miniport=miniport)
    assert clean(world)
    names = [name for _, name in handlers(world)]
    assert names.count("shutdown") == 1 and "halt" not in names
    assert names[-1] == "shutdown" or effect == "power-off"
    [life] = [event[3] for event in world.machine.events.events if event[1] == Kind.LIFE]
    assert life == effect


class Watches(ReferenceMiniport):
    """Notes in the log how many spin locks are held when the shutdown handler begins."""

    def shutdown(self, adapter: Any) -> None:
        adapter._ndis.log.append(str(adapter._ndis.scheduler.locks))
        super().shutdown(adapter)


@pytest.mark.parametrize("effect, under", [("power-off", False), ("bug-check", True)])
def test_power_off_waits_for_spin_locks_and_a_bug_check_does_not(lived: Lived, effect: str, under: bool) -> None:
    total = counts(lived(record=True))["preempt"]
    worlds = [lived(f"preempt#{point}={effect}", miniport=Watches) for point in range(1, total, 7)]
    assert not [f.message for world in worlds for f in world.machine.findings.errors]
    assert any(world.ndis.log and world.ndis.log[-1] != "0" for world in worlds) is under


def test_nothing_is_delivered_after_a_bug_check(lived: Lived) -> None:
    world = lived("preempt#60=bug-check")
    names = [name for _, name in handlers(world)]
    assert names[-1] == "shutdown"
    assert world.machine.scheduler.frozen


def test_shutdown_handler_that_takes_a_lock_is_found_where_it_is_held(lived: Lived) -> None:
    class Locks(ReferenceMiniport):
        def shutdown(self, adapter: Any) -> None:
            adapter.acquire_spin_lock(adapter.context.lock)
            super().shutdown(adapter)
            adapter.release_spin_lock(adapter.context.lock)

    total = counts(lived(record=True))["preempt"]
    assert any(lived(f"preempt#{point}=bug-check", miniport=Locks).machine.findings.errors for point in range(1, total, 7))


def test_event_in_initialize_waits_until_the_adapter_is_up_and_in_halt_cannot_be(lived: Lived) -> None:
    total = counts(lived(record=True))["preempt"]
    assert clean(lived("preempt#1=power-off"))
    world = lived(f"preempt#{total}=power-off")
    assert world.not_fired == [f"preempt#{total}=power-off"]


# Surprise removal


@BOTH
@pytest.mark.parametrize("windows, event", [("2003", True), ("2000", False)])
def test_card_that_is_pulled_out_is_reported_and_halted(lived: Lived, miniport: Any, windows: str, event: bool) -> None:
    middle = counts(lived(record=True, miniport=miniport, windows=windows))["register-access"] // 2
    world = lived(f"register-access#{middle}=surprise", miniport=miniport, windows=windows)
    assert clean(world)
    names = [name for _, name in handlers(world)]
    assert "halt" in names
    assert ("pnp_event_notify" in names) is event
    assert not event or names.index("pnp_event_notify") < names.index("halt")


def test_after_the_access_everything_reads_all_ones(lived: Lived) -> None:
    world = lived("register-access#30")
    accesses = [tuple(event) for event in world.machine.events.events if event[1] in (Kind.REGISTER_READ, Kind.REGISTER_WRITE)]
    assert all(event[6] == 0xFFFF_FFFF for event in accesses[29:] if event[1] == Kind.REGISTER_READ)
    assert any(event[6] != 0xFFFF_FFFF for event in accesses[:29] if event[1] == Kind.REGISTER_READ)
    gone_at = accesses[29][0]
    assert not [event for event in world.machine.events.events if event[1] in (Kind.DMA_READ, Kind.DMA_WRITE) and event[0] > gone_at]
    assert world.nic.config.read(0, 4) == b"\xff" * 4
    assert not world.nic.interrupting


@BOTH
def test_card_that_is_pulled_out_in_initialize_is_refused_or_halted(lived: Lived, miniport: Any) -> None:
    for access in range(1, 25):
        world = lived(f"register-access#{access}", miniport=miniport)
        assert clean(world)
        assert world.refused or "halt" in [name for _, name in handlers(world)]


class Polls(ReferenceMiniport):
    """Waits for a bit without a bound."""

    def _quiet(self, adapter: Any, context: Any) -> None:
        adapter.write_register_ulong(context.registers, 0x10, 0)
        adapter.write_register_ulong(context.registers, 0x04, 0)
        while adapter.read_register_ulong(context.registers, 0x08) & 0xC:
            adapter.stall_execution(10)


@pytest.mark.breaks("surprise-all-ones")
def test_poll_without_a_bound_hangs_once_the_card_is_gone(lived: Lived) -> None:
    assert clean(lived(miniport=Polls))
    world = lived("register-access#40", miniport=Polls)
    assert world.outcome == "hang"
    assert [f.rule.id for f in world.machine.findings.errors] == ["surprise-all-ones"]
