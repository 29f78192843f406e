# SPDX-License-Identifier: Apache-2.0
"""The one exception tree of the bed. A message says what is wrong, a remedy says what to do."""

from __future__ import annotations


class BedError(Exception):
    """The bed itself failed (exit code 3). *remedy* says what the reader can do."""

    kind = "bed"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(BedError):
    """The caller gave something that cannot be used: a wrong option, file or value (exit code 2)."""

    kind = "usage"


class NotModelledError(BedError):
    """Something real that the bed does not model was touched; *remedy* names the page that says how to add it."""

    kind = "not-modelled"
