# SPDX-License-Identifier: Apache-2.0
"""A serialized miniport for the ISA card with slave DMA, for NDIS 4.0 to 5.1.

What to look at first: `_claim` claims the channel; `_begin` and `_finish` hold each transfer between
NdisMSetupDmaTransfer and NdisMCompleteDmaTransfer, and nobody looks at received bytes before the latter. There is one
transfer at a time: `send` refuses packets while one runs, and `_next` decides what comes next.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import ClassVar

from miniport import status as s
from miniport.adapter import Adapter
from miniport.context import AdapterContext, Pointer, Ulong
from miniport.library.slave_dma import WIDTH_8_BITS, WIDTH_16_BITS, DmaDescription
from miniport.miniport import Miniport
from miniport.packet import NdisBuffer, Packet
from miniport.slave import hardware as hw
from miniport.slave.information import answer
from miniport.status import NDIS_STATUS_PENDING, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

BUFFER_BYTES = 1536
LARGEST_FRAME = 1514
NDIS_ERROR_CODE_OUT_OF_RESOURCES = 0xC0001389
IDLE, SENDING, RECEIVING = range(3)


class Context(AdapterContext):
    """The adapter context."""

    undo = Pointer()
    ports = Pointer()
    interrupt = Pointer()
    channel = Pointer()
    unit = Ulong()
    # What the channel does; length is that of its transfer.
    state = Ulong()
    length = Ulong()
    # Transmit: the packet that is being sent, and whether NDIS was told to wait.
    tx_buffer = Pointer()
    tx_packet = Pointer()
    refused = Ulong()
    # Receive: the one packet, with its one buffer.
    rx_packet = Pointer()


class SlaveMiniport(Miniport):
    """Miniport of the ISA card with slave DMA."""

    ndis_versions = ((5, 1), (5, 0), (4, 0))
    context_class: ClassVar[type[Context]] = Context

    # Life

    def initialize(self, adapter: Adapter) -> int:
        """Bring the card up, or tell the administrator why not."""
        status = self._bring_up(adapter)
        if status != NDIS_STATUS_SUCCESS:
            adapter.write_error_log_entry(NDIS_ERROR_CODE_OUT_OF_RESOURCES, (status,))
        return status

    def _bring_up(self, adapter: Adapter) -> int:
        """Claim everything, start the card. Whatever fails undoes what was done."""
        with ExitStack() as undo:
            status, memory = adapter.allocate_memory_with_tag(self.context_class.SIZE, "Slav")
            if memory is None:
                return status
            undo.callback(adapter.free_memory, memory, self.context_class.SIZE)
            context = self.context_class(memory)
            adapter.set_attributes_ex(context, 0, 0, s.NDIS_INTERFACE_ISA)
            for step in (self._claim, self._buffers, self._connect):
                status = step(adapter, context, undo)
                if status != NDIS_STATUS_SUCCESS:
                    return status
            adapter.raw_write_port_ushort(context.ports, hw.CTRL, hw.CTRL_RX_ENABLE)
            adapter.raw_write_port_ushort(context.ports, hw.MASK, hw.ALL_CAUSES)
            if adapter.registered_version < (5, 1):
                adapter.register_adapter_shutdown_handler(adapter, self.shutdown)
                undo.callback(adapter.deregister_adapter_shutdown_handler)
            context.undo = undo.pop_all()
            return NDIS_STATUS_SUCCESS

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, end the transfer, give the packet back, undo initialize."""
        context = adapter.context
        self._quiet(adapter, context)
        if context.state != IDLE:
            packet = context.tx_packet if context.state == SENDING else None
            self._finish(adapter, context)
            if packet is not None:
                adapter.send_complete(packet, s.NDIS_STATUS_FAILURE)
        context.undo.close()

    def shutdown(self, adapter: Adapter) -> None:
        """Stop the card. Nothing is freed."""
        self._quiet(adapter, adapter.context)

    def _quiet(self, adapter: Adapter, context: Context) -> None:
        """No interrupt and no transfer any more. Port writes are not posted."""
        adapter.raw_write_port_ushort(context.ports, hw.MASK, 0)
        adapter.raw_write_port_ushort(context.ports, hw.CTRL, hw.CTRL_RESET)

    # Steps of initialize

    def _claim(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The ports, and the DMA channel of the card's jumper."""
        status, resources = adapter.query_adapter_resources()
        if status != NDIS_STATUS_SUCCESS:
            return status
        port = next((r for r in resources if r.kind == "port"), None)
        dma = next((r for r in resources if r.kind == "dma"), None)
        if port is None or dma is None:
            return s.NDIS_STATUS_ADAPTER_NOT_FOUND
        status, context.ports = adapter.register_io_port_range(port.start, port.length)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.deregister_io_port_range, port.start, port.length, context.ports)
        adapter.raw_write_port_ushort(context.ports, hw.CTRL, hw.CTRL_RESET)
        if adapter.raw_read_port_ushort(context.ports, hw.JUMPERS) == hw.GONE:
            return s.NDIS_STATUS_ADAPTER_NOT_FOUND
        wide = dma.start >= hw.FIRST_WORD_CHANNEL
        context.unit = 2 if wide else 1
        description = DmaDescription(dma_channel_specified=True, dma_channel=dma.start,
                                     dma_width=WIDTH_16_BITS if wide else WIDTH_8_BITS)
        status, context.channel = adapter.register_dma_channel(dma.start, False, description, BUFFER_BYTES)
        if status == NDIS_STATUS_SUCCESS:
            undo.callback(adapter.deregister_dma_channel, context.channel)
        return status

    def _buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """One buffer for each direction, in pool memory: NdisMSetupDmaTransfer takes any."""
        status, pool = adapter.allocate_buffer_pool(2)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_buffer_pool, pool)
        buffers: list[NdisBuffer] = []
        for _ in range(2):
            status, memory = adapter.allocate_memory_with_tag(BUFFER_BYTES, "Slav")
            if memory is None:
                return status
            undo.callback(adapter.free_memory, memory, BUFFER_BYTES)
            status, buffer = adapter.allocate_buffer(pool, memory, BUFFER_BYTES)
            if buffer is None:
                return status
            undo.callback(adapter.free_buffer, buffer)
            buffers.append(buffer)
        context.tx_buffer = buffers[0]
        status, packets = adapter.allocate_packet_pool(1)
        if packets is None:
            return status
        undo.callback(adapter.free_packet_pool, packets)
        status, packet = adapter.allocate_packet(packets)
        if packet is None:
            return status
        undo.callback(adapter.free_packet, packet)
        adapter.chain_buffer_at_back(packet, buffers[1])
        context.rx_packet = packet
        return NDIS_STATUS_SUCCESS

    def _connect(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The interrupt, last: the ISR finds everything in place."""
        status, resources = adapter.query_adapter_resources()
        line = next((r for r in resources if r.kind == "interrupt"), None)
        if status != NDIS_STATUS_SUCCESS or line is None:
            return s.NDIS_STATUS_ADAPTER_NOT_FOUND
        status, context.interrupt = adapter.register_interrupt(
            line.start, line.level, request_isr=True, shared_interrupt=False, mode=line.mode)
        if status == NDIS_STATUS_SUCCESS:
            undo.callback(adapter.deregister_interrupt, context.interrupt)
        return status

    # Interrupts

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? Then mask the card: its line falls, and rises again when `enable_interrupt` finds a cause left. Were it
        not to fall, an edge-triggered controller would never hear of the card again."""
        ports = adapter.context.ports
        mask = adapter.raw_read_port_ushort(ports, hw.MASK)
        cause = adapter.raw_read_port_ushort(ports, hw.CAUSE)
        if cause == hw.GONE or not cause & mask:
            return False, False
        adapter.raw_write_port_ushort(ports, hw.MASK, 0)
        return True, True

    def handle_interrupt(self, adapter: Adapter) -> None:
        """Acknowledge, end the transfer that is done, begin what waits."""
        context = adapter.context
        cause = adapter.raw_read_port_ushort(context.ports, hw.CAUSE)
        if cause == hw.GONE:
            return
        adapter.raw_write_port_ushort(context.ports, hw.CAUSE, cause)
        if cause & hw.CAUSE_LINK_CHANGE:
            up = adapter.raw_read_port_ushort(context.ports, hw.STATUS) & hw.STATUS_LINK
            adapter.indicate_status(s.NDIS_STATUS_MEDIA_CONNECT if up else s.NDIS_STATUS_MEDIA_DISCONNECT)
            adapter.indicate_status_complete()
        if cause & hw.CAUSE_DONE and context.state != IDLE:
            self._done(adapter, context, good=not cause & hw.CAUSE_DMA_ERROR)
        self._next(adapter, context)

    def enable_interrupt(self, adapter: Adapter) -> None:
        """After handle_interrupt: let the card interrupt again."""
        adapter.raw_write_port_ushort(adapter.context.ports, hw.MASK, hw.ALL_CAUSES)

    # Transfers

    def _begin(self, adapter: Adapter, context: Context, state: int, buffer: NdisBuffer, length: int) -> bool:
        """Set the channel up for *length* bytes, then give the card its command."""
        whole = -(-length // context.unit) * context.unit
        if adapter.setup_dma_transfer(context.channel, buffer, 0, whole, state == SENDING) != NDIS_STATUS_SUCCESS:
            return False
        context.state = state
        context.length = length
        if state == SENDING:
            adapter.raw_write_port_ushort(context.ports, hw.LENGTH, length)
        adapter.raw_write_port_ushort(
            context.ports, hw.COMMAND, hw.COMMAND_TRANSMIT if state == SENDING else hw.COMMAND_RECEIVE)
        return True

    def _finish(self, adapter: Adapter, context: Context) -> None:
        """Complete the transfer with exactly what it was set up with."""
        sending = context.state == SENDING
        buffer = context.tx_buffer if sending else context.rx_packet.first
        whole = -(-context.length // context.unit) * context.unit
        context.state = IDLE
        adapter.complete_dma_transfer(context.channel, buffer, 0, whole, sending)

    def _done(self, adapter: Adapter, context: Context, *, good: bool) -> None:
        """A transfer is over: tell the protocols."""
        sending, length = context.state == SENDING, context.length
        self._finish(adapter, context)
        if sending:
            packet, context.tx_packet = context.tx_packet, None
            adapter.send_complete(packet, NDIS_STATUS_SUCCESS if good else s.NDIS_STATUS_FAILURE)
        elif good:
            packet = context.rx_packet
            adapter.adjust_buffer_length(packet.first, length)
            packet.status = NDIS_STATUS_RESOURCES
            adapter.indicate_receive_packet([packet])
        else:
            adapter.raw_write_port_ushort(context.ports, hw.COMMAND, hw.COMMAND_DROP)

    def _next(self, adapter: Adapter, context: Context) -> None:
        """A frame on the card goes first: there is little room for them. Else NDIS may send again."""
        if context.state != IDLE:
            return
        length = adapter.raw_read_port_ushort(context.ports, hw.RX_LENGTH)
        if length == hw.GONE:
            return
        if length:
            buffer = context.rx_packet.first
            adapter.adjust_buffer_length(buffer, BUFFER_BYTES)
            if self._begin(adapter, context, RECEIVING, buffer, length):
                return
            adapter.raw_write_port_ushort(context.ports, hw.COMMAND, hw.COMMAND_DROP)
        if context.refused:
            context.refused = 0
            adapter.send_resources_available()

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """Copy the packet and begin its transfer; refuse it while another one runs."""
        if not 14 <= packet.length <= LARGEST_FRAME:
            return s.NDIS_STATUS_INVALID_LENGTH
        context = adapter.context
        if context.state != IDLE:
            context.refused = 1
            return NDIS_STATUS_RESOURCES
        data = context.tx_buffer.view
        _, _, buffer, length = adapter.query_packet(packet)
        at = 0
        while buffer is not None:
            source, size = adapter.query_buffer(buffer)
            if size:
                data.write(at, source.read(0, size))
            at += size
            buffer = adapter.get_next_buffer(buffer)
        if length % context.unit:
            data.write_uchar(length, 0)
        context.tx_packet = packet
        if not self._begin(adapter, context, SENDING, context.tx_buffer, length):
            context.tx_packet = None
            return s.NDIS_STATUS_FAILURE
        return NDIS_STATUS_PENDING

    # Requests

    def query_information(self, adapter: Adapter, oid: int, length: int) -> tuple[int, bytes, int]:
        """Answer an OID; a buffer that is too short is told how much it needs."""
        return answer(partial(adapter.raw_read_port_ushort, adapter.context.ports), oid, length)

    def set_information(self, adapter: Adapter, oid: int, data: bytes) -> tuple[int, int, int]:
        """Packet filter, multicast list and lookahead."""
        if oid == s.OID_GEN_CURRENT_LOOKAHEAD:
            return (NDIS_STATUS_SUCCESS, 4, 0) if len(data) >= 4 else (s.NDIS_STATUS_INVALID_LENGTH, 0, 4)
        if oid == s.OID_802_3_MULTICAST_LIST:
            return (s.NDIS_STATUS_INVALID_LENGTH, 0, 0) if len(data) % 6 else (NDIS_STATUS_SUCCESS, len(data), 0)
        if oid != s.OID_GEN_CURRENT_PACKET_FILTER:
            return s.NDIS_STATUS_NOT_SUPPORTED, 0, 0
        if len(data) < 4:
            return s.NDIS_STATUS_INVALID_LENGTH, 0, 4
        wanted = int.from_bytes(data[:4], "little")
        bits = 0
        for ndis_bit, card_bit in ((s.NDIS_PACKET_TYPE_DIRECTED, hw.FILTER_DIRECTED),
                                   (s.NDIS_PACKET_TYPE_BROADCAST, hw.FILTER_BROADCAST),
                                   (s.NDIS_PACKET_TYPE_MULTICAST, hw.FILTER_MULTICAST),
                                   (s.NDIS_PACKET_TYPE_ALL_MULTICAST, hw.FILTER_MULTICAST),
                                   (s.NDIS_PACKET_TYPE_PROMISCUOUS, hw.FILTER_PROMISCUOUS)):
            if wanted & ndis_bit:
                bits |= card_bit
        adapter.raw_write_port_ushort(adapter.context.ports, hw.FILTER, bits)
        return NDIS_STATUS_SUCCESS, 4, 0
