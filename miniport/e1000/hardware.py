# SPDX-License-Identifier: Apache-2.0
"""What the driver knows of the 82540EM: offsets, bits and the layout of a descriptor (``docs/nics/e1000.md``)."""

from __future__ import annotations

import struct

from miniport.reference.hardware import Limits

CTRL, STATUS, EERD = 0x00000, 0x00008, 0x00014
ICR, IMS, IMC = 0x000C0, 0x000D0, 0x000D8
RCTL, TCTL, TIPG = 0x00100, 0x00400, 0x00410
RDBAL, RDBAH, RDLEN, RDH, RDT = 0x02800, 0x02804, 0x02808, 0x02810, 0x02818
TDBAL, TDBAH, TDLEN, TDH, TDT = 0x03800, 0x03804, 0x03808, 0x03810, 0x03818
TIDV, TADV = 0x03820, 0x0382C
MPC, ECOL, LATECOL, GPRC, GPTC = 0x04010, 0x04018, 0x04020, 0x04074, 0x04080
MTA, RAL0, RAH0 = 0x05200, 0x05400, 0x05404

CTRL_FD, CTRL_ASDE, CTRL_SLU, CTRL_RST = 1 << 0, 1 << 5, 1 << 6, 1 << 26
STATUS_LU, STATUS_SPEED = 1 << 1, 3 << 6
SPEEDS = (100_000, 1_000_000, 10_000_000, 10_000_000)
"""What STATUS.SPEED says, in units of 100 bit/s as OID_GEN_LINK_SPEED has it."""
EERD_START, EERD_DONE = 1 << 0, 1 << 4
EEPROM_WORDS, EEPROM_SUM = 64, 0xBABA
CAUSES = 1 << 0 | 1 << 2 | 1 << 6 | 1 << 7
"""TXDW, LSC, RXO and RXT0: what this driver wants to be told."""
EVERY_CAUSE = 0xFFFFFFFF
RCTL_EN, RCTL_UPE, RCTL_MPE, RCTL_BAM, RCTL_SECRC = 1 << 1, 1 << 3, 1 << 4, 1 << 15, 1 << 26
"""BSIZE stays 0: buffers of 2048 bytes."""
TCTL_EN, TCTL_PSP = 1 << 1, 1 << 3
TCTL_FULL_DUPLEX = 0x0F << 4 | 0x40 << 12
"""Collision threshold and distance as the manual recommends them for full duplex."""
TIPG_COPPER = 10 | 8 << 10 | 6 << 20
"""Gaps for copper: IPGT, IPGR1 and IPGR2."""
RAH_AV = 1 << 31
MTA_REGISTERS = 128

DESCRIPTOR = struct.Struct("<QHBBI")
"""A transmit descriptor: address, length, checksum offset, command, and the dword that the card writes back."""
EMPTY = struct.Struct("<QQ")
"""A receive descriptor for the card: address, and zeros where the card will say what it received."""
DESCRIPTOR_BYTES = 16
COMMAND = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 7
"""EOP, IFCS, RS and IDE: a whole frame, with check sequence, to be reported, not at once."""
STATE = 12
"""Offset of status and errors in either descriptor."""
DD, EC, LC = 1 << 0, 1 << 1, 1 << 2
LENGTH = 8
END, ERRORS = 1 << 1, 0xFF << 8
"""In the dword at `STATE` of a receive descriptor: EOP, and every error bit."""

GONE = 0xFFFFFFFF
"""What every register reads as when the card was pulled out."""
LIMITS = Limits(address_bits=32, boundary=0, alignment=16, lowest=1)
"""Descriptors and registers have 64 bits, but the card is plain PCI: 32 are sure. Rings begin at multiples of 16. A descriptor with the
address 0 has no buffer for the card."""
