# SPDX-License-Identifier: Apache-2.0
"""The reference NIC's engines: frames out of the transmit ring, and into the receive ring."""

from __future__ import annotations

from zlib import crc32

from hw.nic.reference_registers import CAUSE, CONTROL_OFFSET, CTRL, DESCRIPTOR, DESCRIPTOR_SIZE, END, ERROR, FILTER, Registers
from hw.nic.reference_rings import ReferenceRings
from hw.wire import MAXIMUM_FRAME, MINIMUM_FRAME
from verifier.events import Kind

FETCH_NS = 200
BYTE_NS = 80

_I = Registers.index
_CTRL, _FILTER = _I["CTRL"], _I["FILTER"]
_TX_ENABLE, _RX_ENABLE, _PAD = CTRL.TX_ENABLE.mask, CTRL.RX_ENABLE.mask, CTRL.PAD.mask


class ReferenceEngines(ReferenceRings):
    """The transmitter and the receiver."""

    _tx_scheduled: bool
    _stalled: bool
    """True from a frame that is never sent to the next reset."""
    _received: int
    _unreported: int
    """Frames sent since the last transmit cause: one cause tells of up to half a ring (data sheet 6)."""

    # Transmitter

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
        effect = self.fault_of_sending()
        if effect == "never":
            self._stalled = True
            return
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

    # Receiver

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

    def _dropped(self, frame: bytes, why: str) -> None:
        self.machine.events.append((self.clock.now, Kind.FRAME_DROPPED, 0, self.name, len(frame), why))


def multicast_hash(address: bytes) -> int:
    """Bit of the 64-bit multicast table for a multicast *address*: the top six bits of its Ethernet CRC (data sheet 4.8)."""
    return crc32(address) >> 26
