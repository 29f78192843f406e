# SPDX-License-Identifier: Apache-2.0
"""The address register of a word channel gets bits 16 to 1 of the address.

Twin of ``flawed/slave_word_unshifted.py``.
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

CONTROLLER, CONTROLLER_PORTS, PAGE = 0xC0, 32, 0x8B
ADDRESS, COUNT, MASK, MODE, CLEAR_FLIP_FLOP = 0x04, 0x06, 0x14, 0x16, 0x18
"""Ports of channel 5 and of its controller, from the first one of the controller on."""
BIT, MASK_SET, SINGLE_READ = 1, 4, 0x48
LAST = 0x7F_FFFF


class Context(driver.Context):
    """With the ports of the DMA controller."""

    controller = Pointer()
    page = Pointer()


class SlaveWordUnshifted(SlaveMiniport):
    """Sends through the ports of the controller, and receives through NDIS."""

    machine = {"nic": "isa-slave-16"}
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
        block = adapter.mm_allocate_contiguous_memory(BUFFER_BYTES, LAST)
        if block is None:
            return s.NDIS_STATUS_RESOURCES
        undo.callback(adapter.mm_free_contiguous_memory, block)
        status, context.tx_buffer = adapter.allocate_buffer(None, block, BUFFER_BYTES)
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
        units = (length + 1) // 2 - 1
        for register, value in ((MASK, MASK_SET | BIT), (CLEAR_FLIP_FLOP, 0), (MODE, SINGLE_READ | BIT), (COUNT, units),
                                (COUNT, units >> 8)):
            adapter.raw_write_port_uchar(port, register, value)
        word = address >> 1
        adapter.raw_write_port_uchar(port, ADDRESS, word)
        adapter.raw_write_port_uchar(port, ADDRESS, word >> 8)
        adapter.raw_write_port_uchar(context.page, 0, address >> 16)
        adapter.raw_write_port_uchar(port, MASK, BIT)
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
