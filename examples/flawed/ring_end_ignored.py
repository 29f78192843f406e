# SPDX-License-Identifier: Apache-2.0
"""A received frame that lies around the end of the RTL8139's ring is copied in one piece.

Wrong:    the copy begins near the end of the ring and runs on behind it, where no part of the frame is.
Silicon:  the protocol gets a frame whose tail is whatever lies behind the ring, one frame in a dozen.
Expected: shared-bounds, with the copy.
Mend:     copy up to the end of the ring, and the rest from its beginning.
"""

from __future__ import annotations

from typing import Any

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.rtl8139 import Rtl8139Miniport


class RingEndIgnored(Rtl8139Miniport):
    """Takes the ring for a line."""

    machine = {"nic": "rtl8139", "frames": 40}

    def _copy_out(self, adapter: Adapter, ring: Any, at: int, packet: Packet, length: int) -> None:
        """Copy *length* bytes from offset *at* of the ring on."""
        buffer = packet.first
        assert buffer is not None
        adapter.adjust_buffer_length(buffer, length)
        buffer.view.write(0, ring.read(at, length))  # FLAW
