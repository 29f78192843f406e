# SPDX-License-Identifier: Apache-2.0
"""Does a world in which a rule is broken count as exercising it? ``python -m tests.exercise_rules`` tries it.

Each test that is marked ``breaks`` runs once, while the worlds that it opens are kept. For each rule that one of them reports, the
world has to show evidence of it (`dmabed.evidence`) as if nothing had been reported.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.mutate_rules import marked


class Evidence:
    """The plugin: keeps the worlds of each item, and judges them."""

    def __init__(self) -> None:
        self._worlds: list[Any] = []
        self.rules: set[str] = set()
        self.problems: set[str] = set()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave the tests without a mark out, and keep every world from here on."""
        from dmabed.world import World

        config.hook.pytest_deselected(items=[item for item in items if not marked(item)])
        items[:] = [item for item in items if marked(item)]
        genuine, worlds = World.__init__, self._worlds

        def init(world: Any, *arguments: Any, **options: Any) -> None:
            genuine(world, *arguments, **options)
            worlds.append(world)

        World.__init__ = init  # type: ignore[method-assign]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Run the item with its calls traced, and judge its worlds."""
        from dmabed.coverage import LineTrace

        self._worlds.clear()
        trace = LineTrace()
        trace.start()
        try:
            yield
        finally:
            trace.stop()
        for world in self._worlds:
            world.lines = world.lines or trace
            self.problems.update(self._judged(world, item))

    def _judged(self, world: Any, item: pytest.Item) -> Iterator[str]:
        from dmabed.evidence import exercised, seen_in
        from verifier.events import Kind
        from verifier.rule import declared_rules

        seen = seen_in(world)
        for rule in sorted({event[3] for event in world.machine.events.events if event[1] == Kind.FINDING} & declared_rules().keys()):
            self.rules.add(rule)
            if not exercised(rule, seen):
                yield f"{rule} is broken in {item.nodeid} and counts as not exercised"

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Fail if evidence is missing."""
        yield
        if self.problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print what is wrong."""
        terminalreporter.section(f"{len(self.rules)} rules were broken, {len(self.problems)} times without evidence")
        for problem in sorted(self.problems):
            terminalreporter.write_line(problem)


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin."""
    config.pluginmanager.register(Evidence(), "evidence")


if __name__ == "__main__":
    sys.exit(pytest.main(["-q", "-p", "tests.exercise_rules", "-p", "no:cacheprovider", *sys.argv[1:]]))
