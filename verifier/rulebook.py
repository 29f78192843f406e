# SPDX-License-Identifier: Apache-2.0
"""The rule book: what the documents say about contiguous memory, shared memory, DMA and a miniport's life.

The texts are paraphrases and stand in ``rulebook.json``, one rule per line, in the book's order. In them *inf.* marks
an inference that no document states, *n.d.* what no document says, and ``–`` a field that says nothing. Sources:
``ddi:`` and ``docs:`` are pages of Microsoft's windows-driver-docs-ddi and windows-driver-docs repositories, ``learn:``
of learn.microsoft.com, ``ndis5:`` of its previous-versions reference of NDIS 5.1, ``osr:`` of the mirrored XP/2003 DDK,
``nt4:`` of the NT 4 DDK, ``w2k`` of the 1998 and 2000 MSDN; ``mingw`` are the mingw-w64 headers, ``linux:`` and
``ipxe:`` drivers. ``seed0`` is the page on MmFreeContiguousMemory, ``seed1`` of MmAllocateContiguousMemory,
``seed2`` of NdisMFreeSharedMemory (XP/2003), ``seed3`` of MmAllocateContiguousMemorySpecifyCache.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from verifier.errors import UsageError


@dataclass(frozen=True, slots=True)
class RuleText:
    """One rule as the book states it; no text is empty but *reading*."""

    id: str
    """Stable name of the rule, lower case with dashes: ``shared-free-exact``."""
    group: str
    """A contiguous memory, B shared memory, C map registers, D scatter/gather and slave DMA, E life cycle,
    F interrupts, timers and locks, G attributes, H the HAL's DMA adapter, N the bed's own rules, P packets and requests."""
    rule: str
    """What must hold."""
    ddi: str
    """Routines that the rule speaks of."""
    irql: str
    """IRQL or calling context that the rule demands."""
    version: str
    """Versions of Windows or of NDIS for which it holds."""
    windows: str
    """What Windows does when the rule is broken."""
    detects: str
    """How a test bed can see that it is broken."""
    source: str
    """Documents that state it, in short forms."""
    reading: str = ""
    """How the bed reads the rule where it overrides, narrows or does not enforce the text above; else empty."""


def entry(rule_id: str) -> RuleText:
    """The text of *rule_id*. UsageError names the nearest ids where the book has no such rule."""
    book = _book()
    if rule_id in book:
        return book[rule_id]
    near = get_close_matches(rule_id, book, n=3)
    raise UsageError(
        f"there is no rule {rule_id!r} among the {len(book)} of the rule book",
        f"did you mean {' or '.join(near)}?" if near else "`dmabed rules` lists every rule",
    )


def ids() -> tuple[str, ...]:
    """Every rule id, in the book's order: groups A to H, then N and P."""
    return tuple(_book())


@cache
def _book() -> dict[str, RuleText]:
    rows = json.loads(Path(__file__).with_name("rulebook.json").read_text(encoding="utf-8"))
    return {row["id"]: RuleText(**row) for row in rows}
