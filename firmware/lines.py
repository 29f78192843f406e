# SPDX-License-Identifier: Apache-2.0
"""The table of an image that names function, file and line of an address: so the bed names source lines without the ELF.

Layout, all words little endian: number of functions, number of rows, bytes of text; then the functions (first address, length,
offset of the name in the text), the rows (first address, offset of the file's name, line), and the text: names in UTF-8, each ended
by a zero byte. Functions and rows stand in the order of their addresses. A row is good up to the next one; a row with line 0 ends
what is known.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise

from firmware.errors import ImageError

_COUNTS = struct.Struct("<III")
_ENTRY = struct.Struct("<III")
MAX_ENTRIES = 65_536
"""More functions or rows than this are refused."""


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A place in the source of a firmware: *function* and *file* are empty and *line* is 0 where nothing is known of them."""

    function: str
    file: str
    line: int

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file else "?"
        return f"{self.function} ({place})" if self.function else place


@dataclass(frozen=True, slots=True)
class Function:
    """The addresses of one function."""

    address: int
    length: int
    name: str


@dataclass(frozen=True, slots=True)
class Row:
    """From *address* on the code is that of *line* of *file*; with line 0 nothing is known of it."""

    address: int
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Lines:
    """Functions and rows of one image, each in the order of their addresses."""

    functions: tuple[Function, ...]
    rows: tuple[Row, ...]
    _function_starts: list[int] = field(init=False, repr=False, compare=False)
    _row_starts: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_function_starts", _ordered("functions", [one.address for one in self.functions]))
        object.__setattr__(self, "_row_starts", _ordered("rows", [one.address for one in self.rows]))

    def where(self, pc: int) -> SourceLine | None:
        """Function, file and line of the instruction at *pc*; None if nothing is known of it."""
        at = bisect_right(self._function_starts, pc) - 1
        function = self.functions[at] if at >= 0 else None
        name = function.name if function is not None and pc - function.address < function.length else ""
        at = bisect_right(self._row_starts, pc) - 1
        row = self.rows[at] if at >= 0 else None
        if row is None or not row.line:
            return SourceLine(name, "", 0) if name else None
        return SourceLine(name, row.file, row.line)


def _ordered(what: str, addresses: list[int]) -> list[int]:
    if len(addresses) > MAX_ENTRIES:
        raise ImageError(f"the line table has {len(addresses)} {what}; {MAX_ENTRIES} are allowed")
    if any(a >= b for a, b in pairwise(addresses)):
        raise ImageError(f"the {what} of the line table do not stand in the order of their addresses")
    return addresses


def build_lines(lines: Lines) -> bytes:
    """The table as bytes, a multiple of four."""
    text = bytearray()
    places: dict[str, int] = {}

    def place(name: str) -> int:
        if name not in places:
            places[name] = len(text)
            text.extend(name.encode() + b"\0")
        return places[name]

    try:
        body = b"".join([*(_ENTRY.pack(one.address, one.length, place(one.name)) for one in lines.functions),
                         *(_ENTRY.pack(one.address, place(one.file), one.line) for one in lines.rows)])
    except struct.error:
        raise ImageError("the line table holds an address, length or line that is not within 32 bits") from None
    text.extend(bytes(-len(text) % 4))
    return _COUNTS.pack(len(lines.functions), len(lines.rows), len(text)) + body + text


def parse_lines(data: bytes) -> Lines:
    """Read the table; `ImageError` says what is wrong with it."""
    if len(data) < _COUNTS.size:
        raise ImageError(f"the line table has {len(data)} bytes; its counts alone take {_COUNTS.size}")
    functions, rows, text_bytes = _COUNTS.unpack_from(data)
    due = _COUNTS.size + (functions + rows) * _ENTRY.size + text_bytes
    if due != len(data):
        raise ImageError(f"the line table tells of {functions} functions, {rows} rows and {text_bytes} bytes of text, {due} bytes in "
                         f"all; it has {len(data)}")
    text = data[len(data) - text_bytes:]
    middle = _COUNTS.size + functions * _ENTRY.size
    names: dict[int, str] = {}

    def name(offset: int) -> str:
        if offset not in names:
            end = text.find(b"\0", offset)
            if end < 0:
                raise ImageError(f"the line table names a text at {offset}, which does not end within its {text_bytes} bytes")
            try:
                names[offset] = text[offset:end].decode()
            except UnicodeDecodeError:
                raise ImageError(f"the text at {offset} of the line table is not UTF-8") from None
        return names[offset]

    return Lines(tuple(Function(address, length, name(at)) for address, length, at in _ENTRY.iter_unpack(data[_COUNTS.size:middle])),
                 tuple(Row(address, name(at), line) for address, at, line in _ENTRY.iter_unpack(data[middle:len(data) - text_bytes])))
