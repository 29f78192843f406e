# SPDX-License-Identifier: Apache-2.0
"""Accesses that meet a part of a register, or several registers side by side in one cycle.

A PCI card sees byte enables, not registers: a dword read of two words is one cycle. A map that sets `RegisterMap.joins` lets any
aligned access of 1, 2 or 4 bytes through that its registers allow: a register that is met in part says with `Register.splits` whether
it may be read or written so. Bytes that no register has read 0 and are reserved. A write of a part leaves the register's other bytes
as they are; a bit there that a written one acts on is not acted on.
"""

from __future__ import annotations

from typing import Any

from hw.register import Register, RegisterFile, Slot

SIZES = (1, 2, 4)

Piece = tuple[Slot, int, int, int]
"""(register, its first byte that is met, number of bytes, place of the first one in the access)"""


class Joined(Register):
    """Stands for the registers of one access."""


def joined(device: type[RegisterFile], offset: int, size: int, writes: bool) -> Slot | None:
    """The slot that stands for an access of *size* bytes at *offset*, named after the first register it meets. Where the data sheet
    forbids the access: a register that it meets and whose width differs from *size*. None where there is no such register."""
    key = offset, size, writes
    if key not in device.parts:
        device.parts[key] = _join(device, offset, size, writes)
    return device.parts[key]


def parts_of(slot: Slot, value: int) -> list[tuple[str, int]]:
    """(name, value) of each register that a write of *value* to *slot* reaches."""
    if not slot.pieces:
        return [(slot.name, value)]
    return [(piece.name, _bytes(value, at, count) << 8 * first) for piece, first, count, at in slot.pieces]


def _join(device: type[RegisterFile], offset: int, size: int, writes: bool) -> Slot | None:
    pieces: list[Piece] = []
    for slot in device.slots.values():
        start, end = max(slot.offset, offset), min(slot.offset + slot.width, offset + size)
        if start < end:
            pieces.append((slot, start - slot.offset, end - start, start - offset))
    pieces.sort(key=lambda piece: piece[3])
    if not pieces:
        return None
    first = pieces[0][0]
    kind = "w" if writes else "r"
    if size not in SIZES or offset % size or any(count < slot.width and kind not in slot.register.splits for slot, _, count, _ in pieces):
        return next((slot for slot, _, _, _ in pieces if slot.width != size), None)
    covered = sum(((1 << 8 * count) - 1) << 8 * at for _, _, count, at in pieces)
    everything = (1 << 8 * size) - 1
    reserved = everything & ~covered
    for slot, skipped, count, at in pieces:
        reserved |= _bytes(slot.reserved, skipped, count) << 8 * at
    return Slot(
        len(device.registers.slots), offset, first.name, Joined, everything, 0, 0, 0, 0, 0, everything, reserved, 0, True, True, size,
        any(slot.register.arms for slot, _, _, _ in pieces), _reader(pieces), _writer(pieces), pieces=tuple(pieces))


def _bytes(value: int, first: int, count: int) -> int:
    return value >> 8 * first & (1 << 8 * count) - 1


def _reader(pieces: list[Piece]) -> Any:
    def read(device: RegisterFile, value: int) -> int:
        return sum(_bytes(device.read_register(slot), first, count) << 8 * at for slot, first, count, at in pieces)
    return read


def _writer(pieces: list[Piece]) -> Any:
    def write(device: RegisterFile, old: int, new: int) -> None:
        for slot, first, count, at in pieces:
            mask = ((1 << 8 * count) - 1) << 8 * first
            kept = device.values[slot.index] & slot.writable & ~mask
            device.write_register(slot, kept | _bytes(new, at, count) << 8 * first)
    return write
