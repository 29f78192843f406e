# SPDX-License-Identifier: Apache-2.0
"""Work items: a function of the miniport runs at PASSIVE_LEVEL, in a thread of the system.

It begins where the thread that runs on a processor waits: between handlers, and where a handler at PASSIVE_LEVEL sleeps or
waits for an event. Everything in it is a switching point, as in any handler; it is not begun in the middle of a handler that
does not wait, for threads of the bed run nested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hw.clock import NEVER
from hw.processor import PASSIVE_LEVEL
from miniport.handlers import NOT_AT_DIRQL, RUN_TIME, Handler
from miniport.library.timers import TICK_NS
from miniport.routine import UP_TO_DISPATCH, routine
from miniport.status import NDIS_STATUS_SUCCESS
from verifier.rule import rule
from verifier.where import Where

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

DONE_AT_HALT = rule(
    "work-item-done-at-halt", "wait in halt, and on every path of initialize that fails, until each work item has run",
    text="No work item is outstanding when halt or a failing initialize returns.")

WorkFunction = Callable[[Any, Any], Any]
"""Called with the adapter and the context."""


QUEUED_ONCE = rule(
    "work-item-queued-once", "let a work item run before it is scheduled again, or initialize a second one",
    text="A work item is not scheduled again while it waits to be run.")


class WorkItem:
    """An NDIS_WORK_ITEM: a function and its context."""

    __slots__ = ("_ndis", "context", "function", "name", "queued", "where")

    def __init__(self, ndis: Ndis, name: str, function: WorkFunction, context: Any) -> None:
        self._ndis = ndis
        self.name = name
        self.function = function
        self.context = context
        self.queued = False
        self.where: Where | None = None
        """The line that scheduled it last."""

    def run(self) -> None:
        """Run the function; a finding instead if the adapter is gone."""
        ndis = self._ndis
        if not ndis.up and not ndis.handler:
            if not ndis.adapter.gone:  # about to be up, or the system is going down
                ndis.clock.at(TICK_NS, lambda: ndis.scheduler.queue_work(self.run), background=True)
                return
            ndis.findings.report(
                DONE_AT_HALT, f"{self.name} was to run after the adapter was gone; Windows would call a function of a driver that has "
                "left", where=self.where, subject=(self.name,))
            return
        clock = ndis.clock
        began = clock.now
        self.queued = False
        ndis.call(Handler.WORK_ITEM, self.function, self.context, irql=PASSIVE_LEVEL)
        if clock.limit != NEVER:  # the handler that waits meanwhile is not charged for it
            clock.limit += clock.now - began
            ndis.deadline += clock.now - began
        if not self.queued:  # its function may have scheduled it again
            ndis.adapter.release(self)


@routine("NdisInitializeWorkItem", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL,
         c="VOID NdisInitializeWorkItem(PNDIS_WORK_ITEM, NDIS_PROC Routine, PVOID Context)", source="ndis5:ff552258")
def initialize_work_item(ndis: Ndis, adapter: Adapter, function: WorkFunction, context: Any = None) -> WorkItem:
    """A work item that will run *function(adapter, context)*. It may be scheduled as often as it has run. Nothing frees it."""
    return WorkItem(ndis, f"work item #{adapter.number_of('work item')}", function, context)


@routine("NdisScheduleWorkItem", irql=UP_TO_DISPATCH, handlers=RUN_TIME, c="NDIS_STATUS NdisScheduleWorkItem(PNDIS_WORK_ITEM)",
         source="ddi:ndis/nf-ndis-ndisscheduleworkitem")
def schedule_work_item(ndis: Ndis, adapter: Adapter, item: WorkItem | WorkFunction, context: Any = None) -> int:
    """Let the function of *item* run at PASSIVE_LEVEL later. Returns NDIS_STATUS_SUCCESS, always. A function in place of the item
    stands for NdisInitializeWorkItem with it and *context*, and this call."""
    if not isinstance(item, WorkItem):
        item = initialize_work_item(ndis, adapter, item, context)
    if item.queued:
        ndis.findings.report(QUEUED_ONCE, f"{item.name} is scheduled while it waits to be run", subject=(item.name,),
                             related=[("scheduled", item.where)], bugcheck="0xE4")
        return NDIS_STATUS_SUCCESS
    item.queued = True
    item.where = ndis.where.capture()
    adapter.claim(item, item.name, "NdisScheduleWorkItem", also=(DONE_AT_HALT.id,))
    ndis.scheduler.queue_work(item.run)
    return NDIS_STATUS_SUCCESS
