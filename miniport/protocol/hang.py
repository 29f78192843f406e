# SPDX-License-Identifier: Apache-2.0
"""How NDIS notices that a card hangs, and the reset that follows.

While the adapter is up, `check_for_hang` is called at every interval, 2 s unless NdisMSetAttributesEx says otherwise. A
request that pends for longer than two intervals, and of a serialized miniport a packet, hangs the adapter as well. A
miniport without a reset handler is not reset for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hw.clock import SECOND, Entry
from hw.processor import QUIET_PERIODS
from miniport import rules
from miniport.handlers import Handler
from miniport.protocol.exclusive import exclusive
from miniport.status import (
    NDIS_STATUS_HARD_ERRORS,
    NDIS_STATUS_NOT_RESETTABLE,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_RESET_IN_PROGRESS,
    NDIS_STATUS_SOFT_ERRORS,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from verifier.where import where_of_function

if TYPE_CHECKING:
    from miniport.ndis import Ndis

GRAIN_SECONDS = 2
TIME_OUT_INTERVALS = 2
MOST_RESETS = 4
"""Resets of one life, after which the adapter is left as it is."""
_RESET_STATUS = (NDIS_STATUS_SUCCESS, NDIS_STATUS_PENDING, NDIS_STATUS_RESET_IN_PROGRESS, NDIS_STATUS_SOFT_ERRORS,
                 NDIS_STATUS_HARD_ERRORS, NDIS_STATUS_NOT_RESETTABLE)


def interval_of(seconds: int) -> int:
    """The interval in ns for CheckForHangTimeInSeconds: a multiple of 2 s, rounded down; 0 is 2 s, and nothing is less."""
    return max(seconds // GRAIN_SECONDS * GRAIN_SECONDS, GRAIN_SECONDS) * SECOND


class HangWatch:
    """Watches one adapter."""

    def __init__(self, ndis: Ndis) -> None:
        self._ndis = ndis
        self._entry: Entry | None = None
        self._tick = 0
        self._since: dict[Any, int] = {}
        """What the miniport has had since which check."""
        self._completed: tuple[int, bool] | None = None
        self.resetting = False
        """True from the call of reset until it is complete: nothing goes down meanwhile."""
        self.resets = 0
        self.asked = False
        """True once a protocol has asked for a reset: it may lose frames, and the protocol knows."""
        self.given_up = False
        """True if the last reset failed: the miniport has said that its card is broken."""

    def start(self) -> None:
        """The adapter is up."""
        waits = self._ndis.scheduler.waits
        if self._waits not in waits:
            waits.append(self._waits)
        if self._checked and self._entry is None:
            self._arm()

    def expect(self) -> bool:
        """Nothing moves, and the miniport has something: True if time will bring a check, a time-out or both."""
        if self._entry is None and self._resettable and self._outstanding():
            self._note()
            self._arm()
        return self._entry is not None

    def ask(self) -> bool:
        """A protocol asks for a reset (NdisReset). False, and nothing happens, where the miniport has no reset handler or the card was
        reset too often."""
        if self._resettable:
            self.asked = True
            self._ndis.scheduler.queue_dpc(self._asked)
            return True
        return False

    def reset_completed(self, status: int, addressing_reset: bool) -> None:
        """NdisMResetComplete."""
        ndis = self._ndis
        if not self.resetting or self._completed is not None:
            ndis.findings.report(rules.RESET_ONCE, "NdisMResetComplete while no reset is pending", subject=("reset",))
            return
        if status == NDIS_STATUS_PENDING or status not in _RESET_STATUS:
            ndis.findings.report(rules.RESET_STATUS, f"NdisMResetComplete with {status_name(status)}", subject=("reset",))
        self._completed = status, addressing_reset
        ndis.scheduler.quiet = 0
        ndis.scheduler.queue_dpc(self._finish)

    @property
    def _checked(self) -> bool:
        return self._ndis.miniport.overrides("check_for_hang")

    @property
    def _resettable(self) -> bool:
        return self._ndis.miniport.overrides("reset") and self.resets < MOST_RESETS and self._ndis.up

    def _arm(self) -> None:
        ndis = self._ndis
        self._entry = ndis.clock.at(interval_of(ndis.adapter.check_for_hang_seconds), self._due, background=True)

    def _due(self) -> None:
        self._entry = None
        if self._ndis.up:
            self._ndis.scheduler.queue_dpc(self._check)

    def _asked(self) -> None:
        if self._ndis.up and not self.resetting:
            self._reset()

    def _outstanding(self) -> list[Any]:
        """What the miniport has that times out, as far as it has a time-out."""
        protocol, adapter = self._ndis.protocol, self._ndis.adapter
        found: list[Any] = list(adapter.outstanding_sends.values()) if adapter.serialized else []
        return found if protocol.requests.current is None else [*found, protocol.requests.current]

    def _waits(self) -> bool:
        """True while a check of this adapter may bring something about."""
        return self._ndis.up and ((self._checked and self._tick < 2) or bool(self._since or self._ndis.protocol.accepted))

    def _note(self) -> None:
        self._since = {thing: self._since.get(thing, self._tick) for thing in self._outstanding()}

    def _check(self) -> None:
        ndis = self._ndis
        if not ndis.up:
            return
        self._tick += 1
        hung: object = False
        interrupt = ndis.adapter.interrupt
        masked = not ndis.nic.interrupts_enabled and (interrupt is None or not ndis.scheduler.dpc_pending(interrupt.dpc))
        if self._checked:
            function = ndis.miniport.check_for_hang
            hung = exclusive(ndis, Handler.CHECK_FOR_HANG, function)
            if not isinstance(hung, bool):
                ndis.findings.report(
                    rules.HANDLER_RESULT, f"check_for_hang returned {hung!r}; it returns True or False",
                    where=where_of_function(function), subject=(Handler.CHECK_FOR_HANG,))
                hung = False
        self._note()
        if not self.resetting:
            if not hung and self._resettable:
                hung = self._timed_out()
            if hung and self.resets < MOST_RESETS:
                if masked:
                    self._tell_masked()
                self._reset()
        scheduler = ndis.scheduler
        if not (hung or ndis.clock.awaited or scheduler.timers or any(waits() for waits in scheduler.waits)):
            scheduler.quiet = QUIET_PERIODS  # no adapter has anything to wait for, and the next checks will find the same
        if self._entry is None and (self._checked or (self._resettable and self._since)):
            self._arm()

    def _timed_out(self) -> bool:
        late = [thing for thing, tick in self._since.items() if self._tick - tick >= TIME_OUT_INTERVALS]
        if not late:
            return False
        ndis = self._ndis
        if (ndis.injector is None or not ndis.injector.fired) and ndis.nic.present:
            seconds = TIME_OUT_INTERVALS * interval_of(ndis.adapter.check_for_hang_seconds) // SECOND
            ndis.findings.report(
                rules.LOST_CAUSE, f"{late[0]!r} has been with the miniport for more than {seconds} s: NDIS resets the adapter",
                where=where_of_function(ndis.miniport.handle_interrupt), subject=(late[0],))
        return True

    def _tell_masked(self) -> None:
        """The adapter hangs with its card masked, and nobody polls it: it may just not interrupt."""
        ndis = self._ndis
        nic, adapter = ndis.nic, ndis.adapter
        if (ndis.injector is not None and ndis.injector.fired) or not nic.present or adapter.interrupt is None:
            return
        polled = any(claim.routine in ("NdisMSetTimer", "NdisMSetPeriodicTimer", "NdisSetTimer") for claim in adapter.claims.values())
        if adapter.outstanding_sends and not polled:
            ndis.findings.report(
                rules.INT_REENABLE, f"the adapter hangs with {len(adapter.outstanding_sends)} packet(s), and {nic.name} may not interrupt",
                where=where_of_function(ndis.miniport.handle_interrupt), subject=("interrupt",))

    def _reset(self) -> None:
        ndis = self._ndis
        if not ndis.miniport.overrides("reset"):
            ndis.findings.report(
                rules.REGISTER_HANDLERS, f"check_for_hang returned True, and {type(ndis.miniport).__name__} supplies no reset",
                where=where_of_function(ndis.miniport.check_for_hang), subject=(Handler.RESET,))
            self.resets = MOST_RESETS
            return
        self.resets += 1
        self.resetting = ndis.protocol.requests.held = True
        if ndis.injector is not None and ndis.injector.take("reset") is not None:
            ndis.protocol.send_beside_reset()
        function = ndis.miniport.reset
        answer = exclusive(ndis, Handler.RESET, function)
        ndis.scheduler.quiet = 0
        if not ndis.answer(Handler.RESET, function, answer, int, bool):
            answer = NDIS_STATUS_SUCCESS, False
        status = answer[0]
        if status not in _RESET_STATUS:
            ndis.findings.report(
                rules.RESET_STATUS, f"reset returned {status_name(status)}", where=where_of_function(function), subject=("reset",))
        if status == NDIS_STATUS_PENDING:
            return
        if self._completed is not None:
            ndis.findings.report(
                rules.RESET_ONCE, f"reset returned {status_name(status)} after NdisMResetComplete", where=where_of_function(function),
                subject=("reset",))
            return
        self._completed = answer
        self._finish()

    def _finish(self) -> None:
        """The reset is complete: what NDIS held back goes down again."""
        ndis = self._ndis
        completed, self._completed = self._completed, None
        if completed is None or not ndis.up:
            return
        status, addressing_reset = completed
        requests = ndis.protocol.requests
        ndis.protocol.reset_done()
        self._since.clear()
        self.resetting = requests.held = False
        self.given_up = status in (NDIS_STATUS_HARD_ERRORS, NDIS_STATUS_NOT_RESETTABLE)
        if addressing_reset and status == NDIS_STATUS_SUCCESS:
            requests.restore()
        requests.pass_down()
