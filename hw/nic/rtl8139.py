# SPDX-License-Identifier: Apache-2.0
"""The Realtek RTL8139C: a bus master with four transmit slots and one ring of received bytes. Data sheet: ``docs/nics/rtl8139.md``.

What is in memory has no descriptors: slots and pointers are registers. The two engines stand in `hw.nic.rtl8139_transmit` and
`hw.nic.rtl8139_receive`, the transceiver in `hw.nic.rtl8139_phy`; here is what they share: command, configuration, EEPROM, timer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from hw.clock import US, Entry
from hw.inject import Effect
from hw.limits import PRESETS, DmaLimits
from hw.nic.base import WIRE_FAULTS, LivePointer, Nic
from hw.nic.eeprom93c46 import ERASED, WORDS, Eeprom93C46
from hw.nic.rtl8139_phy_registers import CSCR
from hw.nic.rtl8139_receive import Receiver
from hw.nic.rtl8139_registers import CR, EECR, ISR, Registers
from hw.nic.rtl8139_transmit import Transmitter
from hw.pci import Bar
from hw.register import Slot
from hw.register_parts import parts_of

if TYPE_CHECKING:
    from hw.machine import Machine

RESET_NS = 10 * US
LINK_LATE_NS = 50_000 * US
CLOCKS_PER_US = 33
EEPROM_ID = 0x8129
STATION_WORD = 7
"""Where the station address begins in the EEPROM."""

NORMAL, AUTOLOAD, PROGRAM, UNLOCK = range(4)
"""What EECR.EEM means."""

_I = Registers.index
_CR, _ISR, _IMR, _EECR, _CSCR, _TIMERINT = _I["CR"], _I["ISR"], _I["IMR"], _I["EECR"], _I["CSCR"], _I["TIMERINT"]
_RST, _TE, _RE = CR.RST.mask, CR.TE.mask, CR.RE.mask
_PUN, _LINK_CHANGED = ISR.PUN.mask, CSCR.LINK_CHANGED.mask
_EECS, _EESK, _EEDI, _EEM_AT = EECR.EECS.mask, EECR.EESK.mask, EECR.EEDI.mask, EECR.EEM.lsb
_KEPT = tuple(_I[name] for name in (
    "IDR0", "IDR4", "MAR0", "MAR4", "EECR", "CONFIG0", "CONFIG1", "CONFIG3", "CONFIG4", "CONFIG5", "BMCR", "ANAR", "ANER", "DIS", "FCSC",
    "NWAYTR", "REC", "CSCR", "PHY1_PARM", "TW_PARM", "PHY2_PARM"))
"""What a reset of the card by CR.RST leaves alone."""


class Rtl8139Nic(Transmitter, Receiver):
    """The RTL8139C. Memory and port space show the same registers."""

    model: ClassVar[str] = "rtl8139"
    description: ClassVar[str] = "Realtek RTL8139C: four transmit slots, one receive ring of bytes, 32 address bits"
    registers = Registers
    vendor_id: ClassVar[int] = 0x10EC
    interrupt_registers: ClassVar[tuple[str, ...]] = ("ISR", "IMR")
    device_id: ClassVar[int] = 0x8139
    revision: ClassVar[int] = 0x10
    bars: ClassVar[tuple[Bar, ...]] = (Bar(0, 256, ports=True), Bar(1, 256))
    default_limits: ClassVar[DmaLimits] = PRESETS["rtl8139"]
    faults: ClassVar[Mapping[str, tuple[Effect, ...]]] = {
        **Nic.faults,
        "frame-in": (
            *Nic.faults["frame-in"],
            Effect("missed", "device", False, "the FIFO overflows: the frame is lost, MPC counts it, ISR.FOVW is set"),
            Effect("unfinished", "device", False, "the header says 0xFFF0 bytes for 400 us, while the ring is not empty any more"),
            Effect("bogus-length", "device", True, "the header says 16383 bytes received"),
            Effect("bit-flip", "device", True, "the header comes with bit 0, ROK, flipped")),
        "frame-out": (
            Effect("underrun", "device", False, "the FIFO runs empty, if TSD.ERTXTH let the frame start before it was all there: TUN"),
            Effect("abort", "device", False, "16 collisions: TABT, and the transmitter waits for CLRABT"),
            Effect("late-collision", "device", False, "a late collision: TABT with OWC, and the transmitter waits for CLRABT"),
            Effect("never", "device", False, "the transmitter stops at this frame until the card is reset"),
            Effect("repeated", "device", True, "ISR.TOK comes a second time, 20 us later"),
            *WIRE_FAULTS),
        "link": (Effect("down", "device", False, "the link is down after this reset of the card, and comes up 50 ms later"),
                 Effect("dead", "device", False, "auto-negotiation never ends after this reset of the card")),
        "eeprom": (Effect("blank", "device", False, "the EEPROM is erased: every word reads 0xFFFF"),
                   Effect("dead", "device", False, "the EEPROM answers nothing: data out stays at 1"),
                   Effect("bad-id", "device", False, "the first word of the EEPROM is not 0x8129")),
    }
    slow_bits: ClassVar[Mapping[str, int]] = {"CR": _RST | _TE | _RE}

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        self._resetting = False
        self._counts_from = 0
        self._timer: Entry | None = None
        self._eeprom_dead = False
        self.eeprom = Eeprom93C46(self._image(mac))
        super().__init__(machine, limits, adapter, mac)
        self._autoload()

    # Command

    def on_read_CR(self, value: int) -> int:
        """BUFE as the pointers are; RST while the reset goes on."""
        return value & ~1 | self.empty | _RST * self._resetting

    def on_write_CR(self, old: int, new: int) -> None:
        """Reset, start and stop of the engines."""
        self.values[_CR] = new & ~_RST
        if new & _RST:
            self._reset()
            return
        if (old ^ new) & _TE:
            if new & _TE:
                self.start_transmitter()
            else:
                self.stop_transmitter()
        if (old ^ new) & _RE:
            if new & _RE:
                self.start_receiver()
            else:
                self.stop_receiver()

    def on_write_ISR(self, old: int, new: int) -> None:
        """Causes were acknowledged; with PUN goes what CSCR says of the link."""
        if old & ~new & _PUN:
            self.values[_CSCR] &= ~_LINK_CHANGED
        self.update_line()

    def on_write_IMR(self, old: int, new: int) -> None:
        """Other causes may pull the line."""
        self.update_line()

    def _reset(self) -> None:
        """CR.RST: engines off, pointers and slots as after power-up. Station address, hash, configuration and transceiver stay."""
        self.dma.flush()
        kept = [(index, self.values[index]) for index in _KEPT]
        self._stop()
        self.reset_registers()
        for index, value in kept:
            self.values[index] = value
        self._resetting = True
        self.set_interrupt(False)
        if self.machine.injector is not None:
            self._link_after_reset(self.fault("link"))
        self.clock.at(RESET_NS, self._reset_done)

    def _stop(self) -> None:
        self.stop_transmitter()
        self.stop_receiver()
        self.forget_slots()
        self.forget_ring()
        self._stop_timer()
        self._counts_from = self.clock.now

    def _link_after_reset(self, effect: str) -> None:
        self.phy.never = effect == "dead"
        if effect and self.wire.up:
            self.wire.set_link(False)
            if effect == "down":
                self.clock.at(LINK_LATE_NS, lambda: self.wire.set_link(True))

    def _reset_done(self) -> None:
        self._resetting = False

    def bus_error(self) -> None:
        """A cycle failed: both engines stop, and SERR says so."""
        self.values[_CR] &= ~(_TE | _RE)
        self.stop_transmitter()
        self.stop_receiver()
        self.cause(ISR.SERR.mask)

    # Configuration

    @property
    def unlocked(self) -> bool:
        """True while EECR.EEM lets the configuration be written."""
        return self.values[_EECR] >> _EEM_AT == UNLOCK

    def _locked(self, name: str, old: int) -> None:
        if not self.unlocked:
            self.values[_I[name]] = old

    def on_write_IDR0(self, old: int, new: int) -> None:
        """The station address is locked."""
        self._locked("IDR0", old)

    def on_write_IDR4(self, old: int, new: int) -> None:
        """The station address is locked."""
        self._locked("IDR4", old)

    def on_write_CONFIG0(self, old: int, new: int) -> None:
        """Locked."""
        self._locked("CONFIG0", old)

    def on_write_CONFIG1(self, old: int, new: int) -> None:
        """Locked."""
        self._locked("CONFIG1", old)

    def on_write_CONFIG3(self, old: int, new: int) -> None:
        """Locked."""
        self._locked("CONFIG3", old)

    def on_write_CONFIG4(self, old: int, new: int) -> None:
        """Locked."""
        self._locked("CONFIG4", old)

    def on_read_EECR(self, value: int) -> int:
        """The pin that the EEPROM drives shows while it is programmed."""
        return value | ((self.eeprom.data_out or self._eeprom_dead) if value >> _EEM_AT == PROGRAM else 0)

    def on_write_EECR(self, old: int, new: int) -> None:
        """The pins of the EEPROM, the lock, or loading everything from the EEPROM again."""
        mode = new >> _EEM_AT
        pins = new if mode == PROGRAM else 0
        self.eeprom.pins(bool(pins & _EECS), bool(pins & _EESK), bool(pins & _EEDI))
        if mode == AUTOLOAD:
            self._autoload()
            self.values[_EECR] = 0

    def _autoload(self) -> None:
        """What the card takes from the EEPROM: the station address, if the first word is right."""
        words = [ERASED] * WORDS if self._eeprom_dead else self.eeprom.words
        if words[0] == EEPROM_ID:
            low, middle, high = words[STATION_WORD:STATION_WORD + 3]
            self.values[_I["IDR0"]], self.values[_I["IDR4"]] = low | middle << 16, high

    def _image(self, mac: bytes) -> list[int]:
        """The EEPROM of a card as it is sold: identification, PCI ids, station address; the rest is erased."""
        words = [ERASED] * WORDS
        words[0:3] = EEPROM_ID, self.vendor_id, self.device_id
        words[STATION_WORD:STATION_WORD + 3] = (int.from_bytes(mac[at:at + 2], "little") for at in (0, 2, 4))
        return words

    def break_mac(self) -> None:
        """The card is plugged in: is its EEPROM good?"""
        super().break_mac()
        self.eeprom.words = self._image(self.mac)
        effect = self.fault("eeprom")
        if effect == "blank":
            self.eeprom.words = [ERASED] * WORDS
        elif effect == "bad-id":
            self.eeprom.words[0] ^= 1
        self._eeprom_dead = effect == "dead"
        self.values[_I["IDR0"]] = self.values[_I["IDR4"]] = 0
        self._autoload()

    # Timer

    def on_read_TCTR(self, value: int) -> int:
        """PCI clocks since the timer began."""
        return (self.clock.now - self._counts_from) * CLOCKS_PER_US // 1000 & 0xFFFFFFFF

    def on_write_TCTR(self, old: int, new: int) -> None:
        """Any write begins anew."""
        self._counts_from = self.clock.now
        self._start_timer()

    def on_write_TIMERINT(self, old: int, new: int) -> None:
        """The count that interrupts."""
        self._start_timer()

    def _start_timer(self) -> None:
        """The timer interrupts when its count comes to TIMERINT next."""
        self._stop_timer()
        wanted = self.values[_TIMERINT]
        if wanted:
            gone = (self.clock.now - self._counts_from) * CLOCKS_PER_US // 1000
            left = (wanted - gone - 1) % (1 << 32) + 1
            self._timer = self.clock.at(-(-left * 1000 // CLOCKS_PER_US), self._timer_fires, background=True)

    def _timer_fires(self) -> None:
        self._timer = None
        if self.awake:
            self.cause(ISR.TIMEOUT.mask)
            self._start_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self.clock.cancel(self._timer)
            self._timer = None

    # What the bed asks

    def live_pointers(self) -> Iterator[LivePointer]:
        """The buffers of slots that are handed over, and the ring of a receiver that is on."""
        yield from self.transmit_pointers()
        yield from self.receive_pointers()

    def stops_dma(self, slot: Slot, value: int) -> bool:
        """CR with RST, or with both engines off."""
        return any(name == "CR" and (bool(part & _RST) or not part & (_TE | _RE))
                   for name, part in parts_of(slot, value))

    def pending_causes(self) -> str:
        """Causes that are set and enabled."""
        value = self.values[_ISR] & self.values[_IMR]
        return ISR.show(value) if value else ""

    @property
    def interrupts_enabled(self) -> bool:
        """True if any cause may pull the line."""
        return bool(self.values[_IMR])

    def enables_interrupts(self, slot: Slot, value: int) -> bool | None:
        """IMR decides, and a reset clears it."""
        for name, part in parts_of(slot, value):
            if name == "IMR":
                return bool(part)
            if name == "CR" and part & _RST:
                return False
        return None

    def running(self) -> tuple[str, ...]:
        """Engines and interrupts."""
        cr = self.values[_CR]
        return tuple(what for what, value in (
            ("transmitter", cr & _TE), ("receiver", cr & _RE), ("interrupts", self.values[_IMR])) if value)

    def settings(self) -> tuple[str, ...]:
        """Packet filter and multicast table."""
        values = self.values
        return (("packet filter",) * bool(values[_I["RCR"]] & 0xF)
                + ("multicast table",) * bool(values[_I["MAR0"]] | values[_I["MAR4"]]))

    # Power

    def power_on_reset(self) -> None:
        """As after power-up: everything is forgotten, and loaded from the EEPROM again."""
        self._stop()
        self.reset_registers()
        self.phy.never = False
        self.phy.power_on()
        self._autoload()

    def resumed(self) -> None:
        """A cause that is set pulls the line again; slots that were handed over go out, the timer counts on."""
        self.update_line()
        self.resume_receiver()
        self._schedule(0)
        self._start_timer()
