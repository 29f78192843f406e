# SPDX-License-Identifier: Apache-2.0
"""What a cause is known by, though lines move: rule, function, the text of the source line, and whose memory it was."""

from __future__ import annotations

import hashlib
import linecache
import re

from verifier.findings import Finding
from verifier.where import line_of

_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|#?\d+")
LENGTH = 12
"""Hexadecimal digits of a fingerprint."""


def fingerprint_of(finding: Finding) -> str:
    """Twelve hexadecimal digits that stay when lines are added above or the seed changes."""
    function = text = ""
    if finding.where is not None:
        code = finding.where[0]
        function = code.co_qualname
        text = " ".join(linecache.getline(code.co_filename, line_of(finding.where)).split())
    owner = _NUMBERS.sub("", finding.owner or "")
    return digest(finding.rule.id, function, text, owner)


def digest(*parts: str) -> str:
    """The fingerprint of these parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:LENGTH]
