# SPDX-License-Identifier: Apache-2.0
"""Firmware images: made by `build`, read and checked by `parse`. The layout stands in `firmware.layout`.

Whatever is wrong with an image is an `ImageError` with the reason, and nothing else ever comes out of `header_of` and `parse`: a
card and a tool can hand them any bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zlib import crc32

from firmware import layout
from firmware.errors import ImageError
from firmware.layout import CHECKED_HEADER_BYTES, FORMAT, HEADER_BYTES, MAGIC, MAX_IMAGE_BYTES, MAX_SEGMENTS, ROW_BYTES, Flag, Kind
from firmware.lines import Lines, SourceLine, build_lines, parse_lines
from firmware.target import TARGET_SMART, TARGETS, Target

__all__ = ["HEADER_BYTES", "TARGET_SMART", "Header", "Image", "ImageError", "Lines", "Segment", "SourceLine", "build", "header_of", "parse"]


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an image: *version* major, minor, patch; *entry* a local address; *total_length* of the image in bytes."""

    version: tuple[int, int, int]
    target: int
    entry: int
    segment_count: int
    total_length: int
    table_checksum: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of a program: *data* goes to local *address*; up to *memory_length* bytes in all, what follows it is zero."""

    address: int
    data: bytes
    memory_length: int
    executable: bool
    writable: bool


@dataclass(frozen=True, slots=True)
class Image:
    """A whole image that fits its target: what is loaded, where it is entered, and its source lines if it names them."""

    version: tuple[int, int, int]
    entry: int
    segments: tuple[Segment, ...]
    lines: Lines | None


@lru_cache(maxsize=32)
def header_of(data: bytes, target: int = TARGET_SMART) -> Header:
    """The header of an image, from its first `HEADER_BYTES` bytes on; *data* may end there. `ImageError` unless it is that of an
    image of this format for *target*."""
    _target_of(target)
    if len(data) < HEADER_BYTES:
        raise ImageError(f"the image ends after {len(data)} bytes; a header has {HEADER_BYTES}")
    raw = layout.header().parse(data[:HEADER_BYTES])
    if raw.magic != MAGIC:
        raise ImageError(f"the first bytes are {raw.magic.hex(' ')}, no image begins so: {MAGIC.hex(' ')} are due")
    if raw.format != FORMAT:
        raise ImageError(f"the image has format {raw.format}; format {FORMAT} is read")
    if raw.header_length != HEADER_BYTES:
        raise ImageError(f"the header states a length of {raw.header_length} bytes; one of format {FORMAT} has {HEADER_BYTES}")
    _checksum("the header", data[:CHECKED_HEADER_BYTES], raw.header_checksum)
    if raw.target != target:
        raise ImageError(f"the image is for target {_target_name(raw.target)}, not for {_target_name(target)}")
    if not 1 <= raw.segment_count <= MAX_SEGMENTS:
        raise ImageError(f"the header states {raw.segment_count} segments; 1 to {MAX_SEGMENTS} are allowed")
    if raw.total_length > MAX_IMAGE_BYTES:
        raise ImageError(f"the header states {raw.total_length} bytes in all; an image has {MAX_IMAGE_BYTES} at most")
    if raw.total_length < HEADER_BYTES + raw.segment_count * ROW_BYTES:
        raise ImageError(f"the header states {raw.total_length} bytes in all, less than header and {raw.segment_count} segments take")
    return Header((raw.major, raw.minor, raw.patch), raw.target, raw.entry, raw.segment_count, raw.total_length, raw.table_checksum)


@lru_cache(maxsize=8)
def parse(data: bytes, target: int = TARGET_SMART) -> Image:
    """Read and check a whole image for *target* (a key of `firmware.target.TARGETS`): the same bytes give the same object."""
    header = header_of(data[:HEADER_BYTES], target)
    if len(data) != header.total_length:
        raise ImageError(f"the header states {header.total_length} bytes in all; there are {len(data)}")
    at = HEADER_BYTES + header.segment_count * ROW_BYTES
    table = data[HEADER_BYTES:at]
    _checksum("the segment table", table, header.table_checksum)
    segments: list[Segment] = []
    lines: Lines | None = None
    for number in range(header.segment_count):
        row = layout.row().parse(table[number * ROW_BYTES:(number + 1) * ROW_BYTES])
        if row.file_length > len(data) - at:
            raise ImageError(f"segment {number} has {row.file_length} bytes; {len(data) - at} are left in the image")
        payload = data[at:at + row.file_length]
        at += row.file_length
        _checksum(f"segment {number}", payload, row.checksum)
        if lines is not None:
            raise ImageError(f"segment {number} stands behind the line table, which comes last")
        if row.kind == Kind.LINES:
            if row.flags or row.address or row.memory_length:
                raise ImageError(f"segment {number} is a line table: its flags, address and memory length have to be 0")
            lines = parse_lines(payload)
        else:
            segments.append(_segment(number, row, payload))
    if at != len(data):
        raise ImageError(f"{len(data) - at} bytes follow the last segment")
    _check_program(segments, header.entry, _target_of(target))
    return Image(header.version, header.entry, tuple(segments), lines)


def build(version: tuple[int, int, int], entry: int, segments: Iterable[Segment], lines: Lines | None = None,
          target: int = TARGET_SMART) -> bytes:
    """The bytes of an image. `ImageError` if no card of *target* could take it."""
    if not all(0 <= part <= 0xFFFF for part in version):
        raise ImageError(f"version {'.'.join(map(str, version))}: each part is 0 to 65535", "give another version: --version X.Y.Z")
    _target_of(target)
    if not 0 <= entry < 1 << 32:
        raise ImageError(f"the entry 0x{entry:x} is no address of 32 bits")
    rows, payloads = [], []
    for one in segments:
        if not 0 <= one.address < 1 << 32 or one.memory_length >= 1 << 32:
            raise ImageError(f"a segment at 0x{one.address:x} with {one.memory_length} bytes is not within 32 bits")
        flags = Flag.EXECUTABLE * one.executable | Flag.WRITABLE * one.writable
        rows.append((Kind.LOAD, flags, one.address, len(one.data), one.memory_length, crc32(one.data)))
        payloads.append(one.data)
    if lines is not None:
        table = build_lines(lines)
        rows.append((Kind.LINES, 0, 0, len(table), 0, crc32(table)))
        payloads.append(table)
    names = ("kind", "flags", "address", "file_length", "memory_length", "checksum")
    table = b"".join(layout.row().build(dict(zip(names, row, strict=True))) for row in rows)
    total = HEADER_BYTES + len(table) + sum(map(len, payloads))
    fields = {"magic": MAGIC, "format": FORMAT, "header_length": HEADER_BYTES, "major": version[0], "minor": version[1],
              "patch": version[2], "target": target, "entry": entry, "segment_count": len(rows), "total_length": total,
              "table_checksum": crc32(table), "header_checksum": 0}
    fields["header_checksum"] = crc32(layout.header().build(fields)[:CHECKED_HEADER_BYTES])
    data = b"".join([layout.header().build(fields), table, *payloads])
    parse(data, target)
    return data


def _segment(number: int, row: Any, payload: bytes) -> Segment:
    """A LOAD segment whose own figures are sound."""
    if row.kind != Kind.LOAD:
        raise ImageError(f"segment {number} has kind {row.kind}; {Kind.LOAD:d} (LOAD) and {Kind.LINES:d} (LINES) are known")
    if row.flags > Flag.EXECUTABLE | Flag.WRITABLE:
        raise ImageError(f"segment {number} has flags 0x{row.flags:x}; 0x{Flag.EXECUTABLE:x} and 0x{Flag.WRITABLE:x} are known")
    if not row.memory_length:
        raise ImageError(f"segment {number} takes no memory")
    if row.memory_length < row.file_length:
        raise ImageError(f"segment {number} has {row.file_length} bytes and room for {row.memory_length}")
    if (row.address | row.file_length | row.memory_length) % 4:
        raise ImageError(f"segment {number} at 0x{row.address:x} with {row.file_length} of {row.memory_length} bytes is not made of whole "
                         "aligned words")
    return Segment(row.address, payload, row.memory_length, bool(row.flags & Flag.EXECUTABLE), bool(row.flags & Flag.WRITABLE))


def _check_program(segments: list[Segment], entry: int, target: Target) -> None:
    """The segments lie apart in the RAM of the card, and the entry in code of one of them."""
    if not segments:
        raise ImageError("the image holds no program")
    end_of_ram = target.ram_base + target.ram_bytes
    for number, one in enumerate(segments):
        if one.address < target.ram_base or one.address + one.memory_length > end_of_ram:
            raise ImageError(f"segment {number} goes from 0x{one.address:x} to 0x{one.address + one.memory_length:x}; the RAM of "
                             f"{target.name} is 0x{target.ram_base:x} to 0x{end_of_ram:x}")
        for other, two in enumerate(segments[:number]):
            if one.address < two.address + two.memory_length and two.address < one.address + one.memory_length:
                raise ImageError(f"segments {other} and {number} overlap at 0x{max(one.address, two.address):x}")
    if entry % 4:
        raise ImageError(f"the entry 0x{entry:x} is no multiple of 4")
    if not any(one.executable and one.address <= entry < one.address + len(one.data) for one in segments):
        raise ImageError(f"the entry 0x{entry:x} lies in no executable segment")


def _checksum(what: str, data: bytes, due: int) -> None:
    found = crc32(data)
    if found != due:
        raise ImageError(f"the checksum of {what} is 0x{found:08x}; 0x{due:08x} is due")


def _target_of(target: int) -> Target:
    if target not in TARGETS:
        raise ImageError(f"there is no target {target}", f"known: {', '.join(map(_target_name, TARGETS))}")
    return TARGETS[target]


def _target_name(target: int) -> str:
    return f"{target} ({TARGETS[target].name})" if target in TARGETS else str(target)
