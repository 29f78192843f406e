# SPDX-License-Identifier: Apache-2.0
"""Write docs/rules: one page for each group of rules, with what `dmabed explain` prints of each, and a list of them all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dmabed.catalogue import GROUPS, catalogue
from dmabed.rule_page import page
from verifier.standing import State

FOLDER = Path(__file__).resolve().parent / "rules"


def files() -> dict[str, str]:
    """The text of each file by its name."""
    entries = list(catalogue().values())
    texts = {}
    rows = ["# Rules", "", "Written by `docs/make_rules.py`. `dmabed explain RULE` prints one rule, `dmabed rules` lists them.", "",
            "| group | rules | " + " | ".join(State) + " |", "|---|---|" + "---|" * len(State)]
    for group, name in GROUPS.items():
        members = [entry for entry in entries if entry.group == group]
        counts = Counter(entry.state for entry in members)
        rows.append(f"| [{group}: {name}]({group}.md) | {len(members)} | " + " | ".join(str(counts[state]) for state in State) + " |")
        texts[f"{group}.md"] = f"# {group}: {name}\n\n" + "\n".join(page(entry) for entry in members)
    texts["README.md"] = "\n".join([*rows, ""])
    return texts


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
