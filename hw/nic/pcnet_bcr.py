# SPDX-License-Identifier: Apache-2.0
"""Ports of the PCnet cards, and the bus configuration registers behind RAP and BDP (PCI) or IDP (ISA); ``docs/nics/pcnet.md``,
sections 3 and 5, is their data sheet."""

from __future__ import annotations

from hw.nic.pcnet_csr import CSR, Csr, IsaCSR
from hw.register import Field, Register, RegisterBank, RegisterMap


class RAP(Csr):
    """Register address port: the number of the CSR or BCR that the data ports show (data sheet 3.3)."""
    NUMBER = Field(6, 0)


class RESET(Csr):
    """Reading it resets the card (3.4)."""
    ANY = Field(15, 0, mode="wo")


class APROM(Register):
    """One byte of the address PROM (3.5)."""
    width = 1
    BYTE = Field(7, 0, mode="ro")


class ApromWord(Csr):
    """Two bytes of the address PROM (3.5)."""
    BYTES = Field(15, 0, mode="ro")


class ApromDword(Register):
    """Four bytes of the address PROM (3.5)."""
    BYTES = Field(31, 0, mode="ro")


class DWIO(Register):
    """What a dword written to offset 0x10 meets while the card is in word mode: it switches to dword mode (3.2)."""
    ANY = Field(31, 0, mode="wo")


class Active(Csr):
    """Read or write command time in master mode; without effect (5.1)."""
    VALUE = Field(15, 0, mode="ro", reset=5)


class BCR2(Csr):
    """Miscellaneous configuration (5.2)."""
    XMAUSEL = Field(0)
    ASEL = Field(1, reset=1)
    AWAKE = Field(2)
    EADISEL = Field(3)
    INTLEVEL = Field(7)
    APROMWE = Field(8)
    TMAULOOP = Field(14)


class ISACSR2(Csr):
    """Miscellaneous configuration (5.2)."""
    XMAUSEL = Field(0)
    ASEL = Field(1, reset=1)
    AWAKE = Field(2)
    EADISEL = Field(3)


def _led(name: str, doc: str, *shown: str) -> type[Csr]:
    """A LED register in which the bits *shown* are set after reset."""
    bits = {"COLE": 0, "JABE": 1, "RCVE": 2, "RXPOLE": 3, "XMTE": 4, "RCVME": 5, "LNKSTE": 6, "PSE": 7, "FDLSE": 8, "MPSE": 9,
            "LEDDIS": 13, "LEDPOL": 14}
    fields = {field: Field(bit, reset=int(field in shown)) for field, bit in bits.items()}
    return type(name, (Csr,), {"__doc__": doc, "__module__": __name__, **fields, "LEDOUT": Field(15, mode="ro")})


BCR4 = _led("BCR4", "LED 0, after reset the link (5.3).", "LNKSTE", "PSE")
BCR5 = _led("BCR5", "LED 1, after reset received frames (5.3).", "RCVE", "PSE")
BCR6 = _led("BCR6", "LED 2, after reset the polarity of the pair (5.3).", "RXPOLE", "PSE")
BCR7 = _led("BCR7", "LED 3, after reset transmitted frames (5.3).", "XMTE", "PSE")


class ISACSR4(Csr):
    """LED 0, the link, and nothing else (5.3)."""
    LEDOUT = Field(15, mode="ro")


class BCR9(Csr):
    """Full duplex (5.4)."""
    FDEN = Field(0)
    AUIFD = Field(1)
    FDRPAD = Field(2)


class IoBase(Csr):
    """Base of the ports on other buses; without effect (5.1)."""
    VALUE = Field(15, 0)


class BCR18(Csr):
    """Burst and bus control (5.5)."""
    LINBC = Field(2, 0, mode="ro", reset=1)
    TSTSHDW = Field(4, 3)
    BWRITE = Field(5)
    BREADE = Field(6)
    DWIO = Field(7, mode="ro")
    EXTREQ = Field(8)
    MEMCMD = Field(9)
    ROMTMG = Field(15, 12, reset=9)


class BCR19(Csr):
    """EEPROM control and status (5.7)."""
    EDI = Field(0)
    ESK = Field(1, reset=1)
    ECS = Field(2)
    EEN = Field(4)
    EEDET = Field(13, mode="ro", reset=1)
    PREAD = Field(14)
    PVALID = Field(15, mode="ro", reset=1)


class BCR20(Csr):
    """Software style (5.6)."""
    SWSTYLE = Field(7, 0)
    SSIZE32 = Field(8, mode="ro")
    CSRPCNET = Field(9, mode="ro", reset=1)
    APERREN = Field(10)
    held = True


class BCR22(Csr):
    """PCI latency: what MAX_LAT and MIN_GNT of configuration space show (5.8)."""
    MIN_GNT = Field(7, 0, reset=0x06)
    MAX_LAT = Field(15, 8, reset=0xFF)
    held = True


class BCR(RegisterBank):
    """The BCRs of the Am79C970A."""
    BCR0 = 0, Active
    BCR1 = 1, Active
    BCR2 = 2, BCR2
    BCR4 = 4, BCR4
    BCR5 = 5, BCR5
    BCR6 = 6, BCR6
    BCR7 = 7, BCR7
    BCR9 = 9, BCR9
    BCR16 = 16, IoBase
    BCR17 = 17, IoBase
    BCR18 = 18, BCR18
    BCR19 = 19, BCR19
    BCR20 = 20, BCR20
    BCR22 = 22, BCR22


class ISACSR(RegisterBank):
    """The ISACSRs of the Am79C960; there is no ISACSR3, and 8 stands on the Am79C961 only."""
    ISACSR0 = 0, Active
    ISACSR1 = 1, Active
    ISACSR2 = 2, ISACSR2
    ISACSR4 = 4, ISACSR4
    ISACSR5 = 5, BCR5
    ISACSR6 = 6, BCR6
    ISACSR7 = 7, BCR7


class Switch(RegisterBank):
    """Not a place but an act: what the card makes of a dword written to its data port in word mode."""
    DWIO = 0, DWIO


class Wide(RegisterBank):
    """The address PROM by words and dwords; a byte of it has an offset of its own."""
    vars().update({f"APROM_WORD{at}": (at, ApromWord) for at in range(0, 16, 2)})
    vars().update({f"APROM_DWORD{at}": (16 + at, ApromDword) for at in range(0, 16, 4)})


class PciRegisters(RegisterMap):
    """Offsets in both base address registers, in word mode; in dword mode RAP is at 0x14, RESET at 0x18, BDP at 0x1c."""
    banks = (CSR, BCR, Wide, Switch)
    vars().update({f"APROM{at}": (at, APROM) for at in range(16)})
    RAP = 0x12, RAP
    RESET = 0x14, RESET


class IsaRegisters(RegisterMap):
    """Offsets from the first port."""
    banks = (IsaCSR, ISACSR, Wide)
    vars().update({f"APROM{at}": (at, APROM) for at in range(16)})
    RAP = 0x12, RAP
    RESET = 0x14, RESET
