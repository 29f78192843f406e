# SPDX-License-Identifier: Apache-2.0
"""What a world never tried: rules that nothing in it could have broken, handlers that nobody called, lines never run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabed.evidence import exercised, seen_in
from miniport.handlers import NAMES
from verifier.events import Kind
from verifier.rule import declared_rules
from verifier.where import display_path

if TYPE_CHECKING:
    from dmabed.world import World
    from miniport.miniport import Miniport

_HANDED_OVER = {"timer": ("NdisMInitializeTimer", "NdisInitializeTimer"), "work_item": ("NdisInitializeWorkItem",),
                "unload": ("NdisMRegisterUnloadHandler",)}
"""Handlers that are functions, by the routines that take them."""


def not_exercised(world: World) -> dict[str, list[str]]:
    """Ids of rules, names of handlers that the miniport supplies, and ``file:line`` that this world did not reach."""
    broken = {event[3] for event in world.machine.events.events if event[1] == Kind.FINDING}
    seen = seen_in(world)
    card = world.nic.model
    rules = [id for id, rule in sorted(declared_rules().items())
             if (not rule.cards or card in rule.cards) and id not in broken and not exercised(id, seen)]
    handlers = [name for name in NAMES if name not in seen and (
        not seen.isdisjoint(_HANDED_OVER[name]) if name in _HANDED_OVER else _supplies(world.ndis.miniport, name))]
    lines: list[str] = []
    if world.lines is not None:
        for name, numbers in world.lines.missed(type(world.ndis.miniport)).items():
            lines += [f"{display_path(name, world.base)}:{number}" for number in numbers]
    return {"rules": rules, "handlers": handlers, "lines": lines}


def _supplies(miniport: Miniport, handler: str) -> bool:
    return hasattr(miniport, handler) and miniport.overrides(handler)
