# SPDX-License-Identifier: Apache-2.0
"""The DMA engine of the smart NIC, and who answers for what it does (data sheet 7.3, 9).

The bed looks over the program's shoulder: what it fetches from a ring is what the card has taken, and an address that lies in a ring or
in the buffer of a taken descriptor was chosen by the driver. For such a transfer the driver's line stands first and the program's
beside it; for any other it is the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hw.nic.reference_registers import CONTROL_OFFSET, DESCRIPTOR, DESCRIPTOR_SIZE
from hw.nic.reference_rings import Ring
from hw.nic.smart_bus import DMA_BASE, WINDOW_BASE
from hw.nic.smart_core import Core
from verifier.address import hex_address
from verifier.where import Where

if TYPE_CHECKING:
    from hw.nic.smart import SmartNic

TRANSFER_NS = 100
BYTE_NS = 2
KICK, TO_HOST, RECEIVE = 1 << 0, 1 << 1, 1 << 2
DONE, ABORTED, GATED = 1 << 0, 1 << 1, 1 << 2
_HOST_LO, _HOST_HI, _LOCAL, _LENGTH = range(4)


class Piece(NamedTuple):
    """Bytes that were moved into the card's RAM."""

    local: int
    length: int
    logical: int
    armed_by: Where | None
    spoiled: bool
    """True if they belong to a descriptor whose content came too late: what they are is no news."""


class DmaEngine:
    """The engine, for one program."""

    __slots__ = ("_cells", "_core", "_nic", "_status", "pieces")

    def __init__(self, nic: SmartNic, core: Core) -> None:
        self._nic = nic
        self._core = core
        self._cells = [0, 0, 0, 0]
        self._status = 0
        self.pieces: list[Piece] = []
        """What was moved into the card and is no ring, until it goes to the wire or is overwritten."""
        for index in range(4):
            core.bus.cell(DMA_BASE + 4 * index, self._cells, index)
        core.bus.add(DMA_BASE + 0x10, None, self._control)
        core.bus.add(DMA_BASE + 0x14, lambda: self._status, None)

    def _control(self, value: int) -> None:
        if not value & KICK:
            return
        self._core.worked = True
        nic = self._nic
        ring = nic.rx if value & RECEIVE else nic.tx
        if not nic.engine_on(ring):
            self._status = GATED
            return
        cells = self._cells
        length = cells[_LENGTH]
        logical = cells[_HOST_HI] << 32 | cells[_HOST_LO]
        if nic.machine.injector is not None and nic.fault("firmware-dma"):
            nic.nobody_answers()
            self._status = ABORTED
            return
        self._core.stall(TRANSFER_NS + BYTE_NS * length)
        findings = nic.machine.findings
        index = self._driver_chose(ring, logical, length)
        program = self._core.source.where(self._core.engine.pc)
        started = f"the firmware starts the transfer in {program[0].co_name}", program
        if index is None:
            nic.armed_by = program
            findings.beside = (started, ("the host's doorbell", ring.doorbell), *self._work_of(ring))
        else:
            nic.armed_by = ring.taken_at.get(index) or ring.doorbell
            findings.beside = (started,)
        try:
            move = self._to_host if value & TO_HOST else self._from_host
            self._status = DONE if move(ring, logical, cells[_LOCAL], length, index) else ABORTED
        finally:
            findings.beside = ()

    def _driver_chose(self, ring: Ring, logical: int, length: int) -> int | None:
        """The index of the descriptor of which the transfer moves the buffer, or that it moves itself; None if the driver named no
        such memory."""
        if ring.base <= logical and logical + length <= ring.base + ring.count * DESCRIPTOR_SIZE:
            return (logical - ring.base) // DESCRIPTOR_SIZE
        index = ring.head
        for _ in range(len(ring.taken)):
            raw = ring.taken.get(index)
            if raw is None:
                break
            address, size, _ = DESCRIPTOR.unpack(raw)
            if address <= logical and logical + length <= address + size:
                return index
            index = (index + 1) % ring.count
        return None

    def _work_of(self, ring: Ring) -> tuple[tuple[str, Where | None], ...]:
        """What the driver asked for, where the program does something else: the descriptor at the head, and whose memory it names."""
        raw = ring.taken.get(ring.head)
        if raw is None:
            return ()
        address, length, _ = DESCRIPTOR.unpack(raw)
        block = self._nic.dma.book.find(self._nic.machine.bus.to_physical(address), max(length, 1))
        owner = f", in {block.describe()}" if block is not None else ""
        return ((f"{ring.what} descriptor {ring.head} names 0x{length:x} bytes at {hex_address(address)}{owner}",
                 ring.taken_at.get(ring.head)),)

    def _from_host(self, ring: Ring, logical: int, local: int, length: int, index: int | None) -> bool:
        nic, core = self._nic, self._core
        ours = index is not None and ring.base <= logical < ring.base + ring.count * DESCRIPTOR_SIZE
        purpose = f"{ring.what} descriptor {index}" if ours else f"{ring.what} data"
        data = nic.dma.read(logical, length, purpose) if length else None
        if data is None:
            return False
        at = core.memory.offset(local, length)
        core.memory.ram[at:at + length] = data
        core.engine.changed(local, length)
        if ours and index is not None:
            self._fetched(ring, index, data)
        else:
            spoiled = index is not None and index in ring.spoiled
            self.pieces = [piece for piece in self.pieces if piece.local + piece.length <= local or local + length <= piece.local]
            self.pieces.append(Piece(local, length, logical, nic.armed_by, spoiled))
        return True

    def _fetched(self, ring: Ring, first: int, data: bytes) -> None:
        """The program has descriptors from *first* on: those that a doorbell announced have to be handed over."""
        for number in range(len(data) // DESCRIPTOR_SIZE):
            raw = data[number * DESCRIPTOR_SIZE:(number + 1) * DESCRIPTOR_SIZE]
            index = first + number
            if index not in ring.taken and not ring.announced(index):
                continue
            if not raw[15] & 0x80:
                if index in ring.taken:  # taken back: the finding on that store stands
                    continue
                self._nic.armed_by = ring.doorbell
                self._nic.not_handed_over(ring, index)
                return
            ring.taken[index] = raw
            ring.taken_at.setdefault(index, ring.doorbell)

    def _to_host(self, ring: Ring, logical: int, local: int, length: int, index: int | None) -> bool:
        nic = self._nic
        data = self._core.memory.read(local, length)
        offset = logical - ring.base
        if index is not None and 0 <= offset < ring.count * DESCRIPTOR_SIZE:
            ring.taken.pop(index, None)
            ring.taken_at.pop(index, None)
            ring.spoiled.discard(index)
            if offset % DESCRIPTOR_SIZE == CONTROL_OFFSET and length == 4:
                return nic.hand_back(ring, logical, int.from_bytes(data, "little"))
        tag = nic.fifo.tag() if local >= WINDOW_BASE else 0
        return nic.dma.write(logical, data, "received data" if ring is nic.rx else f"{ring.what} status", tag) if length else False

    def taken_for(self, local: int, length: int) -> list[Piece]:
        """The pieces of which the frame in the card's RAM at *local* consists, in order; they are forgotten."""
        used = [piece for piece in self.pieces if piece.local < local + length and local < piece.local + piece.length]
        self.pieces = [piece for piece in self.pieces if piece not in used]
        return sorted(used)
