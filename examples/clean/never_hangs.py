# SPDX-License-Identifier: Apache-2.0
"""MiniportCheckForHang says TRUE when the same packet has been on the card since the last look.

Twin of ``flawed/never_hangs.py``.
"""

from __future__ import annotations

from _tough import ToughExample

from miniport.adapter import Adapter
from miniport.packet import Packet


class NeverHangs(ToughExample):
    """Has a card that never hangs, as its author believes."""

    def check_for_hang(self, adapter: Adapter) -> bool:
        """True if the card has had the same packet since the last look."""
        return super().check_for_hang(adapter)

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """As in the base."""
        return super().send(adapter, packet, flags)
