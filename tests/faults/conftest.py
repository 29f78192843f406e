# SPDX-License-Identifier: Apache-2.0
"""Worlds with faults: `lived` runs one, of the reference miniport unless another is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from miniport.reference import ReferenceMiniport

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def lived() -> Callable[..., World]:
    """``lived("dma-read#1", …, miniport=Mine, record=True, frames=4)``: options are those of `WorldSpec`."""

    def run(*faults: str, miniport: Any = ReferenceMiniport, record: bool = False, **options: Any) -> World:
        return run_world(WorldSpec(**{"frames": 4, "faults": faults, **options}), miniport, HERE, record=record)

    return run


@pytest.fixture(scope="session")
def errors() -> Callable[[World], list[str]]:
    """The messages of the errors of a world."""
    return lambda world: [f"{finding.rule.id}: {finding.message}" for finding in world.machine.findings.errors]


@pytest.fixture(scope="session")
def calls() -> Callable[[World, str], int]:
    """How often a handler was called."""
    return lambda world, name: world.ndis.calls.get(name, 0)
