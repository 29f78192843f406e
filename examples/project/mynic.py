# SPDX-License-Identifier: Apache-2.0
"""A serialized miniport for the reference NIC that sends one frame at a time and receives into one buffer."""
from contextlib import ExitStack

from miniport import status as s
from miniport.context import AdapterContext, Pointer, Ulong, Ulonglong
from miniport.miniport import Miniport

CTRL, STATUS, CAUSE, MASK, MAC_LO, MAC_HI, FILTER = 0x04, 0x08, 0x0C, 0x10, 0x18, 0x1C, 0x20
TX_BASE_LO, TX_COUNT, TX_TAIL, RX_BASE_LO, RX_COUNT, RX_TAIL = 0x40, 0x48, 0x50, 0x60, 0x68, 0x70
RESET, TX_ENABLE, RX_ENABLE, PAD = 1, 2, 4, 8
RESETTING = 2
OWN, END, ERROR, GONE = 1 << 31, 1 << 30, 1 << 29, 0xFFFFFFFF
TX_RING, RX_RING, TX_BUFFER, RX_BUFFER, BLOCK = 0, 32, 64, 64 + 1536, 64 + 2 * 1536  # one block for everything


class Context(AdapterContext):
    undo = Pointer()
    registers = Pointer()
    block = Pointer()
    address = Ulonglong()
    sending = Pointer()     # the packet that the card has, or None
    receiving = Pointer()   # the packet that wraps the receive buffer
    tx_slot = Ulong()
    rx_slot = Ulong()


class MyNic(Miniport):
    def initialize(self, adapter):
        with ExitStack() as undo:
            status, memory = adapter.allocate_memory_with_tag(Context.SIZE, "Smll")
            if memory is None:
                return status
            undo.callback(adapter.free_memory, memory, Context.SIZE)
            context = Context(memory)
            adapter.set_attributes_ex(context, 0, s.NDIS_ATTRIBUTE_BUS_MASTER, s.NDIS_INTERFACE_PCI)
            status = self.claim(adapter, context, undo)
            if status == s.NDIS_STATUS_SUCCESS:
                context.undo = undo.pop_all()
            return status

    def claim(self, adapter, context, undo):
        status, resources = adapter.query_adapter_resources()
        if status != s.NDIS_STATUS_SUCCESS:
            return status
        memory = next((r for r in resources if r.kind == "memory"), None)
        line = next((r for r in resources if r.kind == "interrupt"), None)
        if memory is None or line is None:
            return s.NDIS_STATUS_RESOURCE_CONFLICT
        status, registers = adapter.map_io_space(memory.start, memory.length)
        if status != s.NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.unmap_io_space, registers, memory.length)
        adapter.write_register_ulong(registers, CTRL, RESET)  # it may have run before: its ring indices begin at 0 again
        for _ in range(100):
            if not adapter.read_register_ulong(registers, STATUS) & RESETTING:
                break
            adapter.stall_execution(10)
        else:
            return s.NDIS_STATUS_FAILURE
        status = adapter.allocate_map_registers(0, s.NDIS_DMA_24BITS, 1, 1514)
        if status != s.NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_map_registers)
        block, address = adapter.allocate_shared_memory(BLOCK, False)
        if block is None:
            return s.NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, BLOCK, False, block, address)
        status, packets = adapter.allocate_packet_pool(1)
        if packets is None:
            return status
        undo.callback(adapter.free_packet_pool, packets)
        status, buffers = adapter.allocate_buffer_pool(1)
        undo.callback(adapter.free_buffer_pool, buffers)
        status, packet = adapter.allocate_packet(packets)
        if packet is None:
            return status
        undo.callback(adapter.free_packet, packet)
        status, buffer = adapter.allocate_buffer(buffers, block + RX_BUFFER, 1514)
        if buffer is None:
            return status
        undo.callback(adapter.free_buffer, buffer)
        adapter.chain_buffer_at_back(packet, buffer)

        context.registers, context.block, context.address, context.receiving = registers, block, address, packet
        block.fill(0, TX_BUFFER)
        for register, value in ((TX_BASE_LO, address + TX_RING), (TX_COUNT, 2), (RX_BASE_LO, address + RX_RING),
                                (RX_COUNT, 2), (CTRL, TX_ENABLE | RX_ENABLE | PAD)):
            adapter.write_register_ulong(registers, register, value)
        undo.callback(self.quiet, adapter)
        self.refill(adapter, context)
        status, interrupt = adapter.register_interrupt(line.start, line.level, True, True, line.mode)  # the ISR may run
        if status != s.NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.deregister_interrupt, interrupt)
        undo.callback(self.quiet, adapter)
        if adapter.registered_version < (5, 1):  # from 5.1 on the shutdown handler is one of the characteristics
            adapter.register_adapter_shutdown_handler(adapter, self.shutdown)
            undo.callback(adapter.deregister_adapter_shutdown_handler)
        adapter.write_register_ulong(registers, MASK, 0x3F)
        return s.NDIS_STATUS_SUCCESS

    def quiet(self, adapter):
        registers = adapter.context.registers
        adapter.write_register_ulong(registers, MASK, 0)
        adapter.write_register_ulong(registers, CTRL, 0)
        adapter.read_register_ulong(registers, STATUS)  # pushes both writes out to the card

    def halt(self, adapter):
        self.quiet(adapter)
        self.finish(adapter, adapter.context, s.NDIS_STATUS_FAILURE)
        adapter.context.undo.close()

    def shutdown(self, adapter):
        self.quiet(adapter)

    def isr(self, adapter):
        registers = adapter.context.registers
        cause = adapter.read_register_ulong(registers, CAUSE)
        if cause == GONE or not cause & adapter.read_register_ulong(registers, MASK):
            return False, False
        adapter.write_register_ulong(registers, MASK, 0)
        adapter.read_register_ulong(registers, MASK)
        return True, True

    def handle_interrupt(self, adapter):
        context = adapter.context
        cause = adapter.read_register_ulong(context.registers, CAUSE)
        if cause == GONE:
            return
        adapter.write_register_ulong(context.registers, CAUSE, cause)  # acknowledge first, ...
        adapter.read_register_ulong(context.registers, CAUSE)  # ... make sure that it arrived, and look afterwards
        control = (context.block + RX_RING + 16 * context.rx_slot).read_ulong(12)
        if not control & OWN:
            if not control & ERROR:
                packet = context.receiving
                adapter.adjust_buffer_length(packet.first, control & 0xFFFF)
                packet.status = s.NDIS_STATUS_RESOURCES  # the packet is ours again when the call returns
                adapter.indicate_receive_packet([packet])
            context.rx_slot ^= 1
            self.refill(adapter, context)
        control = (context.block + TX_RING + 16 * context.tx_slot).read_ulong(12)
        if context.sending is not None and not control & OWN:
            context.tx_slot ^= 1
            self.finish(adapter, context, s.NDIS_STATUS_FAILURE if control & ERROR else s.NDIS_STATUS_SUCCESS)

    def enable_interrupt(self, adapter):
        adapter.write_register_ulong(adapter.context.registers, MASK, 0x3F)

    def send(self, adapter, packet, flags):
        context = adapter.context
        if context.sending is not None:
            return s.NDIS_STATUS_RESOURCES  # NDIS asks again after send_resources_available
        length = 0
        buffer = packet.first
        while buffer is not None:
            source, size = adapter.query_buffer(buffer)
            (context.block + TX_BUFFER).write(length, source.read(0, size))
            length += size
            buffer = adapter.get_next_buffer(buffer)
        context.sending = packet
        self.hand_over(adapter, context, TX_RING, context.tx_slot, TX_BUFFER, length, OWN | END, TX_TAIL)
        return s.NDIS_STATUS_PENDING

    def finish(self, adapter, context, status):
        packet, context.sending = context.sending, None
        if packet is not None:
            adapter.send_complete(packet, status)
            adapter.send_resources_available()

    def refill(self, adapter, context):
        self.hand_over(adapter, context, RX_RING, context.rx_slot, RX_BUFFER, 1536, OWN, RX_TAIL)

    def hand_over(self, adapter, context, ring, slot, buffer, length, control, doorbell):
        descriptor = context.block + ring + 16 * slot
        descriptor.write_ulonglong(0, context.address + buffer)
        descriptor.write_ulong(8, length)
        descriptor.write_ulong(12, control)  # the last store: now it is the card's
        adapter.write_register_ulong(context.registers, doorbell, slot ^ 1)

    def query_information(self, adapter, oid, length):
        if oid in (s.OID_802_3_CURRENT_ADDRESS, s.OID_802_3_PERMANENT_ADDRESS):
            if length < 6:
                return s.NDIS_STATUS_BUFFER_TOO_SHORT, b"", 6
            low, high = (adapter.read_register_ulong(adapter.context.registers, r) for r in (MAC_LO, MAC_HI))
            return s.NDIS_STATUS_SUCCESS, (low | high << 32).to_bytes(8, "little")[:6], 0
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0  # a real one answers every mandatory OID

    def set_information(self, adapter, oid, data):
        if oid == s.OID_GEN_CURRENT_PACKET_FILTER:
            wanted = int.from_bytes(data[:4], "little")
            card = sum(bit for ndis, bit in ((0x01, 1), (0x04, 2), (0x02, 4), (0x08, 8), (0x20, 16)) if wanted & ndis)
            adapter.write_register_ulong(adapter.context.registers, FILTER, card)
        return s.NDIS_STATUS_SUCCESS, len(data), 0
