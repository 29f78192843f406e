# SPDX-License-Identifier: Apache-2.0
"""An ISA card that moves its frames by slave DMA. Data sheet: ``docs/nics/isa-slave.md``.

The card has no address register: it asks on its channel, and the DMA controller of the machine says where. It keeps one
frame to be sent and `FIFO_FRAMES` received ones in memory of its own. Its interrupt is edge triggered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from hw.clock import US, Entry
from hw.i8237_channel import BYTE_LIMITS, WORD_LIMITS, Moved
from hw.inject import Effect
from hw.isa import edge_line
from hw.limits import DmaLimits
from hw.nic.base import WIRE_FAULTS, LivePointer, Nic
from hw.nic.isa_slave_registers import CAUSE, CTRL, FILTER, JUMPERS, STATUS, Command, Registers
from hw.pci import Bar
from hw.register import Slot
from hw.wire import MAXIMUM_FRAME, MINIMUM_FRAME
from verifier.errors import UsageError
from verifier.events import Kind

if TYPE_CHECKING:
    from hw.machine import Machine

FIFO_FRAMES = 8
"""Received frames that the card holds."""
UNIT_NS = 500
"""Time of one byte or word on the bus in single mode."""
WATCHDOG_NS = 100 * US
"""How long the card waits for a channel that does not answer."""

_I = Registers.index
_CTRL, _CAUSE, _MASK, _FILTER, _LENGTH = _I["CTRL"], _I["CAUSE"], _I["MASK"], _I["FILTER"], _I["LENGTH"]


class IsaSlaveNic(Nic):
    """The card with its jumpers on a byte channel. Cards of one machine have the next jumper each."""

    model: ClassVar[str] = "isa-slave"
    description: ClassVar[str] = "ISA card with slave DMA on a byte channel of the 8237: 24 bits, 64 KB, edge interrupt"
    bus_kind: ClassVar[str] = "isa"
    registers = Registers
    vendor_id: ClassVar[int] = 0xFFFF
    device_id: ClassVar[int] = 0xFFFF
    bars: ClassVar[tuple[Bar, ...]] = (Bar(0, 32, ports=True),)
    default_limits: ClassVar[DmaLimits] = BYTE_LIMITS
    channels: ClassVar[tuple[int, ...]] = (1, 3, 0, 2)
    """Jumpers of the first card, the second and so on."""
    faults: ClassVar[Mapping[str, tuple[Effect, ...]]] = {**Nic.faults, "frame-out": WIRE_FAULTS}
    irqs: ClassVar[tuple[int, ...]] = (10, 5, 15, 9)

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        if adapter >= len(self.channels):
            raise UsageError(f"{adapter + 1} cards of {self.model}: the machine has {len(self.channels)} DMA channels for them",
                             f"give at most {len(self.channels)} adapters")
        super().__init__(machine, limits, adapter, mac)
        self.dma_channel = self.channels[adapter]
        self.irq = self.irqs[adapter]
        self.channel = machine.dma_controllers.device_channel(self.dma_channel)
        self.dma = self.channel.port(self.name, adapter)
        self.interrupt_line = edge_line(machine.scheduler, self.irq, 27 - self.irq)
        self.fifo: deque[bytes] = deque()
        self._job = Command.NONE
        self._due: Entry | None = None
        self._received = 0

    # Registers

    def on_read_STATUS(self, value: int) -> int:
        """Link and transfer as they are."""
        return STATUS.LINK.put(self.wire.up) | STATUS.BUSY.put(self._job is not Command.NONE)

    def on_read_RX_LENGTH(self, value: int) -> int:
        """Length of the oldest received frame."""
        return len(self.fifo[0]) if self.fifo else 0

    def on_read_MAC_0(self, value: int) -> int:
        """Station address, first two bytes."""
        return int.from_bytes(self.mac[0:2], "little")

    def on_read_MAC_1(self, value: int) -> int:
        """Station address, middle two bytes."""
        return int.from_bytes(self.mac[2:4], "little")

    def on_read_MAC_2(self, value: int) -> int:
        """Station address, last two bytes."""
        return int.from_bytes(self.mac[4:6], "little")

    def on_read_JUMPERS(self, value: int) -> int:
        """DMA channel and interrupt line."""
        return JUMPERS.CHANNEL.put(self.channel.number) | JUMPERS.IRQ.put(self.irq)

    def on_write_CTRL(self, old: int, new: int) -> None:
        """A reset ends the transfer, forgets all frames and takes the line down."""
        if new & CTRL.RESET.mask:
            self.power_on_reset()
            self.set_interrupt(False)

    def power_on_reset(self) -> None:
        """No transfer, no frames, registers as after power-up."""
        self._stop()
        self.fifo.clear()
        self.reset_registers()

    def on_write_CAUSE(self, old: int, new: int) -> None:
        """Causes were acknowledged: the line falls when none is left."""
        self._update_line()

    def on_write_MASK(self, old: int, new: int) -> None:
        """Other causes may raise the line; one that is set already makes it rise now."""
        self._update_line()

    def on_write_COMMAND(self, old: int, new: int) -> None:
        """Ask for the bus, or drop a frame. A command during a transfer is ignored."""
        code = Command(new & 3)
        if self._job is not Command.NONE or code is Command.NONE:
            return
        if code is Command.DROP:
            if self.fifo:
                self.fifo.popleft()
            return
        self._job = code
        self.channel.requesting = True
        units = max(self._job_bytes() // self.channel.width, 1)
        self._due = self.clock.at(units * UNIT_NS if not self.channel.obstacle() else WATCHDOG_NS, self._move)

    # What the bed asks

    def live_pointers(self) -> Iterator[LivePointer]:
        """Where the channel points while a transfer runs."""
        if self._job is not Command.NONE and not self.channel.obstacle():
            yield LivePointer(f"{self._job.name.lower()} transfer", self.channel.bus_address, self._job_bytes())

    def stops_dma(self, slot: Slot, value: int) -> bool:
        """True for a reset."""
        return slot.name == "CTRL" and bool(value & CTRL.RESET.mask)

    def pending_causes(self) -> str:
        """Causes that are set."""
        value = self.values[_CAUSE]
        return CAUSE.show(value) if value else ""

    @property
    def interrupts_enabled(self) -> bool:
        """True if a cause may raise the line."""
        return bool(self.values[_MASK])

    def remove(self) -> None:
        """As for every card; the transfer ends with it."""
        self._stop()
        super().remove()

    # The wire

    def receive_frame(self, frame: bytes) -> None:
        """A frame arrives: filter it and keep it."""
        if not self.values[_CTRL] & CTRL.RX_ENABLE.mask or not self.awake:
            self._dropped(frame, "receiver off")
        elif not self._wanted(frame):
            self._dropped(frame, "filtered")
        elif len(self.fifo) >= FIFO_FRAMES:
            self.lost_for_want_of_descriptors += 1
            self._dropped(frame, "no room on the card")
            self._cause(CAUSE.MISSED.mask)
        else:
            self.fifo.append(frame)
            self._cause(CAUSE.RX_FRAME.mask)

    def link_changed(self, up: bool) -> None:
        """The link came up or went down."""
        self._cause(CAUSE.LINK_CHANGE.mask)

    # Transfers

    def _job_bytes(self) -> int:
        """Bytes that the transfer moves: whole units."""
        length = self.values[_LENGTH] if self._job is Command.TRANSMIT else len(self.fifo[0]) if self.fifo else 0
        return -(-length // self.channel.width) * self.channel.width

    def _move(self) -> None:
        """The transfer, all of it at its end."""
        good = self._transmit() if self._job is Command.TRANSMIT else self._receive()
        self._due = None
        self._stop()
        self._cause(CAUSE.DONE.mask if good else CAUSE.DONE.mask | CAUSE.DMA_ERROR.mask)

    def _transmit(self) -> bool:
        length, size = self.values[_LENGTH], self._job_bytes()
        address = self.channel.bus_address
        moved = self.channel.read(self.dma, size, "transmit data")
        if not self._complete(moved, size):
            return False
        self.dma.check_frame(address, length, self.dma.frame_tag(address, length))
        frame = moved.data[:length]
        if len(frame) < MINIMUM_FRAME:
            frame = frame.ljust(MINIMUM_FRAME, b"\0")
            self.padded += 1
        self.fault_of_sending()
        return self.wire.transmit(frame, (f"DMA channel {self.channel.number}",))

    def _receive(self) -> bool:
        if not self.fifo:
            return False
        size = self._job_bytes()
        moved = self.channel.write(self.dma, self.fifo[0].ljust(size, b"\0"), "received data", -(self._received + 1))
        if not self._complete(moved, size):
            return False
        self._received += 1
        self.fifo.popleft()
        return True

    def _complete(self, moved: Moved, size: int) -> bool:
        return 0 < size == moved.length and size <= MAXIMUM_FRAME + 1

    def _stop(self) -> None:
        """No transfer runs or is asked for any more."""
        if self._due is not None:
            self.clock.cancel(self._due)
            self._due = None
        self._job = Command.NONE
        self.channel.requesting = False

    # Helpers

    def _wanted(self, frame: bytes) -> bool:
        accept = self.values[_FILTER]
        if accept & FILTER.PROMISCUOUS.mask:
            return True
        if frame[:6] == b"\xff" * 6:
            return bool(accept & FILTER.BROADCAST.mask)
        if frame[0] & 1:
            return bool(accept & FILTER.MULTICAST.mask)
        return bool(accept & FILTER.DIRECTED.mask) and frame[:6] == self.mac

    def _cause(self, bits: int) -> None:
        self.values[_CAUSE] |= bits
        self._update_line()

    def _update_line(self) -> None:
        self.set_interrupt(bool(self.values[_CAUSE] & self.values[_MASK]))

    def _dropped(self, frame: bytes, why: str) -> None:
        self.machine.events.append((self.clock.now, Kind.FRAME_DROPPED, 0, self.name, len(frame), why))


class IsaSlaveWordNic(IsaSlaveNic):
    """The card with its jumpers on a word channel."""

    model: ClassVar[str] = "isa-slave-16"
    description: ClassVar[str] = "ISA card with slave DMA on a word channel of the 8237: 24 bits, 128 KB, edge interrupt"
    default_limits: ClassVar[DmaLimits] = WORD_LIMITS
    channels: ClassVar[tuple[int, ...]] = (5, 6, 7)
