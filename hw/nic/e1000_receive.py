# SPDX-License-Identifier: Apache-2.0
"""The receive engine of the 82540EM: filters, the packet buffer, descriptors (``docs/nics/e1000.md``, 3, 4.13 and 4.28)."""

from __future__ import annotations

from collections import deque
from zlib import crc32

from hw.clock import US
from hw.nic import e1000_descriptors as d
from hw.nic.e1000_engine_registers import PBA, RCTL, RXCSUM
from hw.nic.e1000_interrupts import E1000Interrupts
from hw.nic.e1000_registers import CTRL, ICR, Registers
from hw.nic.e1000_ring import TailRing
from hw.nic.e1000_tables import RECEIVE_ADDRESSES
from hw.wire import RUNT_BYTES

FCS_BYTES = 4
LONGEST, LONGEST_LPE = 1522, 16384
"""Bytes of the longest frame, check sequence included, without and with RCTL.LPE (8254x manual, page 344)."""
REPEAT_NS = 20 * US
BROADCAST = b"\xff" * 6

_I = Registers.index
_CTRL, _RCTL, _RXCSUM, _PBA, _VET = _I["CTRL"], _I["RCTL"], _I["RXCSUM"], _I["PBA"], _I["VET"]
_RAL0, _MTA0, _VFTA0 = _I["RAL0"], _I["MTA0"], _I["VFTA0"]
_EN, _SBP, _UPE, _MPE, _LPE, _BAM, _VFE, _SECRC = (
    f.mask for f in (RCTL.EN, RCTL.SBP, RCTL.UPE, RCTL.MPE, RCTL.LPE, RCTL.BAM, RCTL.VFE, RCTL.SECRC))
_VME = CTRL.VME.mask
_RXO, _RXDMT0 = ICR.RXO.mask, ICR.RXDMT0.mask
_AV = 1 << 31


class E1000Receive(E1000Interrupts):
    """The half of the card that receives."""

    rx: TailRing
    _fifo: deque[tuple[bytes, int, str]]
    """Frames in the packet buffer that wait for descriptors, each with its error bits and with what goes wrong with it."""
    _received: int

    def bus_error(self) -> None:
        """A bus cycle was aborted."""
        raise NotImplementedError

    # From the wire

    def receive_frame(self, frame: bytes) -> None:
        """A good frame arrives: filter it, and keep it until descriptors are there."""
        if not self._listens(frame):
            return
        if not self.wanted(frame):
            self.dropped(frame, "filtered")
            return
        length = len(frame) + FCS_BYTES
        if length > (LONGEST_LPE if self.values[_RCTL] & _LPE else LONGEST):
            self._broken(frame, "ROC", "overlong")
            return
        self._accept(frame, 0)

    def receive_bad_frame(self, frame: bytes, why: str) -> None:
        """A frame arrives broken. RCTL.SBP keeps it, and so does LPE one that is only long."""
        if not self._listens(frame):
            return
        if why == "overlong" and self.values[_RCTL] & _LPE:
            self.receive_frame(frame)
        else:
            self._broken(frame, {"bad-crc": "CRCERRS", "runt": "RFC", "overlong": "ROC"}[why], why)

    def _listens(self, frame: bytes) -> bool:
        listens = bool(self.values[_RCTL] & _EN) and self.awake and self.link_up
        if not listens:
            self.dropped(frame, "receiver off")
        return listens

    def _broken(self, frame: bytes, counter: str, why: str) -> None:
        self.count(counter)
        if why != "bad-crc":
            self.count("RLEC")
        if self.values[_RCTL] & _SBP and len(frame) >= RUNT_BYTES and self.wanted(frame):
            self._accept(frame, d.CE)
        else:
            self.dropped(frame, why)

    # Filters

    def wanted(self, frame: bytes) -> bool:
        """True if the address filter and the VLAN filter let *frame* through."""
        return self._address_wanted(frame[:6]) and self._vlan_wanted(frame)

    def _address_wanted(self, address: bytes) -> bool:
        values = self.values
        control = values[_RCTL]
        group = address[0] & 1
        if control & (_MPE if group else _UPE):
            return True
        if address == BROADCAST and control & _BAM:
            return True
        low, high = int.from_bytes(address[:4], "little"), int.from_bytes(address[4:], "little") | _AV
        for number in range(RECEIVE_ADDRESSES):
            if values[_RAL0 + 2 * number + 1] == high and values[_RAL0 + 2 * number] == low:
                return True
        if not group:
            return False
        bit = multicast_hash(address, control >> 12 & 3)
        return bool(values[_MTA0 + (bit >> 5)] >> (bit & 31) & 1)

    def _vlan_wanted(self, frame: bytes) -> bool:
        """RCTL.VFE lets tagged frames through only for the VLANs of VFTA; with CFIEN their CFI bit has to be RCTL.CFI."""
        values = self.values
        control = values[_RCTL]
        if not control & _VFE or int.from_bytes(frame[12:14], "big") != values[_VET]:
            return True
        tag = int.from_bytes(frame[14:16], "big")
        if control & RCTL.CFIEN.mask and tag >> 12 & 1 != RCTL.CFI.get(control):
            return False
        return bool(values[_VFTA0 + (tag >> 5 & 0x7F)] >> (tag & 31) & 1)

    # The packet buffer

    def _accept(self, frame: bytes, error: int) -> None:
        """A frame that passed the filter: into memory, or into the packet buffer, or lost."""
        self.count("TPR")
        self.count_octets("TOR", len(frame) + FCS_BYTES)
        spoil, self.spoil = self.spoil, ""
        if spoil == "overrun" or sum(len(f) for f, _, _ in self._fifo) + len(frame) > PBA.RXA.get(self.values[_PBA]) * 1024:
            if spoil != "overrun":
                self.spoil = spoil  # what was to go wrong with the frame does not come about
            self._overrun(frame)
            return
        self._fifo.append((frame, error, spoil))
        self.store_frames()
        if self._fifo:
            self.count("RNBC")

    def _overrun(self, frame: bytes) -> None:
        self.count("MPC")
        self.lost_for_want_of_descriptors += 1
        self.dropped(frame, "no room")
        self.cause(_RXO)

    def store_frames(self) -> None:
        """Bring frames of the packet buffer to memory, as long as there are descriptors for the whole of the next one."""
        ring = self.rx
        while self._fifo and self.values[_RCTL] & _EN and self.awake and ring.count:
            frame, error, spoil = self._fifo[0]
            if not ring.fetch():
                self.bus_error()
                return
            if not self._room_for(len(frame) + FCS_BYTES):
                return
            self._fifo.popleft()
            self._store(frame, error, spoil)

    def _room_for(self, length: int) -> bool:
        """True if the card has descriptors with buffers for *length* bytes. One without an address holds nothing."""
        ring, size, index = self.rx, self.buffer_bytes, self.rx.head
        while length > 0 and index != ring.fetched:
            if any(ring.taken[index][:8]):
                length -= size
            index = (index + 1) % ring.count
        return length <= 0

    @property
    def buffer_bytes(self) -> int:
        """Bytes of each receive buffer, by BSIZE and BSEX."""
        control = self.values[_RCTL]
        size = 2048 >> RCTL.BSIZE.get(control)
        return size * 16 if control & RCTL.BSEX.mask else size

    # Into memory

    def _store(self, frame: bytes, error: int, spoil: str) -> None:
        """Write the frame into as many buffers as it takes, and hand their descriptors back."""
        values, ring, dma = self.values, self.rx, self.dma
        stripped, status, special = self._without_tag(frame)
        data = stripped if values[_RCTL] & _SECRC else stripped + crc32(frame).to_bytes(FCS_BYTES, "little")
        checks = values[_RXCSUM] & (RXCSUM.IPOFL.mask | RXCSUM.TUOFL.mask)
        offload = d.examine(stripped, bool(checks & RXCSUM.IPOFL.mask), bool(checks & RXCSUM.TUOFL.mask)) if checks else (d.IXSM, 0)
        checksum = d.ones_complement_sum(stripped[values[_RXCSUM] & 0xFF:])
        inexact = 0 if frame[0] & 1 == 0 or frame[:6] == BROADCAST else d.PIF
        self._received += 1
        size, done = self.buffer_bytes, 0
        while done < len(data):
            dma.armed_by = ring.bell
            address = int.from_bytes(ring.taken[ring.head][:8], "little")
            if not address:  # skipped, and handed back empty
                if not self._hand_back(d.RECEIVED.pack(0, 0, d.DD, 0, 0), ""):
                    return
                continue
            piece = data[done:done + size]
            if not dma.write(address, piece, "received data", -self._received):
                self.bus_error()
                return
            done += len(piece)
            last = done == len(data)
            state = d.DD | (d.EOP | status | offload[0] | inexact if last else 0)
            fields = d.RECEIVED.pack(len(piece), checksum if last else 0, state, error | offload[1] if last else 0, special if last else 0)
            if not self._hand_back(fields, spoil if last else ""):
                return
        self._count_received(frame, error)
        if ring.count and ring.room <= ring.count >> RCTL.RDMTS.get(values[_RCTL]) + 1:
            self.cause(_RXDMT0)
        self.received_cause(len(frame))

    def _without_tag(self, frame: bytes) -> tuple[bytes, int, int]:
        """(frame, status, special): CTRL.VME takes the tag out of VLAN frames."""
        values = self.values
        if not values[_CTRL] & _VME or int.from_bytes(frame[12:14], "big") != values[_VET]:
            return frame, 0, 0
        return frame[:12] + frame[16:], d.VP, int.from_bytes(frame[14:16], "big")

    def _hand_back(self, fields: bytes, spoil: str) -> bool:
        ring = self.rx
        at = ring.at(ring.head) + d.RECEIVED_AT
        if spoil == "bogus-length":
            fields = b"\xff\xff" + fields[2:]
        elif spoil == "bit-flip":
            fields = fields[:4] + bytes((fields[4] ^ d.DD,)) + fields[5:]
        elif spoil == "repeated":
            self.clock.at(REPEAT_NS, lambda: self._again(at, fields))
        if not ring.hand_back(fields, d.RECEIVED_AT, "receive status"):
            self.bus_error()
            return False
        ring.advance()
        return True

    def _again(self, at: int, fields: bytes) -> None:
        """A broken card hands the descriptor back once more."""
        if self.awake and self.rx.count:
            self.dma.write(at, fields, "receive status")
            self.received_cause(0)

    def _count_received(self, frame: bytes, error: int) -> None:
        length = len(frame) + FCS_BYTES
        if error:
            return
        self.count("GPRC")
        self.count_octets("GORC", length)
        self.count_size("PRC", length)
        if frame[0] & 1:
            self.count("BPRC" if frame[:6] == BROADCAST else "MPRC")


def multicast_hash(address: bytes, offset: int) -> int:
    """Bit of the multicast table, 0 to 4095, for *address* and RCTL.MO: 12 of the 16 bits of its last two bytes."""
    value = address[4] | address[5] << 8
    return value >> (4, 3, 2, 0)[offset] & 0xFFF
