# SPDX-License-Identifier: Apache-2.0
"""Minnow: a small PCI Ethernet card with two rings of 16 descriptors. docs/add-a-nic.md builds this file step by step."""

from collections.abc import Iterator

from hw.limits import DmaLimits
from hw.nic import LivePointer, Nic
from hw.nic.ring import DescriptorRing
from hw.pci import Bar
from hw.register import Field, Register, RegisterMap, Slot
from hw.wire import MINIMUM_FRAME


class CTRL(Register):
    """Control."""
    RUN = Field(0)
    RESET = Field(1, mode="w1s")
    PROMISCUOUS = Field(2)
    arms = True


class STATUS(Register):
    """Status."""
    LINK = Field(0, mode="ro")


class CAUSE(Register):
    """Interrupt causes; writing 1 clears."""
    SENT = Field(0, mode="w1c")
    RECEIVED = Field(1, mode="w1c")
    MISSED = Field(2, mode="w1c")
    LINK = Field(3, mode="w1c")
    BUS_ERROR = Field(4, mode="w1c")


class MASK(Register):
    """Causes that pull the line."""
    CAUSES = Field(4, 0)


class Base(Register):
    """Device address of a ring; on a multiple of 8."""
    ADDRESS = Field(31, 3)


class KICK(Register):
    """Doorbell of both rings: any value."""
    VALUE = Field(31, 0, mode="wo")
    arms = True


class MacLow(Register):
    """Station address, bytes 0 to 3."""
    BYTES = Field(31, 0, mode="ro")


class MacHigh(Register):
    """Station address, bytes 4 and 5."""
    BYTES = Field(15, 0, mode="ro")


class Registers(RegisterMap):
    """The register map."""
    CTRL = 0x00, CTRL
    STATUS = 0x04, STATUS
    CAUSE = 0x08, CAUSE
    MASK = 0x0C, MASK
    TX_BASE = 0x10, Base
    RX_BASE = 0x14, Base
    KICK = 0x18, KICK
    MAC_LO = 0x20, MacLow
    MAC_HI = 0x24, MacHigh


class Entry(Register):
    """A descriptor, 8 bytes."""
    width = 8
    ADDRESS = Field(31, 0)
    LENGTH = Field(42, 32)
    ERROR = Field(62)
    OWN = Field(63)


AT = Registers.index
ENTRIES = 16
FRAME_NS = 8_000
"""Time of a frame on the wire."""


class Minnow(Nic):
    """The card."""

    model = "minnow"
    description = "an example: two rings of 16 descriptors, 28 address bits, 64 KB boundary"
    miniport = "minnow_miniport.py"
    registers = Registers
    vendor_id, device_id = 0x0DBE, 0x0016
    bars = (Bar(0, 4096),)
    default_limits = DmaLimits("minnow", 28, boundary=0x10000, alignment=8, max_length=2047, max_segments=1,
                               source="docs/add-a-nic.md")

    def __init__(self, machine, limits, adapter, mac) -> None:
        self.tx = DescriptorRing(self, "transmit", Entry, Entry.OWN)
        self.rx = DescriptorRing(self, "receive", Entry, Entry.OWN)
        self.received = 0
        self.sending = False
        super().__init__(machine, limits, adapter, mac)

    # Registers

    def on_read_STATUS(self, value: int) -> int:
        return STATUS.LINK.put(self.wire.up)

    def on_read_MAC_LO(self, value: int) -> int:
        return int.from_bytes(self.mac[:4], "little")

    def on_read_MAC_HI(self, value: int) -> int:
        return int.from_bytes(self.mac[4:], "little")

    def on_write_CTRL(self, old: int, new: int) -> None:
        if new & CTRL.RESET.mask:
            self.power_on_reset()
        elif new & CTRL.RUN.mask and not old & CTRL.RUN.mask:
            self.tx.start(self.values[AT["TX_BASE"]], ENTRIES)
            self.rx.start(self.values[AT["RX_BASE"]], ENTRIES)
        elif not new & CTRL.RUN.mask:
            self.stop()

    def on_write_CAUSE(self, old: int, new: int) -> None:
        self.cause(0)

    def on_write_MASK(self, old: int, new: int) -> None:
        self.cause(0)

    def on_write_KICK(self, old: int, new: int) -> None:
        self.tx.ring()
        self.rx.ring()
        self.send_later()

    def cause(self, bits: int) -> None:
        self.values[AT["CAUSE"]] |= bits
        self.set_interrupt(bool(self.values[AT["CAUSE"]] & self.values[AT["MASK"]]))

    def stop(self) -> None:
        self.dma.flush()
        self.tx.stop()
        self.rx.stop()

    def power_on_reset(self) -> None:
        self.stop()
        self.reset_registers()
        self.set_interrupt(False)

    # Frames

    def send_later(self) -> None:
        if not self.sending:
            self.sending = True
            self.clock.at(FRAME_NS, self.send)

    def send(self) -> None:
        self.sending = False
        entry = self.tx.take() if self.awake else None
        if entry is None:
            return
        address, length = Entry.ADDRESS.get(entry), Entry.LENGTH.get(entry)
        frame = self.dma.read(address, length, "transmit data")
        if frame is None:
            self.aborted(address)
            return
        if self.tx.untouched():
            self.dma.check_frame(address, length, self.dma.frame_tag(address, length))
        self.padded += len(frame) < MINIMUM_FRAME
        good = self.wire.transmit(frame.ljust(MINIMUM_FRAME, b"\0"), (f"transmit descriptor {self.tx.head}",))
        if self.tx.hand_back(entry | Entry.ERROR.put(not good), 4, 8):
            self.cause(CAUSE.SENT.mask)
            self.send_later()

    def receive_frame(self, frame: bytes) -> None:
        wanted = self.values[AT["CTRL"]] & CTRL.PROMISCUOUS.mask or frame[0] & 1 or frame[:6] == self.mac
        entry = self.rx.take() if self.awake and wanted else None
        if entry is None or len(frame) > Entry.LENGTH.get(entry):
            self.lost_for_want_of_descriptors += bool(wanted and self.rx.count)
            self.cause(CAUSE.MISSED.mask if self.rx.count else 0)
            return
        self.received += 1
        address = Entry.ADDRESS.get(entry)
        if not self.dma.write(address, frame, "received data", -self.received):
            self.aborted(address)
        elif self.rx.hand_back(Entry.LENGTH.put(len(frame)) | entry & Entry.ADDRESS.mask, 4, 8):
            self.cause(CAUSE.RECEIVED.mask)

    def link_changed(self, up: bool) -> None:
        if self.awake:
            self.cause(CAUSE.LINK.mask)

    def aborted(self, address: int) -> None:
        self.values[AT["CTRL"]] &= ~CTRL.RUN.mask
        self.stop()
        self.cause(CAUSE.BUS_ERROR.mask)

    # What the bed asks

    def live_pointers(self) -> Iterator[LivePointer]:
        yield from self.tx.pointers(Entry.ADDRESS, Entry.LENGTH)
        yield from self.rx.pointers(Entry.ADDRESS, Entry.LENGTH)

    def stops_dma(self, slot: Slot, value: int) -> bool:
        return slot.name == "CTRL" and (bool(value & CTRL.RESET.mask) or not value & CTRL.RUN.mask)

    def enables_interrupts(self, slot: Slot, value: int) -> bool | None:
        return bool(value) if slot.name == "MASK" else False if slot.name == "CTRL" and value & CTRL.RESET.mask else None

    def pending_causes(self) -> str:
        value = self.values[AT["CAUSE"]] & self.values[AT["MASK"]]
        return CAUSE.show(value) if value else ""

    @property
    def interrupts_enabled(self) -> bool:
        return bool(self.values[AT["MASK"]])
