# SPDX-License-Identifier: Apache-2.0
"""The receiver of the PCnet cards: address match, chaining over buffers, stripping, missed frames (data sheet 8.2)."""

from __future__ import annotations

from zlib import crc32

from hw.nic.pcnet_base import ASTRP_RCV, DRCVBC, DRCVPA, LOOP, MFCO, MISS, PROM, RINT, RXON
from hw.nic.pcnet_layout import BAM, BUFF, CRC, ENP, ERR, LAFM, OFLO, PAM, STP
from hw.nic.pcnet_transmit import Transmitter
from hw.wire import MINIMUM_FRAME

FCS_BYTES = 4
SHORTEST_STRIPPED = 46
"""Data bytes of an IEEE 802.3 frame that carries padding has fewer than these, by its length field."""
RPA = 0x0008
"""Bit of CSR124."""
_BROADCAST = b"\xff" * 6


class Receiver(Transmitter):
    """Puts frames into the receive ring."""

    @property
    def receiving(self) -> bool:
        """True if the receiver takes frames."""
        return bool(self.values[self.csr0] & RXON) and self.awake and not self.suspended

    def receive_frame(self, frame: bytes) -> None:
        """A frame arrives from the wire."""
        if self.receiving and not self.values[self.csr15] & LOOP:
            self._arrived(frame, frame + crc32(frame).to_bytes(FCS_BYTES, "little"), 0)
        else:
            self.dropped(frame, "receiver off")

    def receive_looped(self, frame: bytes) -> None:
        """A frame comes back inside the card."""
        if self.receiving:
            self._arrived(frame, frame + crc32(frame).to_bytes(FCS_BYTES, "little"), 0)

    def receive_bad_frame(self, frame: bytes, why: str) -> None:
        """A broken frame arrives. Runts are rejected unless CSR124.RPA is set; a wrong check sequence sets CRC; a frame that is too
        long has no bit of its own."""
        runt = len(frame) < MINIMUM_FRAME
        if not self.receiving or (runt and not self.csr(124) & RPA):
            self.dropped(frame, why if self.receiving else "receiver off")
            return
        self.dropped(frame, why)
        fcs = crc32(frame) ^ (0xFFFFFFFF if why != "overlong" else 0)
        self._arrived(frame, frame + fcs.to_bytes(FCS_BYTES, "little"), 0 if why == "overlong" else ERR | CRC)

    def _arrived(self, frame: bytes, stored: bytes, errors: int) -> None:
        match = self.match(frame[:6])
        if match < 0:
            self.dropped(frame, "filtered")
            return
        if self.spoil == "missed":
            self.spoil = ""
            self._missed(frame)
            return
        self._put(frame, self._stripped(stored) if not errors else stored, match | errors)
        self.poll_now()

    def _put(self, frame: bytes, stored: bytes, flags: int) -> None:
        """Store the frame over as many descriptors as it takes, and the card owns."""
        ring, at, first, spoil = self.rx, 0, True, self.spoil
        self.spoil = ""
        tag = -(self.stored + 1)
        while True:
            index = ring.next
            entry = self.entry(ring, index) if ring.length else None
            if entry is None:
                if first and self.receiving:
                    self._missed(frame)
                return
            if first:
                self.stored += 1
            piece = stored[at:at + entry.length]
            if not self.store(entry.address, piece, "received data", tag):
                return
            at += len(piece)
            start = STP if first else 0
            first = False
            done = at == len(stored)
            if spoil == "overflow":
                result, done = ERR | OFLO, True
            elif done:
                result = flags | ENP
            elif self._owns_next(index):
                result = 0
            else:
                self.dropped(frame, "no further descriptor")
                result, done = ERR | BUFF | OFLO, True
            if not self.receiving:
                return  # the look-ahead failed on the bus
            self.spoil = spoil if done else ""
            if not self.hand_back(ring, index, entry, start | result, at if done else 0):
                return
            if done:
                self.spoil = ""
                self.cause(RINT)
                return

    def _owns_next(self, index: int) -> bool:
        """The look-ahead: is the descriptor behind *index* the card's, too?"""
        following = (index + 1) % self.rx.length
        return following != index and self.entry(self.rx, following) is not None

    def _missed(self, frame: bytes) -> None:
        """No descriptor for a frame: MISS, and the counter of missed frames goes on."""
        self.lost_for_want_of_descriptors += 1
        self.dropped(frame, "no descriptor")
        count = self.csr(112) + 1
        self.set_csr(112, count)
        if count > 0xFFFF:
            self.cause_4(MFCO)
        self.cause(MISS)

    def _stripped(self, stored: bytes) -> bytes:
        """With ASTRP_RCV, pad and check sequence of an IEEE 802.3 frame with few data go."""
        length = int.from_bytes(stored[12:14], "big")
        if self.values[self.csr4] & ASTRP_RCV and length < SHORTEST_STRIPPED:
            return stored[:14 + length]
        return stored

    def match(self, destination: bytes) -> int:
        """By which filter a frame for *destination* is received: flags of its descriptor, 0 for the promiscuous mode; -1 if by none."""
        mode = self.values[self.csr15]
        if mode & PROM:
            return 0
        if destination == _BROADCAST and not mode & DRCVBC:
            return BAM
        if destination[0] & 1:
            bit = multicast_hash(destination)
            return LAFM if self.csr(8 + (bit >> 4)) >> (bit & 15) & 1 else -1
        station = b"".join(self.csr(number).to_bytes(2, "little") for number in (12, 13, 14))
        return PAM if destination == station and not mode & DRCVPA else -1


def multicast_hash(address: bytes) -> int:
    """Bit of the logical address filter for a multicast *address*: the top six bits of its Ethernet CRC before the complement."""
    return (crc32(address) ^ 0xFFFFFFFF) >> 26
