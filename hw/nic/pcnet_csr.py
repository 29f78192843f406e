# SPDX-License-Identifier: Apache-2.0
"""Control and status registers of the PCnet cards, behind RAP and RDP; ``docs/nics/pcnet.md``, section 4, is their data sheet.

What the Am79C970A has beyond the Am79C960 stands in classes of its own. `Csr.held` marks registers that the data sheet calls
accessible only while STOP or SPND is set.
"""

from __future__ import annotations

from typing import ClassVar

from hw.register import Field, Register, RegisterBank


class Csr(Register):
    """A register of 16 bits."""

    width = 2
    held: ClassVar[bool] = False
    """True if a write counts only while STOP or SPND is set."""


class CSR0(Csr):
    """Controller status (data sheet 4.1)."""
    INIT = Field(0, mode="w1s")
    STRT = Field(1, mode="w1s")
    STOP = Field(2, mode="w1s", reset=1)
    TDMD = Field(3, mode="w1s")
    TXON = Field(4, mode="ro")
    RXON = Field(5, mode="ro")
    IENA = Field(6)
    INTR = Field(7, mode="ro")
    IDON = Field(8, mode="w1c")
    TINT = Field(9, mode="w1c")
    RINT = Field(10, mode="w1c")
    MERR = Field(11, mode="w1c")
    MISS = Field(12, mode="w1c")
    CERR = Field(13, mode="w1c")
    BABL = Field(14, mode="w1c")
    ERR = Field(15, mode="ro")
    arms = True


class CSR1(Csr):
    """Initialization block address, low word (4.2)."""
    IADR = Field(15, 0)
    held = True


class CSR2(Csr):
    """Initialization block address, high word; bits 15:8 are the window of the 16-bit software style (4.2)."""
    IADR = Field(15, 0)
    held = True


class IsaCSR2(Csr):
    """Initialization block address, bits 23:16 (4.2)."""
    IADR = Field(7, 0)
    held = True


class IsaCSR3(Csr):
    """Interrupt masks and deferral control (4.3)."""
    EMBA = Field(3)
    DXMT2PD = Field(4)
    IDONM = Field(8)
    TINTM = Field(9)
    RINTM = Field(10)
    MERRM = Field(11)
    MISSM = Field(12)
    BABLM = Field(14)


class CSR3(Csr):
    """Interrupt masks and deferral control (4.3)."""
    BSWP = Field(2, mode="tag")
    EMBA = Field(3)
    DXMT2PD = Field(4)
    LAPPEN = Field(5, mode="tag")
    DXSUFLO = Field(6)
    IDONM = Field(8)
    TINTM = Field(9)
    RINTM = Field(10)
    MERRM = Field(11)
    MISSM = Field(12)
    BABLM = Field(14)


class IsaCSR4(Csr):
    """Test and features control (4.4)."""
    JABM = Field(0, reset=1)
    JAB = Field(1, mode="w1c")
    TXSTRTM = Field(2, reset=1)
    TXSTRT = Field(3, mode="w1c")
    RCVCCOM = Field(4, reset=1)
    RCVCCO = Field(5, mode="w1c")
    MFCOM = Field(8, reset=1)
    MFCO = Field(9, mode="w1c")
    ASTRP_RCV = Field(10)
    APAD_XMT = Field(11)
    DPOLL = Field(12)
    TIMER = Field(13)
    DMAPLUS = Field(14)
    ENTST = Field(15)


class CSR4(Csr):
    """Test and features control (4.4)."""
    JABM = Field(0, reset=1)
    JAB = Field(1, mode="w1c")
    TXSTRTM = Field(2, reset=1)
    TXSTRT = Field(3, mode="w1c")
    RCVCCOM = Field(4, reset=1)
    RCVCCO = Field(5, mode="w1c")
    UINT = Field(6, mode="w1c")
    UINTCMD = Field(7, mode="wo")
    MFCOM = Field(8, reset=1)
    MFCO = Field(9, mode="w1c")
    ASTRP_RCV = Field(10)
    APAD_XMT = Field(11)
    DPOLL = Field(12)
    TIMER = Field(13)
    DMAPLUS = Field(14)
    EN124 = Field(15)


class CSR5(Csr):
    """Extended control and interrupt (4.5)."""
    SPND = Field(0)
    MPMODE = Field(1, mode="tag")
    MPEN = Field(2, mode="tag")
    MPINTE = Field(3)
    MPINT = Field(4, mode="w1c")
    MPPLBA = Field(5)
    EXDINTE = Field(6)
    EXDINT = Field(7, mode="w1c")
    SLPINTE = Field(8)
    SLPINT = Field(9, mode="w1c")
    SINTE = Field(10)
    SINT = Field(11, mode="w1c")
    LTINTEN = Field(14)
    TOKINTD = Field(15)


class CSR6(Csr):
    """Ring lengths as the initialization block gave them (4.6)."""
    RLEN = Field(11, 8, mode="ro")
    TLEN = Field(15, 12, mode="ro")


class LADRF(Csr):
    """16 bits of the logical address filter (4.7)."""
    BITS = Field(15, 0)
    held = True


class PADR(Csr):
    """Two bytes of the station address (4.8)."""
    BYTES = Field(15, 0)
    held = True


class CSR15(Csr):
    """Mode (4.9)."""
    DRX = Field(0)
    DTX = Field(1)
    LOOP = Field(2)
    DXMTFCS = Field(3)
    FCOLL = Field(4)
    DRTY = Field(5)
    INTL = Field(6)
    PORTSEL = Field(8, 7)
    LRT = Field(9)
    MENDECL = Field(10)
    DAPC = Field(11)
    DLNKTST = Field(12)
    DRCVPA = Field(13)
    DRCVBC = Field(14)
    PROM = Field(15)
    held = True


class Inside(Csr):
    """What the buffer management unit works with at this moment; for debuggers (4.10)."""
    VALUE = Field(15, 0, mode="ro")


class Base(Csr):
    """Half of a ring's address (4.11)."""
    ADDRESS = Field(15, 0)
    held = True


class CSR46(Csr):
    """Poll time counter (4.12)."""
    POLL = Field(15, 0, mode="ro")


class CSR47(Csr):
    """Polling interval, two's complement of clocks; 0 is 65,536 (4.12)."""
    INTERVAL = Field(15, 0)
    held = True


class CSR58(Csr):
    """Software style, the same register as BCR20 (4.13)."""
    SWSTYLE = Field(7, 0)
    SSIZE32 = Field(8, mode="ro")
    CSRPCNET = Field(9, mode="ro", reset=1)
    APERREN = Field(10)
    held = True


class Counter(Csr):
    """Ring counter, two's complement (4.14)."""
    COUNT = Field(15, 0, mode="ro")


class RingLength(Csr):
    """Ring length, two's complement, 1 to 65535 (4.14)."""
    LENGTH = Field(15, 0)
    held = True


class CSR80(Csr):
    """DMA transfer counter and FIFO thresholds (4.15)."""
    DMATC = Field(7, 0, reset=0x10)
    XMTFW = Field(9, 8)
    XMTSP = Field(11, 10, reset=1)
    RCVFW = Field(13, 12, reset=1)


class CSR82(Csr):
    """Bus activity timer (4.15)."""
    DMABAT = Field(15, 0)


class CSR88(Csr):
    """Chip identification, low word; a dword access brings the high word, too (4.16)."""
    ID = Field(15, 0, mode="ro", reset=0x1003)


class CSR89(Csr):
    """Chip identification, high word (4.16)."""
    ID = Field(15, 0, mode="ro", reset=0x0262)


class IsaCSR88(Csr):
    """Chip identification, low word (4.16)."""
    ID = Field(15, 0, mode="ro", reset=0x3003)


class IsaCSR89(Csr):
    """Chip identification, high word (4.16)."""
    ID = Field(15, 0, mode="ro")


class CSR94(Csr):
    """Time domain reflectometry count of the last transmission that failed (4.17)."""
    XMTTDR = Field(9, 0, mode="ro")


class CSR100(Csr):
    """Bus time-out in steps of 100 ns (4.18)."""
    MERRTO = Field(15, 0, reset=0x0200)
    held = True


class CSR112(Csr):
    """Missed frames (4.19)."""
    MFC = Field(15, 0, mode="ro")


class CSR114(Csr):
    """Receive collisions (4.19)."""
    RCC = Field(15, 0, mode="ro")


class CSR122(Csr):
    """Receive frame alignment (4.20)."""
    RCVALGN = Field(0, mode="tag")


class CSR124(Csr):
    """Test register; a write counts only while CSR4.EN124 (ENTST) is set (4.20)."""
    RPA = Field(3)


_INSIDE = (18, 19, 20, 21, 22, 23, 26, 27, 28, 29, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 60, 61, 62, 63, 64, 65,
           66, 67, 84, 85, 86)


_LOW = CSR1


class IsaCSR(RegisterBank):
    """What both cards have, as the Am79C960 has it."""
    CSR0 = 0, CSR0
    CSR1 = 1, CSR1
    CSR2 = 2, IsaCSR2
    CSR3 = 3, IsaCSR3
    CSR4 = 4, IsaCSR4
    CSR6 = 6, CSR6
    CSR8 = 8, LADRF
    CSR9 = 9, LADRF
    CSR10 = 10, LADRF
    CSR11 = 11, LADRF
    CSR12 = 12, PADR
    CSR13 = 13, PADR
    CSR14 = 14, PADR
    CSR15 = 15, CSR15
    CSR16 = 16, _LOW
    CSR17 = 17, IsaCSR2
    vars().update({f"CSR{number}": (number, Inside) for number in _INSIDE})
    CSR24 = 24, Base
    CSR25 = 25, Base
    CSR30 = 30, Base
    CSR31 = 31, Base
    CSR46 = 46, CSR46
    CSR47 = 47, CSR47
    CSR72 = 72, Counter
    CSR74 = 74, Counter
    CSR76 = 76, RingLength
    CSR78 = 78, RingLength
    CSR80 = 80, CSR80
    CSR82 = 82, CSR82
    CSR88 = 88, IsaCSR88
    CSR89 = 89, IsaCSR89
    CSR94 = 94, CSR94
    CSR112 = 112, CSR112
    CSR114 = 114, CSR114
    CSR124 = 124, CSR124


_OF_PCI = {"CSR2": (2, CSR2), "CSR3": (3, CSR3), "CSR4": (4, CSR4), "CSR5": (5, CSR5), "CSR17": (17, CSR2), "CSR58": (58, CSR58),
           "CSR88": (88, CSR88), "CSR89": (89, CSR89), "CSR100": (100, CSR100), "CSR122": (122, CSR122)}


class CSR(IsaCSR):
    """The CSRs of the Am79C970A."""
    vars().update(_OF_PCI)
