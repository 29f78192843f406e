# SPDX-License-Identifier: Apache-2.0
"""Addresses and spans: the one place where address arithmetic lives.

Three kinds of address never mix: the *physical* address that the processor's page tables hold, the *logical*
address that a device puts on its bus, and the *virtual* address that the miniport's code uses. They are distinct
types for the type checker and plain integers at run time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

PhysicalAddress = NewType("PhysicalAddress", int)
LogicalAddress = NewType("LogicalAddress", int)
VirtualAddress = NewType("VirtualAddress", int)

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
PAGE_MASK = PAGE_SIZE - 1

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40


def pages_for(size: int) -> int:
    """Number of whole pages that hold *size* bytes."""
    return (size + PAGE_MASK) >> PAGE_SHIFT


def first_multiple_inside(start: int, size: int, boundary: int) -> int | None:
    """The first multiple of *boundary* that [start, start+size) crosses, or None; 0 means no boundary."""
    if not boundary or size <= 0:
        return None
    crossing = (start // boundary + 1) * boundary
    return crossing if crossing < start + size else None


def hex_address(address: int) -> str:
    """``0x00fff000``: eight digits, sixteen where the address needs more than 32 bits."""
    return f"0x{address:016x}" if address >> 32 else f"0x{address:08x}"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A run of bytes: *start* address and *size* in bytes (at least 1)."""

    start: int
    size: int

    @property
    def last(self) -> int:
        """Address of the last byte."""
        return self.start + self.size - 1

    @property
    def end(self) -> int:
        """Address one beyond the last byte."""
        return self.start + self.size

    def crosses(self, boundary: int) -> bool:
        """True if the span holds a multiple of *boundary* other than at its first byte; 0 means none."""
        return first_multiple_inside(self.start, self.size, boundary) is not None

    def overlaps(self, other: Span) -> bool:
        """True if both spans share a byte."""
        return self.start < other.end and other.start < self.end

    def contains(self, other: Span) -> bool:
        """True if every byte of *other* lies in this span."""
        return self.start <= other.start and other.end <= self.end

    def __str__(self) -> str:
        return f"{hex_address(self.start)}..{hex_address(self.last)} (0x{self.size:x} bytes)"
