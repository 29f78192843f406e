# SPDX-License-Identifier: Apache-2.0
"""Short frames go to an RTL8139, which does not pad, with 60 bytes of which only the first are theirs (Etherleak).

Wrong:    the length is raised to 60, and the bytes behind the frame are those of the last frame that had the slot.
Silicon:  each short frame carries a piece of an older one to whoever listens.
Expected: wire-bytes-of-this-frame, with the write of TSD that hands the slot over.
Mend:     clear the bytes up to 60 for each frame.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference.hardware import Limits
from miniport.rtl8139 import Rtl8139Miniport
from miniport.rtl8139 import hardware as hw
from miniport.rtl8139.core import PADDED_FRAME, TX_BYTES, TX_SLOTS
from miniport.status import NDIS_STATUS_SUCCESS


class ShortFrameNotCleared(Rtl8139Miniport):
    """Pads without clearing. The capture holds eight frames of 200 bytes and then eight of 42."""

    machine = {"nic": "rtl8139", "pcap": "../short_frames.pcapng"}

    def _claim_dma(self, adapter: Adapter, context: Any, limits: Limits, dma_size: int, undo: ExitStack) -> int:
        """As in the miniport, with buffers that are cleared once."""
        status = super()._claim_dma(adapter, context, limits, dma_size, undo)
        if status == NDIS_STATUS_SUCCESS:
            adapter.zero_memory(context.buffers, TX_SLOTS * TX_BYTES)
        return status

    def _transmit(self, adapter: Adapter, context: Any, packet: Packet) -> None:
        """As in the miniport, but for the padding."""
        number = context.tx_next
        slot = number % TX_SLOTS
        data = context.buffers + slot * TX_BYTES
        _, _, buffer, _ = adapter.query_packet(packet)
        length = 0
        while buffer is not None:
            source, size = adapter.query_buffer(buffer)
            data.write(length, source.read(0, size))
            length += size
            buffer = adapter.get_next_buffer(buffer)
        length = max(length, PADDED_FRAME)  # FLAW
        context.tx_packets[slot] = packet
        context.tx_next = (number + 1) % (2 * TX_SLOTS)
        adapter.write_register_ulong(context.registers, hw.TSD + 4 * slot, context.threshold << 16 | length)  # NAMED HERE
