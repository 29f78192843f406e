# SPDX-License-Identifier: Apache-2.0
"""Registers of the transceiver of the RTL8139C, and of its boot ROM (``docs/nics/rtl8139.md``, 4.20 to 4.23)."""

from __future__ import annotations

from hw.register import Field, Register


class BMCR(Register):
    """Basic mode control (4.20)."""
    width = 2
    DUPLEX = Field(8)
    RESTART = Field(9, mode="w1s")
    ANE = Field(12, reset=1)
    SPEED_100 = Field(13, reset=1)
    RESET = Field(15, mode="w1s")


class BMSR(Register):
    """Basic mode status (4.20)."""
    width = 2
    EXTENDED = Field(0, mode="ro", reset=1)
    JABBER = Field(1, mode="ro")
    LINK = Field(2, mode="ro")
    ABILITY = Field(3, mode="ro", reset=1)
    REMOTE_FAULT = Field(4, mode="ro")
    COMPLETE = Field(5, mode="ro")
    T_HALF = Field(11, mode="ro", reset=1)
    T_FULL = Field(12, mode="ro", reset=1)
    TX_HALF = Field(13, mode="ro", reset=1)
    TX_FULL = Field(14, mode="ro", reset=1)
    T4 = Field(15, mode="ro")


class ANAR(Register):
    """What the card offers in auto-negotiation (4.20)."""
    width = 2
    SELECTOR = Field(4, 0, reset=1)
    T_HALF = Field(5, reset=1)
    T_FULL = Field(6, reset=1)
    TX_HALF = Field(7, reset=1)
    TX_FULL = Field(8, reset=1)
    T4 = Field(9)
    PAUSE = Field(10, reset=1)
    RF = Field(13)
    ACK = Field(14, mode="ro")
    NP = Field(15)


class ANLPAR(Register):
    """What the partner offers (4.20)."""
    width = 2
    ABILITIES = Field(15, 0, mode="ro")


class ANER(Register):
    """Auto-negotiation expansion (4.20)."""
    width = 2
    LP_NW_ABLE = Field(0, mode="ro")
    PAGE_RX = Field(1, mode="ro")
    NP_ABLE = Field(2, mode="ro")
    LP_NP_ABLE = Field(3, mode="ro")
    MLF = Field(4, mode="ro")


class PhyCounter(Register):
    """A counter of the transceiver that reading clears (4.21)."""
    width = 2
    COUNT = Field(15, 0, mode="rc")


class NWAYTR(Register):
    """Auto-negotiation test (4.22)."""
    width = 2
    FLAGLSC = Field(0, mode="ro")
    FLAGPDF = Field(1, mode="ro")
    FLAGABD = Field(2, mode="ro")
    ENNWLE = Field(3)
    NWLPBK = Field(7, mode="tag")


class CSCR(Register):
    """Configuration of the transceiver (4.22)."""
    width = 2
    PASS_SCR = Field(0)
    CON_STATUS_EN = Field(2)
    CON_STATUS = Field(3, mode="ro")
    F_CONNECT = Field(5)
    F_LINK_100 = Field(6, reset=1)
    JBEN = Field(7)
    HEARTBEAT = Field(8, reset=1)
    LD = Field(9, reset=1)
    LINK_OK = Field(10, mode="ro")
    LINK_CHANGED = Field(11, mode="ro")
    TESTFUN = Field(15, mode="wo")


class Parameter(Register):
    """Tuning of the transceiver, stored (4.22)."""
    VALUE = Field(31, 0)


class ByteParameter(Register):
    """Tuning of the transceiver, stored (4.22)."""
    width = 1
    VALUE = Field(7, 0)


class FLASH(Register):
    """Boot ROM (4.23)."""
    ADDRESS = Field(16, 0, mode="tag")
    SWRWEN = Field(17, mode="tag")
    WEB = Field(18, mode="tag")
    OEB = Field(19, mode="tag")
    ROMCSB = Field(20, mode="tag")
    DATA = Field(31, 24, mode="tag")
