# SPDX-License-Identifier: Apache-2.0
"""What a miniport gives back, and where: in halt in order, in shutdown nothing, and the adapter context last of all."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from hw.processor import DISPATCH_LEVEL, irql_name
from miniport.context import AdapterContext
from miniport.handlers import METHODS, Handler
from verifier.rule import Severity, rule

if TYPE_CHECKING:
    from miniport.adapter_state import AdapterState, Claim
    from miniport.ndis import Ndis

REVERSE_ORDER = rule(
    "halt-reverse-order", "give back in the reverse order: what was claimed last goes first", severity=Severity.ADVICE)
SHUTDOWN_HANDLER_FIRST = rule(
    "halt-deregister-shutdown-first", "call NdisMDeregisterAdapterShutdownHandler before anything is given back",
    severity=Severity.WARNING)
NO_FREE_BUG_CHECK = rule("shutdown-no-free-bugcheck", "only stop the NIC in shutdown")
NO_FREE_POWER_OFF = rule("shutdown-no-free-poweroff", "only stop the NIC in shutdown", severity=Severity.WARNING)
RESET_FREES = rule(
    "reset-not-free-init", "bring the card back in reset with the resources that initialize claimed", severity=Severity.WARNING)
CONTEXT_RESIDENT = rule("attr5-context-resident", "keep the adapter context until halt, and free it there last")

_HARDWARE = frozenset((
    "NdisMMapIoSpace", "NdisMRegisterIoPortRange", "NdisMAllocateMapRegisters", "NdisMRegisterDmaChannel", "NdisMAllocateSharedMemory"))
"""Claims of hardware, and of memory for it, but for the interrupt, which goes as early as possible."""
_COMES_AND_GOES = frozenset((
    "NdisMSetTimer", "NdisMSetPeriodicTimer", "NdisSetTimer", "NdisScheduleWorkItem", "NdisMAllocateSharedMemoryAsync"))
"""Claims that end in the course of things."""
NEEDED_IN_SHUTDOWN = _HARDWARE | {"NdisMRegisterInterrupt"}


def released(ndis: Ndis, adapter: AdapterState, key: Hashable, claim: Claim) -> None:
    """The miniport gives something back, outside initialize."""
    handler, report = ndis.handler, ndis.findings.report
    if handler == Handler.HALT:
        _in_halt(ndis, adapter, key, claim)
    elif handler == Handler.SHUTDOWN:
        bug_check = ndis.scheduler.current.irql > DISPATCH_LEVEL
        report(NO_FREE_BUG_CHECK if bug_check else NO_FREE_POWER_OFF,
               f"shutdown gives {claim.what} back, at {irql_name(ndis.scheduler.current.irql)}", block=claim.block, subject=(claim.what,))
    elif handler == Handler.RESET and claim.handler == Handler.INITIALIZE and claim.routine not in _COMES_AND_GOES:
        report(RESET_FREES, f"reset gives {claim.what} back, which initialize claimed", block=claim.block, subject=(claim.what,),
               related=[("claimed", claim.where)])
    context = adapter.context
    if handler != Handler.HALT and isinstance(context, AdapterContext) and claim.block is context.view.block:
        report(CONTEXT_RESIDENT, f"{METHODS[handler]} frees the adapter context, which every later handler is given", block=claim.block)


def _in_halt(ndis: Ndis, adapter: AdapterState, key: Hashable, claim: Claim) -> None:
    if key == "shutdown handler":
        if adapter.first_released is not None:
            ndis.findings.report(
                SHUTDOWN_HANDLER_FIRST, f"halt gave {adapter.first_released} back before the shutdown handler: a shutdown in between "
                "finds half an adapter", subject=("shutdown handler",))
        return
    if claim.routine in _COMES_AND_GOES:
        return
    adapter.first_released = adapter.first_released or claim.what
    if claim.routine not in _HARDWARE:
        return
    for later, other in reversed(adapter.claims.items()):
        if later == key:
            return
        if other.routine in _HARDWARE and other.routine != claim.routine:
            ndis.findings.report(
                REVERSE_ORDER, f"halt gives {claim.what} back before {other.what}, which was claimed later", subject=("halt order",),
                related=[(f"{claim.what} claimed", claim.where), (f"{other.what} claimed", other.where)])
            return
