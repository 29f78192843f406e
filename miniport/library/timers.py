# SPDX-License-Identifier: Apache-2.0
"""Timers: a function of the miniport runs at DISPATCH_LEVEL when a time has passed, once or periodically.

A timer expires on the clock, and its function runs as a deferred call: between the two, cancelling is too late. While a
timer is queued, or its deferred call waits, it counts as held: halt and a failing initialize have to end that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hw.clock import MS, Entry
from hw.processor import DISPATCH_LEVEL
from miniport.handlers import NOT_AT_DIRQL, Handler
from miniport.routine import PASSIVE, UP_TO_DISPATCH, routine
from verifier.rule import rule
from verifier.where import Where

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

CANCELLED_AT_HALT = rule(
    "timer-all-cancelled-halt", "cancel every timer in halt and on every path of initialize that fails, and wait for the function "
    "of one that cannot be cancelled any more", also=("halt-cancel-timers",))
CANCEL_FALSE = rule(
    "timer-cancel-false-wait", "when NdisMCancelTimer says False, wait until the timer's function has run",
    also=("timer-all-cancelled-halt", "halt-cancel-timers"))
INITIALIZED = rule("timer5-initialize-once", "call NdisMInitializeTimer, once, before the timer is set")
MILLISECONDS = rule("timer5-set-ms", "give the delay in milliseconds, from 0 to 0xffffffff", text="Delays are counts of milliseconds.")

LONGEST_MS = 0xFFFFFFFF
TICK_NS = MS
"""The shortest delay: a timer that is set to less fires at the next tick of the system clock."""
_INITIALIZE_IRQL = {"": UP_TO_DISPATCH, "nt4": PASSIVE, "2000": PASSIVE, "xp": UP_TO_DISPATCH}

TimerFunction = Callable[[Any, Any], Any]
"""Called with the adapter and the context."""


class Timer:
    """An NDIS_MINIPORT_TIMER or NDIS_TIMER."""

    __slots__ = ("_deferred_call", "_entry", "_ndis", "_period_ns", "_retry", "context", "exclusive", "function", "name",
                 "where")

    def __init__(self, ndis: Ndis, name: str, function: TimerFunction, context: Any, exclusive: bool) -> None:
        self._ndis = ndis
        self.name = name
        self.function = function
        self.context = context
        self.exclusive = exclusive
        """True if NDIS holds its lock of a serialized miniport around the function."""
        self.where: Where | None = None
        """The line that set the timer last."""
        self._entry: Entry | None = None
        self._period_ns = 0
        self._retry: Entry | None = None
        self._deferred_call: Callable[[], None] = self._deferred

    def arm(self, routine_name: str, milliseconds: int, periodic: bool) -> None:
        """Queue the timer anew; what was queued before is cancelled."""
        ndis = self._ndis
        if not 0 <= milliseconds <= LONGEST_MS:
            ndis.findings.report(MILLISECONDS, f"{routine_name} of {self.name} with {milliseconds} ms", subject=(self.name,))
        delay = max((milliseconds & LONGEST_MS) * MS, TICK_NS)
        self.disarm()
        ndis.scheduler.timers[self] = self.expire_now
        ndis.scheduler.count_points()
        self._period_ns = delay if periodic else 0
        self._entry = ndis.clock.at(delay, self._expire, background=True)
        self.where = ndis.where.capture()
        ndis.adapter.claim(self, self.name, routine_name, also=(*CANCELLED_AT_HALT.also, CANCELLED_AT_HALT.id))

    def expire_now(self) -> None:
        """The time of the timer, which is set, has come at this moment, as if the processor had stood still until then."""
        entry = self._entry
        if entry is not None and self._ndis.clock.cancel(entry):
            self._expire()

    def expire_late(self) -> bool:
        """The time of the timer has just come, and its function starts a moment later; False if it is not set."""
        entry, self._entry = self._entry, None
        if entry is None or not self._ndis.clock.cancel(entry):
            return False
        self._retry = self._ndis.clock.at(TICK_NS, self._try_again, background=True)
        return True

    def disarm(self) -> bool:
        """Take the timer out of the queue. True if it was there and its function will not run any more."""
        ndis = self._ndis
        ndis.scheduler.timers.pop(self, None)
        entry, self._entry = self._entry, None
        cancelled = entry is not None and ndis.clock.cancel(entry)
        if ndis.scheduler.dpc_pending(self._deferred_call) or self._retry is not None:
            claim = ndis.adapter.claims.get(self)
            if claim is not None:
                claim.rule, claim.also = CANCEL_FALSE, CANCEL_FALSE.also
            return False
        ndis.adapter.release(self)
        return cancelled

    def _expire(self) -> None:
        ndis = self._ndis
        self._entry = ndis.clock.at(self._period_ns, self._expire, background=True) if self._period_ns else None
        if self._entry is None:
            ndis.scheduler.timers.pop(self, None)
        ndis.scheduler.queue_dpc(self._deferred_call)

    def _deferred(self) -> None:
        ndis = self._ndis
        if not ndis.up and not ndis.handler:
            self._without_handler()
            return
        if self._retry is not None:
            ndis.clock.cancel(self._retry)
            self._retry = None
        if self._entry is None:
            ndis.adapter.release(self)
        scheduler, exclusive = ndis.scheduler, self.exclusive and ndis.adapter.serialized
        before = self._packets()
        if exclusive:
            scheduler.locks += 1
        try:
            ndis.call(Handler.TIMER, self.function, self.context, irql=DISPATCH_LEVEL)
        finally:
            if exclusive:
                scheduler.locks -= 1
        if self._packets() != before:
            scheduler.quiet = 0

    def _without_handler(self) -> None:
        """The adapter is not up and none of its handlers runs: it is gone, or about to be up, or the system is going down."""
        ndis = self._ndis
        if not ndis.adapter.gone:
            if self._retry is None:
                self._retry = ndis.clock.at(TICK_NS, self._try_again, background=True)
            return
        self._entry, entry = None, self._entry
        if entry is not None:
            ndis.clock.cancel(entry)
        ndis.findings.report(
            CANCELLED_AT_HALT, f"{self.name} fired after the adapter was gone; Windows would call a function of a driver that has left",
            where=self.where, subject=(self.name,), bugcheck="0x7C/0x09, 0x0C; 0xD2 on Windows 2000 and XP")

    def _try_again(self) -> None:
        self._retry = None
        self._ndis.scheduler.queue_dpc(self._deferred_call)

    def _packets(self) -> tuple[int, int]:
        protocol = self._ndis.protocol
        return len(protocol.accepted), len(protocol.received_frames)


def _ready(ndis: Ndis, name: str, timer: Any) -> bool:
    """True if *timer* was initialized; a finding else."""
    if isinstance(timer, Timer):
        return True
    ndis.findings.report(INITIALIZED, f"{name} of {timer!r}, which is no timer that NdisMInitializeTimer initialized", subject=(name,))
    return False


@routine("NdisMInitializeTimer", irql=_INITIALIZE_IRQL, handlers=NOT_AT_DIRQL,
         c="VOID NdisMInitializeTimer(IN OUT PNDIS_MINIPORT_TIMER, NDIS_HANDLE, PNDIS_TIMER_FUNCTION, PVOID FunctionContext)",
         source="nt4:103ndisx_110")
def initialize_timer(ndis: Ndis, adapter: Adapter, function: TimerFunction, context: Any = None) -> Timer:
    """A timer, not set. Its *function(adapter, context)* runs at DISPATCH_LEVEL, for a serialized miniport under NDIS's lock."""
    return Timer(ndis, f"timer #{adapter.number_of('timer')}", function, context, exclusive=True)


@routine("NdisMSetTimer", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL,
         c="VOID NdisMSetTimer(PNDIS_MINIPORT_TIMER, UINT MillisecondsToDelay)", source="nt4:103ndisx_133")
def set_timer(ndis: Ndis, adapter: Adapter, timer: Timer, milliseconds: int) -> None:
    """Let the function run once when *milliseconds* have passed; cancels what was set before."""
    if _ready(ndis, "NdisMSetTimer", timer):
        timer.arm("NdisMSetTimer", milliseconds, periodic=False)


@routine("NdisMSetPeriodicTimer", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL,
         c="VOID NdisMSetPeriodicTimer(PNDIS_MINIPORT_TIMER, UINT MillisecondsPeriod)", source="nt4:103ndisx_132")
def set_periodic_timer(ndis: Ndis, adapter: Adapter, timer: Timer, milliseconds: int) -> None:
    """Let the function run whenever *milliseconds* have passed; cancels what was set before."""
    if _ready(ndis, "NdisMSetPeriodicTimer", timer):
        timer.arm("NdisMSetPeriodicTimer", milliseconds, periodic=True)


@routine("NdisMCancelTimer", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL,
         c="VOID NdisMCancelTimer(PNDIS_MINIPORT_TIMER, OUT PBOOLEAN TimerCancelled)", source="nt4:103ndisx_91")
def cancel_timer(ndis: Ndis, adapter: Adapter, timer: Timer) -> bool:
    """TimerCancelled: True if the timer was queued and its function will not run. False if it was not set or has fired: its
    function may still have to run, and the caller waits for it."""
    return _ready(ndis, "NdisMCancelTimer", timer) and timer.disarm()


@routine("NdisInitializeTimer", irql=PASSIVE,
         c="VOID NdisInitializeTimer(IN OUT PNDIS_TIMER, PNDIS_TIMER_FUNCTION, PVOID FunctionContext)", source="osr:103ndisx_0oky")
def ndis_initialize_timer(ndis: Ndis, adapter: Adapter, function: TimerFunction, context: Any = None) -> Timer:
    """As NdisMInitializeTimer, but NDIS holds no lock around the function."""
    return Timer(ndis, f"timer #{adapter.number_of('timer')}", function, context, exclusive=False)


@routine("NdisSetTimer", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, c="VOID NdisSetTimer(PNDIS_TIMER, UINT MillisecondsToDelay)",
         source="ndis5:ff554768")
def ndis_set_timer(ndis: Ndis, adapter: Adapter, timer: Timer, milliseconds: int) -> None:
    """As NdisMSetTimer, for a timer of NdisInitializeTimer."""
    if _ready(ndis, "NdisSetTimer", timer):
        timer.arm("NdisSetTimer", milliseconds, periodic=False)


@routine("NdisCancelTimer", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL,
         c="VOID NdisCancelTimer(PNDIS_TIMER, OUT PBOOLEAN TimerCancelled)", source="[K]")
def ndis_cancel_timer(ndis: Ndis, adapter: Adapter, timer: Timer) -> bool:
    """As NdisMCancelTimer, for a timer of NdisInitializeTimer."""
    return _ready(ndis, "NdisCancelTimer", timer) and timer.disarm()
