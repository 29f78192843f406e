# SPDX-License-Identifier: Apache-2.0
"""A PHY behind a management interface: the registers that every MII PHY has, auto-negotiation, and a link status that latches.

Source: IEEE 802.3, clause 22.2.4 (register set) and clause 28 (auto-negotiation); a card adds the registers of its own PHY. The bed's
wire runs at 100 Mbit/s, full duplex: the link partner offers no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hw.clock import MS, Clock, Entry

BMCR, BMSR, PHYID1, PHYID2, ANAR, ANLPAR, ANER = range(7)
"""Basic control, basic status, the two halves of the identifier, what is offered, what the partner offers, and its expansion."""

RESET, LOOPBACK, SPEED_LSB, AUTONEG, POWER_DOWN, ISOLATE, RESTART, DUPLEX = (1 << bit for bit in range(15, 7, -1))
SPEED_MSB = 1 << 6
COMPLETE, REMOTE_FAULT, CAN_NEGOTIATE, LINK = 1 << 5, 1 << 4, 1 << 3, 1 << 2
PARTNER_OFFERS = 0x45E1
"""Acknowledge, pause, 100 and 10 Mbit/s in full and half duplex, IEEE 802.3."""
OFFERS_100 = 0x0180
"""100 Mbit/s, in full or half duplex."""
AUTONEG_NS = 2 * MS
"""How long a negotiation takes. Real PHYs take 1 to 3 s; the bed is quicker, so that a life stays short."""

_SELF_CLEARING = RESET | RESTART


class Phy:
    """A PHY. *cable* says whether the cable is in; *changed* is called with each change of the link."""

    def __init__(self, clock: Clock, cable: Callable[[], bool], changed: Callable[[bool], None], *, control: int, status: int,
                 identifier: int, offers: int, extended: Mapping[int, int] | None = None, partner: int = PARTNER_OFFERS) -> None:
        self._clock = clock
        self._cable = cable
        self._changed = changed
        self._partner = partner
        self._at_reset = {BMCR: control, BMSR: status, PHYID1: identifier >> 16, PHYID2: identifier & 0xFFFF, ANAR: offers,
                          ANLPAR: 0, ANER: 0, **(extended or {})}
        self.values = dict(self._at_reset)
        self.link = False
        """True while the link is up."""
        self.never = False
        """True if a negotiation never ends: the cable or the partner is broken."""
        self._latched_down = False
        self._job: Entry | None = None
        self.power_on()

    def power_on(self) -> None:
        """As long after power-up: the link is up if the cable is in."""
        self._stop()
        self.values = dict(self._at_reset)
        self._latched_down = False
        if self._cable() and not self.never:
            self._negotiated(tell=False)

    def read(self, register: int) -> int | None:
        """The value of a register; None for one that the PHY does not have. Reading the status register unlatches the link bit."""
        value = self.values.get(register)
        if value is not None and register == BMSR:
            value |= LINK if self.link and not self._latched_down else 0
            self._latched_down = False
        return value

    def write(self, register: int, value: int) -> bool:
        """Write a register; False if the PHY does not have it. What is read-only stays as it is."""
        if register not in self.values:
            return False
        if register == BMCR:
            self._control(value)
        elif register not in (BMSR, PHYID1, PHYID2, ANLPAR, ANER):
            self.values[register] = value
        return True

    def reset(self) -> None:
        """Hardware or software reset: the link goes down, and comes up after a negotiation."""
        self._down()
        self.values = dict(self._at_reset)
        self._start()

    def cable_changed(self, up: bool) -> None:
        """The cable was plugged in or pulled."""
        if up:
            self._start()
        else:
            self._down()

    def _control(self, value: int) -> None:
        if value & RESET:
            self.reset()
            return
        self.values[BMCR] = value & ~_SELF_CLEARING
        if value & (POWER_DOWN | ISOLATE):
            self._down()
        elif value & RESTART and value & AUTONEG:
            self._down()
            self._start()
        elif not self.link and self._job is None:
            self._start()

    def _start(self) -> None:
        """A negotiation begins, or the forced speed is tried."""
        if self._job is None and not self.link and self._cable() and not self.never and not self.values[BMCR] & (POWER_DOWN | ISOLATE):
            self._job = self._clock.at(AUTONEG_NS, self._negotiated)

    def _negotiated(self, tell: bool = True) -> None:
        self._job = None
        control = self.values[BMCR]
        if control & AUTONEG:
            if not self.values[ANAR] & OFFERS_100:
                return
            self.values[BMSR] |= COMPLETE
            self.values[ANLPAR] = self._partner
            self.values[ANER] |= 1
        elif control & SPEED_MSB or not control & SPEED_LSB:
            return  # forced to a speed that the wire does not have
        self.link = True
        if tell:
            self._changed(True)

    def _stop(self) -> None:
        if self._job is not None:
            self._clock.cancel(self._job)
            self._job = None
        self.link = False

    def _down(self) -> None:
        was = self.link
        self._stop()
        self.values[BMSR] &= ~COMPLETE
        self.values[ANLPAR] = 0
        if was:
            self._latched_down = True
            self._changed(False)
