# SPDX-License-Identifier: Apache-2.0
"""Message-signalled interrupts: a card writes a message in place of pulling a line.

A message is an edge: one delivery where (cause & mask) goes from 0 to something, none while it stays so, and nobody shares
the vector. No PC that ran NDIS 5 had them: they are stress for the way in which a driver serves its causes.
Source: PCI Local Bus Specification 2.2, 6.8.
"""

from __future__ import annotations

from hw.isa import EdgeLine
from hw.processor import Scheduler

MESSAGE_VECTOR = 0x30
"""Vector of the first card's message; the other cards' follow."""
MESSAGE_ADDRESS = 0xFEE0_0000
"""Where messages go on a PC: the local APIC of the first processor."""


class MessageLine(EdgeLine):
    """The vector of one message. *asserting* holds the card while its cause is enabled, and is true while a message waits."""

    __slots__ = ()


def message_line(scheduler: Scheduler, vector: int, irql: int) -> MessageLine:
    """The message vector, made on first use."""
    line = scheduler.lines.setdefault(vector, MessageLine(vector, irql))
    assert isinstance(line, MessageLine), "vectors of messages lie above those of lines"
    return line
