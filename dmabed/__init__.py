# SPDX-License-Identifier: Apache-2.0
"""The bed: puts a machine together, runs one life of a miniport on it, and says what it saw.

The import packages are the top-level folders of the project. A folder of the same name beside a user's script would
shadow one of ours, so the first use checks that all of them lie beside this one.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

__version__ = "0.1.0"

_SIBLINGS = ("verifier", "firmware", "hw", "allocator", "miniport")


class SiblingShadowedError(ImportError):
    """A folder of the user's hides one of the bed's packages. No `BedError`: that class may be what is hidden."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def check_siblings() -> None:
    """`SiblingShadowedError` with the remedy if a folder of the user's shadows one of the bed's packages. The command line and the
    pytest plugin call it before they import anything else; importing `dmabed` itself never fails."""
    house = Path(__file__).resolve().parent.parent
    for name in _SIBLINGS:
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin is not None else None
        if origin is None or origin.parent.parent != house:
            found = origin.parent if origin is not None else "a folder without __init__.py"
            raise SiblingShadowedError(
                f"the package {name!r} of dmabed is shadowed by {found}",
                f"run from another folder, or rename your {name}/ folder: dmabed needs its own beside dmabed/")
