# SPDX-License-Identifier: Apache-2.0
"""Rules of interrupts and timers that concern the course of a life."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from hw.machine import VECTOR
from miniport import status as s
from miniport.context import AdapterContext, Pointer
from miniport.reference import ReferenceMiniport, SerializedReferenceMiniport
from miniport.reference import hardware as hw


def notices(world: Any) -> list[str]:
    return [finding.rule.id for finding in world.machine.findings.notices]


def register(adapter: Any, shared: bool = True) -> Any:
    return adapter.register_interrupt(VECTOR, adapter.nic.interrupt_line.irql, True, shared, s.NDIS_INTERRUPT_LEVEL_SENSITIVE)


class Early(ReferenceMiniport):
    """Registers the interrupt before its registers are mapped."""

    def _claim(self, adapter: Any, context: Any, undo: ExitStack) -> int:
        line = next(r for r in adapter.query_adapter_resources()[1] if r.kind == "interrupt")
        status, context.interrupt = adapter.register_interrupt(
            line.start, line.level, request_isr=True, shared_interrupt=True, mode=line.mode)
        undo.callback(adapter.deregister_interrupt, context.interrupt)
        return status

    def isr(self, adapter: Any) -> tuple[bool, bool]:
        registers = adapter.context.registers
        return registers.length < 0, False


@pytest.mark.breaks("init-ready-before-interrupt")
def test_the_isr_may_run_before_the_interrupt_is_registered_for_all_the_miniport_knows(live: Any, broken: Any) -> None:
    world = live(Early)
    assert (world.outcome, broken(world)) == ("crash", ["init-ready-before-interrupt"])


@pytest.mark.keeps("init-ready-before-interrupt")
def test_an_isr_that_finds_all_in_place_says_that_the_interrupt_is_not_its_own(live: Any, broken: Any) -> None:
    world = live(ReferenceMiniport)
    assert broken(world) == [] and world.ndis.calls["isr"] >= 1


@pytest.mark.keeps("init-ready-before-interrupt")
def test_on_a_line_of_its_own_a_card_that_is_masked_does_not_interrupt(live: Any, bare: Any, broken: Any) -> None:
    class Context(AdapterContext):
        nothing = Pointer()

    def initialize(adapter: Any) -> None:
        adapter.set_attributes_ex(Context(adapter.allocate_memory_with_tag(Context.SIZE, "Test")[1]), 0, 0, s.NDIS_INTERFACE_PCI)
        register(adapter, shared=False)

    def halt(adapter: Any) -> None:
        adapter.deregister_interrupt(adapter.interrupt)
        adapter.free_memory(adapter.context.view, Context.SIZE)

    world = live(bare(initialize, attributes=None, isr=lambda adapter: adapter.context.nothing.length, halt=halt))
    assert broken(world) == [] and "isr" not in world.ndis.calls


@pytest.mark.breaks("int-one-registration")
@pytest.mark.keeps("int-one-registration")
@pytest.mark.parametrize("between", [True, False])
def test_the_interrupt_is_registered_once_at_a_time(live: Any, bare: Any, between: bool) -> None:
    def initialize(adapter: Any) -> None:
        first = register(adapter)[1]
        if between:
            adapter.deregister_interrupt(first)
        adapter.deregister_interrupt(register(adapter)[1] or first)

    assert ("int-one-registration" in notices(live(bare(initialize)))) == (not between)


@pytest.mark.breaks("int-deregister-waits")
@pytest.mark.keeps("int-deregister-waits")
@pytest.mark.parametrize("locked", [True, False])
def test_no_lock_is_held_while_the_interrupt_is_deregistered(live: Any, bare: Any, all_broken: Any, locked: bool) -> None:
    def halt(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        if locked:
            adapter.deregister_interrupt(adapter.interrupt)
        adapter.release_spin_lock(lock)
        if not locked:
            adapter.deregister_interrupt(adapter.interrupt)
        adapter.free_spin_lock(lock)

    world = live(bare(lambda adapter: register(adapter) and None, halt=halt))
    assert ("int-deregister-waits" in all_broken(world)) == locked


@pytest.mark.breaks("int-dpc-reenable")
def test_a_card_that_stays_masked_after_the_deferred_call_is_told(live: Any, broken: Any) -> None:
    class Masked(ReferenceMiniport):
        def enable_interrupt(self, adapter: Any) -> None:
            """Nothing."""

    assert broken(live(Masked, frames=40))[0] == "int-dpc-reenable"


@pytest.mark.keeps("int-dpc-reenable")
def test_handle_interrupt_may_unmask_the_card_itself(live: Any, broken: Any) -> None:
    class Itself(ReferenceMiniport):
        def enable_interrupt(self, adapter: Any) -> None:
            """Nothing."""

        def handle_interrupt(self, adapter: Any) -> None:
            super().handle_interrupt(adapter)
            adapter.write_register_ulong(adapter.context.registers, hw.MASK, hw.ALL_CAUSES)

    world = live(Itself, frames=40)
    assert broken(world) == [] and world.lost == 0


@pytest.mark.keeps("int-dpc-reenable")
def test_a_card_whose_deferred_call_still_waits_is_masked_rightly(live: Any, broken: Any) -> None:
    class Wrong(SerializedReferenceMiniport):
        """Keeps a packet to itself, and takes it for one that hangs. Both cards are checked in the same instant: while the first one
        is, a frame comes to the second one, whose ISR masks it and whose deferred call comes behind its check."""

        def send(self, adapter: Any, packet: Any, flags: int) -> Any:
            if adapter.nic.adapter == 1 and not kept:
                kept.append(packet)
                return s.NDIS_STATUS_PENDING
            return super().send(adapter, packet, flags)

        def check_for_hang(self, adapter: Any) -> bool:
            super().check_for_hang(adapter)
            if adapter.nic.adapter == 0:
                adapter._ndis.machine.nics[1].receive_frame(b"\xff" * 6 + bytes(60))
                for _ in range(8):
                    adapter.stall_execution(5)
            hangs = bool(adapter.outstanding_sends)
            masked.append(hangs and not adapter.nic.interrupts_enabled)
            return hangs

    kept: list[Any] = []
    masked: list[bool] = []
    world = live(Wrong, adapters=2, frames=2)
    assert any(masked) and broken(world) == ["frame-lost-without-fault"]


@pytest.mark.breaks("int-deregister-disable-first")
def test_the_card_is_masked_before_the_interrupt_goes(live: Any) -> None:
    class Unmasked(ReferenceMiniport):
        def halt(self, adapter: Any) -> None:
            adapter.deregister_interrupt(adapter.context.interrupt)
            super().halt(adapter)

    world = live(Unmasked)
    [finding] = [f for f in world.machine.findings.errors if f.rule.id == "int-deregister-disable-first"]
    assert finding.also == ("halt-disable-interrupts-first",)


# Timers


@pytest.mark.breaks("timer5-initialize-once")
@pytest.mark.parametrize("call", [
    lambda adapter: adapter.set_timer(None, 1), lambda adapter: adapter.set_periodic_timer(0, 1),
    lambda adapter: adapter.cancel_timer(None), lambda adapter: adapter.ndis_set_timer(None, 1),
    lambda adapter: adapter.ndis_cancel_timer(None)])
def test_a_timer_is_initialized_before_it_is_used(live: Any, bare: Any, broken: Any, call: Any) -> None:
    world = live(bare(lambda adapter: call(adapter) and None))
    assert (world.outcome, broken(world)) == ("ran", ["timer5-initialize-once"])


@pytest.mark.keeps("timer5-initialize-once")
def test_a_timer_that_was_initialized_may_be_cancelled_before_it_was_ever_set(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        assert adapter.cancel_timer(adapter.initialize_timer(lambda adapter, context: None)) is False

    assert broken(live(bare(initialize))) == []


def raced(wait: bool) -> Any:
    """Halt cancels a timer that has just fired, and waits for its function, or does not."""
    timers: list[Any] = []

    def halt(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        adapter.set_timer(timers[0], 1)
        adapter.acquire_spin_lock(lock)
        for _ in range(40):
            adapter.stall_execution(50)
        said = adapter.cancel_timer(timers[0])
        assert said is False
        if wait:
            adapter.release_spin_lock(lock)
            adapter.sleep(1000)
            adapter.free_spin_lock(lock)

    return timers, halt


@pytest.mark.breaks("timer-cancel-false-wait")
@pytest.mark.keeps("timer-cancel-false-wait")
@pytest.mark.parametrize("wait", [True, False])
def test_false_from_cancel_means_to_wait(live: Any, bare: Any, all_broken: Any, wait: bool) -> None:
    timers, halt = raced(wait)
    world = live(bare(lambda adapter: timers.append(adapter.initialize_timer(lambda adapter, context: None)), halt=halt))
    assert world.outcome == "ran" and ("timer-cancel-false-wait" in all_broken(world)) == (not wait)
