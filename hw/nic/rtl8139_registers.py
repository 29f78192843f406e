# SPDX-License-Identifier: Apache-2.0
"""Registers of the RTL8139C (``docs/nics/rtl8139.md``, section 4, which names the source of each) and its received-packet header."""

from __future__ import annotations

import struct

from hw.nic.rtl8139_phy_registers import (
    ANAR,
    ANER,
    ANLPAR,
    BMCR,
    BMSR,
    CSCR,
    FLASH,
    NWAYTR,
    ByteParameter,
    Parameter,
    PhyCounter,
)
from hw.register import Field, Register, RegisterMap


class Idr0(Register):
    """Station address, bytes 0 to 3 (4.1)."""
    splits = "r"
    BYTES = Field(31, 0)


class Idr4(Register):
    """Station address, bytes 4 and 5 (4.1)."""
    splits = "r"
    BYTES = Field(15, 0)


class Mar(Register):
    """One half of the multicast hash (4.2)."""
    splits = "rw"
    BITS = Field(31, 0)


class TSD(Register):
    """Transmit status and doorbell of one slot (4.3)."""
    arms = True
    splits = "r"
    SIZE = Field(12, 0)
    OWN = Field(13, reset=1)
    TUN = Field(14, mode="ro")
    TOK = Field(15, mode="ro")
    ERTXTH = Field(21, 16)
    NCC = Field(27, 24, mode="ro")
    CDH = Field(28, mode="ro")
    OWC = Field(29, mode="ro")
    TABT = Field(30, mode="ro")
    CRS = Field(31, mode="ro")


class TSAD(Register):
    """Transmit start address of one slot (4.4)."""
    arms = True
    splits = "r"
    ADDRESS = Field(31, 0)


class RBSTART(Register):
    """Where the receive ring begins (4.5)."""
    arms = True
    splits = "r"
    ADDRESS = Field(31, 0)


class ERBCR(Register):
    """Early receive byte count (4.6)."""
    width = 2
    splits = "r"
    COUNT = Field(15, 0, mode="ro")


class ERSR(Register):
    """Early receive status (4.6)."""
    width = 1
    EROK = Field(0, mode="ro")
    EROVW = Field(1, mode="ro")
    ERBAD = Field(2, mode="ro")
    ERGOOD = Field(3, mode="ro")


class CR(Register):
    """Command (4.7)."""
    width = 1
    arms = True
    BUFE = Field(0, mode="ro", reset=1)
    TE = Field(2)
    RE = Field(3)
    RST = Field(4, mode="w1s")


class CAPR(Register):
    """Read pointer of the receive ring, 16 behind (4.8)."""
    width = 2
    arms = True
    splits = "r"
    OFFSET = Field(15, 0, reset=0xFFF0)


class CBR(Register):
    """Write pointer of the receive ring (4.8)."""
    width = 2
    splits = "r"
    OFFSET = Field(15, 0, mode="ro")


class IMR(Register):
    """Causes that pull the interrupt line (4.9)."""
    width = 2
    splits = "rw"
    EVENTS = Field(6, 0)
    LENCHG = Field(13)
    TIMEOUT = Field(14)
    SERR = Field(15)


class ISR(Register):
    """Causes; writing 1 clears (4.9)."""
    width = 2
    splits = "rw"
    ROK = Field(0, mode="w1c")
    RER = Field(1, mode="w1c")
    TOK = Field(2, mode="w1c")
    TER = Field(3, mode="w1c")
    RXOVW = Field(4, mode="w1c")
    PUN = Field(5, mode="w1c")
    FOVW = Field(6, mode="w1c")
    UNUSED = Field(12, 7, mode="ro")
    LENCHG = Field(13, mode="w1c")
    TIMEOUT = Field(14, mode="w1c")
    SERR = Field(15, mode="w1c")


class TCR(Register):
    """Transmit configuration (4.10)."""
    splits = "rw"
    CLRABT = Field(0, mode="wo")
    TXRR = Field(7, 4)
    MXDMA = Field(10, 8)
    CRC = Field(16)
    LBK = Field(18, 17)
    HWVERID_B = Field(23, 22, mode="ro")
    IFG = Field(25, 24)
    HWVERID_A = Field(30, 26, mode="ro", reset=0x1D)


class RCR(Register):
    """Receive configuration (4.11)."""
    arms = True
    splits = "rw"
    AAP = Field(0)
    APM = Field(1)
    AM = Field(2)
    AB = Field(3)
    AR = Field(4)
    AER = Field(5)
    SEL_9356 = Field(6, mode="ro")
    WRAP = Field(7)
    MXDMA = Field(10, 8)
    RBLEN = Field(12, 11)
    RXFTH = Field(15, 13)
    RER8 = Field(16)
    MULERINT = Field(17)
    ERTH = Field(27, 24)


class TCTR(Register):
    """Timer count: PCI clocks; any write begins anew (4.12)."""
    splits = "r"
    COUNT = Field(31, 0, mode="ro")


class MPC(Register):
    """Missed packets; any write clears (4.13)."""
    splits = "rw"
    COUNT = Field(23, 0, mode="ro")


class EECR(Register):
    """9346CR: the pins of the EEPROM, and the lock of the configuration (4.14)."""
    width = 1
    EEDO = Field(0, mode="ro")
    EEDI = Field(1)
    EESK = Field(2)
    EECS = Field(3)
    EEM = Field(7, 6)


class CONFIG0(Register):
    """Configuration 0: boot ROM and medium (4.15)."""
    width = 1
    BS = Field(2, 0)
    PL = Field(4, 3, mode="ro")
    T10 = Field(5, mode="ro")
    PCS = Field(6, mode="ro")
    SCR = Field(7, mode="ro")


class CONFIG1(Register):
    """Configuration 1: mappings, lights, power (4.15)."""
    width = 1
    PMEN = Field(0, reset=1)
    VPD = Field(1)
    IOMAP = Field(2, mode="ro", reset=1)
    MEMMAP = Field(3, mode="ro", reset=1)
    LWACT = Field(4)
    DVRLOAD = Field(5)
    LEDS = Field(7, 6)


class CONFIG3(Register):
    """Configuration 3: bus and wake-up (4.15)."""
    width = 1
    FBTBEN = Field(0, mode="ro", reset=1)
    FUNCREGEN = Field(1, mode="ro")
    CLKRUN_EN = Field(2, mode="ro")
    CARDB_EN = Field(3, mode="ro")
    LINKUP = Field(4)
    MAGIC = Field(5)
    PARM_EN = Field(6)
    GNTSEL = Field(7, mode="ro")


class CONFIG4(Register):
    """Configuration 4: wake-up patterns (4.15)."""
    width = 1
    PBWAKEUP = Field(0)
    LWPTN = Field(2)
    LWPME = Field(4)
    LONGWF = Field(5)
    ANAOFF = Field(6)
    RXFIFOAUTOCLR = Field(7)


class CONFIG5(Register):
    """Configuration 5: wake-up frames; without the lock (4.15)."""
    width = 1
    PME_STS = Field(0)
    LANWAKE = Field(1)
    LDPS = Field(2)
    FIFOADDRPTR = Field(3)
    UWF = Field(4)
    MWF = Field(5)
    BWF = Field(6)


class TIMERINT(Register):
    """At which count of TCTR the timer interrupts; 0: never (4.12)."""
    splits = "r"
    COUNT = Field(31, 0)


class MSR(Register):
    """Media status (4.16)."""
    width = 1
    RXPF = Field(0, mode="ro")
    TXPF = Field(1, mode="ro")
    LINKB = Field(2, mode="ro")
    SPEED_10 = Field(3, mode="ro")
    AUX_STATUS = Field(4, mode="ro", reset=1)
    RXFCE = Field(6, mode="tag")
    TXFCE = Field(7, mode="tag")


class HLTCLK(Register):
    """Stops the clock of older chips; nothing here (4.18)."""
    width = 1
    COMMAND = Field(7, 0, mode="wo")


class MULINT(Register):
    """Early interrupt of single protocols (4.17)."""
    width = 2
    MISR = Field(11, 0)


class REVID(Register):
    """Revision in configuration space (4.18)."""
    width = 1
    REVISION = Field(7, 0, mode="ro", reset=0x10)


class TSDS(Register):
    """Status of all four slots: TSAD in the data sheet (4.19)."""
    width = 2
    splits = "r"
    OWN = Field(3, 0, mode="ro", reset=15)
    TABT = Field(7, 4, mode="ro")
    TUN = Field(11, 8, mode="ro")
    TOK = Field(15, 12, mode="ro")


class Registers(RegisterMap):
    """Register map, the same in memory and in port space."""
    joins = True
    IDR0 = 0x00, Idr0
    IDR4 = 0x04, Idr4
    MAR0 = 0x08, Mar
    MAR4 = 0x0C, Mar
    TSD0 = 0x10, TSD
    TSD1 = 0x14, TSD
    TSD2 = 0x18, TSD
    TSD3 = 0x1C, TSD
    TSAD0 = 0x20, TSAD
    TSAD1 = 0x24, TSAD
    TSAD2 = 0x28, TSAD
    TSAD3 = 0x2C, TSAD
    RBSTART = 0x30, RBSTART
    ERBCR = 0x34, ERBCR
    ERSR = 0x36, ERSR
    CR = 0x37, CR
    CAPR = 0x38, CAPR
    CBR = 0x3A, CBR
    IMR = 0x3C, IMR
    ISR = 0x3E, ISR
    TCR = 0x40, TCR
    RCR = 0x44, RCR
    TCTR = 0x48, TCTR
    MPC = 0x4C, MPC
    EECR = 0x50, EECR
    CONFIG0 = 0x51, CONFIG0
    CONFIG1 = 0x52, CONFIG1
    TIMERINT = 0x54, TIMERINT
    MSR = 0x58, MSR
    CONFIG3 = 0x59, CONFIG3
    CONFIG4 = 0x5A, CONFIG4
    HLTCLK = 0x5B, HLTCLK
    MULINT = 0x5C, MULINT
    REVID = 0x5E, REVID
    TSDS = 0x60, TSDS
    BMCR = 0x62, BMCR
    BMSR = 0x64, BMSR
    ANAR = 0x66, ANAR
    ANLPAR = 0x68, ANLPAR
    ANER = 0x6A, ANER
    DIS = 0x6C, PhyCounter
    FCSC = 0x6E, PhyCounter
    NWAYTR = 0x70, NWAYTR
    REC = 0x72, PhyCounter
    CSCR = 0x74, CSCR
    PHY1_PARM = 0x78, Parameter
    TW_PARM = 0x7C, Parameter
    PHY2_PARM = 0x80, ByteParameter
    FLASH = 0xD4, FLASH
    CONFIG5 = 0xD8, CONFIG5


SLOTS = 4
HEADER = struct.Struct("<HH")
"""What stands before each received packet: status, then length with the check sequence (section 5)."""
CRC_BYTES = 4
UNFINISHED = 0xFFF0
"""The length in a header while the card still copies the packet."""
CAPR_BEHIND = 16
"""How far CAPR is behind the read pointer."""


class PacketStatus(Register):
    """Status in the header of a received packet (5)."""
    width = 2
    ROK = Field(0, mode="ro")
    FAE = Field(1, mode="ro")
    CRC = Field(2, mode="ro")
    LONG = Field(3, mode="ro")
    RUNT = Field(4, mode="ro")
    ISE = Field(5, mode="ro")
    BAR = Field(13, mode="ro")
    PAM = Field(14, mode="ro")
    MAR = Field(15, mode="ro")
