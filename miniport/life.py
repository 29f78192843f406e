# SPDX-License-Identifier: Apache-2.0
"""Rules of a miniport's life that are judged at its turning points: after initialize, after the traffic, after shutdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.clock import SECOND
from miniport import rules
from miniport.context import AdapterContext
from miniport.handlers import METHODS, Handler
from miniport.protocol.hang import interval_of
from miniport.releases import CONTEXT_RESIDENT, NEEDED_IN_SHUTDOWN
from miniport.routine import TABLE
from verifier.events import Kind
from verifier.rule import Severity, rule
from verifier.where import where_of_function

if TYPE_CHECKING:
    from miniport.ndis import Ndis

SHUTDOWN_HANDLER_LAST = rule(
    "init-shutdown-handler-last", "call NdisMRegisterAdapterShutdownHandler when everything is claimed", severity=Severity.WARNING)
NO_NDIS_CALL = rule(
    "shutdown-no-ndis51", "reach the NIC's registers in shutdown and call nothing else of NDIS", severity=Severity.ADVICE)
BUS_MASTER = rule("attr5-bus-master", "set NDIS_ATTRIBUTE_BUS_MASTER for a NIC that is a bus master")
HANG_INTERVAL = rule(
    "hang-interval-init", "give NdisMSetAttributesEx a CheckForHangTimeInSeconds that is longer than initialize takes",
    severity=Severity.WARNING)
FAIL_LOG = rule(
    "init-fail-log", "say in the error log why initialize fails, with NdisWriteErrorLogEntry", severity=Severity.ADVICE)

_STALLS = ("NdisStallExecution",)
"""Waiting for the card belongs to the register accesses that stop it."""


def initialized(ndis: Ndis) -> None:
    """Initialize returned success: is what it left behind in order?"""
    adapter, miniport, report = ndis.adapter, ndis.miniport, ndis.findings.report
    where = where_of_function(miniport.initialize)
    adapter.failed_in_initialize = tuple(ndis.failed_routines)
    if ndis.injector is not None:
        adapter.fired_in_initialize = len(ndis.injector.fired)
    context = adapter.context
    if isinstance(context, AdapterContext) and not context.view.block.live:
        report(CONTEXT_RESIDENT, "initialize returned and the adapter context is freed", where=where, block=context.view.block)
    later = list(adapter.claims.values())
    first = next((n for n, claim in enumerate(later) if claim.routine == "NdisMRegisterAdapterShutdownHandler"), len(later))
    for claim in later[first + 1:]:
        if claim.routine in NEEDED_IN_SHUTDOWN:
            report(SHUTDOWN_HANDLER_LAST, f"{claim.what} was claimed behind the shutdown handler", where=later[first].where,
                   subject=("shutdown handler",), related=[(f"{claim.what} claimed", claim.where)])
            break
    took, interval = ndis.clock.now - adapter.attributes_at, interval_of(adapter.check_for_hang_seconds)
    if miniport.overrides("check_for_hang") and took > interval:
        report(HANG_INTERVAL, f"initialize took {took / SECOND:.1f} s from NdisMSetAttributesEx on, and the interval of check_for_hang is "
               f"{interval // SECOND} s", where=where, subject=(Handler.CHECK_FOR_HANG,))


def mastered(ndis: Ndis) -> None:
    """The traffic is over: did the card do accesses that its attributes deny?"""
    adapter, nic = ndis.adapter, ndis.nic
    if adapter.bus_master or not adapter.attributes_set or nic.dma_channel is not None:
        return
    if any(event[1] in (Kind.DMA_READ, Kind.DMA_WRITE) and event[3] == nic.name for event in ndis.machine.events.events):
        ndis.findings.report(
            BUS_MASTER, f"{nic.name} reads and writes memory as bus master, and NDIS_ATTRIBUTE_BUS_MASTER is not set",
            where=where_of_function(ndis.miniport.initialize), subject=("attributes",))


def refused(ndis: Ndis) -> None:
    """Initialize returned a failure: does the administrator learn of it?"""
    if not ndis.error_log:
        ndis.findings.report(
            FAIL_LOG, "initialize failed and wrote nothing into the error log", where=where_of_function(ndis.miniport.initialize),
            subject=("error log",))


def silent(ndis: Ndis, sent: int, received: int) -> None:
    """Frames were offered and a routine had failed in initialize, which succeeded: did anything get through?"""
    adapter, injector = ndis.adapter, ndis.injector
    if (sent and received) or not adapter.failed_in_initialize or injector is None:
        return
    if len(injector.fired) != adapter.fired_in_initialize or any(fault.name not in TABLE for fault in injector.fired):
        return
    what = "no frame went out" if not sent else "no frame was indicated"
    ndis.findings.report(
        rules.WITHOUT_RESOURCES, f"{', '.join(adapter.failed_in_initialize)} failed, initialize succeeded all the same, and {what}",
        where=where_of_function(ndis.miniport.initialize), subject=("initialize",), also=())


def shut_down(ndis: Ndis) -> None:
    """The shutdown handler returned: what did it call?"""
    if ndis.ndis_version < (5, 1):
        return
    name = METHODS[Handler.SHUTDOWN]
    depth = 0  # handlers that were nested in it, on another processor, call what they like
    for event in tuple(reversed(ndis.machine.events.events)):
        if event[1] == Kind.LEAVE:
            depth += 1
        elif event[1] == Kind.ENTER:
            depth -= 1
            if not depth and event[3] == name:
                return
        elif event[1] == Kind.ROUTINE and depth == 1 and event[3] not in _STALLS:
            ndis.findings.report(
                NO_NDIS_CALL, f"shutdown calls {event[3]}", where=where_of_function(ndis.miniport.shutdown), subject=(event[3],))
