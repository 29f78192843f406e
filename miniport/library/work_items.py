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
from miniport.handlers import RUN_TIME, Handler
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


class WorkItem:
    """An NDIS_WORK_ITEM that was scheduled."""

    __slots__ = ("_ndis", "context", "function", "name", "where")

    def __init__(self, ndis: Ndis, name: str, function: WorkFunction, context: Any) -> None:
        self._ndis = ndis
        self.name = name
        self.function = function
        self.context = context
        self.where: Where | None = ndis.where.capture()

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
        ndis.call(Handler.WORK_ITEM, self.function, self.context, irql=PASSIVE_LEVEL)
        if clock.limit != NEVER:  # the handler that waits meanwhile is not charged for it
            clock.limit += clock.now - began
            ndis.deadline += clock.now - began
        ndis.adapter.release(self)


@routine("NdisScheduleWorkItem", irql=UP_TO_DISPATCH, handlers=RUN_TIME, c="NDIS_STATUS NdisScheduleWorkItem(PNDIS_WORK_ITEM)",
         source="ddi:ndis/nf-ndis-ndisscheduleworkitem")
def schedule_work_item(ndis: Ndis, adapter: Adapter, function: WorkFunction, context: Any = None) -> int:
    """Let *function(adapter, context)* run at PASSIVE_LEVEL later. Returns NDIS_STATUS_SUCCESS, always."""
    item = WorkItem(ndis, f"work item #{adapter.number_of('work item')}", function, context)
    adapter.claim(item, item.name, "NdisScheduleWorkItem", also=(DONE_AT_HALT.id,))
    ndis.scheduler.queue_work(item.run)
    return NDIS_STATUS_SUCCESS
