# SPDX-License-Identifier: Apache-2.0
"""Descriptors of the 82540EM, and what its checksum engine does (``docs/nics/e1000.md``, section 5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hw.register import Field, Register

SIZE = 16
STATUS_AT = 12
"""Offset of the dword of a transmit descriptor that the card writes back."""
RECEIVED_AT = 8
"""Offset of what the card writes into a receive descriptor."""
UPPER = struct.Struct("<I")
RECEIVED = struct.Struct("<HHBBH")
"""Length, packet checksum, status, errors, special."""


class Transmit(Register):
    """A legacy transmit descriptor as one number (5.1)."""
    width = SIZE
    ADDRESS = Field(63, 0)
    LENGTH = Field(79, 64)
    CSO = Field(87, 80)
    EOP = Field(88)
    IFCS = Field(89)
    IC = Field(90)
    RS = Field(91)
    RPS = Field(92)
    DEXT = Field(93)
    VLE = Field(94)
    IDE = Field(95)
    DD = Field(96)
    EC = Field(97)
    LC = Field(98)
    CSS = Field(111, 104)
    SPECIAL = Field(127, 112)


class Data(Register):
    """A data descriptor: DEXT is 1, DTYP 1 (5.3)."""
    width = SIZE
    ADDRESS = Field(63, 0)
    LENGTH = Field(83, 64)
    DTYP = Field(87, 84)
    EOP = Field(88)
    IFCS = Field(89)
    TSE = Field(90)
    RS = Field(91)
    DEXT = Field(93)
    VLE = Field(94)
    IDE = Field(95)
    DD = Field(96)
    EC = Field(97)
    LC = Field(98)
    IXSM = Field(104)
    TXSM = Field(105)
    SPECIAL = Field(127, 112)


class Context(Register):
    """A context descriptor: DEXT is 1, DTYP 0 (5.2)."""
    width = SIZE
    IPCSS = Field(7, 0)
    IPCSO = Field(15, 8)
    IPCSE = Field(31, 16)
    TUCSS = Field(39, 32)
    TUCSO = Field(47, 40)
    TUCSE = Field(63, 48)
    PAYLEN = Field(83, 64)
    DTYP = Field(87, 84)
    TCP = Field(88)
    IP = Field(89)
    TSE = Field(90)
    RS = Field(91)
    DEXT = Field(93)
    IDE = Field(95)
    DD = Field(96)
    HDRLEN = Field(111, 104)
    MSS = Field(127, 112)


class Receive(Register):
    """A legacy receive descriptor as one number (5.4)."""
    width = SIZE
    ADDRESS = Field(63, 0)
    LENGTH = Field(79, 64)
    CHECKSUM = Field(95, 80)
    DD = Field(96)
    EOP = Field(97)
    IXSM = Field(98)
    VP = Field(99)
    TCPCS = Field(101)
    IPCS = Field(102)
    PIF = Field(103)
    CE = Field(104)
    SE = Field(105)
    SEQ = Field(106)
    CXE = Field(108)
    TCPE = Field(109)
    IPE = Field(110)
    RXE = Field(111)
    SPECIAL = Field(127, 112)


DD, EC, LC = 1, 2, 4
"""Status bits of a transmit descriptor, from bit 96 on."""
EOP, IXSM, VP, TCPCS, IPCS, PIF = 2, 4, 8, 32, 64, 128
"""Status bits of a receive descriptor besides `DD`."""
CE, TCPE, IPE = 1, 32, 64
"""Error bits of a receive descriptor."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """Sum the bytes from *start* to *end* (0: to the end of the frame) and store the result at *offset*."""

    start: int
    offset: int
    end: int

    def insert(self, frame: bytearray) -> None:
        """Store the checksum in *frame*. A place behind its end is left alone."""
        end = self.end + 1 if self.end and self.end < len(frame) else len(frame)
        if self.offset + 2 <= end:
            total = ones_complement_sum(bytes(frame[self.start:end]))
            frame[self.offset:self.offset + 2] = ((total ^ 0xFFFF) or 0xFFFF).to_bytes(2, "big")


def ones_complement_sum(data: bytes) -> int:
    """The 16-bit ones' complement sum of *data* as IP headers have it (RFC 1071); an odd byte is padded with zero."""
    if len(data) & 1:
        data += b"\0"
    total = int.from_bytes(data, "big")
    return total % 0xFFFF or (0xFFFF if total else 0)


def examine(frame: bytes, ip: bool, transport: bool) -> tuple[int, int]:
    """(status, error) bits for the checksums of a received *frame*: *ip* and *transport* say which of them the card looks at. IXSM
    where neither applies."""
    if frame[12:14] != b"\x08\0" or len(frame) < 34 or frame[14] >> 4 != 4:
        return IXSM, 0
    status = error = 0
    header = (frame[14] & 15) * 4
    if ip:
        status |= IPCS
        if ones_complement_sum(frame[14:14 + header]) != 0xFFFF:
            error |= IPE
    total = int.from_bytes(frame[16:18], "big")
    fragment = int.from_bytes(frame[20:22], "big") & 0x3FFF
    segment = frame[14 + header:14 + total]
    protocol = frame[23]
    summed = protocol == 6 or (protocol == 17 and segment[6:8] != b"\0\0")
    if transport and summed and not fragment and len(segment) >= 8:
        status |= TCPCS
        pseudo = frame[26:34] + bytes((0, protocol)) + len(segment).to_bytes(2, "big")
        if ones_complement_sum(pseudo + segment) != 0xFFFF:
            error |= TCPE
    return (status, error) if status else (IXSM, 0)
