# SPDX-License-Identifier: Apache-2.0
"""What the driver knows of the RTL8139C: offsets, bits and the header of a received packet (``docs/nics/rtl8139.md``)."""

from __future__ import annotations

import struct

IDR0, IDR4, MAR0, MAR4 = 0x00, 0x04, 0x08, 0x0C
TSD, TSAD, RBSTART = 0x10, 0x20, 0x30
CR, CAPR, IMR, ISR, TCR, RCR = 0x37, 0x38, 0x3C, 0x3E, 0x40, 0x44
MPC, EECR, MSR, MULINT = 0x4C, 0x50, 0x58, 0x5C

CR_BUFE, CR_TE, CR_RE, CR_RST = 1 << 0, 1 << 2, 1 << 3, 1 << 4
ISR_LINK, ISR_SERR = 1 << 5, 1 << 15
ALL_CAUSES = 0x807F
"""ROK, RER, TOK, TER, RXOVW, PUN/LinkChg, FOVW and SERR."""
MSR_LINKB = 1 << 2

TSD_OWN, TSD_TUN, TSD_TOK, TSD_TABT = 1 << 13, 1 << 14, 1 << 15, 1 << 30
THRESHOLD_SHIFT, THRESHOLD_MOST = 16, 63
"""TSD.ERTXTH: how many times 32 bytes are in the FIFO before a frame starts."""

TCR_CONFIG = 3 << 24 | 6 << 8
"""The gap between frames of IEEE 802.3, bursts of 1024 bytes."""
TCR_CLRABT = 1 << 0

RING_BYTES = 16 * 1024
RCR_CONFIG = 7 << 13 | 1 << 11 | 6 << 8
"""No FIFO threshold, a ring of 16 KB that frames wrap around in, bursts of 1024 bytes."""
RCR_AAP, RCR_APM, RCR_AM, RCR_AB = 1 << 0, 1 << 1, 1 << 2, 1 << 3

HEADER = struct.Struct("<HH")
"""Status, and length with the check sequence."""
ROK = 1 << 0
CRC_BYTES = 4
UNFINISHED = 0xFFF0
"""The length in a header while the card still copies: no data sheet tells of it."""
CAPR_BEHIND = 16

EEM_PROGRAM, EECS, EESK, EEDI, EEDO = 2 << 6, 1 << 3, 1 << 2, 1 << 1, 1 << 0
EEPROM_READ, EEPROM_ADDRESS_BITS, EEPROM_ID = 0b110, 6, 0x8129

GONE_BYTE, GONE_WORD, GONE = 0xFF, 0xFFFF, 0xFFFFFFFF
"""What registers read as when the card was pulled out."""
