# SPDX-License-Identifier: Apache-2.0
"""Cached shared memory is read as if the processor's cache saw what the card stores.

Wrong:    the buffers are allocated with Cached TRUE, and nothing is flushed before a frame is read.
Silicon:  a PC shows nothing; where caches do not snoop, the next frame in a buffer arrives with bytes that the cache kept of the last.
Expected: shared-cached-ndis5, in the handler that indicates the frame.
Mend:     NdisMUpdateSharedMemory before the processor reads what the card wrote, or Cached FALSE.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import BUFFER_BYTES, SLOTS, Context, Example

from miniport.adapter import Adapter
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from miniport.view import View


class CachedBuffers(Example):
    """Receive buffers in cached shared memory, on a machine whose caches do not see what the card stores."""

    machine = {"incoherent": True, "frames": 24}

    def claim_receive_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """As in the base, cached: the processor reads every byte of a frame, the card writes it once."""
        whole = (SLOTS + 1) * BUFFER_BYTES
        virtual, address = adapter.allocate_shared_memory(whole, True)
        if virtual is None:
            return NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, whole, True, virtual, address)
        inset = -address % BUFFER_BYTES
        context.rx_buffers, context.rx_buffers_address = virtual + inset, address + inset
        return NDIS_STATUS_SUCCESS

    def indicate(self, adapter: Adapter, context: Context, data: View, length: int) -> None:
        """As in the base: the frame is indicated where it lies."""
        _, buffer = adapter.allocate_buffer(context.buffer_pool, data, length)
        if buffer is None:
            return
        packet = context.rx_packet
        adapter.chain_buffer_at_back(packet, buffer)
        packet.status = NDIS_STATUS_RESOURCES
        adapter.indicate_receive_packet([packet])  # FLAW: nothing was flushed
        adapter.reinitialize_packet(packet)
        adapter.free_buffer(buffer)
