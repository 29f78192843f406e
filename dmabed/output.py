# SPDX-License-Identifier: Apache-2.0
"""What leaves the program: text on stdout, files that can be written, and what a miniport prints on the way."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from verifier.errors import BedError, UsageError

KEPT_BYTES = 1 << 16
"""How much of what a miniport prints is kept."""


class OutputLostError(BedError):
    """Stdout takes no more, so that this must be said on stderr."""

    kind = "output"


class _Kept(io.RawIOBase):
    """Keeps the first `KEPT_BYTES` of what is written to it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.cut = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        piece = bytes(data)
        room = KEPT_BYTES - len(self.data)
        self.data += piece[:room]
        self.cut = self.cut or len(piece) > room
        return len(piece)


class Printed:
    """Takes the place of stdout while code of a miniport runs."""

    def __init__(self) -> None:
        self._kept = _Kept()
        self._stream = io.TextIOWrapper(
            io.BufferedWriter(self._kept), encoding="utf-8", errors="backslashreplace", newline="\n", write_through=True)

    @contextmanager
    def taking(self) -> Iterator[None]:
        """What is printed inside is kept and not shown."""
        with redirect_stdout(self._stream):
            yield

    def lines(self) -> list[str]:
        """What was printed, by line; the last one says so if there was more than is kept."""
        self._stream.flush()
        lines = self._kept.data.decode("utf-8", "replace").splitlines()
        if self._kept.cut:
            lines[-1:] = [f"(more was printed; the first {KEPT_BYTES} bytes are kept)"]
        return lines


def json_text(data: Mapping[str, Any]) -> str:
    """*data* as one JSON object: two blanks of indentation, keys in the order of their making, nothing but ASCII."""
    return json.dumps(data, indent=2, ensure_ascii=True) + "\n"


def write_out(text: str) -> None:
    """Write to stdout. A reader that went away (``| head``) is no error; `OutputLostError` where the text cannot be written."""
    out = sys.stdout
    if out is None:
        return
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace", newline="\n")
    try:
        out.write(text)
        out.flush()
    except BrokenPipeError:
        _forget(out)
    except OSError as problem:
        _forget(out)
        raise OutputLostError(f"the result cannot be written to stdout: {problem.strerror or problem}",
                              "make room, or send stdout elsewhere") from None


def _forget(out: Any) -> None:
    """What is left in the buffer goes nowhere, so that the interpreter's last flush does not fail, too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, out.fileno())
    os.close(nowhere)


def check_writable(path: Path, option: str, *, directory: bool) -> None:
    """`UsageError` if the file *path*, or with *directory* the folder *path*, could not be written. Leaves nothing behind."""
    try:
        target = path.resolve()
        if directory:
            _check_folder(target, option, path)
            if (target / "index.html").is_dir():
                raise UsageError(f"{option}: {path / 'index.html'} is a folder", "name another folder")
        elif target.is_dir():
            raise UsageError(f"{option}: {path} is a folder", "name a file")
        elif target.exists() and not target.is_file():
            if not os.access(target, os.W_OK):
                raise UsageError(f"{option}: {path} cannot be written", "name a file that you may write to")
        elif not target.parent.is_dir():
            raise UsageError(f"{option}: there is no folder {path.parent}", "make the folder first, or name a file in another one")
        else:
            _try(target.parent)
    except (OSError, RuntimeError, ValueError) as problem:  # resolve: a loop of links, a NUL in the name
        reason = getattr(problem, "strerror", None) or str(problem)
        raise UsageError(f"{option}: {path} cannot be written: {reason}", "name a place that you may write to") from None


def _check_folder(target: Path, option: str, path: Path) -> None:
    there = next(folder for folder in (target, *target.parents) if folder.exists())
    if not there.is_dir():
        raise UsageError(f"{option}: {path} is no folder, or lies below a file", "name a folder; it is made where it does not exist")
    _try(there)


def _try(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder):
        pass
