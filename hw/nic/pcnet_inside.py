# SPDX-License-Identifier: Apache-2.0
"""CSRs that show what the buffer management unit of a PCnet card works with; data sheet ``docs/nics/pcnet.md``, 4.10 to 4.14.

Drivers do not use them but for dumps. They are worked out of the rings when somebody reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.nic.owned_ring import OwnedRing

if TYPE_CHECKING:
    from hw.nic.pcnet_base import PcnetBase

CURRENT, NEXT, AFTER_NEXT, PREVIOUS = 0, 1, 2, -1

DESCRIPTORS = {26: ("rx", NEXT), 28: ("rx", CURRENT), 36: ("rx", AFTER_NEXT), 32: ("tx", NEXT), 34: ("tx", CURRENT),
               38: ("tx", AFTER_NEXT), 60: ("tx", PREVIOUS)}
"""First of two CSRs with the address of a descriptor: its ring, and how far it stands from the current one."""
BUFFERS = {18: ("rx", CURRENT), 20: ("tx", CURRENT), 22: ("rx", NEXT), 64: ("tx", NEXT)}
"""First of two CSRs with the address of a buffer."""
COUNTS = {40: ("rx", CURRENT), 42: ("tx", CURRENT), 44: ("rx", NEXT), 62: ("tx", PREVIOUS), 66: ("tx", NEXT)}
"""First of two CSRs with byte count and flags of a descriptor."""
COUNTERS = {72: ("rx", 76), 74: ("tx", 78)}
"""Ring counters, and the CSR of the length of their ring."""


def inside(nic: PcnetBase, number: int) -> int | None:
    """What CSR *number* shows; None if it is a register like others."""
    low = number if number in DESCRIPTORS or number in BUFFERS or number in COUNTS else number - 1
    if low in DESCRIPTORS:
        ring, index = _place(nic, *DESCRIPTORS[low])
        return (ring.address(index) if ring.length else 0) >> 16 * (number - low) & 0xFFFF
    if low in BUFFERS or low in COUNTS:
        ring, index = _place(nic, *(BUFFERS.get(low) or COUNTS[low]))
        raw, style = ring.taken.get(index), nic.style
        if raw is None:
            return 0
        entry = style.parse(raw[style.first:style.first + style.fetched])
        if low in BUFFERS:
            return entry.address >> 16 * (number - low) & 0xFFFF
        return entry.flags if number > low else entry.count
    if number in COUNTERS:
        name, length = COUNTERS[number]
        ring = getattr(nic, name)
        return nic.csr(length) + ring.next & 0xFFFF if nic.csr(length) else 0
    return None


def _place(nic: PcnetBase, name: str, distance: int) -> tuple[OwnedRing, int]:
    ring: OwnedRing = getattr(nic, name)
    return ring, (ring.next + distance) % (ring.length or 1)
