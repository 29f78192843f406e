# SPDX-License-Identifier: Apache-2.0
"""The program of the card forgets the upper half of an address; the driver does nothing wrong.

Wrong:    width/gather.c keeps the address of a piece in 32 bits.
Silicon:  the card fetches what lies 4 GB lower, and sends it.
Expected: contig-phys-64bit, with the line of the firmware that starts the transfer, the block that was meant, and the driver's store.
Mend:     keep all 64 bits, as firmware/src/gather.c does.
"""

from __future__ import annotations

from pathlib import Path

from miniport.smart import SmartMiniport
from miniport.smart.boot import IMAGE_FILE


class Width(SmartMiniport):
    """The miniport as it is, with another program for the card."""

    files = {IMAGE_FILE: Path(__file__).with_name("width.img").read_bytes()}
    machine = {"nic": "smart", "address_bits": 64, "ram": "8G"}
