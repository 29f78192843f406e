# SPDX-License-Identifier: Apache-2.0
"""Registers of the Intel 82540EM; ``docs/nics/e1000.md`` is their data sheet and names the source of each.

Those of the engines stand in `hw.nic.e1000_engine_registers`; statistics, filter tables and diagnostics in `hw.nic.e1000_tables`.
"""

from __future__ import annotations

from hw.nic.e1000_engine_registers import (
    AIT,
    PBA,
    RADV,
    RCTL,
    RDTR,
    RSRPD,
    RXCSUM,
    RXDCTL,
    TADV,
    TCTL,
    TIDV,
    TIPG,
    TSPMT,
    TXDCTL,
    BaseHigh,
    BaseLow,
    RingHead,
    RingLength,
    RingTail,
)
from hw.nic.e1000_tables import TABLES
from hw.register import Field, Register, RegisterMap

MEMORY_BYTES, PORT_BYTES = 0x20000, 64
IOADDR_AT, IODATA_AT = MEMORY_BYTES, MEMORY_BYTES + 4
"""Where the register map holds the two registers of the port bar: behind the memory bar, where no memory access comes."""


class CTRL(Register):
    """Device control (4.1)."""
    FD = Field(0, reset=1)
    PRIOR = Field(2)
    LRST = Field(3, reset=1)
    ASDE = Field(5)
    SLU = Field(6)
    ILOS = Field(7, mode="tag")
    SPEED = Field(9, 8, reset=2)
    FRCSPD = Field(11)
    FRCDPLX = Field(12)
    SDP0_DATA = Field(18)
    SDP1_DATA = Field(19)
    ADVD3WUC = Field(20, reset=1)
    EN_PHY_PWR_MGMT = Field(21)
    SDP0_IODIR = Field(22)
    SDP1_IODIR = Field(23)
    RST = Field(26)
    RFCE = Field(27)
    TFCE = Field(28)
    VME = Field(30)
    PHY_RST = Field(31)
    arms = True


class STATUS(Register):
    """Device status (4.2)."""
    FD = Field(0, mode="ro")
    LU = Field(1, mode="ro")
    FUNCTION = Field(3, 2, mode="ro")
    TXOFF = Field(4, mode="ro")
    TBIMODE = Field(5, mode="ro")
    SPEED = Field(7, 6, mode="ro")
    ASDV = Field(9, 8, mode="ro")
    MTXCKOK = Field(10, mode="ro")
    PCI66 = Field(11, mode="ro")
    BUS64 = Field(12, mode="ro")
    PCIX_MODE = Field(13, mode="ro")
    PCIXSPD = Field(15, 14, mode="ro")


class EECD(Register):
    """EEPROM and flash control and data (4.3)."""
    SK = Field(0)
    CS = Field(1)
    DI = Field(2)
    DO = Field(3, mode="ro")
    FWE = Field(5, 4, reset=1)
    REQ = Field(6)
    GNT = Field(7, mode="ro")
    PRES = Field(8, mode="ro", reset=1)
    SIZE = Field(9, mode="ro")


class EERD(Register):
    """EEPROM read (4.4)."""
    START = Field(0)
    DONE = Field(4, mode="ro")
    ADDR = Field(15, 8)
    DATA = Field(31, 16, mode="ro")


class ControlExtended(Register):
    """Extended device control (4.5)."""
    GPI_EN = Field(3, 0, mode="tag")
    SDP6_DATA = Field(6)
    SDP7_DATA = Field(7)
    SDP6_IODIR = Field(10)
    SDP7_IODIR = Field(11)
    ASDCHK = Field(12, mode="tag")
    EE_RST = Field(13)
    IPS = Field(14, mode="tag")
    SPD_BYPS = Field(15, mode="tag")
    RO_DIS = Field(17)
    LINK_MODE = Field(23, 22, mode="tag")


class FLA(Register):
    """Flash access (4.6)."""
    FLASH = Field(31, 0, mode="tag")


class MDIC(Register):
    """Access to the registers of the PHY (4.7)."""
    DATA = Field(15, 0)
    REGADD = Field(20, 16)
    PHYADD = Field(25, 21)
    OP = Field(27, 26)
    READY = Field(28)
    INT_EN = Field(29)
    ERROR = Field(30)


class AddressLow(Register):
    """Destination address of PAUSE frames, low dword (4.8)."""
    ADDRESS = Field(31, 0)


class AddressHigh(Register):
    """Destination address of PAUSE frames, high part (4.8)."""
    ADDRESS = Field(15, 0)


class EtherType(Register):
    """Type of PAUSE frames (4.8)."""
    TYPE = Field(15, 0)


class VET(Register):
    """Type of VLAN frames (4.9)."""
    TYPE = Field(15, 0, reset=0x8100)


class ICR(Register):
    """Interrupt causes; reading clears all, and writing 1 clears (4.10)."""
    TXDW = Field(0, mode="w1c")
    TXQE = Field(1, mode="w1c")
    LSC = Field(2, mode="w1c")
    RXSEQ = Field(3, mode="w1c")
    RXDMT0 = Field(4, mode="w1c")
    RXO = Field(6, mode="w1c")
    RXT0 = Field(7, mode="w1c")
    MDAC = Field(9, mode="w1c")
    RXCFG = Field(10, mode="w1c")
    PHYINT = Field(12, mode="w1c")
    GPI_SDP6 = Field(13, mode="w1c")
    GPI_SDP7 = Field(14, mode="w1c")
    TXD_LOW = Field(15, mode="w1c")
    SRPD = Field(16, mode="w1c")


class ITR(Register):
    """Least time between interrupts (4.11)."""
    INTERVAL = Field(15, 0)


class CauseSet(Register):
    """Sets causes; reading shows ICR and clears nothing (4.10)."""
    LOW = Field(4, 0)
    MIDDLE = Field(7, 6)
    UPPER = Field(10, 9)
    HIGH = Field(16, 12)


class MaskSet(Register):
    """Causes that may interrupt; writing 1 adds (4.12)."""
    LOW = Field(4, 0, mode="w1s")
    MIDDLE = Field(7, 6, mode="w1s")
    UPPER = Field(10, 9, mode="w1s")
    HIGH = Field(16, 12, mode="w1s")


class MaskClear(Register):
    """Writing 1 takes a cause out of the mask (4.12)."""
    CAUSES = Field(31, 0, mode="wo")


class FCTTV(Register):
    """Time in PAUSE frames (4.8)."""
    TTV = Field(15, 0)


class TXCW(Register):
    """Transmit configuration word of fibre cards (4.14)."""
    WORD = Field(31, 0, mode="tag")


class RXCW(Register):
    """Receive configuration word of fibre cards (4.14)."""
    WORD = Field(31, 0, mode="ro")


class LEDCTL(Register):
    """Light emitting diodes (4.17)."""
    LED0_MODE = Field(3, 0, reset=2)
    LED0_IVRT = Field(6)
    LED0_BLINK = Field(7)
    LED1_MODE = Field(11, 8, reset=3)
    LED1_IVRT = Field(14)
    LED1_BLINK = Field(15, reset=1)
    LED2_MODE = Field(19, 16, reset=6)
    LED2_IVRT = Field(22)
    LED2_BLINK = Field(23)
    LED3_MODE = Field(27, 24, reset=7)
    LED3_IVRT = Field(30)
    LED3_BLINK = Field(31)


class FCRTL(Register):
    """Receive threshold for XON (4.8)."""
    RTL = Field(15, 3)
    XONE = Field(31)


class FCRTH(Register):
    """Receive threshold for XOFF (4.8)."""
    RTH = Field(15, 3)


class WUC(Register):
    """Wake-up control (4.25)."""
    APME = Field(0, mode="tag")
    PME_EN = Field(1, mode="tag")
    PME_STATUS = Field(2, mode="w1c")
    APMPME = Field(3, mode="tag")


class WUFC(Register):
    """Wake-up filter control (4.25)."""
    FILTERS = Field(7, 0, mode="tag")
    NOTCO = Field(15, mode="tag")
    FLX = Field(19, 16, mode="tag")


class WUS(Register):
    """Wake-up status (4.25)."""
    EVENTS = Field(31, 0, mode="ro")


class MANC(Register):
    """Management control (4.25)."""
    CONTROL = Field(31, 0)


class IPAV(Register):
    """Which addresses wake up (4.25)."""
    VALID = Field(31, 0, mode="tag")


class WUPL(Register):
    """Length of the packet that woke the system (4.25)."""
    LEN = Field(15, 0, mode="ro")


class IOADDR(Register):
    """Port bar: which register IODATA shows (4.26)."""
    ADDRESS = Field(19, 0)
    ZERO = Field(31, 20, mode="ro")


class IODATA(Register):
    """Port bar: the register that IOADDR names (4.26)."""
    DATA = Field(31, 0)
    arms = True


class Registers(RegisterMap):
    """Register map of the 82540EM in memory space, and behind it the two registers of the port bar."""
    CTRL_DUP = 0x00004, CTRL  # before its namesake, which hides the class
    CTRL = 0x00000, CTRL
    STATUS = 0x00008, STATUS
    EECD = 0x00010, EECD
    EERD = 0x00014, EERD
    CTRL_EXT = 0x00018, ControlExtended
    FLA = 0x0001C, FLA
    MDIC = 0x00020, MDIC
    FCAL = 0x00028, AddressLow
    FCAH = 0x0002C, AddressHigh
    FCT = 0x00030, EtherType
    VET = 0x00038, VET
    ICR = 0x000C0, ICR
    ITR = 0x000C4, ITR
    ICS = 0x000C8, CauseSet
    IMS = 0x000D0, MaskSet
    IMC = 0x000D8, MaskClear
    RCTL = 0x00100, RCTL
    FCTTV = 0x00170, FCTTV
    TXCW = 0x00178, TXCW
    RXCW = 0x00180, RXCW
    TCTL = 0x00400, TCTL
    TIPG = 0x00410, TIPG
    AIT = 0x00458, AIT
    LEDCTL = 0x00E00, LEDCTL
    PBA = 0x01000, PBA
    FCRTL = 0x02160, FCRTL
    FCRTH = 0x02168, FCRTH
    RDBAL = 0x02800, BaseLow
    RDBAH = 0x02804, BaseHigh
    RDLEN = 0x02808, RingLength
    RDH = 0x02810, RingHead
    RDT = 0x02818, RingTail
    RDTR = 0x02820, RDTR
    RXDCTL = 0x02828, RXDCTL
    RADV = 0x0282C, RADV
    RSRPD = 0x02C00, RSRPD
    TDBAL = 0x03800, BaseLow
    TDBAH = 0x03804, BaseHigh
    TDLEN = 0x03808, RingLength
    TDH = 0x03810, RingHead
    TDT = 0x03818, RingTail
    TIDV = 0x03820, TIDV
    TXDCTL = 0x03828, TXDCTL
    TADV = 0x0382C, TADV
    TSPMT = 0x03830, TSPMT
    RXCSUM = 0x05000, RXCSUM
    WUC = 0x05800, WUC
    WUFC = 0x05808, WUFC
    WUS = 0x05810, WUS
    MANC = 0x05820, MANC
    IPAV = 0x05838, IPAV
    WUPL = 0x05900, WUPL
    IOADDR = IOADDR_AT, IOADDR
    IODATA = IODATA_AT, IODATA
    vars().update(TABLES)
