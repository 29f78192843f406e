# SPDX-License-Identifier: Apache-2.0
"""The transmit engine of the 82540EM (``docs/nics/e1000.md``, 3 and 5)."""

from __future__ import annotations

from zlib import crc32

from hw.clock import US
from hw.nic import e1000_descriptors as d
from hw.nic.e1000_engine_registers import TCTL
from hw.nic.e1000_interrupts import E1000Interrupts
from hw.nic.e1000_registers import CTRL, ICR, Registers
from hw.nic.e1000_ring import TailRing
from hw.wire import MINIMUM_FRAME
from verifier.errors import NotModelledError
from verifier.rule import Severity, rule
from verifier.where import Where

FETCH_NS, BYTE_NS, REPEAT_NS = 200, 80, 20 * US
FCS_BYTES = 4
SHORTEST_PADDED = 48
"""With PSP, a frame of fewer bytes is too short to be padded (8254x manual, page 36)."""

SHORT_FRAME = rule(
    "short-frame", "give the card at least 48 bytes of a frame, or pad it in the driver", severity=Severity.WARNING,
    text="A frame that the 82540EM pads (TCTL.PSP) has at least 48 bytes before padding (8254x manual, 3.3.3).",
    cards=("e1000",))

_I = Registers.index
_CTRL, _TCTL, _TXDCTL, _VET = _I["CTRL"], _I["TCTL"], _I["TXDCTL"], _I["VET"]
_EN, _PSP, _VME = TCTL.EN.mask, TCTL.PSP.mask, CTRL.VME.mask
_TXQE, _TXD_LOW = ICR.TXQE.mask, ICR.TXD_LOW.mask
_T = d.Transmit
_EOP, _IFCS, _IC, _RS, _DEXT, _VLE, _IDE = (f.mask for f in (_T.EOP, _T.IFCS, _T.IC, _T.RS, _T.DEXT, _T.VLE, _T.IDE))
_DTYP_DATA, _TSE = 1, d.Data.TSE.mask


class E1000Transmit(E1000Interrupts):
    """The half of the card that sends."""

    tx: TailRing
    _tx_scheduled: bool
    _tx_stalled: bool
    """True from a frame that is never sent to the next reset."""
    _tx_context: d.Checksum | None
    _tx_ip_context: d.Checksum | None

    def bus_error(self) -> None:
        """A bus cycle was aborted."""
        raise NotImplementedError

    def schedule_transmit(self, delay_ns: int = FETCH_NS) -> None:
        """Look at the ring soon."""
        if not self._tx_scheduled and not self._tx_stalled:
            self._tx_scheduled = True
            self.clock.at(delay_ns, self._transmit)

    def _transmit(self) -> None:
        """Send one frame, then come back when the wire is free. Without a link the engine waits."""
        self._tx_scheduled = False
        ring = self.tx
        if not self.values[_TCTL] & _EN or not self.awake or not self.link_up or not ring.count:
            return
        if not ring.fetch():
            self.bus_error()
            return
        pieces: list[int] = []
        index = ring.head
        while index != ring.fetched:
            value = int.from_bytes(ring.taken[index], "little")
            if not pieces and value & _DEXT and d.Data.DTYP.get(value) != _DTYP_DATA:
                self._context(value)
                if self._tx_stalled or not ring.count:
                    return
                index = ring.head
                continue
            pieces.append(value)
            index = (index + 1) % ring.count
            if value & _EOP:
                self._send(pieces)
                return

    def _context(self, value: int) -> None:
        """A context descriptor: keep where checksums begin, end and go."""
        if d.Context.DTYP.get(value):
            self._not_modelled(f"a transmit descriptor with DEXT and DTYP {d.Context.DTYP.get(value)}")
            return
        if value & d.Context.TSE.mask:
            self._not_modelled("TCP segmentation (TSE in a context descriptor)")
            return
        c = d.Context
        self._tx_ip_context = d.Checksum(c.IPCSS.get(value), c.IPCSO.get(value), c.IPCSE.get(value))
        self._tx_context = d.Checksum(c.TUCSS.get(value), c.TUCSO.get(value), c.TUCSE.get(value))
        self._finish([value], 0)

    def _not_modelled(self, what: str) -> None:
        """Be loud; but a descriptor that the driver never wrote, or that lies outside of its memory, is told elsewhere, and the engine
        stands still."""
        if self.tx.written():
            raise NotModelledError(f"{self.name}: {what} is known but not modelled", "docs/nics/e1000.md, sections 5 and 8")
        self._tx_stalled = True

    def _send(self, pieces: list[int]) -> None:
        ring, dma = self.tx, self.dma
        dma.armed_by = ring.bell
        if any(value & _DEXT and value & _TSE for value in pieces):
            self._not_modelled("TCP segmentation (TSE in a data descriptor)")
            return
        frame = bytearray()
        tag = 0
        for number, value in enumerate(pieces):
            address, length = _T.ADDRESS.get(value), (d.Data if value & _DEXT else _T).LENGTH.get(value)
            if not address or not length:
                continue
            data = dma.read(address, length, "transmit data")
            if data is None:
                self.bus_error()
                return
            tag = tag or dma.frame_tag(address, length)
            if (ring.head + number) % ring.count not in ring.spoiled:
                dma.check_frame(address, length, tag)
            frame += data
        effect = self.fault_of_sending()
        if effect == "never":
            self._tx_stalled = True
            return
        if effect and not self.link_up:  # the frame stays in the card until the link is back
            return
        status = {"late-collision": d.LC, "excess-collisions": d.EC}.get(effect, 0)
        if status:
            self.count("LATECOL" if status == d.LC else "ECOL")
            self.dropped(bytes(frame), effect)
        elif frame:
            self._put_on_wire(self._dressed(frame, pieces), ring.bell)
        self.spoil = effect
        self._finish(pieces, status)
        if ring.count and ring.room:
            self.schedule_transmit(BYTE_NS * len(frame) + FETCH_NS)

    def _dressed(self, frame: bytearray, pieces: list[int]) -> bytes:
        """The frame with what the card adds to it: checksums, VLAN tag, padding; and without the check sequence that the driver added."""
        first, last = pieces[0], pieces[-1]
        if first & _DEXT:
            if d.Data.TXSM.get(first) and self._tx_context is not None:
                self._tx_context.insert(frame)
            if d.Data.IXSM.get(first) and self._tx_ip_context is not None:
                self._tx_ip_context.insert(frame)
        elif last & _IC:
            d.Checksum(_T.CSS.get(last), _T.CSO.get(last), 0).insert(frame)
        if not last & _IFCS:
            sequence = crc32(frame[:-FCS_BYTES]).to_bytes(FCS_BYTES, "little")
            if len(frame) <= FCS_BYTES or frame[-FCS_BYTES:] != sequence:
                return b""
            del frame[-FCS_BYTES:]
        if last & _VLE and self.values[_CTRL] & _VME:
            frame[12:12] = self.values[_VET].to_bytes(2, "big") + _T.SPECIAL.get(last).to_bytes(2, "big")
        return bytes(frame)

    def _put_on_wire(self, frame: bytes, bell: Where | None) -> None:
        if not frame:
            self.dropped(frame, "bad-crc")
            return
        if len(frame) < MINIMUM_FRAME and self.values[_TCTL] & _PSP:
            if len(frame) < SHORTEST_PADDED:
                self.machine.findings.report(
                    SHORT_FRAME, f"{self.name}: a frame of {len(frame)} bytes is to be padded; the card needs {SHORTEST_PADDED}",
                    where=bell, subject=(self.name,))
            frame = frame.ljust(MINIMUM_FRAME, b"\0")
            self.padded += 1
        self.wire.transmit(frame, (f"transmit descriptor {self.tx.head}",))
        length = len(frame) + FCS_BYTES
        self.count("GPTC")
        self.count("TPT")
        self.count_octets("GOTC", length)
        self.count_octets("TOT", length)
        self.count_size("PTC", length)
        if frame[0] & 1:
            self.count("BPTC" if frame[:6] == b"\xff" * 6 else "MPTC")

    # Handing back

    def _finish(self, pieces: list[int], status: int) -> None:
        """The card is done with *pieces*: write back those with RS, tell, and go on."""
        ring, delayed, reported = self.tx, False, False
        for value in pieces:
            if value & _RS:
                effect, self.spoil = self.spoil, ""
                upper = value >> 96 & ~0xF | d.DD | (status if value & _EOP else 0)
                if effect == "bit-flip":
                    upper ^= d.DD
                data = d.UPPER.pack(upper & 0xFFFFFFFF)
                at = ring.at(ring.head) + d.STATUS_AT
                if not ring.hand_back(data, d.STATUS_AT, "transmit status"):
                    self.bus_error()
                    return
                if effect == "repeated":
                    self._repeat(at, data)
                delayed, reported = bool(value & _IDE), True
            low = 8 * (self.values[_TXDCTL] >> 25)
            before = ring.room
            ring.advance()
            if low and before == low + 1:
                self.cause(_TXD_LOW)
        self.spoil = ""
        if reported:
            self.sent_cause(delayed)
        if not ring.room:
            self.cause(_TXQE if self.values[_TXDCTL] >> 25 else _TXQE | _TXD_LOW)

    def _repeat(self, at: int, data: bytes) -> None:
        """A broken card hands the descriptor back once more."""
        def again() -> None:
            if self.awake and self.tx.count:
                self.dma.write(at, data, "transmit status")
                self.sent_cause(False)
        self.clock.at(REPEAT_NS, again)
