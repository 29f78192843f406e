# SPDX-License-Identifier: Apache-2.0
"""A serialized NDIS 5 miniport for the Minnow: one frame on its way out at a time, sixteen buffers for frames that come in."""

from contextlib import ExitStack

from miniport import status as s
from miniport.context import AdapterContext, Pointer, Ulong, Ulonglong
from miniport.miniport import Miniport

CTRL, STATUS, CAUSE, MASK, TX_BASE, RX_BASE, KICK, MAC_LO, MAC_HI = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x20, 0x24
RUN, RESET, PROMISCUOUS = 1, 2, 4
LINK_UP, CAUSE_LINK, CAUSES, GONE = 1, 8, 0x1F, 0xFFFFFFFF
LENGTH, ERROR, OWN = 0x7FF, 1 << 30, 1 << 31  # of the upper half of a descriptor
ENTRIES, BUFFER = 16, 1536
TX_RING, RX_RING, BUFFERS = 0, 8 * ENTRIES, 16 * ENTRIES  # buffer 0 is for sending, the others belong to the receive ring
BLOCK = BUFFERS + (1 + ENTRIES) * BUFFER
WINDOW = 0x10000  # no transfer crosses a multiple of it
LAST_BYTE = (1 << 28) - 1
ANSWERS = {s.OID_GEN_MAXIMUM_FRAME_SIZE: 1500, s.OID_GEN_MAXIMUM_TOTAL_SIZE: 1514, s.OID_GEN_LINK_SPEED: 1_000_000,
           s.OID_GEN_MAC_OPTIONS: s.NDIS_MAC_OPTION_NO_LOOPBACK | s.NDIS_MAC_OPTION_TRANSFERS_NOT_PEND}
OTHERS = (s.OID_GEN_SUPPORTED_LIST, s.OID_GEN_CURRENT_PACKET_FILTER, s.OID_GEN_CURRENT_LOOKAHEAD, s.OID_802_3_PERMANENT_ADDRESS,
          s.OID_802_3_CURRENT_ADDRESS, s.OID_802_3_MULTICAST_LIST)


class Context(AdapterContext):
    """The adapter context."""

    undo = Pointer()
    registers = Pointer()
    block = Pointer()       # rings and buffers, where the card can use them
    address = Ulonglong()   # and its device address
    sending = Pointer()     # the packet that the card has, or None
    receiving = Pointer()   # the packet that wraps one receive buffer after the other
    buffers = Pointer()     # the pool of its buffers
    tx_slot = Ulong()
    rx_slot = Ulong()
    asked = Ulong()         # what the protocols asked for besides RUN


class MinnowMiniport(Miniport):
    """The driver."""

    def initialize(self, adapter):
        with ExitStack() as undo:
            status, memory = adapter.allocate_memory_with_tag(Context.SIZE, "Minn")
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
        context.registers = registers
        adapter.write_register_ulong(registers, CTRL, RESET)
        low, high = (adapter.read_register_ulong(registers, r) for r in (MAC_LO, MAC_HI))
        if low & 1 or not low | high:  # a group address, or none, or no card at all
            return s.NDIS_STATUS_ADAPTER_NOT_FOUND
        status = self.claim_memory(adapter, context, undo)
        if status != s.NDIS_STATUS_SUCCESS:
            return status
        self.start(adapter, context)
        undo.callback(self.quiet, adapter)
        status, interrupt = adapter.register_interrupt(line.start, line.level, True, True, line.mode)  # the ISR may run
        if status != s.NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.deregister_interrupt, interrupt)
        undo.callback(self.quiet, adapter)
        if adapter.registered_version < (5, 1):  # from 5.1 on the shutdown handler is one of the characteristics
            adapter.register_adapter_shutdown_handler(adapter, self.shutdown)
            undo.callback(adapter.deregister_adapter_shutdown_handler)
        adapter.write_register_ulong(registers, MASK, CAUSES)
        return s.NDIS_STATUS_SUCCESS

    def claim_memory(self, adapter, context, undo):
        # NDIS knows 24 and 32 bits: the card has 28, and what lies above them is of no use to it.
        status = adapter.allocate_map_registers(0, s.NDIS_DMA_24BITS, 1, 1514)
        if status != s.NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_map_registers)
        block, address = adapter.allocate_shared_memory(2 * BLOCK, False)
        if block is None:
            return s.NDIS_STATUS_RESOURCES
        undo.callback(adapter.free_shared_memory, 2 * BLOCK, False, block, address)
        start = address if address % WINDOW + BLOCK <= WINDOW else -(-address // WINDOW) * WINDOW
        if start + BLOCK - 1 > LAST_BYTE:
            return s.NDIS_STATUS_RESOURCES
        context.block, context.address = block + (start - address), start
        status, packets = adapter.allocate_packet_pool(1)
        if packets is None:
            return status
        undo.callback(adapter.free_packet_pool, packets)
        status, context.buffers = adapter.allocate_buffer_pool(1)
        if status != s.NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_buffer_pool, context.buffers)
        status, context.receiving = adapter.allocate_packet(packets)
        if context.receiving is None:
            return status
        undo.callback(adapter.free_packet, context.receiving)
        return s.NDIS_STATUS_SUCCESS

    def start(self, adapter, context):
        """Both rings from their first descriptors; every receive buffer goes to the card."""
        context.tx_slot = context.rx_slot = 0
        context.block.fill(0, BUFFERS)
        adapter.write_register_ulong(context.registers, TX_BASE, context.address + TX_RING)
        adapter.write_register_ulong(context.registers, RX_BASE, context.address + RX_RING)
        adapter.write_register_ulong(context.registers, CTRL, RUN | context.asked)
        for slot in range(ENTRIES):
            self.hand_over(context, RX_RING + 8 * slot, self.receive_buffer(slot), BUFFER)
        adapter.write_register_ulong(context.registers, KICK, 0)

    def hand_over(self, context, descriptor, buffer, length):
        context.block.write_ulong(descriptor, context.address + buffer)
        context.block.write_ulong(descriptor + 4, length | OWN)  # the last store: now it is the card's

    def receive_buffer(self, slot):
        return BUFFERS + (1 + slot) * BUFFER

    def quiet(self, adapter):
        registers = adapter.context.registers
        for _ in range(100):
            adapter.write_register_ulong(registers, MASK, 0)
            adapter.write_register_ulong(registers, CTRL, 0)
            if adapter.read_register_ulong(registers, CTRL) in (0, GONE) and adapter.read_register_ulong(registers, MASK) in (0, GONE):
                return

    def halt(self, adapter):
        self.quiet(adapter)
        self.finish(adapter, adapter.context, s.NDIS_STATUS_FAILURE)
        adapter.context.undo.close()

    def shutdown(self, adapter):
        self.quiet(adapter)

    def check_for_hang(self, adapter):
        """A bus error has stopped the card: its RUN bit is gone."""
        control = adapter.read_register_ulong(adapter.context.registers, CTRL)
        return control != GONE and not control & RUN

    def reset(self, adapter):
        context = adapter.context
        self.quiet(adapter)
        adapter.write_register_ulong(context.registers, CTRL, RESET)
        context.sending = None  # NDIS completes what was out
        context.asked = 0
        self.start(adapter, context)
        adapter.write_register_ulong(context.registers, MASK, CAUSES)
        return s.NDIS_STATUS_SUCCESS, True

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
        if cause & CAUSE_LINK:
            up = adapter.read_register_ulong(context.registers, STATUS) & LINK_UP
            adapter.indicate_status(s.NDIS_STATUS_MEDIA_CONNECT if up else s.NDIS_STATUS_MEDIA_DISCONNECT)
            adapter.indicate_status_complete()
        while self.receive(adapter, context):
            pass
        state = context.block.read_ulong(TX_RING + 8 * context.tx_slot + 4)
        if context.sending is not None and not state & OWN:
            context.tx_slot = (context.tx_slot + 1) % ENTRIES
            self.finish(adapter, context, s.NDIS_STATUS_FAILURE if state & ERROR else s.NDIS_STATUS_SUCCESS)

    def enable_interrupt(self, adapter):
        adapter.write_register_ulong(adapter.context.registers, MASK, CAUSES)

    def receive(self, adapter, context):
        """Indicate the frame of the next slot, and give its buffer back to the card; False if there is none."""
        slot = context.rx_slot
        state = context.block.read_ulong(RX_RING + 8 * slot + 4)
        if state & OWN:
            return False
        length = state & LENGTH
        if 14 <= length <= 1514:
            status, buffer = adapter.allocate_buffer(context.buffers, context.block + self.receive_buffer(slot), length)
            if status == s.NDIS_STATUS_SUCCESS:
                packet = context.receiving
                adapter.chain_buffer_at_front(packet, buffer)
                packet.status = s.NDIS_STATUS_RESOURCES  # the packet is ours again when the call returns
                adapter.indicate_receive_packet([packet])
                adapter.unchain_buffer_at_front(packet)
                adapter.free_buffer(buffer)
        self.hand_over(context, RX_RING + 8 * slot, self.receive_buffer(slot), BUFFER)
        adapter.write_register_ulong(context.registers, KICK, 0)
        context.rx_slot = (slot + 1) % ENTRIES
        return True

    def send(self, adapter, packet, flags):
        context = adapter.context
        if context.sending is not None:
            return s.NDIS_STATUS_RESOURCES  # NDIS asks again after send_resources_available
        length = 0
        buffer = packet.first
        while buffer is not None:
            source, size = adapter.query_buffer(buffer)
            if size:
                context.block.write(BUFFERS + length, source.read(0, size))
            length += size
            buffer = adapter.get_next_buffer(buffer)
        context.sending = packet
        self.hand_over(context, TX_RING + 8 * context.tx_slot, BUFFERS, length)
        adapter.write_register_ulong(context.registers, KICK, 0)
        return s.NDIS_STATUS_PENDING

    def finish(self, adapter, context, status):
        packet, context.sending = context.sending, None
        if packet is not None:
            adapter.send_complete(packet, status)
            adapter.send_resources_available()

    def query_information(self, adapter, oid, length):
        if oid in (s.OID_802_3_CURRENT_ADDRESS, s.OID_802_3_PERMANENT_ADDRESS):
            if length < 6:
                return s.NDIS_STATUS_BUFFER_TOO_SHORT, b"", 6
            low, high = (adapter.read_register_ulong(adapter.context.registers, r) for r in (MAC_LO, MAC_HI))
            return s.NDIS_STATUS_SUCCESS, (low | high << 32).to_bytes(8, "little")[:6], 0
        if oid == s.OID_GEN_SUPPORTED_LIST:
            data = b"".join(known.to_bytes(4, "little") for known in (*ANSWERS, *OTHERS))
        elif oid in ANSWERS:
            data = ANSWERS[oid].to_bytes(4, "little")
        else:
            return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0
        return (s.NDIS_STATUS_SUCCESS, data, 0) if len(data) <= length else (s.NDIS_STATUS_BUFFER_TOO_SHORT, b"", len(data))

    def set_information(self, adapter, oid, data):
        if oid == s.OID_GEN_CURRENT_PACKET_FILTER:
            context = adapter.context
            context.asked = PROMISCUOUS * bool(data[0] & 0x20)
            adapter.write_register_ulong(context.registers, CTRL, RUN | context.asked)
            return s.NDIS_STATUS_SUCCESS, 4, 0
        if oid in (s.OID_GEN_CURRENT_LOOKAHEAD, s.OID_802_3_MULTICAST_LIST):  # the card has all of both
            return s.NDIS_STATUS_SUCCESS, len(data), 0
        return s.NDIS_STATUS_NOT_SUPPORTED, 0, 0
