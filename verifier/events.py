# SPDX-License-Identifier: Apache-2.0
"""The event record: one list of plain tuples that feeds log, trace, capture and report.

An event is ``(time_ns, kind, processor, *fields)``; `SCHEMA` names the fields of each kind. Nothing is formatted before
somebody reads it.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import Any

Event = tuple[Any, ...]


class Kind(IntEnum):
    """What happened."""

    ENTER = 0
    LEAVE = 1
    ROUTINE = 2
    REGISTER_READ = 3
    REGISTER_WRITE = 4
    DMA_READ = 5
    DMA_WRITE = 6
    INTERRUPT = 7
    FRAME_OUT = 8
    FRAME_IN = 9
    FRAME_DROPPED = 10
    ALLOCATE = 11
    FREE = 12
    FAULT = 13
    FINDING = 14
    LOG = 15
    LINK = 16
    LIFE = 17
    POWER = 18
    FIRMWARE = 19


SCHEMA: dict[Kind, tuple[str, ...]] = {
    Kind.ENTER: ("handler",),
    Kind.LEAVE: ("handler", "status"),
    Kind.ROUTINE: ("routine", "result"),
    Kind.REGISTER_READ: ("device", "register", "size", "value"),
    Kind.REGISTER_WRITE: ("device", "register", "size", "value"),
    Kind.DMA_READ: ("device", "logical", "length", "purpose"),
    Kind.DMA_WRITE: ("device", "logical", "length", "purpose"),
    Kind.INTERRUPT: ("device", "asserted"),
    Kind.FRAME_OUT: ("device", "length"),
    Kind.FRAME_IN: ("device", "length"),
    Kind.FRAME_DROPPED: ("device", "length", "reason"),
    Kind.ALLOCATE: ("routine", "virtual", "physical", "length"),
    Kind.FREE: ("routine", "virtual", "physical", "length"),
    Kind.FAULT: ("point", "effect"),
    Kind.FINDING: ("rule", "message"),
    Kind.LOG: ("text",),
    Kind.LINK: ("device", "up"),
    Kind.LIFE: ("text",),
    Kind.POWER: ("device", "state"),
    Kind.FIRMWARE: ("device", "state"),
}

LIMIT = 1 << 18
"""Events kept in one world; older ones fall out."""


class EventRecord:
    """The events of one world, in order. `append` is the deque's own, for speed."""

    __slots__ = ("append", "events")

    def __init__(self, limit: int = LIMIT) -> None:
        self.events: deque[Event] = deque(maxlen=limit)
        self.append = self.events.append

    def as_dicts(self) -> list[dict[str, Any]]:
        """Each event with the names of its fields, for people and tools."""
        rows = []
        for time_ns, kind, processor, *fields in self.events:
            row = {"time_ns": time_ns, "kind": Kind(kind).name.lower(), "processor": processor}
            row.update(zip(SCHEMA[kind], fields, strict=True))
            rows.append(row)
        return rows
