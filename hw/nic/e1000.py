# SPDX-License-Identifier: Apache-2.0
"""The Intel 82540EM, a Gigabit Ethernet controller for PCI. Data sheet: ``docs/nics/e1000.md``.

This file holds control and status, the registers of the rings, the port bar and resets. EEPROM and PHY stand in `hw.nic.e1000_host`, causes
and counters in `hw.nic.e1000_interrupts`, the engines in `hw.nic.e1000_transmit` and `hw.nic.e1000_receive`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from hw import dma_rules as rules
from hw.clock import US, Entry
from hw.inject import Effect
from hw.limits import PRESETS, DmaLimits
from hw.nic.base import REGISTER_RESERVED, REGISTER_UNKNOWN, WIRE_FAULTS, LivePointer, Nic
from hw.nic.e1000_descriptors import Data, Transmit
from hw.nic.e1000_eeprom import contents
from hw.nic.e1000_engine_registers import PBA, RCTL, TCTL
from hw.nic.e1000_host import E1000Host
from hw.nic.e1000_interrupts import Delay, E1000Interrupts
from hw.nic.e1000_receive import E1000Receive
from hw.nic.e1000_registers import (
    CTRL,
    ICR,
    IOADDR_AT,
    MEMORY_BYTES,
    PORT_BYTES,
    STATUS,
    ControlExtended,
    Registers,
)
from hw.nic.e1000_ring import RING_LENGTH, RING_RUNNING, RING_UNSET, TailRing
from hw.nic.e1000_tables import MULTICAST_ENTRIES, RECEIVE_ADDRESSES
from hw.nic.e1000_transmit import E1000Transmit
from hw.nic.eeprom93c46 import Eeprom93C46
from hw.nic.phy import Phy
from hw.pci import Bar
from hw.register import Slot
from verifier.address import Span, hex_address

if TYPE_CHECKING:
    from hw.machine import Machine

RESET_NS, SLOW_RESET_NS = 1 * US, 300 * US

_I = Registers.index
_CTRL, _STATUS, _EECD, _EERD, _CTRL_EXT, _MDIC, _RCTL, _TCTL, _PBA, _IMS = (
    _I[name] for name in ("CTRL", "STATUS", "EECD", "EERD", "CTRL_EXT", "MDIC", "RCTL", "TCTL", "PBA", "IMS"))
_RAL0, _RAH0 = _I["RAL0"], _I["RAH0"]
_RST, _PHY_RST, _SLU = CTRL.RST.mask, CTRL.PHY_RST.mask, CTRL.SLU.mask
_RX_EN, _TX_EN = RCTL.EN.mask, TCTL.EN.mask
_AV = 1 << 31

COMPLETION_FAULTS = (
    Effect("bit-flip", "device", True, "the descriptor is handed back with DD flipped"),
    Effect("repeated", "device", True, "the card hands the descriptor back a second time, 20 us later"),
)


class E1000Nic(E1000Transmit, E1000Receive, E1000Host):
    """The 82540EM: copper PHY on the chip, EEPROM of 64 words, rings with head and tail."""

    model: ClassVar[str] = "e1000"
    description: ClassVar[str] = "Intel 82540EM: head and tail rings, causes that reading clears, EEPROM, PHY; 32 address bits"
    registers = Registers
    vendor_id: ClassVar[int] = 0x8086
    interrupt_registers: ClassVar[tuple[str, ...]] = ("ICR", "IMS", "IMC")
    device_id: ClassVar[int] = 0x100E
    bars: ClassVar[tuple[Bar, ...]] = (Bar(0, MEMORY_BYTES), Bar(1, PORT_BYTES, ports=True, first=IOADDR_AT))
    default_limits: ClassVar[DmaLimits] = PRESETS["e1000"]
    faults: ClassVar[Mapping[str, tuple[Effect, ...]]] = {
        **Nic.faults,
        "frame-in": (*Nic.faults["frame-in"],
                     Effect("overrun", "device", False, "the packet buffer overruns at this frame: it is lost, MPC counts and RXO is set"),
                     Effect("bogus-length", "device", True, "the descriptor says 65535 bytes received"), *COMPLETION_FAULTS),
        "frame-out": (
            Effect("late-collision", "device", False, "the frame collides late: it does not go out, and its descriptor says LC"),
            Effect("excess-collisions", "device", False, "the frame collides too often: it does not go out, and its descriptor says EC"),
            Effect("never", "device", False, "the transmitter stops at this frame until the card is reset"),
            *WIRE_FAULTS, *COMPLETION_FAULTS),
        "link": (Effect("down", "device", False, "the link is down after this reset of the card, and comes up 50 ms later"),
                 Effect("dead", "device", False, "auto-negotiation never ends after this reset of the card")),
        "card-reset": (Effect("slow", "device", False, "CTRL.RST reads 1 for 300 us after this reset of the card"),
                       Effect("never", "device", False, "CTRL.RST reads 1 for ever after this reset of the card")),
        "eeprom": (Effect("bad-checksum", "device", False, "a word of the EEPROM is wrong: its sum is not BABA"),
                   Effect("all-ones", "device", False, "the EEPROM is empty: it reads all ones"),
                   Effect("never", "device", False, "a read of the EEPROM by EERD never ends")),
        "phy": (Effect("error", "device", False, "this access to the PHY ends with the error bit"),
                Effect("never", "device", False, "this access to the PHY never ends")),
    }

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        self.tx = TailRing(self, "transmit", "TDT")
        self.rx = TailRing(self, "receive", "RDT")
        self._tx_scheduled = self._tx_stalled = False
        self._tx_context = self._tx_ip_context = None
        self._fifo = deque()
        self._received = 0
        self._throttled = None
        self._quiet_until = 0
        self._loading: Entry | None = None
        self._eerd_never = False
        self.eeprom = Eeprom93C46(contents(mac))
        super().__init__(machine, limits, adapter, mac)
        self.receive_delay = Delay(self, lambda: self.cause(ICR.RXT0.mask))
        self.transmit_delay = Delay(self, lambda: self.cause(ICR.TXDW.mask))
        self.phy = Phy(self.clock, lambda: self.wire.up, self.mac_link_changed, control=0x1140, status=0x7949, identifier=0x0141_0C20,
                       offers=0x0DE1, extended={9: 0x0E00, 10: 0, 15: 0x3000, 16: 0x0360, 17: 0, 18: 0, 19: 0, 20: 0x0D60, 21: 0})

    # Control and status

    def on_write_CTRL(self, old: int, new: int) -> None:
        """Resets, and whether the MAC looks at the link."""
        self.values[_CTRL] = new & ~_PHY_RST
        if new & _RST:
            self._reset()
            return
        if new & _PHY_RST:
            self.phy.reset()
        if (new ^ old) & _SLU and self.phy.link:
            self.mac_link_changed(True)

    def on_write_CTRL_DUP(self, old: int, new: int) -> None:
        """The same register at a second place."""
        before = self.values[_CTRL]
        self.values[_CTRL] = new
        self.on_write_CTRL(before, new)

    def on_read_CTRL_DUP(self, value: int) -> int:
        """The same register at a second place."""
        return self.values[_CTRL]

    def on_read_STATUS(self, value: int) -> int:
        """Link, speed and duplex as they are: the bed's wire has 100 Mbit/s, full duplex."""
        if not self.link_up:
            return 0
        return STATUS.FD.mask | STATUS.LU.mask | STATUS.SPEED.put(1) | STATUS.ASDV.put(1)

    def on_write_CTRL_EXT(self, old: int, new: int) -> None:
        """EE_RST reads the EEPROM once more, as after power-up."""
        if new & ControlExtended.EE_RST.mask:
            self.values[_CTRL_EXT] = new & ~ControlExtended.EE_RST.mask
            self.load_eeprom()

    def on_write_PBA(self, old: int, new: int) -> None:
        """What the receiver does not take of the 64 KB is the transmitter's."""
        receive = PBA.RXA.get(new)
        self.values[_PBA] = receive | PBA.TXA.put(max(64 - receive, 0))

    # Rings

    def _base(self, prefix: str) -> int:
        return self.values[_I[f"{prefix}BAL"]] | self.values[_I[f"{prefix}BAH"]] << 32

    def _set_base(self, name: str, engine: str, old: int, new: int) -> None:
        self._while_running(name, engine, old, new)
        if new & 15:
            self.values[_I[name]] = new & ~15
            block = self.dma.book.find(self.machine.bus.to_physical(new), 1)
            self.machine.findings.report(
                rules.DMA_ALIGNMENT, f"{self.name} {name}: {hex_address(new)} is not on a multiple of 16; the card drops the low bits and "
                f"uses {hex_address(new & ~15)}", space="logical", span=Span(new & ~15, 16), block=block)

    def _set_length(self, name: str, engine: str, old: int, new: int) -> None:
        self._while_running(name, engine, old, new)
        if new & 127:
            self.values[_I[name]] = new & ~127
            self.machine.findings.report(
                RING_LENGTH, f"{self.name} {name}: {new} bytes are no multiple of 128; the card drops the low bits and uses {new & ~127}, "
                f"{(new & ~127) // 16} descriptors", subject=(name,))

    def _while_running(self, name: str, engine: str, old: int, new: int) -> None:
        if new != old and self.values[_I[engine]] & _RX_EN:
            self.machine.findings.report(
                RING_RUNNING, f"{self.name} {name}: written as 0x{new:x} while {engine}.EN is set", subject=(name,))

    def on_write_RDBAL(self, old: int, new: int) -> None:
        """Base of the receive ring."""
        self._set_base("RDBAL", "RCTL", old, new)

    def on_write_TDBAL(self, old: int, new: int) -> None:
        """Base of the transmit ring."""
        self._set_base("TDBAL", "TCTL", old, new)

    def on_write_RDLEN(self, old: int, new: int) -> None:
        """Length of the receive ring."""
        self._set_length("RDLEN", "RCTL", old, new)

    def on_write_TDLEN(self, old: int, new: int) -> None:
        """Length of the transmit ring."""
        self._set_length("TDLEN", "TCTL", old, new)

    def on_read_RDH(self, value: int) -> int:
        """The descriptor that the next frame goes to."""
        return self.rx.head

    def on_read_TDH(self, value: int) -> int:
        """The descriptor that the transmitter takes next: it runs ahead of what was sent."""
        return self.tx.fetched if self.tx.count else self.tx.head

    def on_write_RDH(self, old: int, new: int) -> None:
        """Software may set the head while the receiver is off."""
        self._while_running("RDH", "RCTL", self.rx.head, new)
        self.rx.head = self.rx.fetched = new

    def on_write_TDH(self, old: int, new: int) -> None:
        """Software may set the head while the transmitter is off."""
        self._while_running("TDH", "TCTL", self.tx.head, new)
        self.tx.head = self.tx.fetched = new

    def on_write_RDT(self, old: int, new: int) -> None:
        """The receive doorbell."""
        self.rx.ring(new)
        if self.values[_RCTL] & _RX_EN and self.rx.count:
            if not self.rx.fetch():
                self.bus_error()
            elif self._fifo:
                self.store_frames()

    def on_write_TDT(self, old: int, new: int) -> None:
        """The transmit doorbell."""
        self.tx.ring(new)
        if self.values[_TCTL] & _TX_EN:
            if not self.values[_I["TDLEN"]]:
                self._unset("TDT", "TDLEN")
            self.schedule_transmit()

    def on_write_RCTL(self, old: int, new: int) -> None:
        """Start and stop of the receiver."""
        if new & _RX_EN and not old & _RX_EN:
            self.rx.start(self._base("RD"), self.values[_I["RDLEN"]])
            if not self.rx.count:
                self._unset("RCTL", "RDLEN")
            elif not self.rx.fetch():
                self.bus_error()
        elif old & _RX_EN and not new & _RX_EN:
            self.rx.stop()
            self._fifo.clear()

    def on_write_TCTL(self, old: int, new: int) -> None:
        """Start and stop of the transmitter. It stops between two frames, and forgets descriptors that it had taken ahead."""
        if new & _TX_EN and not old & _TX_EN:
            self.tx.start(self._base("TD"), self.values[_I["TDLEN"]])
            if self.tx.room:
                self.schedule_transmit()
        elif old & _TX_EN and not new & _TX_EN:
            self.tx.stop()

    def _unset(self, by: str, length: str) -> None:
        self.machine.findings.report(
            RING_UNSET, f"{self.name} {by}: the engine has no ring, {length} is 0", where=self.armed_by, subject=(by,))

    # The port bar

    def on_read_IODATA(self, value: int) -> int:
        """The register that IOADDR names."""
        slot = self._addressed("read")
        return 0xFFFFFFFF if slot is None else self.read_register(slot)

    def on_write_IODATA(self, old: int, new: int) -> None:
        """The register that IOADDR names; reserved bits are as bad here as in memory space."""
        slot = self._addressed("write")
        if slot is None:
            return
        if new & slot.reserved:
            self.machine.findings.report(
                REGISTER_RESERVED, f"{self.name} {slot.name} through IODATA: 0x{new:x} sets reserved bits 0x{new & slot.reserved:x}",
                subject=((self.name, slot.name),))
        self.write_register(slot, new)

    def _addressed(self, verb: str) -> Slot | None:
        address = self.values[_I["IOADDR"]]
        slot = self.slots.get(address) if address < MEMORY_BYTES else None
        if slot is None:
            self.machine.findings.report(
                REGISTER_UNKNOWN, f"{self.name}: {verb} of IODATA while IOADDR is 0x{address:x}, where {self.model} has no register",
                subject=((self.name, address),))
        return slot

    # What the bed asks

    def live_pointers(self) -> Iterator[LivePointer]:
        """The rings of the engines that run, and the buffers of the descriptors that they took."""
        for ring in (self.tx, self.rx):
            yield from ring.pointers()
            for index, raw in ring.taken.items():
                value = int.from_bytes(raw, "little")
                if ring is self.tx and Transmit.DEXT.get(value) and not Data.DTYP.get(value):
                    continue  # a context descriptor has no buffer
                length = self.buffer_bytes if ring is self.rx else Data.LENGTH.get(value) if Transmit.DEXT.get(value) \
                    else Transmit.LENGTH.get(value)
                if length and value & Transmit.ADDRESS.mask:
                    yield LivePointer(f"{ring.what} buffer of descriptor {index}", Transmit.ADDRESS.get(value), length)

    def stops_dma(self, slot: Slot, value: int) -> bool:
        """A reset, or the write that stops one of the engines."""
        return bool(value & _RST) if slot.name == "CTRL" else slot.name in ("RCTL", "TCTL") and not value & _RX_EN

    def enables_interrupts(self, slot: Slot, value: int) -> bool | None:
        """IMS adds causes, IMC takes them away, and a reset clears the mask."""
        if slot.name == "IMS":
            return bool(value) or None
        if slot.name == "IMC":
            return bool(self.values[_IMS] & ~value)
        return False if slot.name == "CTRL" and value & _RST else None

    def running(self) -> tuple[str, ...]:
        """Engines and interrupts."""
        values = self.values
        return tuple(what for what, on in (
            ("transmit engine", values[_TCTL] & _TX_EN), ("receive engine", values[_RCTL] & _RX_EN), ("interrupts", values[_IMS])) if on)

    def settings(self) -> tuple[str, ...]:
        """Packet filter and multicast table."""
        values = self.values
        filters = values[_RCTL] & (RCTL.UPE.mask | RCTL.MPE.mask | RCTL.BAM.mask)
        addresses = any(values[_RAH0 + 2 * n] & _AV for n in range(1, RECEIVE_ADDRESSES))
        table = addresses or any(values[_I["MTA0"]:_I["MTA0"] + MULTICAST_ENTRIES])
        return ("packet filter",) * bool(filters) + ("multicast table",) * table

    # Resets

    def power_on_reset(self) -> None:
        """As after power-up: engines off, everything forgotten, the EEPROM read again, the PHY with its link."""
        self._forget()
        self.reset_registers()
        self.phy.never = False
        self.phy.power_on()
        self.mac_link_changed(self.phy.link)
        self.load_eeprom()

    def resumed(self) -> None:
        """A cause that is set pulls the line again; frames that wait go out, and come in."""
        E1000Interrupts.on_write_IMS(self, 0, 0)
        if self.values[_TCTL] & _TX_EN:
            self.schedule_transmit()
        self.store_frames()

    def _forget(self) -> None:
        self.tx.reset()
        self.rx.reset()
        self._fifo.clear()
        self._tx_stalled = False
        self._tx_context = self._tx_ip_context = None
        self.forget_causes()

    def _reset(self) -> None:
        """CTRL.RST: all but the packet buffer allocation and the PHY; the EEPROM is read again."""
        self.dma.flush()
        kept = self.values[_PBA]
        self._forget()
        self.reset_registers()
        self.values[_PBA] = kept
        self.values[_CTRL] |= _RST
        self.set_interrupt(False)
        takes = RESET_NS
        if self.machine.injector is not None:
            self.link_after_reset(self.fault("link"))
            effect = self.fault("card-reset")
            takes = SLOW_RESET_NS if effect == "slow" else 0 if effect else takes
        self.load_eeprom()
        if takes:
            self.clock.at(takes, self._reset_done)

    def _reset_done(self) -> None:
        self.values[_CTRL] &= ~_RST

    def bus_error(self) -> None:
        """A bus cycle was aborted: both engines stand still until the card is reset. Only the status register of PCI tells of it."""
        self.tx.stop()
        self.rx.stop()
        self._fifo.clear()
        self._tx_stalled = True
