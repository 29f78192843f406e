# SPDX-License-Identifier: Apache-2.0
"""The bytes of an image: header, segment table, payloads. ``docs/firmware.md`` shows them as a map.

The header is checked by its last word, the table by a word of the header, each payload by a word of its row. Payloads follow the
table in the order of their rows, without gaps. `construct` is imported where a layout is asked for.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from functools import cache
from typing import Any

MAGIC = b"DBFW"
FORMAT = 1
HEADER_BYTES = 36
ROW_BYTES = 20
CHECKED_HEADER_BYTES = 32
"""The header checksum is the CRC-32 of the bytes before it."""
MAX_SEGMENTS = 16
MAX_IMAGE_BYTES = 1 << 20


class Kind(IntEnum):
    """What a segment is: part of the program, or the table of source lines that nobody loads."""

    LOAD = 1
    LINES = 2


class Flag(IntFlag):
    """What the program may do with a segment besides reading it."""

    EXECUTABLE = 1
    WRITABLE = 2


@cache
def header() -> Any:
    """The header, a `construct.Struct` of `HEADER_BYTES` bytes, little endian."""
    from construct import Bytes, Int16ul, Int32ul, Struct

    return Struct(
        "magic" / Bytes(4),
        "format" / Int16ul,
        "header_length" / Int16ul,
        "major" / Int16ul,
        "minor" / Int16ul,
        "patch" / Int16ul,
        "target" / Int16ul,
        "entry" / Int32ul,
        "segment_count" / Int32ul,
        "total_length" / Int32ul,
        "table_checksum" / Int32ul,
        "header_checksum" / Int32ul,
    )


@cache
def row() -> Any:
    """One row of the segment table, a `construct.Struct` of `ROW_BYTES` bytes, little endian."""
    from construct import Int16ul, Int32ul, Struct

    return Struct(
        "kind" / Int16ul,
        "flags" / Int16ul,
        "address" / Int32ul,
        "file_length" / Int32ul,
        "memory_length" / Int32ul,
        "checksum" / Int32ul,
    )
