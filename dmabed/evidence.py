# SPDX-License-Identifier: Apache-2.0
"""What shows that a rule could have been broken in a world: the table ``evidence.json``, and what a world shows.

The table has a list for each declared rule: one item that was seen is enough. An item is one name, or several with ``&`` between
them that all have to be seen. A name is that of a routine, of a handler, of a group of such names, or one of `SIGNS`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dmabed.lives import ENDS
from hw.processor_port import ProcessorPort
from miniport.handlers import NAMES
from miniport.routine import TABLE
from verifier.events import Kind

if TYPE_CHECKING:
    from dmabed.world import World

_SIGN_OF = {
    Kind.REGISTER_READ: "register-read", Kind.REGISTER_WRITE: "register-write", Kind.DMA_READ: "dma-read",
    Kind.DMA_WRITE: "dma-write", Kind.INTERRUPT: "interrupt", Kind.FRAME_OUT: "frame-out", Kind.FRAME_IN: "frame-in",
    Kind.FAULT: "fault", Kind.POWER: "power", Kind.FIRMWARE: "firmware",
}
SIGNS = {
    "handler": "a handler was called", "routine": "a routine was called", "load": "the processor read memory",
    "store": "the processor wrote memory", "context": "a field of the adapter context was accessed",
    "fails": "a routine failed", "refused": "initialize or driver_entry failed", "unloaded": "the driver was unloaded",
    "removed": "a card was pulled out", "rebalance": "the system gave a card other resources", "iommu": "the machine has an IOMMU",
    "incoherent": "the caches of the machine are not coherent", **{sign: kind.name.lower() for kind, sign in _SIGN_OF.items()},
    **{f"life:{life}": f"the life ended with {life}" for life in ENDS},
}
"""What a world shows besides names of routines and handlers."""
WITHOUT_UNLOAD = ("power-off", "bug-check")
_FACE = "<face of "


@cache
def table() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """(evidence by rule, names by group)."""
    data = json.loads((Path(__file__).parent / "evidence.json").read_text(encoding="utf-8"))
    return data["rules"], data["groups"]


def known_names() -> set[str]:
    """Every name that the table may hold."""
    return {*TABLE, *NAMES, *SIGNS, *table()[1]}


def exercised(rule_id: str, seen: set[str]) -> bool:
    """True if what was *seen* shows that *rule_id* could have been broken."""
    return any(all(name.strip() in seen for name in item.split("&")) for item in table()[0].get(rule_id, ()))


def seen_in(world: World) -> set[str]:
    """The names of all that *world* shows. What leaves no event is seen only where the lines of the miniport were traced."""
    seen = {*_of_the_machine(world), *_of_events(world)}
    for seat in world.seats:
        seen |= seat.ndis.calls.keys()
        if seat.ndis.failed_routines:
            seen.add("fails")
    if not seen.isdisjoint(NAMES):
        seen.add("handler")
    if world.lines is not None:
        seen.update(_of_calls(world))
    if not seen.isdisjoint(TABLE):
        seen.add("routine")
    seen.update(group for group, names in table()[1].items() if not seen.isdisjoint(names))
    return seen


def _of_the_machine(world: World) -> Iterator[str]:
    if world.refused:
        yield "refused"
    if world.outcome == "ran" and world.spec.life not in WITHOUT_UNLOAD:
        yield "unloaded"
    for seat in world.seats:
        if seat.ndis.port.touched:
            yield "context"
        if not seat.nic.present:
            yield "removed"
        if seat.nic.former:
            yield "rebalance"
    if world.spec.iommu:
        yield "iommu"
    if world.spec.incoherent:
        yield "incoherent"


def _of_events(world: World) -> Iterator[str]:
    for event in world.machine.events.events:
        kind = event[1]
        if kind == Kind.ROUTINE:
            yield event[3]
        elif kind == Kind.LIFE:
            yield f"life:{event[3]}"
        elif kind in _SIGN_OF:
            yield _SIGN_OF[kind]


def _of_calls(world: World) -> Iterator[str]:
    assert world.lines is not None
    for code in world.lines.called:
        if code.co_filename.startswith(_FACE):
            yield code.co_filename[len(_FACE):-1]
        elif code in _ACCESSES:
            yield _ACCESSES[code]


_ACCESSES = {getattr(ProcessorPort, name).__code__: sign for name, sign in
             (("load", "load"), ("load_field", "load"), ("store", "store"), ("store_field", "store"))}
