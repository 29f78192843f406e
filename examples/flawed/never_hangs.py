# SPDX-License-Identifier: Apache-2.0
"""MiniportCheckForHang never asks for a reset.

Wrong:    it looks whether the card is there, and not whether it sends.
Silicon:  once the transmitter has stopped, the adapter is silent until the next boot.
Expected: traffic-after-fault, with send, under frame-out#1=never.
Mend:     say TRUE when the same packet has been on the card since the last look.
"""

from __future__ import annotations

from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw


class NeverHangs(ToughExample):
    """Has a card that never hangs, as its author believes."""

    def check_for_hang(self, adapter: Adapter) -> bool:
        """True if the card stands in its reset."""
        status = adapter.read_register_ulong(adapter.context.registers, hw.STATUS)
        return status != hw.GONE and bool(status & hw.STATUS_RESETTING)  # FLAW

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:  # NAMED HERE
        """As in the base."""
        return super().send(adapter, packet, flags)
