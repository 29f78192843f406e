# SPDX-License-Identifier: Apache-2.0
"""The transceiver of the RTL8139C, and the interrupt causes of the whole card (``docs/nics/rtl8139.md``, 4.16 and 4.20 to 4.22)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.nic import phy
from hw.nic.base import Nic
from hw.nic.rtl8139_phy_registers import ANAR, BMCR, BMSR, CSCR
from hw.nic.rtl8139_registers import ISR, MSR, Registers
from verifier.events import Kind

if TYPE_CHECKING:
    from hw.limits import DmaLimits
    from hw.machine import Machine

_I = Registers.index
_ISR, _IMR, _BMCR, _CSCR, _DIS = _I["ISR"], _I["IMR"], _I["BMCR"], _I["CSCR"], _I["DIS"]


class Medium(Nic):
    """What the card has of the medium: a PHY whose registers stand among those of the card."""

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        super().__init__(machine, limits, adapter, mac)
        self.phy = phy.Phy(self.clock, lambda: self.wire.up, self._link_is, control=BMCR.reset_value(), status=BMSR.reset_value(),
                           identifier=0, offers=ANAR.reset_value())

    # Registers

    def _mii(self, register: int) -> int:
        return self.phy.read(register) or 0

    def on_read_BMSR(self, value: int) -> int:
        """The link as it is; one that was lost is told once, even if it is back."""
        return self._mii(phy.BMSR)

    def on_read_ANLPAR(self, value: int) -> int:
        """The partner's offer, once negotiated."""
        return self._mii(phy.ANLPAR)

    def on_read_ANER(self, value: int) -> int:
        """Whether the partner can negotiate."""
        return self._mii(phy.ANER)

    def on_read_MSR(self, value: int) -> int:
        """LINKB is 1 while there is no link."""
        ten = not self.values[_BMCR] & (BMCR.ANE.mask | BMCR.SPEED_100.mask)
        return value | MSR.LINKB.mask * (not self.phy.link) | MSR.SPEED_10.mask * ten

    def on_read_CSCR(self, value: int) -> int:
        """The state of the connection, and whether it changed since ISR.PUN was acknowledged last."""
        return value | (CSCR.CON_STATUS.mask | CSCR.LINK_OK.mask) * self.phy.link

    def on_write_BMCR(self, old: int, new: int) -> None:
        """Reset of the transceiver, mode, speed, and negotiation anew; nothing while the configuration is locked."""
        if not self.unlocked:
            self.values[_BMCR] = old
            return
        self.phy.write(phy.BMCR, new)
        self.mirror_phy()

    def on_write_ANAR(self, old: int, new: int) -> None:
        """What the card offers from the next negotiation on."""
        self.phy.write(phy.ANAR, new)

    def mirror_phy(self) -> None:
        """The cells of the registers that can be written show what the PHY has."""
        self.values[_BMCR] = self.phy.values[phy.BMCR]
        self.values[_I["ANAR"]] = self.phy.values[phy.ANAR]

    # The medium

    @property
    def unlocked(self) -> bool:
        """True while 9346CR lets the configuration be written."""
        raise NotImplementedError

    def link_changed(self, up: bool) -> None:
        """The cable was pulled or plugged."""
        self.phy.cable_changed(up)

    def _link_is(self, up: bool) -> None:
        """The link came up or went down."""
        if self.awake:
            if not up:
                self.values[_DIS] = (self.values[_DIS] + 1) & 0xFFFF
            self.values[_CSCR] |= CSCR.LINK_CHANGED.mask
            self.cause(ISR.PUN.mask)

    # What both engines need

    def dropped(self, frame: bytes, why: str) -> None:
        """A frame is lost."""
        self.machine.events.append((self.clock.now, Kind.FRAME_DROPPED, 0, self.name, len(frame), why))

    def bus_error(self) -> None:
        """A bus cycle failed."""
        raise NotImplementedError

    def cause(self, bits: int) -> None:
        """Set causes, and pull the line if one of those that are set may."""
        self.values[_ISR] |= bits
        if self.values[_ISR] & self.values[_IMR]:
            self.set_interrupt(True)

    def update_line(self) -> None:
        """Pull the line or let it go, as causes and mask are now."""
        self.set_interrupt(bool(self.values[_ISR] & self.values[_IMR]))
