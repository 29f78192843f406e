# SPDX-License-Identifier: Apache-2.0
"""The reference NIC: a bus master with two descriptor rings, made to teach. Data sheet: ``docs/nics/reference.md``.

It fetches greedily, as real cards may: a descriptor is taken in the instant in which its ownership bit is stored while
the engine runs, and at the doorbell at the latest. What the driver stores into it afterwards comes too late.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar
from zlib import crc32

from hw import dma_rules as rules
from hw.inject import Effect
from hw.limits import PRESETS, DmaLimits
from hw.nic.base import WIRE_FAULTS, LivePointer, Nic
from hw.nic.reference_registers import (
    CAUSE,
    CONTROL,
    CONTROL_OFFSET,
    CTRL,
    DESCRIPTOR,
    DESCRIPTOR_SIZE,
    END,
    ERROR,
    FILTER,
    LENGTH_MASK,
    LIMITS,
    OWN,
    STATUS,
    Registers,
)
from hw.pci import Bar
from hw.register import Slot
from hw.wire import MAXIMUM_FRAME, MINIMUM_FRAME
from verifier.address import Span, hex_address
from verifier.address_book import Block
from verifier.events import Kind
from verifier.where import Where

if TYPE_CHECKING:
    from hw.machine import Machine

RESET_NS = 1_000
REPEAT_NS = 20_000
LINK_LATE_NS = 50_000_000

COMPLETION_FAULTS = (
    Effect("bit-flip", "device", True, "the control dword of the descriptor is handed back with bit 31, OWN, flipped"),
    Effect("repeated", "device", True, "the card hands the descriptor back a second time, 20 us later"),
)
FETCH_NS = 200
BYTE_NS = 80

_I = Registers.index
_CTRL, _CAUSE, _MASK, _FILTER = _I["CTRL"], _I["CAUSE"], _I["MASK"], _I["FILTER"]
_TX_ENABLE, _RX_ENABLE, _PAD, _RESET = CTRL.TX_ENABLE.mask, CTRL.RX_ENABLE.mask, CTRL.PAD.mask, CTRL.RESET.mask

_LINK, _RESETTING = STATUS.LINK.mask, STATUS.RESETTING.mask
_TX_ACTIVE, _RX_ACTIVE = STATUS.TX_ACTIVE.mask, STATUS.RX_ACTIVE.mask


class Ring:
    """One descriptor ring as the card sees it."""

    __slots__ = ("base", "block", "count", "doorbell", "fetched", "head", "physical", "spoiled", "tail", "taken", "taken_at", "what")

    def __init__(self, what: str) -> None:
        self.what = what
        self.base = 0
        self.count = 0
        self.head = 0
        self.tail = 0
        self.doorbell: Where | None = None
        """The line of the last doorbell, or of the start: it lets the card fetch descriptors."""
        self.fetched = 0
        """Index one beyond the last descriptor that a doorbell announced and the card took."""
        self.taken: dict[int, bytes] = {}
        """Descriptors inside the card, by index."""
        self.taken_at: dict[int, Where | None] = {}
        self.spoiled: set[int] = set()
        """Taken descriptors whose content came too late: what the card does with the old content is no news."""
        self.block: Block | None = None
        self.physical = 0

    def announced(self, index: int) -> bool:
        """True if a doorbell has announced the descriptor and the card has not finished it."""
        if not self.count:
            return False
        return (index - self.head) % self.count < (self.tail - self.head) % self.count


class ReferenceNic(Nic):
    """The bed's own NIC. All of its registers are dwords; memory and port space show the same ones."""

    model: ClassVar[str] = "reference"
    description: ClassVar[str] = "the bed's own bus master: two descriptor rings, 26 address bits, 16 MB boundary"
    registers = Registers
    vendor_id: ClassVar[int] = 0x0DBE
    device_id: ClassVar[int] = 0x0001
    bars: ClassVar[tuple[Bar, ...]] = (Bar(0, 4096), Bar(1, 256, ports=True))
    default_limits: ClassVar[DmaLimits] = PRESETS["reference"]
    limits_settable: ClassVar[bool] = True
    faults: ClassVar[Mapping[str, tuple[Effect, ...]]] = {
        **Nic.faults,
        "frame-in": (*Nic.faults["frame-in"], Effect("bogus-length", "device", True, "the descriptor says 65535 bytes received"),
                     *COMPLETION_FAULTS),
        "frame-out": (
            Effect("underrun", "device", False, "the card does not get the frame in time and refuses it with ERROR"),
            Effect("never", "device", False, "the transmitter stops at this frame until the card is reset"),
            *WIRE_FAULTS, *COMPLETION_FAULTS),
        "link": (Effect("down", "device", False, "the link is down after this reset of the card, and comes up 50 ms later"),
                 Effect("dead", "device", False, "the link is down after this reset of the card, and stays down")),
    }
    too_late: ClassVar[str] = "has already taken the old content"
    """What the card did while a store into a descriptor came behind the one of its ownership bit."""
    slow_bits: ClassVar[Mapping[str, int]] = {"STATUS": _RESETTING | _TX_ACTIVE | _RX_ACTIVE}

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        self.tx = Ring("transmit")
        self.rx = Ring("receive")
        self._tx_scheduled = False
        self._received = 0
        self._unreported = 0
        """Frames sent since the last transmit cause: one cause tells of up to half a ring (data sheet 6)."""
        self._error_address = 0
        self._limits_value = (
            LIMITS.ADDRESS_BITS.put(limits.address_bits)
            | LIMITS.BOUNDARY_LOG2.put(limits.boundary.bit_length() - 1 if limits.boundary else 0)
            | LIMITS.ALIGNMENT_LOG2.put(max(limits.alignment.bit_length() - 1, 4)))
        self._resetting = False
        self._stalled = False
        """True from a frame that is never sent to the next reset."""
        super().__init__(machine, limits, adapter, mac)

    # Registers

    def on_read_STATUS(self, value: int) -> int:
        """Link and engines as they are."""
        ctrl = self.values[_CTRL]
        value = _LINK if self.wire.up else 0
        if self._resetting:
            value |= _RESETTING
        if ctrl & _TX_ENABLE:
            value |= _TX_ACTIVE
        return value | _RX_ACTIVE if ctrl & _RX_ENABLE else value

    def on_read_LIMITS(self, value: int) -> int:
        """The limits that this card was built with."""
        return self._limits_value

    def on_read_MAC_LO(self, value: int) -> int:
        """Station address, first four bytes."""
        return int.from_bytes(self.mac[:4], "little")

    def on_read_MAC_HI(self, value: int) -> int:
        """Station address, last two bytes."""
        return int.from_bytes(self.mac[4:], "little")

    def on_read_TX_HEAD(self, value: int) -> int:
        """The descriptor that the transmitter works on."""
        return self.tx.head

    def on_read_RX_HEAD(self, value: int) -> int:
        """The descriptor that the next frame goes to."""
        return self.rx.head

    def on_read_DMA_ERROR_LO(self, value: int) -> int:
        """Where the last failed cycle went, low dword."""
        return self._error_address & 0xFFFFFFFF

    def on_read_DMA_ERROR_HI(self, value: int) -> int:
        """Where the last failed cycle went, high dword."""
        return self._error_address >> 32

    def on_write_CTRL(self, old: int, new: int) -> None:
        """Reset, start and stop of the engines."""
        if new & _RESET:
            self._reset()
            return
        if new & _TX_ENABLE and not old & _TX_ENABLE:
            self._start(self.tx, "TX")
            self._schedule_transmit()
        elif old & _TX_ENABLE and not new & _TX_ENABLE:
            self._stop(self.tx)
        if self.values[_CTRL] & _RX_ENABLE and not old & _RX_ENABLE:  # not if the transmitter failed to start
            self._start(self.rx, "RX")
            self._fetch(self.rx)
        elif old & _RX_ENABLE and not new & _RX_ENABLE:
            self._stop(self.rx)

    def on_write_CAUSE(self, old: int, new: int) -> None:
        """Causes were acknowledged."""
        self._update_line()

    def on_write_MASK(self, old: int, new: int) -> None:
        """Other causes may pull the line."""
        self._update_line()

    def on_write_TX_BASE_LO(self, old: int, new: int) -> None:
        """Low address bits that the card lacks are dropped, and told."""
        self._check_alignment("TX_BASE_LO", new)

    def on_write_RX_BASE_LO(self, old: int, new: int) -> None:
        """Low address bits that the card lacks are dropped, and told."""
        self._check_alignment("RX_BASE_LO", new)

    def on_write_TX_TAIL(self, old: int, new: int) -> None:
        """The transmit doorbell."""
        self.tx.tail = new
        self.tx.doorbell = self.armed_by
        if self.values[_CTRL] & _TX_ENABLE:
            self._schedule_transmit()

    def on_write_RX_TAIL(self, old: int, new: int) -> None:
        """The receive doorbell."""
        self.rx.tail = new
        self.rx.doorbell = self.armed_by
        if self.values[_CTRL] & _RX_ENABLE:
            self._fetch(self.rx)

    # What the bed asks

    def live_pointers(self) -> Iterator[LivePointer]:
        """Rings and taken buffers of the engines that run."""
        for ring, enable in ((self.tx, _TX_ENABLE), (self.rx, _RX_ENABLE)):
            if self.values[_CTRL] & enable and ring.count:
                yield LivePointer(f"{ring.what} ring", ring.base, ring.count * DESCRIPTOR_SIZE)
                for index, raw in ring.taken.items():
                    address, length, _ = DESCRIPTOR.unpack(raw)
                    if length:
                        yield LivePointer(f"{ring.what} buffer of descriptor {index}", address, length)

    def stops_dma(self, slot: Slot, value: int) -> bool:
        """CTRL with RESET, or with both engines off."""
        return slot.name == "CTRL" and (bool(value & _RESET) or not value & (_TX_ENABLE | _RX_ENABLE))

    def pending_causes(self) -> str:
        """Causes that are set and enabled."""
        value = self.values[_CAUSE] & self.values[_MASK]
        return CAUSE.show(value) if value else ""

    def enables_interrupts(self, slot: Slot, value: int) -> bool | None:
        """MASK decides, and a reset clears it."""
        if slot.name == "MASK":
            return bool(value)
        return False if slot.name == "CTRL" and value & _RESET else None

    @property
    def interrupts_enabled(self) -> bool:
        """True if any cause may pull the line."""
        return bool(self.values[_MASK])

    def running(self) -> tuple[str, ...]:
        """Engines and interrupts."""
        ctrl, mask = self.values[_CTRL], self.values[_MASK]
        return tuple(what for what, value in (
            ("transmit engine", ctrl & _TX_ENABLE), ("receive engine", ctrl & _RX_ENABLE), ("interrupts", mask)) if value)

    def settings(self) -> tuple[str, ...]:
        """Packet filter and multicast table."""
        values = self.values
        return ("packet filter",) * bool(values[_FILTER]) + ("multicast table",) * bool(values[_I["HASH_LO"]] | values[_I["HASH_HI"]])

    # Engines

    def power_on_reset(self) -> None:
        """As after power-up: engines off, registers and rings forgotten."""
        self._stop(self.tx)
        self._stop(self.rx)
        self.reset_registers()
        self.tx, self.rx = Ring("transmit"), Ring("receive")
        self._stalled = False

    def resumed(self) -> None:
        """A cause that is set pulls the line again; frames that wait go out."""
        self._update_line()
        if self.values[_CTRL] & _TX_ENABLE:
            self._schedule_transmit()

    def _reset(self) -> None:
        self.dma.flush()
        self.power_on_reset()
        self._resetting = True
        self.set_interrupt(False)
        if self.machine.injector is not None:
            self._link_after_reset(self.fault("link"))
        self.clock.at(RESET_NS, self._reset_done)

    def _link_after_reset(self, effect: str) -> None:
        if effect and self.wire.up:
            self.wire.set_link(False)
            if effect == "down":
                self.clock.at(LINK_LATE_NS, lambda: self.wire.set_link(True))

    def _reset_done(self) -> None:
        self._resetting = False

    def _start(self, ring: Ring, prefix: str) -> None:
        values = self.values
        ring.base = (values[_I[f"{prefix}_BASE_LO"]] & ~15) | values[_I[f"{prefix}_BASE_HI"]] << 32
        ring.count = values[_I[f"{prefix}_COUNT"]]
        ring.head = ring.fetched = 0
        ring.doorbell = self.armed_by
        ring.tail = values[_I[f"{prefix}_TAIL"]] if prefix == "RX" else ring.tail
        ring.taken.clear()
        if not 2 <= ring.count <= 256:
            ring.count = 0
            self._dma_error(ring.base)
            return
        self.dma.check_reach(ring.base, ring.count * DESCRIPTOR_SIZE)
        ring.physical = self.machine.bus.to_physical(ring.base)
        ring.block = self.dma.book.find(ring.physical, ring.count * DESCRIPTOR_SIZE)
        if ring.block is not None and ring.block.adapter == self.adapter:
            ring.block.watch(self._store_seen)

    def _stop(self, ring: Ring) -> None:
        block, ring.block = ring.block, None
        shared = block is self.tx.block or block is self.rx.block
        if block is not None and not shared:
            block.unwatch(self._store_seen)
        ring.taken.clear()
        ring.taken_at.clear()
        ring.spoiled.clear()

    def _store_seen(self, physical: int, size: int) -> None:
        """A processor stored into a block that holds a ring: take what was handed over, tell what came too late."""
        if not self.dma.bus_master or self.dma.parked:
            return
        for ring in (self.tx, self.rx):
            if ring.block is None:
                continue
            first = max(physical - ring.physical, 0) // DESCRIPTOR_SIZE
            last = min((physical + size - 1 - ring.physical) // DESCRIPTOR_SIZE, ring.count - 1)
            for index in range(first, last + 1):
                self._look_at(ring, index)

    def _look_at(self, ring: Ring, index: int) -> None:
        at = ring.physical + index * DESCRIPTOR_SIZE
        raw = self.machine.ram.read(at, DESCRIPTOR_SIZE)
        taken = ring.taken.get(index)
        if taken is None:
            if raw[15] & 0x80 and self.machine.ram.first_unwritten(at + CONTROL_OFFSET, 4) is None:
                ring.taken[index] = raw
                ring.taken_at[index] = self.machine.where.capture(4)
                if self.machine.bus.posted:
                    self._check_posted_doorbell(ring, index)
        elif raw != taken:
            span = Span(ring.base + index * DESCRIPTOR_SIZE, DESCRIPTOR_SIZE)
            handed = ring.taken_at.get(index)
            if ring.announced(index):
                self.machine.findings.report(
                    rules.DESC_OWNER, f"{ring.what} descriptor {index} at {span} was changed while {self.name} owns it; the "
                    "card works with what it took", space="logical", span=span, block=ring.block,
                    related=[("handed over", handed)])
            else:
                ring.spoiled.add(index)
                self.machine.findings.report(
                    rules.DESC_OWN_LAST, f"{ring.what} descriptor {index} at {span} was changed after its ownership bit was "
                    f"set: {self.name} {self.too_late}", where=handed, space="logical", span=span,
                    block=ring.block, related=[("the store that came too late", self.machine.where.capture())])

    def _check_posted_doorbell(self, ring: Ring, index: int) -> None:
        """A doorbell that announced the descriptor is on its way while the descriptor is only now handed over: it might
        have arrived before."""
        name = "TX_TAIL" if ring is self.tx else "RX_TAIL"
        for device, slot, value, where in self.machine.bus.posted:
            if device is self and slot.name == name and (index - ring.head) % ring.count < (value - ring.head) % ring.count:
                span = Span(ring.base + index * DESCRIPTOR_SIZE, DESCRIPTOR_SIZE)
                self.machine.findings.report(
                    rules.DESC_BEFORE_DOORBELL, f"{name} announced {ring.what} descriptors up to {value}, and number {index} at "
                    f"{span} was handed over after that: the doorbell may reach the card first", where=where, space="logical",
                    span=span, block=ring.block, related=[("handed over", ring.taken_at[index])])
                return

    def _fetch(self, ring: Ring) -> None:
        """Take all descriptors that the doorbell announced, in one burst up to the ring's end and one from its start."""
        if not ring.count:
            return
        while ring.fetched != ring.tail % ring.count:
            end = ring.tail % ring.count if ring.tail % ring.count > ring.fetched else ring.count
            self.armed_by = ring.doorbell
            at = ring.base + ring.fetched * DESCRIPTOR_SIZE
            burst = self.dma.read(at, (end - ring.fetched) * DESCRIPTOR_SIZE, f"{ring.what} descriptor {ring.fetched}")
            if burst is None:
                self._dma_error(at)
                return
            for index in range(ring.fetched, end):
                offset = (index - ring.fetched) * DESCRIPTOR_SIZE
                raw = burst[offset:offset + DESCRIPTOR_SIZE]
                if index not in ring.taken:
                    if not raw[15] & 0x80:
                        self._not_handed_over(ring, index)
                        ring.fetched = index
                        return
                    ring.taken[index] = raw
                    ring.taken_at[index] = self.armed_by
            ring.fetched = end % ring.count

    def _not_handed_over(self, ring: Ring, index: int) -> None:
        span = Span(ring.base + index * DESCRIPTOR_SIZE, DESCRIPTOR_SIZE)
        self.machine.findings.report(
            rules.DESC_BEFORE_DOORBELL, f"the doorbell announced {ring.what} descriptors up to {ring.tail}, but number {index} at "
            f"{span} is not handed over: its ownership bit is 0", where=self.armed_by, space="logical", span=span,
            block=ring.block)

    def _schedule_transmit(self, delay_ns: int = FETCH_NS) -> None:
        if not self._tx_scheduled and not self._stalled:
            self._tx_scheduled = True
            self.clock.at(delay_ns, self._transmit)

    def _transmit(self) -> None:
        """Send one frame, then come back when the wire is free."""
        self._tx_scheduled = False
        if not self.values[_CTRL] & _TX_ENABLE or not self.awake:
            return
        ring = self.tx
        self._fetch(ring)
        pieces: list[tuple[int, int]] = []
        index = ring.head
        while index != ring.fetched and self.values[_CTRL] & _TX_ENABLE:
            address, length, control = DESCRIPTOR.unpack(ring.taken[index])
            pieces.append((address, length))
            index = (index + 1) % ring.count
            if control & END:
                self._send(pieces, index)
                return
        if self._unreported:  # what was announced ends in the middle of a frame: no later frame will tell of these
            self._unreported = 0
            self._cause(CAUSE.TX_DONE.mask)

    def _send(self, pieces: list[tuple[int, int]], behind: int) -> None:
        ring = self.tx
        frame: bytes | None = b""
        tag = 0
        if len(pieces) > self.limits.max_segments:
            frame = None
        else:
            for number, (address, length) in enumerate(pieces):
                if not length:
                    continue
                index = (ring.head + number) % ring.count
                self.armed_by = ring.taken_at[index]
                data = self.dma.read(address, length, "transmit data")
                if data is None:
                    self._dma_error(address)
                    return
                tag = tag or self.dma.frame_tag(address, length)
                if index not in ring.spoiled:
                    self.dma.check_frame(address, length, tag)
                frame = (frame or b"") + data
        effect = self.fault("frame-out") if self.machine.injector is not None else ""
        if effect == "never":
            self._stalled = True
            return
        if effect in ("link-down", "link-flap"):
            self.wire.disturb(effect)
        good = effect != "underrun" and frame is not None and self._put_on_wire(frame, ring.head)
        done = 0 if good else ERROR
        self.spoil = effect
        while ring.head != behind:
            raw = ring.taken.pop(ring.head)
            ring.spoiled.discard(ring.head)
            end = DESCRIPTOR.unpack(raw)[2] & END
            at = ring.base + ring.head * DESCRIPTOR_SIZE + CONTROL_OFFSET
            if not self._hand_back(at, end | done, "transmit status"):
                self._dma_error(at)
                return
            ring.head = (ring.head + 1) % ring.count
        self._count("STAT_TX" if good else "STAT_TX_ERRORS")
        more = ring.head != ring.tail % ring.count
        self._unreported += 1
        if not good or not more or 2 * self._unreported >= ring.count:
            self._unreported = 0
            self._cause(CAUSE.TX_DONE.mask if good else CAUSE.TX_DONE.mask | CAUSE.TX_ERROR.mask)
        if more:
            self._schedule_transmit(BYTE_NS * len(frame or b"") + FETCH_NS)

    def _put_on_wire(self, frame: bytes, index: int) -> bool:
        if len(frame) < MINIMUM_FRAME and self.values[_CTRL] & _PAD:
            frame = frame.ljust(MINIMUM_FRAME, b"\0")
            self.padded += 1
        return self.wire.transmit(frame, (f"transmit descriptor {index}",))

    def receive_frame(self, frame: bytes) -> None:
        """A frame arrives: filter it, store it, hand the descriptor back."""
        if not self.values[_CTRL] & _RX_ENABLE or not self.awake:
            self._dropped(frame, "receiver off")
            return
        if not self._wanted(frame):
            self._dropped(frame, "filtered")
            return
        ring = self.rx
        self._fetch(ring)
        index = ring.head
        raw = ring.taken.get(index) if index != ring.fetched else None  # what no doorbell announced is not used yet
        if raw is None or not self.values[_CTRL] & _RX_ENABLE:
            self._count("STAT_MISSED")
            self.lost_for_want_of_descriptors += 1
            self._dropped(frame, "no descriptor")
            self._cause(CAUSE.RX_NO_DESCRIPTOR.mask)
            return
        del ring.taken[index]
        self.armed_by = ring.taken_at[index]
        address, size, _ = DESCRIPTOR.unpack(raw)
        control = END | len(frame)
        if len(frame) > size or len(frame) > MAXIMUM_FRAME:
            control = END | ERROR
            self._dropped(frame, "longer than the buffer")
        else:
            self._received += 1
            if not self.dma.write(address, frame, "received data", -self._received):
                self._dma_error(address)
                return
        self._received_into(index, control)

    def _received_into(self, index: int, control: int) -> None:
        """Hand receive descriptor *index* back."""
        ring = self.rx
        at = ring.base + index * DESCRIPTOR_SIZE + CONTROL_OFFSET
        if not self._hand_back(at, control, "receive status"):
            self._dma_error(at)
            return
        ring.head = (index + 1) % ring.count
        self._count("STAT_RX")
        self._cause(CAUSE.RX_DONE.mask)

    def receive_bad_frame(self, frame: bytes, why: str) -> None:
        """A broken frame takes a descriptor, too: it comes back with ERROR and no bytes (data sheet 5)."""
        if not self.values[_CTRL] & _RX_ENABLE or not self.awake:
            self._dropped(frame, "receiver off")
            return
        self._dropped(frame, why)
        ring = self.rx
        self._fetch(ring)
        index = ring.head
        if index == ring.fetched or index not in ring.taken or not self.values[_CTRL] & _RX_ENABLE:
            return
        del ring.taken[index]
        self.armed_by = ring.taken_at[index]
        self._received_into(index, END | ERROR)

    def link_changed(self, up: bool) -> None:
        """The link came up or went down."""
        if self.awake:
            self._cause(CAUSE.LINK_CHANGE.mask)

    # Helpers

    def _hand_back(self, at: int, control: int, purpose: str) -> bool:
        """Write the control dword of a descriptor; False if the cycle was aborted."""
        effect, self.spoil = self.spoil, ""
        if effect == "bogus-length":
            control |= LENGTH_MASK
        elif effect == "bit-flip":
            control ^= OWN
        elif effect == "repeated":
            self.clock.at(REPEAT_NS, lambda: self._repeat(at, control, purpose))
        return self.dma.write(at, CONTROL.pack(control), purpose)

    def _repeat(self, at: int, control: int, purpose: str) -> None:
        """The descriptor is handed back once more, while the engines run."""
        if self.awake and self.values[_CTRL] & (_TX_ENABLE | _RX_ENABLE):
            self.dma.write(at, CONTROL.pack(control), purpose)
            self._cause(CAUSE.RX_DONE.mask if purpose == "receive status" else CAUSE.TX_DONE.mask)

    def _wanted(self, frame: bytes) -> bool:
        accept = self.values[_FILTER]
        if accept & FILTER.PROMISCUOUS.mask:
            return True
        destination = frame[:6]
        if destination == b"\xff" * 6:
            return bool(accept & FILTER.BROADCAST.mask)
        if destination[0] & 1:
            if accept & FILTER.ALL_MULTICAST.mask:
                return True
            bit = multicast_hash(destination)
            half = self.values[_I["HASH_HI" if bit & 32 else "HASH_LO"]]
            return bool(accept & FILTER.MULTICAST.mask and half >> (bit & 31) & 1)
        return bool(accept & FILTER.DIRECTED.mask) and destination == self.mac

    def _cause(self, bits: int) -> None:
        self.values[_CAUSE] |= bits
        if self.values[_CAUSE] & self.values[_MASK]:
            self.set_interrupt(True)

    def _update_line(self) -> None:
        self.set_interrupt(bool(self.values[_CAUSE] & self.values[_MASK]))

    def _count(self, name: str) -> None:
        self.values[_I[name]] = (self.values[_I[name]] + 1) & 0xFFFFFFFF

    def _dma_error(self, address: int) -> None:
        """A cycle failed: both engines stop, the address is kept for the driver."""
        self._error_address = address
        self.values[_CTRL] &= ~(_TX_ENABLE | _RX_ENABLE)
        self._stop(self.tx)
        self._stop(self.rx)
        self._cause(CAUSE.DMA_ERROR.mask)

    def _dropped(self, frame: bytes, why: str) -> None:
        self.machine.events.append((self.clock.now, Kind.FRAME_DROPPED, 0, self.name, len(frame), why))

    def _check_alignment(self, name: str, value: int) -> None:
        if value & 15:
            block = self.dma.book.find(self.machine.bus.to_physical(value), 1)
            self.machine.findings.report(
                rules.DMA_ALIGNMENT, f"{self.name} {name}: {hex_address(value)} is not on a multiple of 16; the card drops the low "
                f"bits and uses {hex_address(value & ~15)}", where=self.armed_by or self.machine.where.capture(),
                space="logical", span=Span(value & ~15, 16), block=block)


def multicast_hash(address: bytes) -> int:
    """Bit of the 64-bit multicast table for a multicast *address*: the top six bits of its Ethernet CRC (data sheet 4.8)."""
    return crc32(address) >> 26


