# SPDX-License-Identifier: Apache-2.0
"""Events: a handler at PASSIVE_LEVEL waits until somebody signals. The machine goes on meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.clock import MS, NEVER
from miniport.handlers import NOT_AT_DIRQL
from miniport.routine import ANY, PASSIVE, UP_TO_DISPATCH, routine
from verifier.errors import NotModelledError
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

WAIT_PASSIVE = rule("wait-event-passive", "wait for events at PASSIVE_LEVEL only, without a spin lock")


class Event:
    """An NDIS_EVENT: a notification event, not signalled at first."""

    __slots__ = ("name", "signalled")

    def __init__(self, name: str) -> None:
        self.name = name
        self.signalled = False


@routine("NdisInitializeEvent", irql={"": PASSIVE, "xp": ANY}, c="VOID NdisInitializeEvent(PNDIS_EVENT)",
         source="ddi:ndis/nf-ndis-ndisinitializeevent")
def initialize_event(ndis: Ndis, adapter: Adapter) -> Event:
    """An event that is not signalled."""
    return Event(f"event #{adapter.number_of('event')}")


@routine("NdisSetEvent", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, c="VOID NdisSetEvent(PNDIS_EVENT)",
         source="ddi:ndis/nf-ndis-ndissetevent")
def set_event(ndis: Ndis, adapter: Adapter, event: Event) -> None:
    """Signal the event; it stays signalled until NdisResetEvent."""
    event.signalled = True


@routine("NdisResetEvent", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, c="VOID NdisResetEvent(PNDIS_EVENT)",
         source="nt4:103ndisx_190")
def reset_event(ndis: Ndis, adapter: Adapter, event: Event) -> None:
    """Clear the signalled state."""
    event.signalled = False


@routine("NdisWaitEvent", irql=PASSIVE, irql_rule="wait-event-passive", c="BOOLEAN NdisWaitEvent(PNDIS_EVENT, UINT MsToWait)",
         source="ddi:ndis/nf-ndis-ndiswaitevent")
def wait_event(ndis: Ndis, adapter: Adapter, event: Event, milliseconds: int) -> bool:
    """Wait until the event is signalled; at most *milliseconds*, 0 for ever. Returns True if it is signalled. A handler that waits
    longer than any handler may run is a finding and ends the world."""
    scheduler, clock = ndis.scheduler, ndis.clock
    deadline = clock.now + milliseconds * MS if milliseconds > 0 else NEVER
    while True:
        scheduler.point(now=True)
        if event.signalled:
            return True
        if clock.now >= deadline:
            return False
        following = min(clock.due, deadline)
        ndis.allow(following - clock.now)
        if following > clock.limit:
            if ndis.where.depth > 1:
                raise NotModelledError(
                    f"a work item waits for {event.name}, and nothing is due that could signal it but the handler in whose wait it runs",
                    "the bed runs threads nested: signal the event from a deferred call, a timer or the work item itself")
            following = clock.limit + 1
        clock.advance(max(following - clock.now, 0))
