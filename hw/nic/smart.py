# SPDX-License-Identifier: Apache-2.0
"""The smart NIC: the reference NIC with a processor of its own, whose program the driver brings. Data sheet: ``docs/nics/smart.md``.

To the host it is a reference NIC from READY on, and what the bed knows of that card's rings it knows of this one's; but what wired
logic does there a program does here: on the core (`hw.nic.smart_core`), with the DMA engine (`hw.nic.smart_dma`) and the wire
(`hw.nic.smart_wire`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from firmware.image import Image
from hw.inject import Effect
from hw.limits import DmaLimits
from hw.nic.base import LivePointer
from hw.nic.reference import ReferenceNic
from hw.nic.reference_registers import CTRL, ID
from hw.nic.reference_rings import Ring
from hw.nic.smart_boot import IMAGE_FAULTS, BootRom
from hw.nic.smart_bus import HOST_BASE, Load, Store
from hw.nic.smart_core import Core
from hw.nic.smart_dma import DmaEngine
from hw.nic.smart_life import ASSERTION, HANG, ProgramLife
from hw.nic.smart_registers import FIRST_BOOT_REGISTER, KEPT_OVER_RESET, BootControl, BootError, SmartRegisters, State
from hw.nic.smart_wire import ChecksumBlock, ReceiveFifo, Transmitter, Waiting
from hw.register import Slot

if TYPE_CHECKING:
    from hw.machine import Machine

_I = SmartRegisters.index
_CTRL, _STATE = _I["CTRL"], _I["BOOT_STATUS"]
_TX_ENABLE, _RX_ENABLE, _RESET = CTRL.TX_ENABLE.mask, CTRL.RX_ENABLE.mask, CTRL.RESET.mask
_ACTIVE = 0b1100
_NO_PROGRAM = (State.ROM, State.FETCHING, State.STARTING, State.REFUSED)
_STARTABLE = (State.ROM, State.STOPPED, State.REFUSED, State.DEAD)
_REPLACED = ("TX_HEAD", "RX_HEAD", "DMA_ERROR_LO", "DMA_ERROR_HI", "VERSION", "CAPABILITIES")
_ADDED = ("STAT_TX", "STAT_RX", "STAT_MISSED", "STAT_TX_ERRORS")
_OTHER_MAJOR = 1 << 16


class SmartNic(ReferenceNic, ProgramLife):
    """The reference NIC's host interface, run by firmware."""

    model: ClassVar[str] = "smart"
    description: ClassVar[str] = "the reference NIC's interface, run by firmware on an RV32IM core of its own"
    registers = SmartRegisters
    device_id: ClassVar[int] = 0x0002
    faults: ClassVar[Mapping[str, tuple[Effect, ...]]] = {
        **ReferenceNic.faults,
        "image": IMAGE_FAULTS,
        "boot": (HANG, ASSERTION, Effect("wrong-version", "device", False, "the program says that it speaks another version")),
        "firmware": (HANG, ASSERTION),
        "firmware-dma": (Effect("wrong-address", "device", False, "the program's transfer goes to an address where nobody answers"),),
        "doorbell": (Effect("lost", "device", False, "the program is not told of the doorbell"),),
    }
    too_late: ClassVar[str] = "may have taken the old content already"
    engine: ClassVar[str] = "python"
    """What runs the program: a kind of `hw.rv32.engine.make_engine`. A subclass of the model, or a test, names another one."""
    CTRL_OFFSET: ClassVar[int] = SmartRegisters.CTRL[0]

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        self.rom: BootRom | None = None
        """The boot ROM while it works."""
        self.core = None
        self.fifo = ReceiveFifo(self)
        self.transmitter = Transmitter(self)
        self.link_event = False
        self._dma_engine: DmaEngine | None = None
        self._wrong_version = False
        super().__init__(machine, limits, adapter, mac)

    # Registers

    @property
    def image_address(self) -> int:
        """Device address of the image."""
        return self.values[_I["IMAGE_LO"]] | self.values[_I["IMAGE_HI"]] << 32

    @property
    def image_length(self) -> int:
        """Length of the image, in bytes."""
        return self.values[_I["IMAGE_LENGTH"]]

    def write_register(self, slot: Slot, value: int) -> None:
        """Before READY the registers of the reference NIC do nothing, but for CTRL.RESET (data sheet 4.1)."""
        if slot.offset < FIRST_BOOT_REGISTER and self.values[_STATE] in _NO_PROGRAM:
            if slot.index == _CTRL and value & _RESET:
                self._reset()
            return
        super().write_register(slot, value)

    def on_read_ID(self, value: int) -> int:
        """The reference NIC is revision 1, this one is 2."""
        return value & ~ID.REVISION.mask | ID.REVISION.put(2)

    def on_read_STATUS(self, value: int) -> int:
        """Link, enable bits, and what the program says of its engines."""
        return super().on_read_STATUS(value) | self._noted

    def on_write_CTRL(self, old: int, new: int) -> None:
        """Reset; the gates of the DMA engine; a word for the program."""
        if new & _RESET:
            self._reset()
            return
        for ring, prefix, enable in ((self.tx, "TX", _TX_ENABLE), (self.rx, "RX", _RX_ENABLE)):
            if new & enable and not old & enable:
                self._start(ring, prefix)
            elif old & enable and not new & enable:
                self._stop(ring)
        if old & _RX_ENABLE and not new & _RX_ENABLE:
            self.fifo.empty("receiver off")
        self._post("CTRL", new)

    def on_write_TX_TAIL(self, old: int, new: int) -> None:
        """The transmit doorbell."""
        self._doorbell(self.tx, "TX_TAIL", new)

    def on_write_RX_TAIL(self, old: int, new: int) -> None:
        """The receive doorbell."""
        self._doorbell(self.rx, "RX_TAIL", new)

    def on_write_BOOT_CTRL(self, old: int, new: int) -> None:
        """START and STOP."""
        self.values[_I["BOOT_CTRL"]] = 0
        if new & BootControl.START.mask and self.state in _STARTABLE:
            self._forget_program()
            self._clear_enables(_TX_ENABLE | _RX_ENABLE)
            for name in (*KEPT_OVER_RESET, "HEARTBEAT", "VERSION", "CAPABILITIES"):
                self.values[_I[name]] = 0
            self._enter(State.FETCHING)
            self.rom = BootRom(self)
            self.rom.start()
        elif new & BootControl.STOP.mask and self.state is State.READY:
            self._post("BOOT_CTRL", new)

    def on_read_HEARTBEAT(self, value: int) -> int:
        """Heartbeats of the program since START."""
        return self.core.heartbeats if self.core is not None else 0

    def _doorbell(self, ring: Ring, name: str, value: int) -> None:
        ring.tail = value
        ring.doorbell = self.armed_by
        if self.machine.injector is None or self.fault("doorbell") != "lost":
            self._post(name, value)

    def _post(self, name: str, value: int) -> None:
        if self.core is not None:
            self.core.post(self.registers.slots[_I[name]].offset, value)

    # What the bed asks

    def live_pointers(self) -> Iterator[LivePointer]:
        """The image while it is fetched; rings and taken buffers of the engines that run."""
        if self.state is State.FETCHING:
            yield LivePointer("firmware image", self.image_address, self.image_length)
        yield from super().live_pointers()

    def stops_dma(self, slot: Slot, value: int) -> bool:
        """As for the reference NIC; but what fetches an image only a reset stops."""
        return super().stops_dma(slot, value) and (bool(value & _RESET) or self.state is not State.FETCHING)

    def running(self) -> tuple[str, ...]:
        """Engines, interrupts, and the boot ROM while it fetches."""
        return super().running() + ("boot ROM",) * (self.state is State.FETCHING)

    # Life of the card

    def power_on_reset(self) -> None:
        """As after power-up: the boot ROM waits."""
        self._forget_program()
        self.link_event = False
        super().power_on_reset()

    def resumed(self) -> None:
        """Core or boot ROM go on where they were."""
        self._update_line()
        if self.rom is not None:
            self.rom.resume()
        elif self.core is not None:
            self.core.resume()

    def remove(self) -> None:
        """The card is pulled out."""
        super().remove()
        self._forget_program()

    def _reset(self) -> None:
        kept = [self.values[_I[name]] for name in KEPT_OVER_RESET]
        super()._reset()
        for name, value in zip(KEPT_OVER_RESET, kept, strict=True):
            self.values[_I[name]] = value

    def _forget_program(self) -> None:
        """No program, and nothing in the card's FIFOs."""
        if self.core is not None:
            self.core.stop()
        self.core = self.rom = self._dma_engine = None
        self._noted = 0
        self._wrong_version = False
        self.spoil = ""
        self.fifo.empty("receiver off")
        self.transmitter.reset()

    def refuse(self, error: BootError) -> None:
        """The boot ROM refuses the image."""
        self.rom = None
        self._enter(State.REFUSED, error)

    def begin(self, image: Image) -> None:
        """The image is good: load it and start it."""
        self.rom = None
        core = self.core = Core(self, image)
        self._dma_engine = DmaEngine(self, core)
        ChecksumBlock(core)
        self.fifo.connect(core)
        self.transmitter.connect(core)
        for slot in self.slots.values():
            core.bus.add(HOST_BASE + slot.offset, self._load_of(slot), self._store_of(slot))
        self._enter(State.STARTING)
        effect = self.fault("boot") if self.machine.injector is not None else ""
        self._wrong_version = effect == "wrong-version"
        core.start()
        self._bring_about(effect)

    # The program's side of the host registers (data sheet 7.1)

    def _load_of(self, slot: Slot) -> Load:
        index, on_read = slot.index, slot.on_read
        if on_read is None:
            return lambda: self.values[index]
        return lambda: on_read(self, self.values[index])

    def _store_of(self, slot: Slot) -> Store | None:
        index = slot.index
        if slot.name in _ADDED:
            return lambda value: self._add(slot.name, index, value)
        if slot.name in _REPLACED:
            return lambda value: self._replace(slot, value)
        actions: dict[str, Store] = {"CAUSE": self._cause, "CTRL": self._clear_enables, "STATUS": self._note}
        return actions.get(slot.name)

    def _add(self, name: str, index: int, value: int) -> None:
        self.values[index] = self.values[index] + value & 0xFFFF_FFFF
        if name == "STAT_MISSED":
            self.lost_for_want_of_descriptors += value

    def _replace(self, slot: Slot, value: int) -> None:
        if slot.name == "TX_HEAD":
            self.tx.head = value
        elif slot.name == "RX_HEAD":
            self.rx.head = value
        elif slot.name == "DMA_ERROR_LO":
            self._error_address = self._error_address & ~0xFFFF_FFFF | value
        elif slot.name == "DMA_ERROR_HI":
            self._error_address = self._error_address & 0xFFFF_FFFF | value << 32
        else:
            wrong = _OTHER_MAJOR if slot.name == "VERSION" and self._wrong_version else 0
            self.values[slot.index] = value + wrong & 0xFFFF_FFFF

    def _clear_enables(self, bits: int) -> None:
        self.values[_CTRL] &= ~(bits & (_TX_ENABLE | _RX_ENABLE))
        if bits & _TX_ENABLE:
            self._stop(self.tx)
        if bits & _RX_ENABLE:
            self._stop(self.rx)
            self.fifo.empty("receiver off")

    def _note(self, active: int) -> None:
        self._noted = active & _ACTIVE

    def _dma_error(self, address: int) -> None:
        """A ring of a wrong size: the program finds it, and says so."""

    # What the card's devices ask

    def engine_on(self, ring: Ring) -> bool:
        """True if the gate of the ring's channel is open."""
        values = self.values
        return values[_STATE] == State.READY and bool(values[_CTRL] & (_TX_ENABLE if ring is self.tx else _RX_ENABLE))

    def nobody_answers(self) -> None:
        """A cycle of the card ended in a master abort."""
        self._aborted(False)

    def not_handed_over(self, ring: Ring, index: int) -> None:
        """The doorbell announced a descriptor that is the driver's."""
        self._not_handed_over(ring, index)

    def hand_back(self, ring: Ring, at: int, control: int) -> bool:
        """The program hands a descriptor back."""
        if ring is self.tx:
            self.spoil, self.transmitter.effect = self.transmitter.effect, ""
            return self._hand_back(at, control, "transmit status")
        self.spoil = self.fifo.take_effect()
        return self._hand_back(at, control, "receive status")

    def frame_leaves(self, local: int, length: int) -> int:
        """A frame goes to the wire: is every byte of it one that was written for it? Returns how many came from the host."""
        assert self._dma_engine is not None and self.core is not None
        tag = fetched = 0
        program = self.core.source.where(self.core.engine.pc)
        findings = self.machine.findings
        findings.beside = ((f"the firmware sends the frame in {program[0].co_name}", program),)
        try:
            for piece in self._dma_engine.taken_for(local, length):
                self.armed_by = piece.armed_by
                fetched += piece.length
                tag = tag or self.dma.frame_tag(piece.logical, piece.length)
                if not piece.spoiled:
                    self.dma.check_frame(piece.logical, piece.length, tag)
        finally:
            findings.beside = ()
        return fetched

    def dropped(self, frame: bytes, why: str) -> None:
        """A frame that arrived is not stored."""
        self._dropped(frame, why)

    # The wire

    def receive_frame(self, frame: bytes) -> None:
        """A frame arrives: into the FIFO with it."""
        self._arrive(Waiting(frame))

    def receive_bad_frame(self, frame: bytes, why: str) -> None:
        """A broken frame takes its place in the FIFO, too."""
        self._arrive(Waiting(frame, why))

    def receive_spoiled(self, frame: bytes, effect: str) -> None:
        """A good frame arrives; *effect* comes when the card tells of it."""
        self._arrive(Waiting(frame, effect=effect))

    def _arrive(self, waiting: Waiting) -> None:
        core = self.core
        if core is None or not self.values[_CTRL] & _RX_ENABLE or not self.awake:
            why = "receiver off"
        elif self.fifo.arrive(core, waiting):
            return
        else:
            why = "receive FIFO full"
            if not waiting.why:
                self._add("STAT_MISSED", _I["STAT_MISSED"], 1)
        self._dropped(waiting.frame, why)
        if waiting.effect and self.machine.injector is not None:
            self.machine.injector.without_effect("frame-in", "the card did not keep the frame")

    def link_changed(self, up: bool) -> None:
        """The link came up or went down: the program tells the driver."""
        if self.awake:
            self.link_event = True
            if self.core is not None:
                self.core.notify()
