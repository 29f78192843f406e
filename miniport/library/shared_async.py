# SPDX-License-Identifier: Apache-2.0
"""Shared memory while the adapter runs: the call answers at once, and the memory comes to `allocate_complete`.

PENDING means that the handler is called once, with or without memory; FAILURE means that it is never called. When it is
called the seed decides: up to a millisecond later, or, one time in four, before the call has returned, on a processor
whose level allows it. The fault point ``allocate-complete#N`` makes the N-th completion come without memory (``null``),
50 ms later (``late``) or before the return (``early``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hw.clock import MS, US
from hw.processor import DISPATCH_LEVEL, PASSIVE_LEVEL, Processor
from miniport.context import AdapterContext
from miniport.handlers import INIT, RUN_TIME, Handler
from miniport.library.shared import shared_block
from miniport.nulls import POISON_ADDRESS
from miniport.routine import UP_TO_DISPATCH, routine
from miniport.status import NDIS_STATUS_FAILURE, NDIS_STATUS_PENDING
from miniport.versions import at_least
from miniport.view import View
from verifier.address import LogicalAddress
from verifier.rule import Severity, rule
from verifier.where import where_of_function

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

ASYNC_IRQL = rule("shared-async-irql", "allocate asynchronously at DISPATCH_LEVEL or below")
ASYNC_BUSMASTER = rule("shared-async-busmaster", "allocate asynchronously only as a bus master that has registered for DMA")
ASYNC_HANDLER = rule("shared-async-handler", "supply allocate_complete before memory is asked for asynchronously")
ASYNC_NULL = rule("shared-async-complete-null-check", "test in allocate_complete whether there is memory before it is used")
ASYNC_CONTEXT = rule("shared-async-context", "keep the memory behind the context until allocate_complete has been called")
ASYNC_OUTSTANDING = rule(
    "shared-async-outstanding-at-halt", "wait in halt until each asynchronous allocation is complete, then free what it gave")
ASYNC_TYPICAL = rule(
    "shared-async-typical-use", "allocate in initialize with NdisMAllocateSharedMemory, and asynchronously to grow later",
    severity=Severity.ADVICE)

LATE_NS = 50 * MS
LONGEST_US = 1000
"""Longest time to a completion that no fault delays."""


class Request:
    """An allocation that is under way."""

    __slots__ = ("_adapter", "_ndis", "cached", "context", "done", "length", "name", "null", "where")

    def __init__(self, ndis: Ndis, adapter: Adapter, length: int, cached: bool, context: Any, null: bool) -> None:
        self._ndis = ndis
        self._adapter = adapter
        self.length = length
        self.cached = cached
        self.context = context
        self.null = null
        self.done = False
        self.name = f"asynchronous allocation #{adapter.number_of('asynchronous allocation')}"
        self.where = ndis.where.capture()

    def complete(self) -> None:
        """Get the memory and call the handler, once; after the adapter has gone nothing is called."""
        ndis, adapter = self._ndis, self._adapter
        if self.done or adapter.gone:
            return
        self.done = True
        adapter.release(self)
        self._check_context()
        name = "NdisMAllocateSharedMemoryAsync"
        block = None if self.null else shared_block(ndis, adapter, name, self.length, self.cached)
        view: View | None = None
        address = POISON_ADDRESS
        if block is None:
            ndis.refused(name, self.length)
        else:
            block.where = self.where
            adapter.claim(block, block.name, name, block, also=("shared-free-all-at-halt",))
            view, address = View(ndis.port, block), LogicalAddress(block.logical or 0)
        serialized = adapter.serialized
        if serialized:
            ndis.scheduler.locks += 1
        handler = ndis.miniport.allocate_complete
        try:
            ndis.call(Handler.ALLOCATE_COMPLETE, handler, view, address, 0 if view is None else self.length, self.context,
                      irql=completion_irql(ndis.windows))
        except BaseException as problem:
            if view is None and getattr(problem, "outcome", "") == "crash":
                ndis.findings.report(
                    ASYNC_NULL, f"allocate_complete did not survive that {self.name} gave no memory", where=where_of_function(handler),
                    subject=(Handler.ALLOCATE_COMPLETE,))
            raise
        finally:
            if serialized:
                ndis.scheduler.locks -= 1

    def _check_context(self) -> None:
        """A context in emulated memory has to be there still."""
        context = self.context
        view = context.view if isinstance(context, AdapterContext) else context
        if isinstance(view, View) and not view.block.live:
            self._ndis.findings.report(
                ASYNC_CONTEXT, f"the context of {self.name} lies in {view.block.name}, which was freed before the completion",
                where=view.block.freed_where, block=view.block, subject=(self.name,))


def completion_irql(windows: str) -> int:
    """At which level `allocate_complete` runs: the NT 4 documents say DISPATCH_LEVEL, those of NDIS 6, which came with Vista,
    PASSIVE_LEVEL."""
    return PASSIVE_LEVEL if at_least(windows, "vista") else DISPATCH_LEVEL


@routine("NdisMAllocateSharedMemoryAsync", irql=UP_TO_DISPATCH, irql_rule="shared-async-irql", handlers=RUN_TIME, fails=("FAILURE",),
         c="NDIS_STATUS NdisMAllocateSharedMemoryAsync(NDIS_HANDLE, ULONG Length, BOOLEAN Cached, PVOID Context)",
         source="ddi:ndis/nf-ndis-ndismallocatesharedmemoryasyncex")
def allocate_shared_memory_async(ndis: Ndis, adapter: Adapter, length: int, cached: bool, context: Any = None) -> int:
    """Ask for shared memory. PENDING: `allocate_complete` is called once; FAILURE: it is not called."""
    name, report = "NdisMAllocateSharedMemoryAsync", ndis.findings.report
    if ndis.handler & INIT:
        report(ASYNC_TYPICAL, f"{name} in initialize", subject=(name,))
    refused = False
    if not adapter.bus_master or (adapter.map_registers is None and not adapter.scatter_gather):
        report(ASYNC_BUSMASTER, f"{name} by a miniport that has not registered for bus-master DMA: no memory is given", subject=(name,))
        refused = True
    if not ndis.miniport.overrides("allocate_complete"):
        report(ASYNC_HANDLER, f"{name} without a handler allocate_complete", subject=(name,))
        refused = True
    if refused or length <= 0:
        ndis.refused(name)
        return NDIS_STATUS_FAILURE
    effect = ndis.injector.take("allocate-complete") if ndis.injector is not None else None
    request = Request(ndis, adapter, length, cached, context, effect in ("null", "fail"))
    adapter.claim(request, request.name, name, rule=ASYNC_OUTSTANDING)
    chance, delay = ndis.machine.random.below(4), (1 + ndis.machine.random.below(LONGEST_US)) * US
    processor = _processor(ndis)
    if effect == "early" and processor is None and ndis.injector is not None:
        ndis.injector.without_effect("allocate-complete", "a lock is held, or no processor is below the level of the handler")
    if effect == "at-halt":
        ndis.protocol.at_halt.append(lambda: _deliver(ndis, request))
    elif processor is not None and (effect == "early" or (effect is None and chance == 0)):
        _complete_on(ndis, processor, request)
    else:
        ndis.clock.at(LATE_NS if effect == "late" else delay, lambda: _deliver(ndis, request))
    return NDIS_STATUS_PENDING


def _processor(ndis: Ndis) -> Processor | None:
    """A processor on which the handler may begin at this moment, another one rather than this one."""
    scheduler = ndis.scheduler
    if scheduler.locks or scheduler.frozen:
        return None
    below = max(completion_irql(ndis.windows), PASSIVE_LEVEL + 1)
    willing = [processor for processor in scheduler.processors if processor.irql < below]
    return next((processor for processor in willing if processor is not scheduler.current), willing[0] if willing else None)


def _complete_on(ndis: Ndis, processor: Processor, request: Request) -> None:
    scheduler = ndis.scheduler
    before, scheduler.current = scheduler.current, processor
    try:
        request.complete()
    finally:
        scheduler.current = before


def _deliver(ndis: Ndis, request: Request) -> None:
    """The system has done its part: the handler is called as soon as a processor may run it."""
    if completion_irql(ndis.windows) == DISPATCH_LEVEL:
        ndis.scheduler.queue_dpc(request.complete)
    else:
        ndis.scheduler.queue_work(request.complete)
