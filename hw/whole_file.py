# SPDX-License-Identifier: Apache-2.0
"""Files that appear whole or not at all: an interrupted run loses nothing that stood there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from verifier.errors import UsageError


def write_whole(path: Path, data: bytes | bytearray, what: str) -> None:
    """Write *data* to *path* in one step: a file that stood there is replaced, or stays as it was.

    A symbolic link is followed; a device or pipe is written to directly. *what* names the file in the `UsageError` that is
    raised if it cannot be written.
    """
    try:
        target = path.resolve()
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)
        else:
            _replace(target, data, what)
    except (OSError, RuntimeError, ValueError) as error:  # resolve: a loop of links, a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"the {what} {path.name or path} cannot be written: {reason}",
                         "name a file in an existing directory that you may write to") from error


def _replace(target: Path, data: bytes | bytearray, what: str) -> None:
    """A directory of its own beside the target makes the name unique and leaves the file's mode to the umask."""
    with tempfile.TemporaryDirectory(prefix=f".{what}-", dir=target.parent) as beside:
        part = Path(beside, "part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
