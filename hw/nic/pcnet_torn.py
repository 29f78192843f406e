# SPDX-License-Identifier: Apache-2.0
"""Writes of RAP and the accesses that they are for, and who came in between; data sheet ``docs/nics/pcnet.md``, 3.3.

The card has one RAP. Whoever writes it and is interrupted, or runs against another processor, before the access to the data port
meets the register of somebody else. A processor at one IRQL stands for one activity: what ran above it has ended when it goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.nic.pcnet_rules import RAP_TORN
from verifier.where import Where

if TYPE_CHECKING:
    from hw.nic.pcnet_core import PcnetCore


class TornPairs:
    """Who has written RAP and not yet used a data port, and with whom somebody else has interfered."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], int] = {}
        """What is named, by processor and IRQL."""
        self._torn: dict[tuple[int, int], Where | None] = {}
        """Who of them meets another register now, and the line that saw to that."""

    def forget(self) -> None:
        """A reset of the card names CSR0: nobody counts on anything else."""
        self._open.clear()
        self._torn.clear()

    def named(self, nic: PcnetCore, number: int, before: int) -> None:
        """The current processor writes *number* to RAP, which has named *before*."""
        processor = nic.machine.scheduler.current
        me = processor.number, processor.irql
        if self._open:
            for other, wanted in tuple(self._open.items()):
                ended = other[0] == me[0] and other[1] > me[1]
                if ended or (other not in self._torn and wanted != before):  # or its own write was lost
                    del self._open[other]
                    self._torn.pop(other, None)
                elif wanted == number:
                    self._torn.pop(other, None)
                elif other != me:
                    self._torn.setdefault(other, nic.machine.where.capture())
        self._open[me] = number
        self._torn.pop(me, None)

    def used(self, nic: PcnetCore, bank: str, number: int, read: bool) -> bool:
        """The current processor accesses the register *number* of *bank*; False, and it is told, if it had named another one."""
        processor = nic.machine.scheduler.current
        me = processor.number, processor.irql
        wanted = self._open.pop(me, number)
        if me not in self._torn:
            return True
        line = self._torn.pop(me)
        if wanted == number or not nic.present:
            return True
        name = bank.removeprefix("Isa")
        nic.machine.findings.report(
            RAP_TORN, f"{nic.name}: {name}{number} is {'read' if read else 'written'} in place of {name}{wanted}: RAP was changed "
            f"after it was written and before the access", subject=((nic.name, bank, wanted),), related=[("RAP was changed", line)])
        return False
