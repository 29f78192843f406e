# SPDX-License-Identifier: Apache-2.0
"""A small deserialized miniport for the reference NIC, cut into steps. Each example replaces the steps that it is about.

The folders ``clean`` and ``flawed`` hold the same copy of this file: an example must find its helper beside it.

Transmit and receive have one ring of `SLOTS` descriptors and one block of `SLOTS` buffers each. A received frame is
indicated with NDIS_STATUS_RESOURCES, so that its buffer is back when the call returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import ClassVar

from miniport import status as s
from miniport.adapter import Adapter
from miniport.context import AdapterContext, Array, Pointer, Ulong, Ulonglong
from miniport.miniport import Miniport
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.reference.information import answer
from miniport.status import NDIS_STATUS_PENDING, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from miniport.view import View

ADDRESS, LENGTH, CONTROL, DESCRIPTOR_BYTES = 0, 8, 12, 16
"""Layout of a descriptor."""
SLOTS = 8
BUFFER_BYTES = 2048
RING_BYTES = SLOTS * DESCRIPTOR_BYTES
LARGEST_FRAME = 1514


class Context(AdapterContext):
    """The adapter context."""

    undo = Pointer()
    registers = Pointer()
    interrupt = Pointer()
    lock = Pointer()
    # Transmit: the slots from tx_done up to tx_next belong to the card or wait to be reclaimed.
    tx_ring = Pointer()
    tx_ring_address = Ulonglong()
    tx_buffers = Pointer()
    tx_buffers_address = Ulonglong()
    tx_packets = Array(Pointer(), SLOTS)
    tx_next = Ulong()
    tx_done = Ulong()
    # Packets that found the ring full, linked through their MiniportReserved.
    queue_head = Pointer()
    queue_tail = Pointer()
    # Receive: all slots but the one behind rx_next belong to the card.
    rx_ring = Pointer()
    rx_ring_address = Ulonglong()
    rx_buffers = Pointer()
    rx_buffers_address = Ulonglong()
    rx_packet = Pointer()
    buffer_pool = Pointer()
    rx_next = Ulong()
    # What single examples keep beside it.
    extra = Pointer()
    extra_address = Ulonglong()
    mapped = Array(Pointer(), SLOTS)


class Example(Miniport):
    """The miniport that the examples vary."""

    attributes = s.NDIS_ATTRIBUTE_BUS_MASTER | s.NDIS_ATTRIBUTE_DESERIALIZE
    context_class: ClassVar[type[Context]] = Context
    dma_width = s.NDIS_DMA_24BITS
    """The largest of NDIS's three widths that the card's own does not fall below: 24 for 26 bits."""

    # Life

    def initialize(self, adapter: Adapter) -> int:
        """Claim step by step. Each step registers its undoing, which a later failure or `halt` runs in reverse."""
        with ExitStack() as undo:
            status: int
            status, memory = adapter.allocate_memory_with_tag(self.context_class.SIZE, "Exmp")
            if memory is None:
                return status
            undo.callback(adapter.free_memory, memory, self.context_class.SIZE)
            context = self.context_class(memory)
            surprise = s.NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK if adapter.get_version() >= (5, 1) else 0
            adapter.set_attributes_ex(context, 0, self.attributes | surprise, s.NDIS_INTERFACE_PCI)
            context.lock = adapter.allocate_spin_lock()
            undo.callback(adapter.free_spin_lock, context.lock)
            for step in (self.claim_registers, self.claim_dma, self.claim_rings, self.claim_transmit_buffers,
                         self.claim_receive_buffers, self.claim_receive_packet, self.claim_interrupt):
                status = step(adapter, context, undo)
                if status != NDIS_STATUS_SUCCESS:
                    return status
            self.start(adapter, context)
            if adapter.registered_version < (5, 1):
                adapter.register_adapter_shutdown_handler(adapter, self.shutdown)
                undo.callback(adapter.deregister_adapter_shutdown_handler)
            context.undo = undo.pop_all()
            return NDIS_STATUS_SUCCESS

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, give back the packets it still has, undo `initialize`."""
        context = adapter.context
        self.stop(adapter, context)
        self.fail_all_sends(adapter, context)
        context.undo.close()

    def shutdown(self, adapter: Adapter) -> None:
        """Stop the card. Nothing is freed."""
        self.stop(adapter, adapter.context)

    # Steps of initialize

    def claim_registers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Map the registers and reset the card."""
        status: int
        status, resources = adapter.query_adapter_resources()
        memory = next((r for r in resources if r.kind == "memory"), None)
        if status != NDIS_STATUS_SUCCESS or memory is None:
            return s.NDIS_STATUS_ADAPTER_NOT_FOUND
        status, context.registers = adapter.map_io_space(memory.start, memory.length)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.unmap_io_space, context.registers, memory.length)
        return self.reset_card(adapter, context)

    def reset_card(self, adapter: Adapter, context: Context) -> int:
        """Reset the card: every register has its value of the start. The wait is bounded."""
        adapter.write_register_ulong(context.registers, hw.CTRL, hw.CTRL_RESET)
        for _ in range(100):
            if not adapter.read_register_ulong(context.registers, hw.STATUS) & hw.STATUS_RESETTING:
                return NDIS_STATUS_SUCCESS
            adapter.stall_execution(10)
        return s.NDIS_STATUS_DEVICE_FAILED

    def claim_dma(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Declare the DMA width."""
        status: int = adapter.allocate_map_registers(0, self.dma_width, 1, LARGEST_FRAME)
        if status == NDIS_STATUS_SUCCESS:
            undo.callback(adapter.free_map_registers)
        return status

    def claim_rings(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The two descriptor rings."""
        context.tx_ring, context.tx_ring_address = self.shared(adapter, RING_BYTES, RING_BYTES, undo)
        context.rx_ring, context.rx_ring_address = self.shared(adapter, RING_BYTES, RING_BYTES, undo)
        if context.tx_ring is None or context.rx_ring is None:
            return NDIS_STATUS_RESOURCES
        return NDIS_STATUS_SUCCESS

    def claim_transmit_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """`SLOTS` buffers for frames to be sent."""
        context.tx_buffers, context.tx_buffers_address = self.shared(adapter, SLOTS * BUFFER_BYTES, BUFFER_BYTES, undo)
        return NDIS_STATUS_RESOURCES if context.tx_buffers is None else NDIS_STATUS_SUCCESS

    def claim_receive_buffers(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """`SLOTS` buffers for received frames."""
        context.rx_buffers, context.rx_buffers_address = self.shared(adapter, SLOTS * BUFFER_BYTES, BUFFER_BYTES, undo)
        return NDIS_STATUS_RESOURCES if context.rx_buffers is None else NDIS_STATUS_SUCCESS

    def claim_receive_packet(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """The packet in which received frames are indicated, one at a time."""
        status: int
        status, packets = adapter.allocate_packet_pool(1)
        if packets is None:
            return status
        undo.callback(adapter.free_packet_pool, packets)
        status, context.buffer_pool = adapter.allocate_buffer_pool(1)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_buffer_pool, context.buffer_pool)
        status, context.rx_packet = adapter.allocate_packet(packets)
        if status == NDIS_STATUS_SUCCESS:
            undo.callback(adapter.free_packet, context.rx_packet)
        return status

    def claim_interrupt(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Connect the interrupt, last: the ISR may run from here on and finds everything in place."""
        status: int
        status, resources = adapter.query_adapter_resources()
        line = next((r for r in resources if r.kind == "interrupt"), None)
        if status != NDIS_STATUS_SUCCESS or line is None:
            return s.NDIS_STATUS_ADAPTER_NOT_FOUND
        status, context.interrupt = adapter.register_interrupt(
            line.start, line.level, request_isr=True, shared_interrupt=True, mode=line.mode)
        if status == NDIS_STATUS_SUCCESS:
            undo.callback(adapter.deregister_interrupt, context.interrupt)
        return status

    def shared(self, adapter: Adapter, length: int, unit: int, undo: ExitStack) -> tuple[View | None, int]:
        """*length* bytes of shared memory that begin at a multiple of *unit*, a power of two: pieces of that size then
        cross no boundary. Virtual and device address are moved by the same offset; freed is what was allocated."""
        whole = length + unit - 1
        virtual, address = adapter.allocate_shared_memory(whole, False)
        if virtual is None:
            return None, 0
        undo.callback(adapter.free_shared_memory, whole, False, virtual, address)
        inset = -address % unit
        return virtual + inset, address + inset

    # The card

    def start(self, adapter: Adapter, context: Context) -> None:
        """Write both rings, tell the card where they are, start it, hand over the receive buffers. Reading STATUS brings the
        start home, so that the card runs before it is given a buffer."""
        registers = context.registers
        for ring, address, lo, hi, count in (
                (context.tx_ring, context.tx_ring_address, hw.TX_BASE_LO, hw.TX_BASE_HI, hw.TX_COUNT),
                (context.rx_ring, context.rx_ring_address, hw.RX_BASE_LO, hw.RX_BASE_HI, hw.RX_COUNT)):
            ring.fill(0, RING_BYTES)
            self.name_ring(adapter, context, address, lo, hi, count)
        adapter.write_register_ulong(registers, hw.CTRL, hw.CTRL_TX_ENABLE | hw.CTRL_RX_ENABLE | hw.CTRL_PAD)
        adapter.read_register_ulong(registers, hw.STATUS)
        for slot in range(SLOTS - 1):
            self.give_receive_slot(adapter, context, slot)
        adapter.write_register_ulong(registers, hw.MASK, hw.ALL_CAUSES)

    def name_ring(self, adapter: Adapter, context: Context, address: int, lo: int, hi: int, count: int) -> None:
        """Write base and length of one ring into the registers at *lo*, *hi* and *count*."""
        adapter.write_register_ulong(context.registers, lo, address & 0xFFFFFFFF)
        adapter.write_register_ulong(context.registers, hi, address >> 32)
        adapter.write_register_ulong(context.registers, count, SLOTS)

    def stop(self, adapter: Adapter, context: Context) -> None:
        """No interrupt and no DMA any more: reading STATUS brings the posted writes home. The wait is bounded."""
        adapter.write_register_ulong(context.registers, hw.MASK, 0)
        adapter.write_register_ulong(context.registers, hw.CTRL, 0)
        for _ in range(100):
            status = adapter.read_register_ulong(context.registers, hw.STATUS)
            if status == hw.GONE or not status & (hw.STATUS_TX_ACTIVE | hw.STATUS_RX_ACTIVE):
                return
            adapter.stall_execution(10)

    # Interrupts

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? Then mask the card, so that the line falls, and let `handle_interrupt` do the rest."""
        registers = adapter.context.registers
        mask = adapter.read_register_ulong(registers, hw.MASK)
        cause = adapter.read_register_ulong(registers, hw.CAUSE)
        if cause == hw.GONE or not cause & mask:
            return False, False
        adapter.write_register_ulong(registers, hw.MASK, 0)
        adapter.read_register_ulong(registers, hw.MASK)
        return True, True

    def handle_interrupt(self, adapter: Adapter) -> None:
        """Acknowledge first, then look at the rings: what comes in between pulls the line again."""
        context = adapter.context
        cause = adapter.read_register_ulong(context.registers, hw.CAUSE)
        if cause == hw.GONE:
            return
        adapter.write_register_ulong(context.registers, hw.CAUSE, cause)
        adapter.read_register_ulong(context.registers, hw.CAUSE)  # the acknowledge is home before the rings are looked at
        self.receive(adapter, context)
        self.reclaim(adapter, context)

    def enable_interrupt(self, adapter: Adapter) -> None:
        """After `handle_interrupt`: let the card interrupt again."""
        adapter.write_register_ulong(adapter.context.registers, hw.MASK, hw.ALL_CAUSES)

    # Sending

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """Hand the packet to the card, or queue it while the ring is full."""
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)
        if context.queue_head is not None or not self.has_room(adapter, context, packet):
            self.enqueue(context, packet)
        else:
            self.transmit(adapter, context, packet)
        adapter.release_spin_lock(context.lock)
        return NDIS_STATUS_PENDING

    def has_room(self, adapter: Adapter, context: Context, packet: Packet) -> bool:
        """True if the ring has a free slot for each piece of the packet. One slot stays free: a full ring looks empty."""
        free: int = (context.tx_done - context.tx_next - 1) % SLOTS
        return free >= self.pieces(adapter, packet)

    def pieces(self, adapter: Adapter, packet: Packet) -> int:
        """Descriptors that the packet needs: one, as it is copied."""
        return 1

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """Copy the packet into the buffer of the next slot and hand it over."""
        slot = context.tx_next
        length = self.copy(adapter, packet, context.tx_buffers + slot * BUFFER_BYTES)
        self.hand_over(adapter, context, packet, [(context.tx_buffers_address + slot * BUFFER_BYTES, length)])

    def hand_over(self, adapter: Adapter, context: Context, packet: Packet, pieces: Sequence[tuple[int, int]]) -> None:
        """Write one descriptor for each piece, its ownership in a last store of its own, and ring the doorbell after all."""
        slot = context.tx_next
        for number, (address, length) in enumerate(pieces, 1):
            last = number == len(pieces)
            descriptor = context.tx_ring + slot * DESCRIPTOR_BYTES
            descriptor.write_ulonglong(ADDRESS, address)
            descriptor.write_ulong(LENGTH, length)
            descriptor.write_ulong(CONTROL, hw.OWN | hw.END if last else hw.OWN)
            context.tx_packets[slot] = packet if last else None
            slot = (slot + 1) % SLOTS
        context.tx_next = slot
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, slot)

    def copy(self, adapter: Adapter, packet: Packet, data: View) -> int:
        """Copy all fragments of a packet to *data*. Returns their length."""
        length = 0
        _, _, buffer, _ = adapter.query_packet(packet)
        while buffer is not None:
            source, size = adapter.query_buffer(buffer)
            if size:
                data.write(length, source.read(0, size))
            length += size
            buffer = adapter.get_next_buffer(buffer)
        return length

    def reclaim(self, adapter: Adapter, context: Context) -> None:
        """Complete what the card has sent and refill its ring from the queue. No lock is held in upcalls."""
        finished: list[tuple[Packet, int]] = []
        adapter.dpr_acquire_spin_lock(context.lock)
        while context.tx_done != context.tx_next:
            slot = context.tx_done
            control = (context.tx_ring + slot * DESCRIPTOR_BYTES).read_ulong(CONTROL)
            if control & hw.OWN:
                break
            self.release_slot(adapter, context, slot)
            if context.tx_packets[slot] is not None:
                finished.append((context.tx_packets[slot], s.NDIS_STATUS_FAILURE if control & hw.ERROR else NDIS_STATUS_SUCCESS))
            context.tx_done = (slot + 1) % SLOTS
        while context.queue_head is not None and self.has_room(adapter, context, context.queue_head):
            self.transmit(adapter, context, self.dequeue(context))
        adapter.dpr_release_spin_lock(context.lock)
        for packet, status in finished:
            adapter.send_complete(packet, status)

    def release_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """The card is done with a transmit slot. A copy leaves nothing to undo."""

    def enqueue(self, context: Context, packet: Packet) -> None:
        """Append a packet to the queue."""
        packet.reserved = None
        if context.queue_head is None:
            context.queue_head = packet
        else:
            context.queue_tail.reserved = packet
        context.queue_tail = packet

    def dequeue(self, context: Context) -> Packet:
        """Take the first packet of the queue."""
        packet: Packet = context.queue_head
        context.queue_head = packet.reserved
        return packet

    def fail_all_sends(self, adapter: Adapter, context: Context) -> None:
        """Give back the packets that the card will never send."""
        while context.tx_done != context.tx_next:
            slot = context.tx_done
            self.release_slot(adapter, context, slot)
            context.tx_done = (slot + 1) % SLOTS
            if context.tx_packets[slot] is not None:
                adapter.send_complete(context.tx_packets[slot], s.NDIS_STATUS_FAILURE)
        while context.queue_head is not None:
            adapter.send_complete(self.dequeue(context), s.NDIS_STATUS_FAILURE)

    # Receiving

    def receive(self, adapter: Adapter, context: Context) -> None:
        """Indicate every frame that the card has stored, and give the card another slot for each."""
        while True:
            slot = context.rx_next
            control = (context.rx_ring + slot * DESCRIPTOR_BYTES).read_ulong(CONTROL)
            if control & hw.OWN or not control:
                return
            context.rx_next = (slot + 1) % SLOTS
            if not control & hw.ERROR:
                self.indicate(adapter, context, self.receive_buffer(context, slot), control & hw.LENGTH)
            (context.rx_ring + slot * DESCRIPTOR_BYTES).write_ulong(CONTROL, 0)
            self.give_receive_slot(adapter, context, (slot - 1) % SLOTS)

    def receive_buffer(self, context: Context, slot: int) -> View:
        """The buffer of a receive slot."""
        buffers: View = context.rx_buffers
        return buffers + slot * BUFFER_BYTES

    def indicate(self, adapter: Adapter, context: Context, data: View, length: int) -> None:
        """Indicate one frame. The packet is back when the call returns; without a buffer descriptor the frame is lost."""
        _, buffer = adapter.allocate_buffer(context.buffer_pool, data, length)
        if buffer is None:
            return
        packet = context.rx_packet
        adapter.chain_buffer_at_back(packet, buffer)
        packet.status = NDIS_STATUS_RESOURCES
        adapter.indicate_receive_packet([packet])
        adapter.reinitialize_packet(packet)
        adapter.free_buffer(buffer)

    def give_receive_slot(self, adapter: Adapter, context: Context, slot: int) -> None:
        """Hand a receive slot to the card."""
        descriptor = context.rx_ring + slot * DESCRIPTOR_BYTES
        descriptor.write_ulonglong(ADDRESS, context.rx_buffers_address + slot * BUFFER_BYTES)
        descriptor.write_ulong(LENGTH, BUFFER_BYTES)
        descriptor.write_ulong(CONTROL, hw.OWN)
        adapter.write_register_ulong(context.registers, hw.RX_TAIL, (slot + 1) % SLOTS)

    # Requests

    def query_information(self, adapter: Adapter, oid: int, length: int) -> tuple[int, bytes, int]:
        """Answers as the reference miniport gives them."""
        return answer(adapter, oid, length)

    def set_information(self, adapter: Adapter, oid: int, data: bytes) -> tuple[int, int, int]:
        """Lookahead needs nothing; any packet filter opens the receiver wide, and NDIS filters what is too much."""
        if oid == s.OID_GEN_CURRENT_PACKET_FILTER:
            accept = hw.FILTER_PROMISCUOUS if any(data) else 0
            adapter.write_register_ulong(adapter.context.registers, hw.FILTER, accept)
        elif oid not in (s.OID_GEN_CURRENT_LOOKAHEAD, s.OID_802_3_MULTICAST_LIST):
            return s.NDIS_STATUS_NOT_SUPPORTED, 0, 0
        return NDIS_STATUS_SUCCESS, len(data), 0
