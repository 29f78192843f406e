# SPDX-License-Identifier: Apache-2.0
"""Transmitter, receive FIFO and checksum block of the smart NIC (data sheet 7.4 and 7.5)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from hw.nic.reference_engines import BYTE_NS, FETCH_NS
from hw.nic.smart_bus import CHECKSUM_BASE, WIRE_BASE
from hw.nic.smart_core import Core
from hw.rv32.engine import BusFault
from hw.wire import MINIMUM_FRAME

if TYPE_CHECKING:
    from hw.nic.smart import SmartNic

FIFO_FRAMES = 64
FREE, SENT, REFUSED, NEVER = (1 << bit for bit in range(4))
FRAME, BAD = 1 << 0, 1 << 1
DROPS = {1: "filtered", 2: "no descriptor", 3: "longer than the buffer", 4: "receiver off", 5: "broken"}
LONGEST_SUM = 4096
INTERNET, CRC32 = 1, 2


class Transmitter:
    """Sends frames out of the card's RAM. It outlives the program, and `reset` comes with the card's."""

    def __init__(self, nic: SmartNic) -> None:
        self._nic = nic
        self._cells = [0, 0]
        self._status = 0
        self.free_at = 0
        """From when on the next frame can be sent, in ns."""
        self.effect = ""
        """What a fault does to the next descriptor of the frame that was sent last."""

    def reset(self) -> None:
        """As after power-up."""
        self._cells[:] = 0, 0
        self._status = self.free_at = 0
        self.effect = ""

    def connect(self, core: Core) -> None:
        """Put the registers on the local bus of a program."""
        core.bus.cell(WIRE_BASE + 0x00, self._cells, 0)
        core.bus.cell(WIRE_BASE + 0x04, self._cells, 1)
        core.bus.add(WIRE_BASE + 0x08, None, lambda value: self._start(core, value))
        core.bus.add(WIRE_BASE + 0x0C, lambda: self._status | self.free(core.now), None)

    def free(self, now: int) -> bool:
        """True if a frame may be sent at *now*."""
        return now >= self.free_at and not self._status & NEVER

    def _start(self, core: Core, value: int) -> None:
        nic, (local, length) = self._nic, self._cells
        if not value & 1:
            return
        if not self.free(core.now):
            raise BusFault("the transmitter is busy")
        at = core.memory.offset(local, length)
        frame = bytes(core.memory.ram[at:at + length])
        fetched = nic.frame_leaves(local, length)
        self.effect = nic.fault_of_sending()
        if self.effect == "never":
            self._status = NEVER
            return
        if fetched < length == MINIMUM_FRAME:
            nic.padded += 1
        good = self.effect != "underrun" and nic.wire.transmit(frame, (f"transmit descriptor {nic.tx.head}",))
        self._status = SENT if good else REFUSED
        self.free_at = core.now + BYTE_NS * length + FETCH_NS
        core.worked = True
        core.later(self.free_at - nic.clock.now, core.notify)


@dataclass(slots=True)
class Waiting:
    """A frame in the receive FIFO."""

    frame: bytes
    why: str = ""
    """What is wrong with it; empty: nothing."""
    effect: str = ""
    """What a fault does when the card tells of it."""
    tag: int = 0


class ReceiveFifo:
    """Frames that have arrived, the first of them in the window."""

    def __init__(self, nic: SmartNic) -> None:
        self._nic = nic
        self._received = 0
        self.frames: deque[Waiting] = deque()

    def connect(self, core: Core) -> None:
        """Put the registers on the local bus of a program."""
        core.bus.add(WIRE_BASE + 0x10, self._status, None)
        core.bus.add(WIRE_BASE + 0x14, lambda: len(self.frames[0].frame) if self.frames else 0, None)
        core.bus.add(WIRE_BASE + 0x18, None, lambda value: self._done(core, value))
        core.bus.add(WIRE_BASE + 0x1C, lambda: int(self._nic.wire.up), None)

    def arrive(self, core: Core, waiting: Waiting) -> bool:
        """A frame comes from the wire; False if there is no room."""
        if len(self.frames) >= FIFO_FRAMES:
            return False
        self.frames.append(waiting)
        if len(self.frames) == 1:
            self._show(core)
        core.notify()
        return True

    def tag(self) -> int:
        """The number under which the frame in the window is known in host memory; it is numbered by the first byte stored."""
        if not self.frames:
            return 0
        first = self.frames[0]
        if not first.tag:
            self._received += 1
            first.tag = -self._received
        return first.tag

    def take_effect(self) -> str:
        """What a fault does to the descriptor of the frame in the window."""
        if not self.frames:
            return ""
        effect, self.frames[0].effect = self.frames[0].effect, ""
        return effect

    def empty(self, why: str) -> None:
        """All frames are lost."""
        while self.frames:
            self._drop(self.frames.popleft(), why)

    def _show(self, core: Core) -> None:
        frame = self.frames[0].frame
        core.memory.window[:len(frame)] = frame

    def _status(self) -> int:
        return FRAME | BAD * bool(self.frames[0].why) if self.frames else 0

    def _done(self, core: Core, reason: int) -> None:
        if not self.frames:  # the receiver was switched off since the program looked
            return
        waiting = self.frames.popleft()
        core.worked = True
        if reason in DROPS:
            self._drop(waiting, waiting.why or DROPS[reason])
        elif waiting.effect:
            self._drop_effect()
        if self.frames:
            self._show(core)

    def _drop(self, waiting: Waiting, why: str) -> None:
        self._nic.dropped(waiting.frame, why)
        if waiting.effect:
            self._drop_effect()

    def _drop_effect(self) -> None:
        """Nobody sees what a fault did to the frame."""
        if self._nic.machine.injector is not None:
            self._nic.machine.injector.without_effect("frame-in", "the card did not keep the frame")


class ChecksumBlock:
    """Sums over the card's memory."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._cells = [0, 0]
        self._result = 0
        core.bus.cell(CHECKSUM_BASE + 0x00, self._cells, 0)
        core.bus.cell(CHECKSUM_BASE + 0x04, self._cells, 1)
        core.bus.add(CHECKSUM_BASE + 0x08, None, self._start)
        core.bus.add(CHECKSUM_BASE + 0x0C, lambda: self._result, None)

    def _start(self, kind: int) -> None:
        address, length = self._cells
        if length > LONGEST_SUM or kind not in (INTERNET, CRC32):
            raise BusFault(f"the checksum block has no kind {kind} over {length} bytes")
        data = self._core.memory.read(address, length)
        self._result = crc32(data) if kind == CRC32 else internet_sum(data)


def internet_sum(data: bytes) -> int:
    """The ones' complement sum of 16-bit words in network order (RFC 1071), not inverted."""
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[at:at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total
