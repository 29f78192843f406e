# SPDX-License-Identifier: Apache-2.0
"""DMA limits of devices, as data with a name and a source. Width and boundary are independent facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from verifier.address import GIB, KIB, MIB, first_multiple_inside
from verifier.errors import UsageError


class Effect(StrEnum):
    """What a device does with an address that its limits forbid."""

    ALIAS = "alias"
    """Address bits that the device lacks are dropped; a counter without carry wraps inside its boundary window."""
    WRAP = "wrap"
    """As alias; the name the 8237 and its page register go by."""
    ELSEWHERE = "elsewhere"
    """The address means something else than RAM on the device's own bus (b44): nothing of the host is touched."""
    ABORT = "abort"
    """The cycle ends in an abort that the device reports."""
    UNDEFINED = "undefined"
    """No document says; the bed moves no byte and says so."""


class DmaKind(StrEnum):
    """Who drives the bus."""

    MASTER = "bus-master"
    SLAVE = "slave"


@dataclass(frozen=True, slots=True)
class DmaLimits:
    """The DMA limits of one device.

    *address_bits*: width of the device's address register, 1 to 64. *boundary*: a power of two that no transfer may
    cross, or 0. *window*: size of the one region that all blocks must share, or 0. *alignment*: of descriptors and
    rings, in bytes. *max_length*: bytes in one transfer. *max_segments*: fragments of one frame. *source*: the document.
    """

    name: str
    address_bits: int
    boundary: int = 0
    window: int = 0
    alignment: int = 1
    max_length: int = 1 << 16
    max_segments: int = 8
    kind: DmaKind = DmaKind.MASTER
    effect: Effect = Effect.ALIAS
    source: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.address_bits <= 64:
            raise UsageError(f"{self.address_bits} address bits: a device has 1 to 64", "give a number from 1 to 64")
        for what, value in (("boundary", self.boundary), ("window", self.window)):
            if value & (value - 1) or value < 0:
                raise UsageError(f"{what} 0x{value:x} is no power of two", f"give a power of two, or 0 for no {what}")
        if self.boundary and self.boundary < 16:
            raise UsageError(f"boundary 0x{self.boundary:x} is below 16 bytes", "give at least 16, or 0 for none")
        if self.boundary >> 64:
            raise UsageError(f"boundary 0x{self.boundary:x} is beyond every 64-bit address", "give at most 2^63, or 0 for none")

    @property
    def reach(self) -> int:
        """Number of addresses that the device can name: 2 to the power of its address bits."""
        return 1 << self.address_bits

    @property
    def last(self) -> int:
        """The last address that the device can name."""
        return self.reach - 1

    def legal(self, address: int, length: int) -> bool:
        """True if the whole transfer, last byte included, lies within width and boundary."""
        return address + length <= self.reach and (
            not self.boundary or first_multiple_inside(address, length, self.boundary) is None)

    def pieces(self, address: int, length: int) -> Iterator[tuple[int, int]]:
        """Where the bytes of a transfer really go: (address, length) pieces under `alias` and `wrap`.

        Address bits above the width are dropped; a boundary is a counter without carry, so that the byte after the
        last one before the boundary is the first one of the same window.
        """
        mask = self.last
        window = min(self.boundary or self.reach, self.reach)
        base = (address & mask) & ~(window - 1)
        offset = address & (window - 1)
        while length:
            piece = min(length, window - offset)
            yield base + offset, piece
            length -= piece
            offset = 0


PRESETS: dict[str, DmaLimits] = {
    limits.name: limits for limits in (
        DmaLimits("reference", 26, boundary=16 * MIB, alignment=16, max_length=4096, max_segments=8,
                  source="docs/nics/reference.md, section 2"),
        DmaLimits("lance-isa", 24, boundary=16 * MIB, alignment=8, max_length=4096, max_segments=8,
                  source="Am7990 and Am79C960 data sheets: 24 address lines"),
        DmaLimits("i8237", 24, boundary=64 * KIB, alignment=1, max_length=64 * KIB, max_segments=1, kind=DmaKind.SLAVE,
                  effect=Effect.WRAP, source="Intel 8237A data sheet; page register holds A16 to A23"),
        DmaLimits("b44", 30, alignment=4096, max_length=8191, max_segments=8, effect=Effect.ELSEWHERE,
                  source="Broadcom BCM4401: 1 GB PCI-to-backplane translation window"),
        DmaLimits("rtl8139", 32, alignment=4, max_length=1792, max_segments=1,
                  source="Realtek RTL8139C data sheet: one dword-aligned buffer a frame"),
        DmaLimits("e1000", 32, alignment=16, max_length=16288, max_segments=64, effect=Effect.UNDEFINED,
                  source="82540EM: 64-bit descriptors, but 32 bits on plain PCI (Linux e1000_main.c: Tx hangs beyond)"),
        DmaLimits("e1000-64k", 64, boundary=64 * KIB, alignment=16, max_length=16288, max_segments=8,
                  effect=Effect.UNDEFINED, source="Intel 82545/82546 specification update, erratum 23 (not the 82540EM)"),
        DmaLimits("tg3-40", 40, boundary=4 * GIB, alignment=8, max_length=16384, max_segments=8,
                  source="Broadcom BCM5714/5715/5780 behind the EPB bridge"),
        DmaLimits("pci32-16m", 32, boundary=16 * MIB, alignment=16, max_length=4096, max_segments=8,
                  source="the example of MmAllocateContiguousMemorySpecifyCache; no chip"),
    )
}


def preset(name: str) -> DmaLimits:
    """The preset called *name*; `UsageError` with the nearest names if there is none."""
    limits = PRESETS.get(name)
    if limits is None:
        from difflib import get_close_matches
        near = get_close_matches(name, PRESETS, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"no limits are called {name!r}", f"{hint}known: {', '.join(PRESETS)}")
    return limits


def custom(base: DmaLimits, address_bits: int | None, boundary: int | None) -> DmaLimits:
    """*base* with another width or boundary; named after what it says."""
    if address_bits is None and boundary is None:
        return base
    changed = replace(base, address_bits=address_bits if address_bits is not None else base.address_bits,
                      boundary=boundary if boundary is not None else base.boundary)
    if changed == base:
        return base
    edge = f", no transfer across 0x{changed.boundary:x}" if changed.boundary else ""
    return replace(changed, name="custom", source=f"{changed.address_bits} address bits{edge}, as asked for")
