# SPDX-License-Identifier: Apache-2.0
"""Why a rule of the book is not enforced, and which tests stand behind each rule: two files of data.

``standing.json`` has one row for each id that no check enforces: *guaranteed* (the system sees to it, and the row names the
tests that prove it), *advisory* (a check would fire on correct miniports, or for cost alone) or *not-modelled* (nothing here
can break it, or nothing sees it). ``rule_tests.json`` is written by ``docs/make_rule_tests.py`` from the marks of the tests.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any


class State(StrEnum):
    """What the bed does about a rule."""

    ENFORCED = "enforced"
    GUARANTEED = "guaranteed"
    ADVISORY = "advisory"
    NOT_MODELLED = "not-modelled"


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule that is not enforced. *reason* is one sentence; *tests* are test functions, ``tests/FILE.py::NAME``."""

    id: str
    state: State
    reason: str
    tests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleTests:
    """The test functions that break a rule on purpose, and those that come as close to it as is legal."""

    breaks: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()


@cache
def standings() -> dict[str, Standing]:
    """Every rule that is not enforced, by id, in the book's order."""
    rows = _read("standing.json")
    return {row["id"]: Standing(row["id"], State(row["state"]), row["reason"], tuple(row.get("tests", ()))) for row in rows}


@cache
def rule_tests() -> dict[str, RuleTests]:
    """The tests of each id that a mark names."""
    return {id: RuleTests(tuple(row["breaks"]), tuple(row["keeps"])) for id, row in _read("rule_tests.json").items()}


def _read(name: str) -> Any:
    return json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
