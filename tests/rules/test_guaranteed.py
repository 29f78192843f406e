# SPDX-License-Identifier: Apache-2.0
"""What NDIS promises a miniport, and the bed has to keep: no miniport can break these rules, so the bed tests itself for them."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from dmabed.bed import Bed
from dmabed.spec import LIVES, WorldSpec
from dmabed.world import World, run_world
from miniport import status as s
from miniport.reference import ReferenceMiniport
from miniport.routine import TABLE
from tests.miniport import conftest as miniports
from verifier.events import Kind

bare, live, hooked = miniports.bare, miniports.live, miniports.hooked

DISPATCH_LEVEL = 2
WITH_SHUTDOWN = ("power-off", "bug-check")


def entered(world: World) -> list[str]:
    """The handlers of a world in the order in which they began."""
    return [event[3] for event in world.machine.events.events if event[1] == Kind.ENTER]


def lives() -> list[World]:
    """The reference miniport in every life with several seeds and numbers of adapters."""
    return [Bed(life=life, seed=seed, adapters=adapters).world() for life, seed, adapters in product(LIVES, range(1, 6), (1, 2))]


def test_halt_follows_each_successful_initialize_once_and_no_failed_one() -> None:
    for world in lives():
        began = entered(world).count("initialize")
        assert began >= len(world.seats)
        assert entered(world).count("halt") == (began if world.spec.life not in WITH_SHUTDOWN else 0)
    for name in sorted(row.name for row in TABLE.values() if row.fails):
        world = Bed(faults=(f"{name}#1",)).world()
        assert entered(world).count("halt") == (0 if world.refused else 1), name


def test_no_handler_runs_after_halt_and_no_halt_after_shutdown() -> None:
    for world in lives():
        last = "shutdown" if world.spec.life in WITH_SHUTDOWN else "halt"
        steps = [event for event in world.machine.events.events if event[1] in (Kind.ENTER, Kind.LEAVE)]
        over = max(number for number, event in enumerate(steps) if event[1] == Kind.LEAVE and event[3] == last)
        assert [event[3] for event in steps[over:] if event[1] == Kind.ENTER and event[3] != "unload"] == []
        assert last == "halt" or "halt" not in entered(world)


def test_halt_comes_when_requests_and_sends_are_done(hooked: Any) -> None:
    left: list[tuple[int, bool]] = []

    def halt(adapter: Any) -> None:
        protocol = adapter._ndis.protocol
        left.append((len(protocol.accepted), protocol.requests.current is not None))

    for seed in range(1, 11):
        world = run_world(WorldSpec(seed=seed), hooked(halt=halt), miniports.HERE)
        assert not world.machine.findings.errors
    assert left == [(0, False)] * 10


def test_no_reset_comes_in_initialize_or_halt() -> None:
    class Hangs(ReferenceMiniport):
        def check_for_hang(self, adapter: Any) -> bool:
            return True

        def reset(self, adapter: Any) -> tuple[int, bool]:
            return s.NDIS_STATUS_SUCCESS, False

    for seed in range(1, 6):
        world = run_world(WorldSpec(seed=seed, frames=2), Hangs, miniports.HERE)
        inside: list[str] = []
        for event in world.machine.events.events:
            if event[1] == Kind.ENTER:
                inside.append(event[3])
                assert event[3] not in ("reset", "check_for_hang") or not {"initialize", "halt"} & set(inside)
            elif event[1] == Kind.LEAVE:
                inside.remove(event[3])
        assert "reset" in entered(world)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_deferred_calls_and_timers_run_at_dispatch_level(hooked: Any, seed: int) -> None:
    levels: dict[str, set[int]] = {"handle_interrupt": set(), "timer": set()}

    def noted(name: str, adapter: Any) -> None:
        levels[name].add(adapter._ndis.machine.scheduler.current.irql)

    def initialize(adapter: Any) -> None:
        adapter.set_timer(adapter.initialize_timer(lambda *_: noted("timer", adapter)), 1)

    miniport = hooked(initialize=initialize, handle_interrupt=lambda adapter: noted("handle_interrupt", adapter))
    world = run_world(WorldSpec(seed=seed, frames=4), miniport, miniports.HERE)
    assert not world.machine.findings.errors
    assert levels == {"handle_interrupt": {DISPATCH_LEVEL}, "timer": {DISPATCH_LEVEL}}
