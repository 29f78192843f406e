# SPDX-License-Identifier: Apache-2.0
"""Causes, masks, delays and statistics of the 82540EM: what every engine of the card tells through (``docs/nics/e1000.md``, 6)."""

from __future__ import annotations

from collections.abc import Callable

from hw.clock import Entry
from hw.nic.base import Nic
from hw.nic.e1000_registers import CTRL, ICR, Registers
from hw.nic.e1000_tables import SIZES
from hw.nic.phy import Phy
from verifier.events import Kind

ITR_NS, DELAY_NS = 256, 1024
"""Units of ITR, and of RDTR, RADV, TIDV and TADV."""
LARGEST = 0xFFFFFFFF

_I = Registers.index
ICR_AT, IMS_AT, ITR_AT = _I["ICR"], _I["IMS"], _I["ITR"]
_CTRL, _ICS, _IMC, _RDTR, _RADV, _RSRPD, _TIDV, _TADV = (
    _I[name] for name in ("CTRL", "ICS", "IMC", "RDTR", "RADV", "RSRPD", "TIDV", "TADV"))
_SLU = CTRL.SLU.mask
_RXT0, _SRPD, _TXDW = ICR.RXT0.mask, ICR.SRPD.mask, ICR.TXDW.mask
CAUSES = ICR.mask_of("w1c")
_FPD, _TIME = 1 << 31, 0xFFFF


class Delay:
    """A packet timer that each frame starts anew, and an absolute one that the first frame starts: whichever ends first tells."""

    __slots__ = ("_absolute", "_expired", "_nic", "_packet")

    def __init__(self, nic: E1000Interrupts, expired: Callable[[], None]) -> None:
        self._nic = nic
        self._expired = expired
        self._packet: Entry | None = None
        self._absolute: Entry | None = None

    def start(self, packet: int, absolute: int) -> None:
        """A frame came or went; times in units of 1.024 us, *absolute* 0: there is none."""
        clock = self._nic.clock
        if self._packet is not None:
            clock.cancel(self._packet)
        self._packet = clock.at(packet * DELAY_NS, self.flush)
        if absolute and self._absolute is None:
            self._absolute = clock.at(absolute * DELAY_NS, self.flush)

    def cancel(self) -> bool:
        """Stop both; True if one was running."""
        running = self._packet is not None
        for entry in (self._packet, self._absolute):
            if entry is not None:
                self._nic.clock.cancel(entry)
        self._packet = self._absolute = None
        return running

    def flush(self) -> None:
        """Tell at once what waits."""
        if self.cancel():
            self._expired()


class E1000Interrupts(Nic):
    """The half of the card that tells the driver."""

    phy: Phy
    receive_delay: Delay
    transmit_delay: Delay
    _throttled: Entry | None
    _quiet_until: int

    @property
    def link_up(self) -> bool:
        """True if the PHY has a link and CTRL.SLU lets the MAC see it."""
        return self.phy.link and bool(self.values[_CTRL] & _SLU)

    # Registers

    def on_read_ICR(self, value: int) -> int:
        """Reading clears all causes, and the line falls."""
        self.values[ICR_AT] = 0
        self._update_line()
        return value

    def on_write_ICR(self, old: int, new: int) -> None:
        """Causes were cleared one by one."""
        self._update_line()

    def on_read_ICS(self, value: int) -> int:
        """On silicon ICS shows the causes and clears nothing (hw/net/e1000.c of QEMU)."""
        return self.values[ICR_AT]

    def on_write_ICS(self, old: int, new: int) -> None:
        """Software sets causes."""
        self.values[_ICS] = 0
        self.cause(new & CAUSES)

    def on_write_IMS(self, old: int, new: int) -> None:
        """A cause that is set already interrupts now."""
        self._update_line()

    def on_write_IMC(self, old: int, new: int) -> None:
        """Take causes out of the mask."""
        self.values[_IMC] = 0
        self.values[IMS_AT] &= ~new
        self._update_line()

    def on_write_RDTR(self, old: int, new: int) -> None:
        """FPD tells at once of the frames that wait, and clears itself."""
        if new & _FPD:
            self.values[_RDTR] = new & ~_FPD
            self.receive_delay.flush()

    # Causes

    def cause(self, bits: int) -> None:
        """Something happened: it counts whether the mask lets it through or not."""
        values = self.values
        values[ICR_AT] |= bits
        if values[ICR_AT] & values[IMS_AT]:
            self._pull_line()

    def received_cause(self, length: int) -> None:
        """A frame of *length* bytes is in memory: tell at once, or when the delay is over."""
        values = self.values
        delay = values[_RDTR] & _TIME
        if values[_RSRPD] and length <= values[_RSRPD]:
            self.receive_delay.cancel()
            self.cause(_SRPD | _RXT0)
        elif delay:
            self.receive_delay.start(delay, values[_RADV])
        else:
            self.cause(_RXT0)

    def sent_cause(self, delayed: bool) -> None:
        """A descriptor with RS was written back; *delayed*: its IDE bit was set."""
        if delayed and self.values[_TIDV]:
            self.transmit_delay.start(self.values[_TIDV], self.values[_TADV])
        else:
            self.transmit_delay.cancel()
            self.cause(_TXDW)

    def forget_causes(self) -> None:
        """Reset: no delay runs, and nothing waits for the line."""
        self.receive_delay.cancel()
        self.transmit_delay.cancel()
        if self._throttled is not None:
            self.clock.cancel(self._throttled)
            self._throttled = None
        self._quiet_until = 0

    def _update_line(self) -> None:
        if self.values[ICR_AT] & self.values[IMS_AT]:
            self._pull_line()
        else:
            self.set_interrupt(False)

    def _pull_line(self) -> None:
        """Pull the line, but not before ITR lets it."""
        interval = self.values[ITR_AT]
        if interval and not self.interrupting:
            now = self.clock.now
            if now < self._quiet_until:
                if self._throttled is None:
                    self._throttled = self.clock.at(self._quiet_until - now, self._throttle_over)
                return
            self._quiet_until = now + interval * ITR_NS
        self.set_interrupt(True)

    def _throttle_over(self) -> None:
        self._throttled = None
        self._update_line()

    # What the bed asks

    def pending_causes(self) -> str:
        """Causes that are set and that the mask lets through."""
        value = self.values[ICR_AT] & self.values[IMS_AT]
        return ICR.show(value) if value else ""

    @property
    def interrupts_enabled(self) -> bool:
        """True if any cause may pull the line."""
        return bool(self.values[IMS_AT])

    # Statistics

    def count(self, name: str, step: int = 1) -> None:
        """Add to a counter; it stays at its largest value."""
        values, index = self.values, _I[name]
        values[index] = min(values[index] + step, LARGEST)

    def count_octets(self, name: str, step: int) -> None:
        """Add to a counter of 64 bits."""
        values, low, high = self.values, _I[f"{name}L"], _I[f"{name}H"]
        total = min((values[high] << 32 | values[low]) + step, (1 << 64) - 1)
        values[low], values[high] = total & LARGEST, total >> 32

    def count_size(self, direction: str, length: int) -> None:
        """Count a frame of *length* bytes, check sequence included, by its size; *direction* is ``PRC`` or ``PTC``."""
        for size in SIZES:
            if length <= size:
                self.count(f"{direction}{size}")
                return

    def dropped(self, frame: bytes, why: str) -> None:
        """A frame gets lost on the card."""
        self.machine.events.append((self.clock.now, Kind.FRAME_DROPPED, 0, self.name, len(frame), why))


def _clears_low(name: str) -> Callable[[E1000Interrupts, int], int]:
    low = _I[f"{name}L"]

    def read(self: E1000Interrupts, value: int) -> int:
        """The high dword; reading it clears the low one, too."""
        self.values[low] = 0
        return value
    return read


for _name in ("GORC", "GOTC", "TOR", "TOT"):
    setattr(E1000Interrupts, f"on_read_{_name}H", _clears_low(_name))
