# SPDX-License-Identifier: Apache-2.0
"""What the 82540EM has beside its engines: the EEPROM, and the PHY with its link (``docs/nics/e1000.md``, 4.3, 4.4 and 4.7)."""

from __future__ import annotations

from hw.clock import MS, US, Entry
from hw.nic.e1000_eeprom import contents, spoiled
from hw.nic.e1000_interrupts import E1000Interrupts
from hw.nic.e1000_registers import CTRL, EECD, EERD, ICR, MDIC, Registers
from hw.nic.eeprom93c46 import WORDS, Eeprom93C46

EEPROM_LOAD_NS = 2 * MS
"""From a reset until the card has read its EEPROM: the station address stands in RAL0 and RAH0 only then."""
EERD_NS, MDIC_NS = 30 * US, 26 * US
LINK_LATE_NS = 50 * MS
PHY_ADDRESS = 1

_I = Registers.index
_CTRL, _EECD, _EERD, _MDIC, _RAL0, _RAH0 = (_I[name] for name in ("CTRL", "EECD", "EERD", "MDIC", "RAL0", "RAH0"))
_SLU = CTRL.SLU.mask
_AV = 1 << 31


class E1000Host(E1000Interrupts):
    """The part of the card that has no rings."""

    eeprom: Eeprom93C46
    _loading: Entry | None
    """The read of the EEPROM that is under way."""
    _eerd_never: bool

    def schedule_transmit(self) -> None:
        """Frames may have waited for the link."""
        raise NotImplementedError

    def break_mac(self) -> None:
        """The EEPROM holds the station address; it is read when power comes."""
        super().break_mac()
        self.eeprom = Eeprom93C46(contents(self.mac))
        if self.machine.injector is not None:
            self._break_eeprom()
        self.load_eeprom()

    def _break_eeprom(self) -> None:
        effect = self.fault("eeprom")
        self._eerd_never = effect == "never"
        if effect in ("bad-checksum", "all-ones"):
            self.eeprom = Eeprom93C46(spoiled(self.eeprom.words, effect))

    # EEPROM

    def on_write_EECD(self, old: int, new: int) -> None:
        """The host drives the pins of the EEPROM, if the card has granted them."""
        if new & EECD.REQ.mask and self._loading is None:
            new |= EECD.GNT.mask
        else:
            new &= ~EECD.GNT.mask
        self.values[_EECD] = new
        if new & EECD.GNT.mask:
            self.eeprom.pins(EECD.CS.get(new), EECD.SK.get(new), EECD.DI.get(new))

    def on_read_EECD(self, value: int) -> int:
        """Data out of the EEPROM, and whether the pins are the host's."""
        if value & EECD.REQ.mask and self._loading is None:
            value |= EECD.GNT.mask
            self.values[_EECD] = value
        return value & ~EECD.DO.mask | EECD.DO.put(self.eeprom.data_out)

    def on_write_EERD(self, old: int, new: int) -> None:
        """START reads one word."""
        self.values[_EERD] = new & ~(EERD.DONE.mask | EERD.DATA.mask)
        if new & EERD.START.mask and not self._eerd_never:
            address = EERD.ADDR.get(new)
            word = self.eeprom.words[address] if address < WORDS else 0xFFFF
            self.clock.at(EERD_NS, lambda: self._eerd_done(new, word))

    def _eerd_done(self, asked: int, word: int) -> None:
        if (self.values[_EERD] ^ asked) & (EERD.START.mask | EERD.ADDR.mask) == 0:
            self.values[_EERD] = asked & EERD.ADDR.mask | EERD.DONE.mask | EERD.DATA.put(word)

    def load_eeprom(self) -> None:
        """The card reads its EEPROM: it takes a while until the station address is there."""
        if self._loading is not None:
            self.clock.cancel(self._loading)
        self._loading = self.clock.at(EEPROM_LOAD_NS, self._loaded, background=True)

    def _loaded(self) -> None:
        self._loading = None
        words = self.eeprom.words
        if words[0x0A] >> 14 == 1:  # without the signature nothing is taken over
            self.values[_RAL0] = words[0] | words[1] << 16
            self.values[_RAH0] = words[2] | _AV

    # PHY

    def on_write_MDIC(self, old: int, new: int) -> None:
        """One access to a register of the PHY; R says when it is over."""
        self.values[_MDIC] = new & ~(MDIC.READY.mask | MDIC.ERROR.mask)
        operation = MDIC.OP.get(new)
        if operation not in (1, 2):
            self.values[_MDIC] |= MDIC.READY.mask
            return
        effect = self.fault("phy") if self.machine.injector is not None else ""
        if effect != "never":
            self.clock.at(MDIC_NS, lambda: self._mdic_done(new, effect == "error"))

    def _mdic_done(self, asked: int, error: bool) -> None:
        if not self.awake:
            return
        register = MDIC.REGADD.get(asked)
        value: int | None = None
        if MDIC.PHYADD.get(asked) == PHY_ADDRESS and not error:
            if MDIC.OP.get(asked) == 2:
                value = self.phy.read(register)
            elif self.phy.write(register, MDIC.DATA.get(asked)):
                value = MDIC.DATA.get(asked)
        result = asked & ~(MDIC.DATA.mask | MDIC.ERROR.mask) | MDIC.READY.mask
        self.values[_MDIC] = result | (MDIC.ERROR.mask if value is None else value)
        if asked & MDIC.INT_EN.mask:
            self.cause(ICR.MDAC.mask)

    def link_changed(self, up: bool) -> None:
        """The cable was plugged in or pulled."""
        self.phy.cable_changed(up)

    def mac_link_changed(self, up: bool) -> None:
        """The PHY found a link or lost it; the MAC sees it with SLU."""
        phy = self.phy
        phy.values[17] = 0x6C00 if phy.link else 0  # 100 Mbit/s, full duplex, resolved, link
        if self.awake and self.values[_CTRL] & _SLU:
            self.cause(ICR.LSC.mask)
            if self.link_up:
                self.schedule_transmit()

    def link_after_reset(self, effect: str) -> None:
        self.phy.never |= effect == "dead"
        if effect and self.wire.up:
            self.wire.set_link(False)
            if effect == "down":
                self.clock.at(LINK_LATE_NS, lambda: self.wire.set_link(True))
