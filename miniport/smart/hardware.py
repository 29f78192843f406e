# SPDX-License-Identifier: Apache-2.0
"""What the driver knows of the smart NIC besides the registers of the reference NIC (``docs/nics/smart.md``, section 4)."""

from __future__ import annotations

BOOT_CTRL, BOOT_STATUS, IMAGE_LO, IMAGE_HI, IMAGE_LENGTH = 0xA0, 0xA4, 0xA8, 0xAC, 0xB0
HOST_VERSION, VERSION, CAPABILITIES = 0xB4, 0xB8, 0xBC
BOOT_ERROR, ASSERTION, TRAP_PC = 0xC0, 0xCC, 0xD0

BOOT_START, BOOT_STOP = 1 << 0, 1 << 1
STATE = 0xF
ROM, FETCHING, STARTING, READY, STOPPED, REFUSED, DEAD = range(7)
"""BOOT_STATUS.STATE."""

MAJOR, SPOKEN = 16, 1 << 16
"""Where the major version stands in HOST_VERSION and VERSION, and what the driver speaks: 1.0."""
MULTICAST_HASH, STATISTICS, PADDING = 1 << 0, 1 << 1, 1 << 3
NEEDED = MULTICAST_HASH | STATISTICS | PADDING
"""Capabilities without which the card does not do what the driver tells the system of it."""

LARGEST_IMAGE = 1 << 20
BOOT_WAIT_US, BOOT_WAITS = 10, 500
"""How long to wait between two looks at BOOT_STATUS, and how many of them (section 5)."""
