# SPDX-License-Identifier: Apache-2.0
"""Interrupts of the ISA bus: edge triggered. What counts is that the line rises, not that it is high.

An edge is latched once and delivered once. A device that keeps its line high, because its driver left one of two causes
unserved, is never heard again; on a level-triggered line it would be.
Sources: Intel 8259A data sheet, edge-triggered mode; the order on a shared line is that of NT for latched interrupts
(ReactOS ``ntoskrnl/ke/i386/irqobj.c``, KiChainedDispatch). Data sheet: ``docs/hardware/i8237.md``, section 6.
"""

from __future__ import annotations

from hw.processor import Line, Scheduler
from verifier.errors import UsageError

IRQS = frozenset({3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15})
"""The interrupt lines of the ISA connector."""


class EdgeLine(Line):
    """An edge-triggered line. *asserting* holds the devices that keep it high, and is true while an edge is latched."""

    __slots__ = ()

    asserting: Latch

    def __init__(self, vector: int, irql: int) -> None:
        super().__init__(vector, irql)
        self.asserting = Latch()

    def serve(self) -> None:
        """Take the edge and ask every service routine; if one of several said yes, ask again until none does: the line
        did not fall in between, so that another device's edge may have been lost."""
        self.asserting.latched = False
        services = tuple(self.services)
        mine = [service() for service in services]
        if len(services) > 1 and any(mine):
            self.asserting.latched = True


class Latch(set[str]):
    """The devices that keep a line high; true while an edge waits to be served."""

    latched = False

    def add(self, device: str) -> None:
        """*device* drives the line high. That is an edge if nobody did before."""
        if not len(self):
            self.latched = True
        super().add(device)

    def clear(self) -> None:
        """Forget levels and edge."""
        self.latched = False
        super().clear()

    def __bool__(self) -> bool:
        return self.latched


def edge_line(scheduler: Scheduler, vector: int, irql: int) -> EdgeLine:
    """The edge-triggered line with *vector*, made on first use. `UsageError` if the ISA bus has no such line, or if it is
    level triggered already."""
    if vector not in IRQS:
        raise UsageError(f"the ISA bus has no interrupt line {vector}", f"choose one of {', '.join(map(str, sorted(IRQS)))}")
    line = scheduler.lines.setdefault(vector, EdgeLine(vector, irql))
    if not isinstance(line, EdgeLine):
        raise UsageError(f"interrupt line {vector} is level triggered; an ISA card cannot share it",
                         "give the ISA card a line of its own")
    return line
