# SPDX-License-Identifier: Apache-2.0
"""Source lines of firmware as a `Where`, so that findings, reports and pictures treat them as the lines of a miniport."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from firmware.lines import Lines, SourceLine
from verifier.where import Where

_HOUSE = Path(__file__).resolve().parent.parent.parent


def _line() -> None:
    """The shape of a `Where` of firmware: its code object, with other names."""


class Source:
    """The source lines of one program."""

    __slots__ = ("_lines", "_wheres")

    def __init__(self, lines: Lines | None) -> None:
        self._lines = lines
        self._wheres: dict[int, Where] = {}

    def where(self, pc: int) -> Where:
        """The line of the instruction at *pc*. Where the image tells nothing of it, its local address stands for the file."""
        where = self._wheres.get(pc)
        if where is None:
            where = self._wheres[pc] = _where_of(self._at(pc) or SourceLine("", f"<firmware at 0x{pc:08x}>", 1))
        return where

    def text(self, pc: int) -> str:
        """``tx_frame (firmware/src/tx.c:88)``, or the local address alone."""
        return str(self._at(pc) or f"0x{pc:08x}")

    def _at(self, pc: int) -> SourceLine | None:
        line = self._lines.where(pc) if self._lines is not None else None
        return line if line is not None and line.file else None


@lru_cache(maxsize=1024)
def _where_of(line: SourceLine) -> Where:
    """A file that lies in the bed is named by its whole path, as that of a miniport is: who shows the line finds its text."""
    inside = _HOUSE / line.file
    name = str(inside) if not line.file.startswith("<") and inside.is_file() else line.file
    function = line.function or "firmware"
    # Code objects are equal whatever their files are called; a constant tells them apart.
    return _line.__code__.replace(
        co_filename=name, co_name=function, co_qualname=function, co_firstlineno=line.line, co_consts=(line.file,)), 0
