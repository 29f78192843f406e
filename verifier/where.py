# SPDX-License-Identifier: Apache-2.0
"""Where the miniport is: the source line of the running NDIS entry, taken cheaply and resolved only when somebody reads it.

A `Where` is a code object and an instruction offset. Taking one costs some 100 ns; turning it into ``file:line`` is left
to the reader of a finding. Frames of the bed and of the standard library are never *the miniport's line*.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from types import CodeType, FrameType

Where = tuple[CodeType, int]

_HOUSE = Path(__file__).resolve().parent.parent
_BED_FOLDERS = tuple(f"{_HOUSE / name}" + ("\\" if "\\" in str(_HOUSE) else "/") for name in
                     ("dmabed", "miniport", "allocator", "hw", "firmware", "verifier"))
_MINIPORTS = tuple(str(_HOUSE / "miniport" / name) for name in ("e1000", "pcnet", "reference", "rtl8139", "slave", "smart"))
"""Folders of miniports inside the bed."""
_FOREIGN = tuple({sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")})


class _Verdicts(dict[str, bool]):
    """Whether a file belongs to a miniport and not to the bed, the standard library or an installed package, by its name: code
    objects will not do, as equal functions of different files are equal as code objects."""

    def __missing__(self, name: str) -> bool:
        if name.startswith("<"):
            verdict = False
        elif name.startswith(_MINIPORTS):
            verdict = True
        else:
            verdict = not name.startswith(_BED_FOLDERS) and not name.startswith(_FOREIGN)
        self[name] = verdict
        return verdict


_is_miniport = _Verdicts()
_frame_of_caller = sys._getframe
_models: set[str] = set()
"""Files of models that are none of the bed's."""


def is_miniport(code: CodeType) -> bool:
    """True if *code* is the miniport's own."""
    return _is_miniport[code.co_filename]


def adopt(file: str) -> None:
    """*file* holds the model of a card: from here on its lines are not the miniport's."""
    _models.add(file)
    _is_miniport[file] = False


def of_a_model(code: CodeType) -> bool:
    """True if *code* belongs to the model of a card that is none of the bed's."""
    return code.co_filename in _models


def of_the_bed(code: CodeType) -> bool:
    """True if *code* belongs to the bed, and not to a miniport, the standard library or an installed package."""
    return code.co_filename.startswith(_BED_FOLDERS) and not is_miniport(code)


class WhereCell:
    """The cell that the upper floors write and every finding reads: is a miniport entry running, and at which line?"""

    __slots__ = ("depth",)

    def __init__(self) -> None:
        self.depth = 0
        """How many handlers of the miniport are running, nested by interrupts; 0 while the system or the NIC runs."""

    def capture(self, callers: int = 1) -> Where | None:
        """The innermost line of the miniport that is running now, or None while none of its handlers runs. The look begins
        *callers* calls up: what lies nearer is known to be the bed's."""
        if not self.depth:
            return None
        frame: FrameType | None = _frame_of_caller(callers)
        while frame is not None:
            code = frame.f_code
            if _is_miniport[code.co_filename]:
                return code, frame.f_lasti
            frame = frame.f_back
        return None


def line_of(where: Where) -> int:
    """The line number of *where* in its file."""
    code, lasti = where
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= lasti < end and number is not None:
            line = number
    return line


def where_of_function(function: object) -> Where | None:
    """The place where *function* is defined, for findings that belong to a whole handler. Of a method that a miniport inherits from the
    bed: the first function that the miniport's classes define."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return None
    owner = getattr(function, "__self__", None)
    if owner is not None and not is_miniport(code):
        for base in type(owner).__mro__:
            for own in vars(base).values():
                defined = getattr(own, "__code__", None)
                if isinstance(defined, CodeType) and is_miniport(defined):
                    return defined, 0
    return code, 0


def place(where: Where | None, base: Path | None = None) -> str | None:
    """``file:line`` without an absolute path: relative to the bed, the working directory or *base*, else the name."""
    if where is None:
        return None
    return f"{display_path(where[0].co_filename, base)}:{line_of(where)}"


def display_path(name: str, base: Path | None = None) -> str:
    """*name* as people and files see it; never absolute, so that outputs are equal on every machine."""
    path = Path(name)
    cwd = Path.cwd()
    for root in (_HOUSE, cwd, base):
        if root is not None and root.parent != root:  # relative to the root folder is as good as absolute
            try:
                return path.resolve().relative_to(root.resolve()).as_posix()
            except (ValueError, OSError):
                continue
    return path.name
