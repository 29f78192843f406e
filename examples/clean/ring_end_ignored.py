# SPDX-License-Identifier: Apache-2.0
"""A received frame that lies around the end of the RTL8139's ring is copied in two pieces.

Twin of ``flawed/ring_end_ignored.py``.
"""

from __future__ import annotations

from typing import Any

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.rtl8139 import Rtl8139Miniport
from miniport.rtl8139 import hardware as hw


class RingEndIgnored(Rtl8139Miniport):
    """Knows where the ring ends."""

    machine = {"nic": "rtl8139", "frames": 40}

    def _copy_out(self, adapter: Adapter, ring: Any, at: int, packet: Packet, length: int) -> None:
        """Copy *length* bytes from offset *at* of the ring on, around its end."""
        buffer = packet.first
        assert buffer is not None
        adapter.adjust_buffer_length(buffer, length)
        first = min(length, hw.RING_BYTES - at)
        buffer.view.write(0, ring.read(at, first))
        if first < length:
            buffer.view.write(first, ring.read(0, length - first))
