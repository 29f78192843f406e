# SPDX-License-Identifier: Apache-2.0
"""Cached shared memory is flushed before the processor reads what the card stored.

Twin of ``flawed/cached_not_flushed.py``. NdisMUpdateSharedMemory covers the frame's buffer and nothing else; buffers begin and end
at a multiple of the cache line, so that a flush takes no neighbour's bytes along.
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
        """As in the base, once the cache has forgotten the buffer."""
        _, buffer = adapter.allocate_buffer(context.buffer_pool, data, length)
        if buffer is None:
            return
        slot = (int(data) - int(context.rx_buffers)) // BUFFER_BYTES
        adapter.update_shared_memory(BUFFER_BYTES, data, context.rx_buffers_address + slot * BUFFER_BYTES)
        packet = context.rx_packet
        adapter.chain_buffer_at_back(packet, buffer)
        packet.status = NDIS_STATUS_RESOURCES
        adapter.indicate_receive_packet([packet])
        adapter.reinitialize_packet(packet)
        adapter.free_buffer(buffer)
