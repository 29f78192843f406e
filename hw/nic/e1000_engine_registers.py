# SPDX-License-Identifier: Apache-2.0
"""Registers of the engines of the 82540EM: control, rings, delays, checksums (``docs/nics/e1000.md``)."""

from __future__ import annotations

from hw.register import Field, Register


class RCTL(Register):
    """Receive control (4.13)."""
    EN = Field(1)
    SBP = Field(2)
    UPE = Field(3)
    MPE = Field(4)
    LPE = Field(5)
    LBM = Field(7, 6, mode="tag")
    RDMTS = Field(9, 8)
    MO = Field(13, 12)
    BAM = Field(15)
    BSIZE = Field(17, 16)
    VFE = Field(18)
    CFIEN = Field(19)
    CFI = Field(20)
    DPF = Field(22)
    PMCF = Field(23)
    BSEX = Field(25)
    SECRC = Field(26)
    arms = True


class TCTL(Register):
    """Transmit control (4.15)."""
    EN = Field(1)
    PSP = Field(3)
    CT = Field(11, 4)
    COLD = Field(21, 12)
    SWXOFF = Field(22, mode="tag")
    PBE = Field(23)
    RTLC = Field(24)
    NRTU = Field(25)
    arms = True


class TIPG(Register):
    """Gaps between frames (4.16)."""
    IPGT = Field(9, 0)
    IPGR1 = Field(19, 10)
    IPGR2 = Field(29, 20)


class AIT(Register):
    """Adaptive interframe spacing (4.16)."""
    AIFS = Field(15, 0)


class PBA(Register):
    """Packet buffer allocation (4.18)."""
    RXA = Field(6, 0, reset=0x30)
    RXA_R = Field(15, 7, mode="ro")
    TXA = Field(31, 16, mode="ro", reset=0x10)


class BaseLow(Register):
    """Ring base, low dword; bits 3:0 are ignored and read as 0 (4.19)."""
    ADDRESS = Field(31, 0)


class BaseHigh(Register):
    """Ring base, high dword (4.19)."""
    ADDRESS = Field(31, 0)


class RingLength(Register):
    """Bytes of a ring; bits 6:0 are ignored and read as 0 (4.19)."""
    LEN = Field(19, 0)


class RingHead(Register):
    """The descriptor that the card works on (4.19)."""
    INDEX = Field(15, 0)


class RingTail(Register):
    """Doorbell: one beyond the last descriptor that was handed over (4.19)."""
    INDEX = Field(15, 0)
    arms = True


class RDTR(Register):
    """Receive interrupt delay (4.20)."""
    DELAY = Field(15, 0)
    FPD = Field(31)


class RADV(Register):
    """Longest receive interrupt delay (4.20)."""
    DELAY = Field(15, 0)


class RSRPD(Register):
    """Small packets interrupt without delay (4.20)."""
    SIZE = Field(11, 0)


class RXDCTL(Register):
    """Prefetch and write-back of receive descriptors (4.21)."""
    PTHRESH = Field(5, 0)
    HTHRESH = Field(13, 8)
    WTHRESH = Field(21, 16, reset=1)
    GRAN = Field(24)


class TIDV(Register):
    """Transmit interrupt delay (4.22)."""
    IDV = Field(15, 0)


class TXDCTL(Register):
    """Prefetch and write-back of transmit descriptors (4.21)."""
    PTHRESH = Field(5, 0)
    HTHRESH = Field(13, 8)
    WTHRESH = Field(21, 16)
    GRAN = Field(24)
    LWTHRESH = Field(31, 25)


class TADV(Register):
    """Longest transmit interrupt delay (4.22)."""
    IDV = Field(15, 0)


class TSPMT(Register):
    """TCP segmentation pad and minimum threshold (4.23)."""
    TSMT = Field(15, 0)
    TSPBP = Field(31, 16)


class RXCSUM(Register):
    """Receive checksum control (4.24)."""
    PCSS = Field(7, 0)
    IPOFL = Field(8)
    TUOFL = Field(9)
