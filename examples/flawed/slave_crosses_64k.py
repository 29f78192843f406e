# SPDX-License-Identifier: Apache-2.0
"""A driver programs its DMA channel by itself, with a frame that lies across a multiple of 64 KB.

Wrong:    the payload is put on the start of a 64 KB page, so that the 14 bytes of the header lie in the page before.
Silicon:  the address counter of the 8237 has 16 bits and no carry: the payload comes from the start of the page of the header.
Expected: dma-boundary, with the store that opens the channel.
Mend:     keep each buffer inside one page of 64 KB, or leave the channel to NdisMSetupDmaTransfer.
"""

from __future__ import annotations

from contextlib import ExitStack

from miniport import status as s
from miniport.adapter import Adapter
from miniport.context import Pointer
from miniport.packet import NdisBuffer
from miniport.slave import SlaveMiniport, driver
from miniport.slave import hardware as hw
from miniport.slave.driver import BUFFER_BYTES, IDLE, SENDING

CONTROLLER, CONTROLLER_PORTS, PAGE = 0x00, 16, 0x83
ADDRESS, COUNT, MASK, MODE, CLEAR_FLIP_FLOP = 2, 3, 0x0A, 0x0B, 0x0C
"""Ports of channel 1 and of its controller."""
BIT, MASK_SET, SINGLE_READ = 1, 4, 0x48
HEADER = 14
PAGE_BYTES = 0x10000
BLOCK = PAGE_BYTES + PAGE_BYTES


class Context(driver.Context):
    """With the ports of the DMA controller."""

    controller = Pointer()
    page = Pointer()


class SlaveCrosses64k(SlaveMiniport):
    """Sends through the ports of the controller, and receives through NDIS."""

    machine = {"nic": "isa-slave"}
    context_class = Context

    def _buffers(self, adapter: Adapter, context: driver.Context, undo: ExitStack) -> int:
        """As in the miniport; what is sent lies in contiguous memory below 16 MB."""
        status: int = super()._buffers(adapter, context, undo)
        if status != s.NDIS_STATUS_SUCCESS:
            return status
        for name, first, count in (("controller", CONTROLLER, CONTROLLER_PORTS), ("page", PAGE, 1)):
            status, ports = adapter.register_io_port_range(first, count)
            if ports is None:
                return status
            undo.callback(adapter.deregister_io_port_range, first, count, ports)
            setattr(context, name, ports)
        block = adapter.mm_allocate_contiguous_memory(BLOCK, 0xFF_FFFF)
        if block is None:
            return s.NDIS_STATUS_RESOURCES
        undo.callback(adapter.mm_free_contiguous_memory, block)
        inset = -adapter.mm_get_physical_address(block + HEADER) % PAGE_BYTES  # FLAW
        status, context.tx_buffer = adapter.allocate_buffer(None, block + inset, BUFFER_BYTES)
        if status == s.NDIS_STATUS_SUCCESS:
            undo.callback(adapter.free_buffer, context.tx_buffer)
        return status

    def _begin(self, adapter: Adapter, context: driver.Context, state: int, buffer: NdisBuffer, length: int) -> bool:
        """Program the channel port by port, then give the card its command."""
        if state != SENDING:
            return super()._begin(adapter, context, state, buffer, length)
        assert isinstance(context, Context)
        adapter.flush_buffer(buffer, True)
        port, address = context.controller, adapter.mm_get_physical_address(buffer.view)
        for register, value in ((MASK, MASK_SET | BIT), (CLEAR_FLIP_FLOP, 0), (MODE, SINGLE_READ | BIT), (ADDRESS, address),
                                (ADDRESS, address >> 8), (COUNT, length - 1), (COUNT, length - 1 >> 8)):
            adapter.raw_write_port_uchar(port, register, value)
        adapter.raw_write_port_uchar(context.page, 0, address >> 16)
        adapter.raw_write_port_uchar(port, MASK, BIT)  # NAMED HERE
        context.state, context.length = state, length
        adapter.raw_write_port_ushort(context.ports, hw.LENGTH, length)
        adapter.raw_write_port_ushort(context.ports, hw.COMMAND, hw.COMMAND_TRANSMIT)
        return True

    def _finish(self, adapter: Adapter, context: driver.Context) -> None:
        """Mask the channel where the driver opened it by itself."""
        if context.state != SENDING:
            super()._finish(adapter, context)
            return
        assert isinstance(context, Context)
        adapter.raw_write_port_uchar(context.controller, MASK, MASK_SET | BIT)
        context.state = IDLE
