# SPDX-License-Identifier: Apache-2.0
"""Rules that the bed enforces: each is declared once, next to the code that checks it.

The text and the source of a rule stand in the rule book (`verifier.rulebook`); the declaration adds what the check
needs: severity, the group whose primary id a finding carries, and the remedy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How a finding counts: an error makes the verdict, a warning or an advice is a notice."""

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Rule:
    """One enforced rule. *also* lists the other ids that state the same fact; *symptom* marks a rule that only tells
    that something went wrong (a lost frame), which stands alone only where no other error explains it."""

    id: str
    remedy: str
    severity: Severity = Severity.ERROR
    also: tuple[str, ...] = ()
    symptom: bool = False
    text: str = field(default="", compare=False)
    """The rule in one sentence, for rules that the rule book does not hold."""
    cards: tuple[str, ...] = ()
    """The models of cards that the rule is about; empty: any."""
    explains: bool = True
    """False for a rule that can be broken without any harm to a frame: no symptom stands under its finding."""


_registry: dict[str, Rule] = {}


def rule(
    id: str, remedy: str, *, severity: Severity = Severity.ERROR, also: tuple[str, ...] = (), symptom: bool = False,
    text: str = "", cards: tuple[str, ...] = (), explains: bool = True,
) -> Rule:
    """Declare a rule; an id declared twice is an error of the bed."""
    if id in _registry:
        raise ValueError(f"rule {id} is declared twice")
    declared = Rule(id, remedy, severity, also, symptom, text, cards, explains)
    _registry[id] = declared
    return declared


def declared_rules() -> dict[str, Rule]:
    """All rules declared so far, by id."""
    return dict(_registry)
