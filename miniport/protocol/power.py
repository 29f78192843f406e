# SPDX-License-Identifier: Apache-2.0
"""What NDIS 5 does to a miniport when the system sleeps and wakes, and when its power source changes.

A miniport that answers OID_PNP_CAPABILITIES with success is aware of power management: before the card goes to D3 it gets
OID_PNP_QUERY_POWER and OID_PNP_SET_POWER, on the way back OID_PNP_SET_POWER to D0, and has to restore the card by itself. One that
is not aware is halted and initialized again, unless it set NDIS_ATTRIBUTE_NO_HALT_ON_SUSPEND: then it gets OID_PNP_SET_POWER as
well. Sources: learn: "Power Management for Legacy Miniport Drivers (NDIS 5.1)" (ff562415), "Handling an OID_PNP_QUERY_POWER OID"
(ff546528), docs:network/oid-pnp-set-power, docs:network/oid-pnp-capabilities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.dma_rules import D3_QUIET
from hw.processor import PASSIVE_LEVEL, Random
from miniport.handlers import Handler
from miniport.library.timers import Timer
from miniport.protocol.requests import Request
from miniport.status import (
    NDIS_ATTRIBUTE_NO_HALT_ON_SUSPEND,
    NDIS_DEVICE_STATE_D0,
    NDIS_DEVICE_STATE_D3,
    NDIS_DEVICE_STATE_UNSPECIFIED,
    NDIS_PNP_WAKE_UP_LINK_CHANGE,
    NDIS_PNP_WAKE_UP_MAGIC_PACKET,
    NDIS_PNP_WAKE_UP_PATTERN_MATCH,
    NDIS_POWER_PROFILE_AC_ONLINE,
    NDIS_POWER_PROFILE_BATTERY,
    NDIS_STATUS_SUCCESS,
    OID_PNP_CAPABILITIES,
    OID_PNP_ENABLE_WAKE_UP,
    OID_PNP_QUERY_POWER,
    OID_PNP_SET_POWER,
    status_name,
)
from verifier.rule import rule
from verifier.where import where_of_function

if TYPE_CHECKING:
    from miniport.ndis import Ndis

POWER_SUCCESS = rule(
    "power-success", "return NDIS_STATUS_SUCCESS for OID_PNP_QUERY_POWER and OID_PNP_SET_POWER, or leave OID_PNP_CAPABILITIES unsupported",
    text="A miniport that is aware of power management answers OID_PNP_QUERY_POWER and OID_PNP_SET_POWER with NDIS_STATUS_SUCCESS.")
NO_HALT = rule(
    "attr5-no-halt-on-suspend", "serve OID_PNP_SET_POWER, or do not set NDIS_ATTRIBUTE_NO_HALT_ON_SUSPEND: NDIS then halts the miniport")
TIMERS = rule(
    "power-timers-cancelled", "cancel every timer before OID_PNP_SET_POWER to D3 is complete, and set it again on the way to D0",
    text="When OID_PNP_SET_POWER to D3 is complete, no timer of the miniport is set.")
NO_ACCESS = rule(
    "power-no-access", "note in the adapter context that the card sleeps, and leave its registers alone until OID_PNP_SET_POWER to D0",
    text="A miniport does not access its card between OID_PNP_SET_POWER to D3 and OID_PNP_SET_POWER to D0.")
RESTORED = rule(
    "power-restored", "on OID_PNP_SET_POWER to D0 write rings, filter, multicast table and interrupt mask again: the card has lost them",
    text="OID_PNP_SET_POWER to D0 restores what the card lost in D3; NDIS sets neither filter nor multicast list again.")

_CAPABILITIES_BYTES = 16
"""NDIS_PNP_CAPABILITIES: flags, then the lowest state from which each of three events wakes the system."""
_WAKE = (NDIS_PNP_WAKE_UP_MAGIC_PACKET, NDIS_PNP_WAKE_UP_PATTERN_MATCH, NDIS_PNP_WAKE_UP_LINK_CHANGE)


class Power:
    """Power management of one adapter."""

    def __init__(self, ndis: Ndis, rng: Random) -> None:
        self._ndis = ndis
        self._rng = rng
        self._knows = False
        """True if the miniport answered OID_PNP_CAPABILITIES."""
        self._wake = 0
        """The events that it can wake the system for."""
        self._before: tuple[str, ...] = ()
        """What ran on the card before it went to sleep."""
        self._profile = NDIS_POWER_PROFILE_AC_ONLINE

    # Who is aware

    def keeps_running(self) -> bool:
        """Ask for the capabilities: True if NDIS does not halt the miniport before D3."""
        ndis = self._ndis
        if ndis.ndis_version < (5, 0):
            return False
        self._knows = self._aware()
        return self._knows or self._no_halt

    @property
    def _no_halt(self) -> bool:
        return bool(self._ndis.adapter.attributes & NDIS_ATTRIBUTE_NO_HALT_ON_SUSPEND)

    def _aware(self) -> bool:
        """True if the miniport answers OID_PNP_CAPABILITIES. Not asked where the bus says that the card has no power states,
        unless the miniport set NDIS_ATTRIBUTE_NO_HALT_ON_SUSPEND."""
        ndis = self._ndis
        self._wake = 0
        if not (ndis.nic.config.has_power or self._no_halt):
            return False
        answer = ndis.protocol.requests.query(OID_PNP_CAPABILITIES, _CAPABILITIES_BYTES)
        if answer is None:
            return False
        for number, bit in enumerate(_WAKE, 1):
            if int.from_bytes(answer[4 * number:4 * number + 4], "little") != NDIS_DEVICE_STATE_UNSPECIFIED:
                self._wake |= bit
        return True

    # To sleep and back

    def sleep(self) -> None:
        """OID_PNP_QUERY_POWER and OID_PNP_SET_POWER to D3, then nothing goes down any more. The sends are drained."""
        ndis = self._ndis
        requests, nic = ndis.protocol.requests, ndis.nic
        if self._wake:
            requests.set(OID_PNP_ENABLE_WAKE_UP, self._wake.to_bytes(4, "little"))
        if self._knows:
            self._judge(Request(OID_PNP_QUERY_POWER, 4))
        ndis.machine.bus.drain()
        self._before = (*nic.running(), *nic.settings())
        requests.asleep = True
        self._set(NDIS_DEVICE_STATE_D3)
        ndis.up = False
        for key, claim in ndis.adapter.claims.items():
            if isinstance(key, Timer):
                ndis.findings.report(
                    TIMERS, f"OID_PNP_SET_POWER to D3 is complete, and {claim.what} is set", where=claim.where, subject=(claim.what,))
        nic.on_unanswered = self._accessed

    def quiet(self) -> None:
        """The request is complete and its writes have arrived: the card runs no engine and may not interrupt."""
        ndis = self._ndis
        nic = ndis.nic
        if nic.present and nic.running():
            ndis.findings.report(
                D3_QUIET, f"OID_PNP_SET_POWER to D3 is complete, and still on in {nic.name}: {', '.join(nic.running())}",
                where=where_of_function(ndis.miniport.set_information), subject=("D3",))

    def wake(self) -> None:
        """The bus driver has the card in D0, with its resources: OID_PNP_SET_POWER to D0."""
        ndis = self._ndis
        ndis.nic.on_unanswered = None
        ndis.up = True
        ndis.scheduler.attention = True
        ndis.protocol.hang.start()
        ndis.lockset.waking = True
        self._set(NDIS_DEVICE_STATE_D0)
        ndis.lockset.waking = False
        ndis.machine.bus.drain()
        self._check_restored()
        ndis.protocol.requests.asleep = False
        ndis.protocol.requests.pass_down()
        self.tell_source()

    def _set(self, state: int) -> None:
        self._judge(Request(OID_PNP_SET_POWER, 4, state.to_bytes(4, "little"), lasting=False))

    def _judge(self, request: Request) -> None:
        """Carry a request out that has to succeed."""
        ndis = self._ndis
        status = ndis.protocol.requests.carry_out(request)
        if status == NDIS_STATUS_SUCCESS:
            return
        miniport = ndis.miniport
        answered = f"was answered with {status_name(status)}" if status is not None else "was never completed"
        ndis.findings.report(
            POWER_SUCCESS if self._knows else NO_HALT, f"{request!r} {answered}", subject=("power",),
            where=where_of_function(miniport.query_information if request.data is None else miniport.set_information))

    def _accessed(self, what: str) -> None:
        """The card sleeps. An ISR may look: another device pulls the line that they share."""
        ndis = self._ndis
        if ndis.handler and not ndis.handler & Handler.ISR:
            ndis.findings.report(NO_ACCESS, f"{what} while {ndis.nic.name} sleeps: it answers all ones and takes nothing",
                                 subject=("sleeps",))

    def _check_restored(self) -> None:
        ndis = self._ndis
        nic = ndis.nic
        now = (*nic.running(), *nic.settings())
        lost = [what for what in self._before if what not in now]
        injector = ndis.injector
        if injector is not None and any(fault.onward and fault.name in nic.faults for fault in injector.fired):
            return  # a card that is broken for good cannot be brought back
        if lost and nic.present:
            ndis.findings.report(
                RESTORED, f"OID_PNP_SET_POWER to D0 is complete, and {nic.name}, which lost everything in D3, has no {', no '.join(lost)} "
                "any more", where=where_of_function(ndis.miniport.set_information), subject=("D0",))

    # The source of power

    def tell_source(self) -> None:
        """MiniportPnPEventNotify says what the system runs on: after initialize, and after the way back to D0. Source: learn:
        "Handling a Change in the System's Power Source (NDIS 5.1)" (ff546534)."""
        ndis = self._ndis
        if ndis.ndis_version >= (5, 1) and ndis.miniport.overrides("pnp_event_notify") and ndis.up:
            ndis.call(Handler.PNP_EVENT_NOTIFY, ndis.miniport.pnp_event_notify, "power-profile-changed",
                      self._profile.to_bytes(4, "little"), irql=PASSIVE_LEVEL)

    def bother(self) -> None:
        """Now and then somebody pulls the plug, or puts it back."""
        if self._ndis.miniport.overrides("pnp_event_notify") and self._rng.below(4) == 0:
            self._profile ^= NDIS_POWER_PROFILE_BATTERY ^ NDIS_POWER_PROFILE_AC_ONLINE
            self.tell_source()
