# SPDX-License-Identifier: Apache-2.0
"""Cards that run firmware, and what of a card's own memory a program may be loaded to. Data sheet: ``docs/nics/smart.md``."""

from __future__ import annotations

from dataclasses import dataclass

TARGET_SMART = 1
"""Target id of images for the NIC ``smart``."""
RAM_BASE = 0x1000_0000
"""Local address of the card's RAM."""
RAM_BYTES = 256 * 1024
DEVICES_BASE = 0x4000_0000
"""Local address from which the card's devices answer: DMA engine, mailbox, timer and the rest."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an image has to fit: *name* of the card, local address and size of its RAM in bytes."""

    name: str
    ram_base: int
    ram_bytes: int


TARGETS = {TARGET_SMART: Target("smart", RAM_BASE, RAM_BYTES)}
"""All targets by the id that stands in the header of an image."""
