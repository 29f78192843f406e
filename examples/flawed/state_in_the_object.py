# SPDX-License-Identifier: Apache-2.0
"""A counter that changes while the miniport runs is kept in the miniport object instead of the adapter context.

Wrong:    it is a global of the driver: two adapters would share it, and no lock and no check sees it.
Silicon:  two cards count into one variable; on two processors counts are lost.
Expected: miniport-state-undeclared, with the assignment.
Mend:     declare a field in the adapter context.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.packet import Packet


class StateInTheObject(Example):
    """Counts the packets that it was given."""

    def __init__(self) -> None:
        self.packets = 0

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """As in the base, and count."""
        self.packets += 1  # FLAW
        return super().send(adapter, packet, flags)
