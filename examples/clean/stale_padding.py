# SPDX-License-Identifier: Apache-2.0
"""Short frames are padded to 60 bytes with zeros, which are written for each frame anew.

Twin of ``flawed/stale_padding.py``.
"""

from __future__ import annotations

from _base import BUFFER_BYTES, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet

MINIMUM_FRAME = 60


class StalePadding(Example):
    """Clears what it pads. The capture holds eight frames of 200 bytes and then eight of 42."""

    machine = {"pcap": "../short_frames.pcapng"}

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base, with padding."""
        slot = context.tx_next
        data = context.tx_buffers + slot * BUFFER_BYTES
        length = self.copy(adapter, packet, data)
        if length < MINIMUM_FRAME:
            data.fill(length, MINIMUM_FRAME - length)
            length = MINIMUM_FRAME
        self.hand_over(adapter, context, packet, [(context.tx_buffers_address + slot * BUFFER_BYTES, length)])
