# SPDX-License-Identifier: Apache-2.0
"""Does each test that breaks a rule see the rule's own check? ``python -m tests.mutate_rules`` tries it.

Each test that is marked ``breaks`` runs once as it is, while the rules that it reports are noted, and once more for each of
them with that one rule silent: a finding of it is not recorded. No other rule can matter to the test, so no other is tried.
A rule holds if every test function marked with it turns red in one of its items, and no test turns red for a rule with which
it is not marked. ``--every`` takes the tests without a mark, too, and lists those that turn red.

The check is silenced here, in a plugin of pytest, and never in the bed.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from verifier.findings import Findings

_PROPERTY = "turns red without"
_WRAPPER = """
def report(self, rule, *arguments, **options):
    if self.enabled:
        switch.seen.add(rule.id)
        if rule.id == switch.muted:
            return None
    return genuine(self, rule, *arguments, **options)
"""
"""Compiled under a name in angle brackets: such a frame is never taken for the line of a miniport."""


class _Switch:
    """Which rule is silent, and which were reported."""

    def __init__(self) -> None:
        self.muted: str | None = None
        self.seen: set[str] = set()


class Mutation:
    """The plugin: runs each item with each of its rules silent, and judges at the end."""

    def __init__(self, every: bool = False) -> None:
        self._every = every
        self._switch = _Switch()
        self._genuine = Findings.report
        self._red: dict[tuple[str, str], dict[str, bool]] = {}
        """By test function and item: for each rule that it reports, is it red without?"""
        self._marks: dict[tuple[str, str], set[str]] = {}
        self.problems: list[str] = []

    def pytest_configure(self) -> None:
        """Put the switch in front of every finding."""
        space: dict[str, Any] = {"switch": self._switch, "genuine": self._genuine}
        exec(compile(_WRAPPER, "<mutation>", "exec"), space)
        Findings.report = space["report"]  # type: ignore[method-assign]

    def pytest_unconfigure(self) -> None:
        """Take it away again."""
        Findings.report = self._genuine  # type: ignore[method-assign]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave the tests without a mark out."""
        if not self._every:
            left = [item for item in items if marked(item)]
            config.hook.pytest_deselected(items=[item for item in items if not marked(item)])
            items[:] = left

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Run the item as it is, then once for each rule that it reported."""
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        self._switch.muted, self._switch.seen = None, set()
        reports = _run(item, nextitem)
        if not any(report.failed for report in reports):
            red = {}
            for rule in sorted(self._switch.seen):
                self._switch.muted = rule
                red[rule] = any(report.failed for report in _run(item, nextitem))
            self._switch.muted = None
            reports[-1].user_properties.append((_PROPERTY, [red, sorted(marked(item))]))
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather what the items found; with xdist they ran elsewhere."""
        for name, value in report.user_properties:
            if name == _PROPERTY:
                function = report.nodeid.partition("[")[0]
                red, marks = value
                self._red[function, report.nodeid] = red
                self._marks[function, report.nodeid] = set(marks)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Judge, on the process that holds all results."""
        yield
        if not hasattr(session.config, "workerinput"):
            self.problems = list(self._judge())
            if self.problems and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table of rules, then what is wrong."""
        if hasattr(terminalreporter.config, "workerinput"):
            return
        terminalreporter.section("rules")
        for rule, functions in sorted(self._by_rule().items()):
            seen = sum(red for red in functions.values())
            terminalreporter.write_line(f"{rule:<34} {seen} of {len(functions)} tests turn red")
        if self._every:
            terminalreporter.section("tests that turn red without a rule")
            for (_, item), red in sorted(self._red.items()):
                for rule in (rule for rule, is_red in red.items() if is_red):
                    terminalreporter.write_line(f"{rule} {item}")
        terminalreporter.section("problems" if self.problems else "no problems")
        for problem in self.problems:
            terminalreporter.write_line(problem)

    def _by_rule(self) -> dict[str, dict[str, bool]]:
        """For each rule with a marked test: its test functions, and whether one of their items turns red."""
        rules: dict[str, dict[str, bool]] = defaultdict(dict)
        for (function, item), red in self._red.items():
            for id in self._marks[function, item]:
                turned = any(red.get(primary, False) for primary in primaries(id))
                rules[id][function] = rules[id].get(function, False) or turned
        return rules

    def _judge(self) -> Iterator[str]:
        for rule, functions in sorted(self._by_rule().items()):
            yield from (f"{function} is marked with {rule} and stays green without its check"
                        for function, red in sorted(functions.items()) if not red)
        for key, red in sorted(self._red.items()):
            marks = self._marks[key]
            allowed = {primary for id in marks for primary in primaries(id)}
            if marks:
                yield from (f"{key[1]} turns red without {rule}, with which it is not marked"
                            for rule, is_red in red.items() if is_red and rule not in allowed)


def marked(item: pytest.Item) -> set[str]:
    """The ids in the ``breaks`` marks of *item*."""
    return {str(id) for mark in item.iter_markers("breaks") for id in mark.args}


def primaries(id: str) -> set[str]:
    """The declared rules whose findings carry *id*."""
    from dmabed.catalogue import catalogue  # not before pytest has seen the plugin of that package

    entry = catalogue().get(id)
    return {rule.id for rule in entry.primaries} if entry is not None else set()


def _run(item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
    """Set up, call and tear down *item*, with fixtures of its own."""
    from _pytest.runner import runtestprotocol

    item._initrequest()  # type: ignore[attr-defined]
    return runtestprotocol(item, log=False, nextitem=nextitem)


def pytest_addoption(parser: pytest.Parser) -> None:
    """For ``-p tests.mutate_rules``."""
    parser.addoption("--every", action="store_true", help="also the tests that are not marked with breaks")


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin, here and in the workers of xdist."""
    config.pluginmanager.register(Mutation(config.getoption("--every")), "mutation")


if __name__ == "__main__":
    sys.exit(pytest.main(["-q", "-p", "tests.mutate_rules", "-p", "no:cacheprovider", *sys.argv[1:]]))
