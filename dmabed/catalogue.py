# SPDX-License-Identifier: Apache-2.0
"""All rules in one list: the book, the checks, and what is known of those that are not enforced."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from verifier import rulebook
from verifier.errors import UsageError
from verifier.rule import Rule, declared_rules
from verifier.rulebook import RuleText
from verifier.standing import RuleTests, Standing, State, rule_tests, standings

OWN_GROUP = "N"
"""The group of rules that the book does not hold: the bed's own."""
GROUPS = {
    "A": "contiguous memory", "B": "shared memory", "C": "map registers", "D": "scatter/gather and slave DMA", "E": "life of a miniport",
    "F": "interrupts, timers, locks", "G": "attributes", "H": "DMA adapter of the HAL", "N": "the bed's own", "P": "packets and requests",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule. An enforced one has one or more *primaries*: the declared rules whose findings carry its id."""

    id: str
    group: str
    state: State
    primaries: tuple[Rule, ...]
    book: RuleText | None
    standing: Standing | None
    tests: RuleTests

    @property
    def text(self) -> str:
        """What must hold, in one sentence or two."""
        return self.book.rule if self.book is not None else self.primaries[0].text

    @property
    def severity(self) -> str | None:
        """Of its findings; None where there are none."""
        return self.primaries[0].severity.value if self.primaries else None

    @property
    def reason(self) -> str:
        """Why it is in its state."""
        if self.standing is not None:
            return self.standing.reason
        if self.primaries[0].id != self.id:
            return f"The same fact as {' and '.join(rule.id for rule in self.primaries)}, whose findings carry this id."
        return "A check reports it."

    @property
    def versions(self) -> str:
        """For which versions of Windows or NDIS the documents state it."""
        return self.book.version if self.book is not None else "all"

    @property
    def source(self) -> str:
        """The documents that state it."""
        return self.book.source if self.book is not None else "the bed itself"


@cache
def catalogue() -> dict[str, Entry]:
    """Every rule by id: the book's in its order, then the others by name."""
    rules = _declared()
    primaries: dict[str, list[Rule]] = {id: [rule] for id, rule in rules.items()}
    for rule in rules.values():
        for id in rule.also:
            if id not in rules:
                primaries.setdefault(id, []).append(rule)
    ids = [*rulebook.ids(), *sorted(set(primaries) - set(rulebook.ids()))]
    return {id: _entry(id, tuple(primaries.get(id, ()))) for id in ids}


def find(id: str) -> Entry:
    """The rule *id*; `UsageError` names the nearest ones where there is none."""
    known = catalogue()
    if id in known:
        return known[id]
    near = get_close_matches(id, known, 3)
    raise UsageError(f"there is no rule {id!r}",
                     f"did you mean {' or '.join(near)}?" if near else "dmabed rules lists every rule")


def _entry(id: str, primaries: tuple[Rule, ...]) -> Entry:
    book = rulebook.entry(id) if id in rulebook.ids() else None
    standing = None if primaries else standings().get(id, Standing(id, State.NOT_MODELLED, "No check reports it, and no row says why."))
    marked = rule_tests()
    names = dict.fromkeys([id, *(rule.id for rule in primaries)])
    tests = RuleTests(
        tuple(dict.fromkeys(test for name in names if name in marked for test in marked[name].breaks)),
        tuple(dict.fromkeys(test for name in names if name in marked for test in marked[name].keeps)))
    if standing is not None:
        tests = RuleTests((), standing.tests)
    return Entry(id, book.group if book is not None else OWN_GROUP, State.ENFORCED if standing is None else standing.state,
                 primaries, book, standing, tests)


def _declared() -> dict[str, Rule]:
    """Every declared rule: the modules that declare one are imported first."""
    for name in ("hw", "allocator", "miniport"):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    return declared_rules()
