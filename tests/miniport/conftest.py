# SPDX-License-Identifier: Apache-2.0
"""Small miniports for tests of single routines and handlers.

`bare` makes one that only does what a test gives it; `hooked` makes the reference miniport with more done in its
handlers. Both take functions of the adapter by the name of the handler. `live` runs one life and gives the world.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from miniport.miniport import Miniport
from miniport.reference import ReferenceMiniport
from miniport.status import NDIS_ATTRIBUTE_BUS_MASTER, NDIS_INTERFACE_ISA, NDIS_INTERFACE_PCI, NDIS_STATUS_SUCCESS

HERE = Path(__file__).parent
Step = Callable[[Any], Any]


@pytest.fixture
def live() -> Callable[..., World]:
    """Run one life of a miniport class; keyword arguments are those of `WorldSpec`, without frames by default."""

    def run(miniport_class: type[Miniport], **options: Any) -> World:
        return run_world(WorldSpec(**{"frames": 0, **options}), miniport_class, HERE)

    return run


@pytest.fixture
def bare() -> Callable[..., type[Miniport]]:
    """A miniport whose initialize sets the attributes, runs *initialize*, and succeeds unless that returns a status."""

    def make(initialize: Step | None = None, *, attributes: int | None = NDIS_ATTRIBUTE_BUS_MASTER,
             versions: tuple[tuple[int, int], ...] = ((5, 1), (5, 0), (4, 0)), **handlers: Any) -> type[Miniport]:
        class Bare(Miniport):
            ndis_versions = versions

            def initialize(self, adapter: Any) -> int:
                if attributes is not None:
                    bus = NDIS_INTERFACE_PCI if adapter.nic.bus_kind == "pci" else NDIS_INTERFACE_ISA
                    adapter.set_attributes_ex(None, 0, attributes, bus)
                status = initialize(adapter) if initialize is not None else None
                return NDIS_STATUS_SUCCESS if status is None else status

            def halt(self, adapter: Any) -> None:
                pass

            def shutdown(self, adapter: Any) -> None:
                pass

        for name, function in handlers.items():
            setattr(Bare, name, lambda self, *arguments, _function=function: _function(*arguments))
        return Bare

    return make


@pytest.fixture
def hooked() -> Callable[..., type[Miniport]]:
    """The reference miniport, with a function of the adapter run first in each handler that is named. In initialize it
    runs last, once all is claimed."""

    def make(**hooks: Step) -> type[Miniport]:
        space: dict[str, Any] = {name: _hook(name, step) for name, step in hooks.items()}
        return type("Hooked", (ReferenceMiniport,), space)

    return make


def _hook(name: str, step: Step) -> Callable[..., Any]:
    original = getattr(ReferenceMiniport, name)

    def handler(self: Any, adapter: Any, *arguments: Any) -> Any:
        if name == "initialize":
            status = original(self, adapter, *arguments)
            if status == NDIS_STATUS_SUCCESS:
                step(adapter)
            return status
        step(adapter)
        return original(self, adapter, *arguments)

    return handler


@pytest.fixture
def broken() -> Callable[[World], list[str]]:
    """The ids of the errors of a world, first ones only, in order."""
    return lambda world: [finding.rule.id for finding in world.machine.findings.errors]


@pytest.fixture
def all_broken() -> Callable[[World], list[str]]:
    """The ids of the errors of a world, each with its consequences behind it."""
    return lambda world: [f.rule.id for first in world.machine.findings.errors for f in (first, *first.consequences)]


@pytest.fixture
def told() -> Callable[[World, str], str]:
    """The message of the one finding of a rule, errors, consequences and notices alike."""

    def one(world: World, rule: str) -> str:
        findings = world.machine.findings
        everything = [*findings.errors, *findings.notices, *(c for f in findings.errors for c in f.consequences)]
        [message] = [f.message for f in everything if f.rule.id == rule]
        return message

    return one
