# SPDX-License-Identifier: Apache-2.0
"""``dmabed new``: a folder to start from, with a miniport, its tests, a job for continuous integration and a README.

The texts lie in ``dmabed/templates``; the miniport is the one of ``docs/write-a-miniport.md``, and a test holds both together.
"""

from __future__ import annotations

from pathlib import Path

from verifier.errors import UsageError

FILES = {
    "mynic.py": "mynic.py.txt", "test_mynic.py": "test_mynic.py.txt", "README.md": "README.md.txt",
    ".github/workflows/miniport.yml": "miniport.yml.txt",
}
"""Each file of the folder, and its template."""

_TEMPLATES = Path(__file__).with_name("templates")


def create(folder: Path) -> tuple[Path, ...]:
    """Make *folder*, which must not exist or be empty, and fill it; returns its files. `UsageError`, with everything as it was,
    where that cannot be."""
    made: list[Path] = []
    try:
        if folder.is_dir():
            there = sorted(entry.name for entry in folder.iterdir())
            if there:
                more = f" and {len(there) - 1} more" if there[1:] else ""
                raise UsageError(f"{folder} is not empty: it holds {there[0]}{more}", "name a folder that does not exist or is empty")
        elif folder.exists() or folder.is_symlink():
            raise UsageError(f"{folder} is there and no folder", "name a folder that does not exist or is empty")
        texts = {folder / name: (_TEMPLATES / template).read_bytes() for name, template in FILES.items()}
        for file, text in texts.items():
            made += _make_folder(file.parent)
            with file.open("xb") as target:
                made.append(file)
                target.write(text)
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the name
        _unmake(made)
        reason = getattr(problem, "strerror", None) or str(problem)
        raise UsageError(f"{folder} cannot be filled: {reason}", "name a place that you may write to") from None
    return tuple(texts)


def _make_folder(folder: Path) -> list[Path]:
    """Make *folder* and what is missing above it; returns what was made, from the top down."""
    missing = [level for level in (folder, *folder.parents) if not level.exists()][::-1]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _unmake(made: list[Path]) -> None:
    for path in reversed(made):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
