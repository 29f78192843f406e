# SPDX-License-Identifier: Apache-2.0
"""The page of one rule, in Markdown that reads as plain text: what ``dmabed explain`` prints and docs/rules holds.

What is written by hand stands in ``verifier/pages``: sections headed by the ids that they serve, with a paragraph on what goes
wrong, a picture where one helps, and two pieces of code, *Wrong* and *Right*. The rest comes from the rule book.
"""

from __future__ import annotations

import re
import textwrap
from functools import cache
from pathlib import Path

from dmabed.catalogue import GROUPS, Entry
from verifier import standing

WIDTH = 80
_FOLDER = Path(standing.__file__).with_name("pages")
_WORDS = ((r"\*inf\.\*", "(inference)"), (r"\bn\.d\.", "no document says"))


def page(entry: Entry) -> str:
    """The page of *entry*, ending in a newline."""
    parts = [f"## {entry.id}", _head(entry), _wrapped(_plain(entry.text))]
    if entry.id in sections():
        parts.append(sections()[entry.id])
    parts.append("\n".join(_item(label, text) for label, text in _facts(entry)))
    return "\n\n".join(parts) + "\n"


@cache
def sections() -> dict[str, str]:
    """What is written by hand, by id."""
    found: dict[str, str] = {}
    for path in sorted(_FOLDER.glob("*.md")):
        for section in re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            ids, _, body = section.partition("\n")
            for id in ids.split(", "):
                if id in found:
                    raise ValueError(f"{path.name}: {id} has a section already")
                found[id] = body.strip()
    return found


def _head(entry: Entry) -> str:
    words = [entry.state.value.replace("-", " ")]
    if entry.severity is not None:
        words.append(entry.severity)
    return _wrapped(f"{', '.join(words)}; group {entry.group}, {GROUPS[entry.group]}")


def _facts(entry: Entry) -> list[tuple[str, str]]:
    """The labelled lines: label and text."""
    book, facts = entry.book, []
    if entry.standing is not None or entry.primaries[0].id != entry.id:
        facts.append(("State", entry.reason))
    if book is not None:
        facts += [(label, _plain(text)) for label, text in (
            ("Routines", book.ddi), ("IRQL or context", book.irql), ("Versions", book.version), ("Windows", book.windows),
            ("Seen by", book.detects), ("Read as", book.reading)) if text.strip("–. ")]
    if entry.primaries:
        facts.append(("Remedy", " ".join(dict.fromkeys(f"{rule.remedy[:1].upper()}{rule.remedy[1:]}." for rule in entry.primaries))))
        carried = [id for rule in entry.primaries if rule.id == entry.id for id in rule.also]
        if carried:
            facts.append(("Also", ", ".join(carried)))
    facts.append(("Source", _plain(entry.source)))
    facts += [(label, "\n".join(tests)) for label, tests in (("Broken by", entry.tests.breaks), ("Kept by", entry.tests.keeps)) if tests]
    return facts


def _item(label: str, text: str) -> str:
    lines = text.split("\n")
    if len(lines) > 1:
        return "\n".join([f"- {label}:", *(f"  - {line}" for line in lines)])
    return textwrap.fill(f"- {label}: {text}", WIDTH, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False, break_long_words=False)


def _plain(text: str) -> str:
    """A text of the book without its marks."""
    for mark, words in _WORDS:
        text = re.sub(mark, words, text)
    return text
