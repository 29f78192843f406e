# SPDX-License-Identifier: Apache-2.0
"""Interrupts: registration, the way from the line to ISR and deferred call, synchronization; sleep and stall."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from hw.clock import US
from hw.processor import APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL, Line
from miniport import rules
from miniport.handlers import INIT, INIT_OR_HALT, METHODS, NOT_AT_DIRQL, NOT_SHUTDOWN, Handler
from miniport.routine import ANY, PASSIVE, routine
from miniport.status import NDIS_STATUS_RESOURCE_CONFLICT, NDIS_STATUS_SUCCESS
from verifier.events import Kind
from verifier.where import Where, where_of_function

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

LONGEST_SLEEP_US = 30_000_000
LONGEST_STALL_US = 50
FRUITLESS_RUNS = 512
"""How often handle_interrupt may run in a row while no frame moves before it counts as a livelock."""


class Interrupt:
    """A registered interrupt of one adapter: the object behind an NDIS_MINIPORT_INTERRUPT."""

    __slots__ = ("_moved", "_ndis", "_runs", "dpc", "line", "live", "request_isr", "service", "shared", "where")

    def __init__(self, ndis: Ndis, line: Line, request_isr: bool, shared: bool, where: Where | None) -> None:
        self._ndis = ndis
        self.line = line
        self.request_isr = request_isr
        self.shared = shared
        self.live = True
        self.where = where
        self.service: Callable[[], bool] = self._service
        self.dpc: Callable[[], None] = self._deferred
        self._runs = 0
        self._moved = -1

    def _service(self) -> bool:
        """The line is asserted: call the miniport's ISR, or mask for it and queue its deferred call."""
        ndis = self._ndis
        miniport = ndis.miniport
        starting = not ndis.up
        if not self.request_isr and not starting:
            ndis.call(Handler.DISABLE_INTERRUPT, miniport.disable_interrupt, irql=self.line.irql)
            ndis.scheduler.queue_dpc(self.dpc)
            return True
        before, begun = ndis.nic.interrupting or ndis.nic.wants_line, ndis.clock.now
        answer = ndis.call(Handler.ISR, miniport.isr, irql=self.line.irql)
        if not ndis.answer(Handler.ISR, miniport.isr, answer, bool, bool):
            return False
        recognized, queue = answer
        if recognized and not before and ndis.nic.pulled_at < begun and not self._misled(begun):
            ndis.findings.report(
                rules.INT_NOT_OURS, f"isr says that {ndis.nic.name} interrupted, but it did not pull the line",
                where=where_of_function(miniport.isr), subject=("isr",))
        if recognized and queue and not starting:
            ndis.scheduler.queue_dpc(self.dpc)
        return bool(recognized)

    def _misled(self, begun: int) -> bool:
        """True if a register was read wrongly from *begun* on, by a fault."""
        if self._ndis.injector is None:
            return False
        since = takewhile(lambda event: event[0] >= begun, reversed(self._ndis.machine.events.events))
        return any(event[1] == Kind.FAULT and event[3].startswith("register-read") for event in since)

    def _deferred(self) -> None:
        ndis = self._ndis
        if not self.live or not ndis.up:
            return
        self._runs += 1
        if self._runs % FRUITLESS_RUNS == 0:
            self._check_progress()
        serialized = ndis.adapter.serialized
        if serialized:
            ndis.scheduler.locks += 1
        try:
            ndis.call(Handler.HANDLE_INTERRUPT, ndis.miniport.handle_interrupt, irql=DISPATCH_LEVEL)
            if ndis.miniport.overrides("enable_interrupt"):
                ndis.call(Handler.ENABLE_INTERRUPT, ndis.miniport.enable_interrupt, irql=DISPATCH_LEVEL)
        finally:
            if serialized:
                ndis.scheduler.locks -= 1

    def _check_progress(self) -> None:
        """Deferred calls that follow each other for ever while no frame moves: the cause stays and the card is unmasked again."""
        ndis = self._ndis
        wire, protocol = ndis.nic.wire, ndis.protocol
        moved = len(wire.sent) + wire.arrived + len(protocol.sent) + len(protocol.failed) + len(protocol.received_frames)
        if moved == self._moved:
            from miniport.ndis import WorldEnds
            ndis.findings.report(
                rules.INT_QUIET, f"handle_interrupt ran {FRUITLESS_RUNS} times in a row and no frame moved: the cause of the interrupt "
                "is never acknowledged", where=where_of_function(ndis.miniport.handle_interrupt), subject=("isr",))
            raise WorldEnds("hang")
        self._moved = moved

    def storm(self, line: Line) -> None:
        """The line stays asserted although the ISR ran."""
        ndis = self._ndis
        ndis.findings.report(
            rules.INT_QUIET, f"the interrupt line stays asserted after the ISR ran again and again: {ndis.nic.pending_causes()}",
            where=where_of_function(ndis.miniport.isr), subject=("isr",))


@routine("NdisMRegisterInterrupt", irql=PASSIVE, irql_rule="int-register-init", handlers=INIT, handlers_rule="int-register-init",
         fails=("RESOURCE_CONFLICT", "RESOURCES", "FAILURE"), on_failure=lambda status: (status, None),
         c="NDIS_STATUS NdisMRegisterInterrupt(OUT PNDIS_MINIPORT_INTERRUPT, NDIS_HANDLE, UINT InterruptVector, UINT InterruptLevel, "
           "BOOLEAN RequestIsr, BOOLEAN SharedInterrupt, NDIS_INTERRUPT_MODE)", source="nt4:103ndisx_123")
def register_interrupt(ndis: Ndis, adapter: Adapter, vector: int, level: int, request_isr: bool, shared_interrupt: bool,
                       mode: int) -> tuple[int, Interrupt | None]:
    """Connect the interrupt. Returns (status, interrupt). The ISR may run before the call returns."""
    report, name = ndis.findings.report, "NdisMRegisterInterrupt"
    if not adapter.attributes_set:
        report(rules.ATTRIBUTES_FIRST, f"{name} before NdisMSetAttributesEx", subject=(name,))
    if shared_interrupt and not request_isr:
        report(rules.INT_SHARED_ISR, f"{name}: SharedInterrupt TRUE with RequestIsr FALSE", subject=(name,))
    if adapter.interrupt is not None:
        report(rules.INT_ONE, f"{name} once more while the interrupt is registered", subject=(name,),
               related=[("registered", adapter.interrupt.where)])
    line = ndis.nic.interrupt_line
    if vector != line.vector and vector in ndis.nic.former_vectors:
        report(rules.RESOURCES_CURRENT, f"{name}: {ndis.nic.name} interrupted by vector {vector} before the system gave it other resources",
               subject=("resources",))
    if vector != line.vector or adapter.interrupt is not None:
        ndis.refused(name)
        return NDIS_STATUS_RESOURCE_CONFLICT, None
    interrupt = Interrupt(ndis, line, request_isr, shared_interrupt, ndis.where.capture())
    adapter.interrupt = interrupt
    line.services.append(interrupt.service)
    line.on_storm = interrupt.storm
    adapter.claim(interrupt, "interrupt", name)
    ndis.scheduler.count_points()
    if line.asserting:
        ndis.scheduler.attention = True
    elif shared_interrupt and adapter.context is not None:
        ndis.scheduler.serve_once(line)  # another device on the line interrupts before the call returns
    return NDIS_STATUS_SUCCESS, interrupt


@routine("NdisMDeregisterInterrupt", irql=PASSIVE, irql_rule="int-deregister-where", handlers=INIT_OR_HALT,
         handlers_rule="int-deregister-where", c="VOID NdisMDeregisterInterrupt(PNDIS_MINIPORT_INTERRUPT)",
         source="ddi:ndis/nf-ndis-ndismderegisterinterruptex")
def deregister_interrupt(ndis: Ndis, adapter: Adapter, interrupt: Interrupt) -> None:
    """Disconnect the interrupt; returns when no ISR and no deferred call of it runs or waits any more."""
    if interrupt is None or not interrupt.live:
        ndis.findings.report(
            rules.INT_DEREGISTER_WHERE, "NdisMDeregisterInterrupt of an interrupt that is not registered", subject=("interrupt",))
        return
    if ndis.nic.present and _may_interrupt(ndis):
        ndis.findings.report(
            rules.INT_DISABLE_FIRST, f"NdisMDeregisterInterrupt while {ndis.nic.name} may still pull its interrupt line",
            subject=("interrupt",))
    if ndis.held:
        lock = ndis.held[-1]
        ndis.findings.report(
            rules.INT_WAITS, f"NdisMDeregisterInterrupt while {lock.name} is held: the deferred call that it waits for may want the lock",
            subject=("interrupt",), related=[("acquired", lock.acquired_at)])
    scheduler = ndis.scheduler
    if scheduler.dpc_pending(interrupt.dpc):
        scheduler.point(now=True)
    interrupt.live = False
    if interrupt.service in interrupt.line.services:
        interrupt.line.services.remove(interrupt.service)
        scheduler.count_points()
    scheduler.drop_dpc(interrupt.dpc)
    adapter.interrupt = None
    adapter.release(interrupt)


def _may_interrupt(ndis: Ndis) -> bool:
    """True if the NIC may pull its line once the writes that are on their way to it have arrived. They stay on their way:
    to bring home the write that stops DMA, before memory is freed, is the miniport's part."""
    nic = ndis.nic
    enabled = nic.interrupts_enabled
    for device, slot, value, _ in ndis.machine.bus.posted:
        if device is nic:
            decided = nic.enables_interrupts(slot, value)
            enabled = enabled if decided is None else decided
    return enabled


@routine("NdisMSynchronizeWithInterrupt", irql=ANY, handlers=NOT_SHUTDOWN,
         c="BOOLEAN NdisMSynchronizeWithInterrupt(PNDIS_MINIPORT_INTERRUPT, PVOID SynchronizeFunction, PVOID Context)",
         source="docs:network/synchronizing-with-interrupts")
def synchronize_with_interrupt(ndis: Ndis, adapter: Adapter, interrupt: Interrupt, function: Callable[[Any], Any], context: Any,
                               ) -> bool:
    """Run *function(context)* while the ISR cannot run on any processor. Returns what it returns."""
    if interrupt is None or not interrupt.live:
        ndis.findings.report(
            rules.INT_SYNC_AFTER, "NdisMSynchronizeWithInterrupt with an interrupt that is not registered", subject=("interrupt",))
        return False
    line = interrupt.line
    services, line.services = line.services, []
    ndis.scheduler.count_points()
    try:
        return bool(ndis.call(Handler.SYNCHRONIZE, lambda _: function(context), irql=line.irql))
    finally:
        line.services = services
        ndis.scheduler.count_points()
        if line.asserting:
            ndis.scheduler.attention = True


@routine("NdisMSleep", irql=(PASSIVE_LEVEL, APC_LEVEL), irql_rule="sleep-below-dispatch", handlers=NOT_AT_DIRQL,
         c="VOID NdisMSleep(ULONG MicrosecondsToSleep)", source="ddi:ndis/nf-ndis-ndismsleep")
def sleep(ndis: Ndis, adapter: Adapter, microseconds: int) -> None:
    """Let virtual time pass, 30 s at most. Interrupts, deferred calls and timers are served as they come, at the latest when it ends."""
    if not 0 <= microseconds <= LONGEST_SLEEP_US:
        ndis.findings.report(rules.SLEEP_IRQL, f"NdisMSleep of {microseconds} us; at most {LONGEST_SLEEP_US}", subject=("sleep",))
        microseconds = LONGEST_SLEEP_US
    scheduler, clock = ndis.scheduler, ndis.clock
    deadline = clock.now + microseconds * US
    ndis.allow(microseconds * US)
    if scheduler.attention:
        scheduler.point(now=True)
    while clock.now < deadline:
        clock.advance(max(min(clock.due, deadline) - clock.now, 0))
        if scheduler.attention is True:  # something waits; a point that is only counted is none
            scheduler.point(now=True)


@routine("NdisStallExecution", irql=ANY, c="VOID NdisStallExecution(UINT MicrosecondsToStall)",
         source="ddi:ndis/nf-ndis-ndisstallexecution")
def stall_execution(ndis: Ndis, adapter: Adapter, microseconds: int) -> None:
    """Wait busily; at most 50 microseconds outside initialize and halt."""
    if microseconds > LONGEST_STALL_US and not ndis.handler & INIT_OR_HALT:
        ndis.findings.report(
            rules.STALL_LONG, f"NdisStallExecution of {microseconds} us in {METHODS[ndis.handler]}; at most {LONGEST_STALL_US}",
            subject=("stall", ndis.handler), also=("reset-stall-limit",) if ndis.handler == Handler.RESET else ())
    ns = min(max(microseconds, 0), LONGEST_SLEEP_US) * US
    ndis.allow(ns)
    ndis.clock.advance(ns)
