# SPDX-License-Identifier: Apache-2.0
"""A small image, and the linked program from which the bed makes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from firmware import layout
from firmware.image import Segment, build
from firmware.lines import Function, Lines, Row
from firmware.target import RAM_BASE

DATA = Path(__file__).resolve().parents[1] / "data" / "firmware"
CODE = Segment(RAM_BASE, bytes(range(1, 17)), 16, True, False)
STATE = Segment(RAM_BASE + 0x100, b"\x07\x00\x00\x00", 64, False, True)
LINES = Lines((Function(RAM_BASE, 8, "start"), Function(RAM_BASE + 8, 8, "work")),
              (Row(RAM_BASE, "main.c", 10), Row(RAM_BASE + 4, "main.c", 12), Row(RAM_BASE + 8, "lib/work.c", 3), Row(RAM_BASE + 12, "", 0)))

Change = Callable[..., bytes]


@pytest.fixture
def small() -> bytes:
    """Code, state and lines."""
    return build((1, 2, 3), RAM_BASE + 4, [CODE, STATE], LINES)


@pytest.fixture
def program() -> bytes:
    """The ELF file of ``count.c``, with symbols and DWARF."""
    return (DATA / "count.elf").read_bytes()


def changed(image: bytes, *, row: int | None = None, seal: bool = True, **fields: Any) -> bytes:
    """*image* with other fields in its header, or in one *row* of its table; with *seal* its checksums are made good again."""
    header = dict(layout.header().parse(image[:layout.HEADER_BYTES]))
    end = layout.HEADER_BYTES + header["segment_count"] * layout.ROW_BYTES
    table = bytearray(image[layout.HEADER_BYTES:end])
    if row is not None:
        place = slice(row * layout.ROW_BYTES, (row + 1) * layout.ROW_BYTES)
        table[place] = layout.row().build({**layout.row().parse(bytes(table[place])), **fields})
    else:
        header.update(fields)
    if seal:
        if "table_checksum" not in fields:
            header["table_checksum"] = crc32(table)
        header["header_checksum"] = crc32(layout.header().build(header)[:layout.CHECKED_HEADER_BYTES])
    return bytes(layout.header().build(header)) + bytes(table) + image[end:]
