# SPDX-License-Identifier: Apache-2.0
"""An NDIS 5.1 miniport for the reference NIC: all that its serialized and its deserialized variant share.

What to look at first: `initialize` claims in order and registers the undoing of each step as it goes; whether a later
step fails or `halt` is called, the same list is undone in reverse. `miniport.reference.memory` asks for memory that the card
can use, and checks every address that it will see. `_transmit` hands a descriptor over with its last store.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import ClassVar

from miniport.adapter import Adapter
from miniport.context import AdapterContext, Array, Pointer, Ulong, Ulonglong
from miniport.library.configuration import ResourceDescriptor
from miniport.miniport import Miniport
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.reference.information import answer, apply
from miniport.reference.memory import dma_sizes, shared
from miniport.status import (
    NDIS_ATTRIBUTE_BUS_MASTER,
    NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK,
    NDIS_INTERFACE_PCI,
    NDIS_STATUS_ADAPTER_NOT_FOUND,
    NDIS_STATUS_DEVICE_FAILED,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_HARD_ERRORS,
    NDIS_STATUS_MEDIA_CONNECT,
    NDIS_STATUS_MEDIA_DISCONNECT,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from miniport.view import View

TX_SLOTS = 16
RX_SLOTS = 8
BUFFER_BYTES = 2048
SMALLEST_FRAME = 14
LARGEST_FRAME = 1514
HALT_WAIT_US, HALT_WAITS = 1_000, 10_000
"""How long halt sleeps at a time, and how often at most, while protocols hold packets."""
NDIS_ERROR_CODE_OUT_OF_RESOURCES = 0xC0001389


class Context(AdapterContext):
    """The adapter context."""

    undo = Pointer()
    registers = Pointer()
    interrupt = Pointer()
    # One buffer a slot: first those of the transmit slots, then those of the receive slots.
    buffers = Pointer()
    buffers_address = Ulonglong()
    # Transmit: slots from tx_done up to tx_next belong to the card or wait to be reclaimed.
    tx_ring = Pointer()
    tx_ring_address = Ulonglong()
    tx_packets = Array(Pointer(), TX_SLOTS)
    tx_next = Ulong()
    tx_done = Ulong()
    # Receive: slots from rx_next up to rx_tail belong to the card; rx_lent has a bit for each slot that a protocol has.
    rx_ring = Pointer()
    rx_ring_address = Ulonglong()
    rx_packets = Array(Pointer(), RX_SLOTS)
    rx_lent = Ulong()
    rx_next = Ulong()
    rx_tail = Ulong()
    # The slot whose descriptor comes first in the ring: not 0 after the card was started anew while protocols had slots.
    rx_origin = Ulong()
    # Aware of power management: 1 from the way to D3 on until the card is back, and what its registers held before.
    asleep = Ulong()
    kept_filter = Ulong()
    kept_hash_lo = Ulong()
    kept_hash_hi = Ulong()
    # Deserialized: the lock of both rings, and packets that found the ring full, linked through their MiniportReserved.
    lock = Pointer()
    queue_head = Pointer()
    queue_tail = Pointer()
    # Serialized: 1 after a packet found the ring full.
    refused = Ulong()
    # 1 after a bus error stopped the engines, until a reset has started them again; 2 after a reset that the card did not survive.
    broken = Ulong()
    # 1 after the card was told to stop and did not say that it has: it runs on, or is gone.
    runs_on = Ulong()
    # What check_for_hang saw: the oldest packet that the card had, tx_done + 1, or 0 if it had none.
    seen_waiting = Ulong()


class ReferenceCore(Miniport):
    """Everything but `send`, which each variant has for itself: what to do while the ring is full is where they differ."""

    ndis_versions = ((5, 1), (5, 0))
    attributes = NDIS_ATTRIBUTE_BUS_MASTER
    context_type: ClassVar[type[Context]] = Context
    """The adapter context; a card that needs more of it says so here."""
    interface: ClassVar[int] = NDIS_INTERFACE_PCI
    shared_interrupt: ClassVar[bool] = True

    # Life

    def initialize(self, adapter: Adapter) -> int:
        """Bring the card up, or tell the administrator why not."""
        status = self._bring_up(adapter)
        if status != NDIS_STATUS_SUCCESS:
            adapter.write_error_log_entry(NDIS_ERROR_CODE_OUT_OF_RESOURCES, (status,))
        return status

    def _bring_up(self, adapter: Adapter) -> int:
        """Claim everything, program the card, start it. Whatever fails undoes what was done."""
        with ExitStack() as undo:
            size = self.context_type.SIZE
            status, memory = adapter.allocate_memory_with_tag(size, "Rfnc")
            if memory is None:
                return status
            undo.callback(adapter.free_memory, memory, size)
            context = self.context_type(memory)
            adapter.set_attributes_ex(
                context, 0, self.attributes | self._surprise_flag(adapter), self.interface)
            status = self._claim(adapter, context, undo)
            if status != NDIS_STATUS_SUCCESS:
                return status
            self._start(adapter, context)
            if adapter.registered_version < (5, 1):
                adapter.register_adapter_shutdown_handler(adapter, self.shutdown)
                undo.callback(adapter.deregister_adapter_shutdown_handler)
            context.undo = undo.pop_all()
            return NDIS_STATUS_SUCCESS

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, take the interrupt away, give back what is still here, undo initialize."""
        context = adapter.context
        self._quiet(adapter, context)
        if context.runs_on:
            self._take_bus_away(adapter)
        self._fail_all_sends(adapter, context)
        self._await_receives(adapter, context)
        context.undo.close()

    def _take_bus_away(self, adapter: Adapter) -> None:
        """The card does not say that it has stopped, and its memory is about to be freed: a function that may not master the bus moves
        nothing. One that was pulled out reads as all ones here, too."""
        command = adapter.read_pci_slot_information(0, hw.PCI_COMMAND, 2)
        if len(command) == 2 and command != b"\xff\xff":
            quiet = int.from_bytes(command, "little") & ~hw.PCI_COMMAND_BUS_MASTER
            adapter.write_pci_slot_information(0, hw.PCI_COMMAND, quiet.to_bytes(2, "little"))

    def _await_receives(self, adapter: Adapter, context: Context) -> None:
        """Protocols may still hold packets; what comes back from here on does not go to the card again."""
        context.asleep = 1
        for _ in range(HALT_WAITS):
            if not context.rx_lent:
                return
            adapter.sleep(HALT_WAIT_US)

    def shutdown(self, adapter: Adapter) -> None:
        """The system goes down: stop the card. Nothing is freed here."""
        self._quiet(adapter, adapter.context)

    def _surprise_flag(self, adapter: Adapter) -> int:
        return NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK if adapter.get_version() >= (5, 1) else 0

    def _claim(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """Registers, DMA, shared memory, packets, what the variant needs, and the interrupt, in this order."""
        status, resources = adapter.query_adapter_resources()
        if status != NDIS_STATUS_SUCCESS:
            return status
        line = next((r for r in resources if r.kind == "interrupt"), None)
        if line is None:
            return NDIS_STATUS_ADAPTER_NOT_FOUND
        status = self._claim_registers(adapter, context, resources, undo)
        if status != NDIS_STATUS_SUCCESS:
            return status

        limits = self._look_at_card(adapter, context)
        if limits is None:
            return NDIS_STATUS_DEVICE_FAILED

        for dma_size in dma_sizes(limits):
            with ExitStack() as attempt:
                status = self._claim_dma(adapter, context, limits, dma_size, attempt)
                if status == NDIS_STATUS_SUCCESS:
                    undo.callback(attempt.pop_all().close)
                    break
        if status != NDIS_STATUS_SUCCESS:
            return status

        status = self._receive_packets(adapter, context, undo)
        if status != NDIS_STATUS_SUCCESS:
            return status
        self._claim_more(adapter, context, undo)
        if not self._program(adapter, context):
            return NDIS_STATUS_DEVICE_FAILED

        # Last: from here on the ISR may run, and finds everything in place.
        status, context.interrupt = adapter.register_interrupt(
            line.start, line.level, request_isr=True, shared_interrupt=self.shared_interrupt, mode=line.mode)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.deregister_interrupt, context.interrupt)
        return NDIS_STATUS_SUCCESS

    def _claim_registers(self, adapter: Adapter, context: Context, resources: tuple[ResourceDescriptor, ...], undo: ExitStack) -> int:
        """The registers in memory."""
        memory = next((r for r in resources if r.kind == "memory"), None)
        if memory is None:
            return NDIS_STATUS_ADAPTER_NOT_FOUND
        status, context.registers = adapter.map_io_space(memory.start, memory.length)
        if status == NDIS_STATUS_SUCCESS:
            undo.callback(adapter.unmap_io_space, context.registers, memory.length)
        return status

    def _claim_more(self, adapter: Adapter, context: Context, undo: ExitStack) -> None:
        """What a variant needs besides, claimed before the ISR may run."""

    def _claim_dma(self, adapter: Adapter, context: Context, limits: hw.Limits, dma_size: int, undo: ExitStack) -> int:
        """Register for DMA of one width, then get rings and buffers that the card can use."""
        status = adapter.allocate_map_registers(0, dma_size, 1, LARGEST_FRAME)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_map_registers)
        for name, size, count in (("tx_ring", TX_SLOTS * hw.DESCRIPTOR_BYTES, 1), ("rx_ring", RX_SLOTS * hw.DESCRIPTOR_BYTES, 1),
                                  ("buffers", BUFFER_BYTES, TX_SLOTS + RX_SLOTS)):
            view, address = shared(adapter, limits, size, count, undo)
            if view is None:
                return NDIS_STATUS_RESOURCES
            setattr(context, name, view)
            setattr(context, f"{name}_address", address)
        return NDIS_STATUS_SUCCESS

    def _receive_packets(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """One packet with one buffer for each receive slot, to be lent to the protocols."""
        status, packet_pool = adapter.allocate_packet_pool(RX_SLOTS)
        if packet_pool is None:
            return status
        undo.callback(adapter.free_packet_pool, packet_pool)
        status, buffer_pool = adapter.allocate_buffer_pool(RX_SLOTS)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_buffer_pool, buffer_pool)
        undo.callback(self._free_receive_packets, adapter, context)
        for slot in range(RX_SLOTS):
            status, packet = adapter.allocate_packet(packet_pool)
            if packet is None:
                return status
            context.rx_packets[slot] = packet
            packet.reserved = slot
            status, buffer = adapter.allocate_buffer(buffer_pool, context.buffers + (TX_SLOTS + slot) * BUFFER_BYTES, BUFFER_BYTES)
            if buffer is None:
                return status
            adapter.chain_buffer_at_back(packet, buffer)
        return NDIS_STATUS_SUCCESS

    def _free_receive_packets(self, adapter: Adapter, context: Context) -> None:
        """Free the packets that were made so far, each with its buffer."""
        for slot in range(RX_SLOTS):
            packet = context.rx_packets[slot]
            if packet is None:
                return
            if packet.first is not None:
                adapter.free_buffer(packet.first)
            adapter.free_packet(packet)

    # The card

    def _look_at_card(self, adapter: Adapter, context: Context) -> hw.Limits | None:
        """Reset the card and ask for its limits; None if it cannot be used."""
        if not self._reset_card(adapter, context):
            return None
        stated = adapter.read_register_ulong(context.registers, hw.LIMITS)
        return hw.Limits.from_register(stated) if stated != hw.GONE and self._address_good(adapter, context) else None

    def _gone(self, adapter: Adapter, context: Context) -> bool:
        """True if the card was pulled out."""
        return adapter.read_register_ulong(context.registers, hw.STATUS) == hw.GONE

    def _reset_card(self, adapter: Adapter, context: Context) -> bool:
        """Reset the card and wait, with a bound."""
        registers = context.registers
        adapter.write_register_ulong(registers, hw.CTRL, hw.CTRL_RESET)
        for _ in range(100):
            status = adapter.read_register_ulong(registers, hw.STATUS)
            if status == hw.GONE:
                return False
            if not status & hw.STATUS_RESETTING:
                return True
            adapter.stall_execution(10)
        return False

    def _address_good(self, adapter: Adapter, context: Context) -> bool:
        """True if the card has a station address that one station alone may have: not a group address, and not zero."""
        low = adapter.read_register_ulong(context.registers, hw.MAC_LO)
        high = adapter.read_register_ulong(context.registers, hw.MAC_HI)
        return not low & 1 and bool(low or high)

    def _program(self, adapter: Adapter, context: Context) -> bool:
        """Write every descriptor but for its ownership, then tell the card where its rings are. The engines are off. False if the
        card has not understood."""
        registers, buffers = context.registers, context.buffers_address
        context.tx_ring.write(0, b"".join(
            hw.DESCRIPTOR.pack(buffers + slot * BUFFER_BYTES, 0, 0) for slot in range(TX_SLOTS)))
        context.rx_ring.write(0, b"".join(
            hw.DESCRIPTOR.pack(buffers + (TX_SLOTS + (context.rx_origin + number) % RX_SLOTS) * BUFFER_BYTES, BUFFER_BYTES, 0)
            for number in range(RX_SLOTS)))
        for base_lo, base_hi, count, address, slots in (
                (hw.TX_BASE_LO, hw.TX_BASE_HI, hw.TX_COUNT, context.tx_ring_address, TX_SLOTS),
                (hw.RX_BASE_LO, hw.RX_BASE_HI, hw.RX_COUNT, context.rx_ring_address, RX_SLOTS)):
            adapter.write_register_ulong(registers, base_lo, address & 0xFFFFFFFF)
            adapter.write_register_ulong(registers, base_hi, address >> 32)
            adapter.write_register_ulong(registers, count, slots)
            # A card that works at another place than told would overwrite what is there.
            if (adapter.read_register_ulong(registers, base_lo) != address & 0xFFFFFFFF
                    or adapter.read_register_ulong(registers, base_hi) != address >> 32
                    or adapter.read_register_ulong(registers, count) != slots):
                return False
        self._refill(adapter, context)
        return True

    def _rewind(self, context: Context) -> None:
        """The card will begin both rings at their first descriptors. The first receive slot is the one that would have come next:
        those before it may be with protocols."""
        context.tx_next = context.tx_done = 0
        context.rx_origin = context.rx_tail = context.rx_next

    def _start(self, adapter: Adapter, context: Context) -> None:
        """Start both engines and let the card interrupt."""
        registers = context.registers
        adapter.write_register_ulong(registers, hw.CTRL, hw.CTRL_TX_ENABLE | hw.CTRL_RX_ENABLE | hw.CTRL_PAD)
        adapter.write_register_ulong(registers, hw.MASK, hw.ALL_CAUSES)

    def _quiet(self, adapter: Adapter, context: Context) -> None:
        """No interrupt and no DMA any more. Reading STATUS brings the posted writes home; the wait is bounded."""
        registers = context.registers
        for _ in range(100):
            adapter.write_register_ulong(registers, hw.MASK, 0)
            adapter.write_register_ulong(registers, hw.CTRL, 0)
            status = adapter.read_register_ulong(registers, hw.STATUS)
            if status == hw.GONE:
                break
            if not status & (hw.STATUS_TX_ACTIVE | hw.STATUS_RX_ACTIVE) and not adapter.read_register_ulong(registers, hw.MASK):
                return
            adapter.stall_execution(10)
        context.runs_on = 1

    # Interrupts

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? Then mask the card: the line falls, and handle_interrupt does the rest."""
        registers = adapter.context.registers
        mask = adapter.read_register_ulong(registers, hw.MASK)
        cause = adapter.read_register_ulong(registers, hw.CAUSE)
        if cause == hw.GONE or not cause & mask:
            return False, False
        adapter.write_register_ulong(registers, hw.MASK, 0)
        adapter.read_register_ulong(registers, hw.MASK)
        return True, True

    def handle_interrupt(self, adapter: Adapter) -> None:
        """Acknowledge first, look at the rings afterwards: what comes in between pulls the line again. The acknowledge is a
        posted write: were it not read back, it could reach the card after the look and erase the cause of a later frame."""
        context = adapter.context
        cause = adapter.read_register_ulong(context.registers, hw.CAUSE)
        if cause == hw.GONE:
            return
        adapter.write_register_ulong(context.registers, hw.CAUSE, cause)
        adapter.read_register_ulong(context.registers, hw.CAUSE)
        if cause & hw.CAUSE_LINK_CHANGE:
            up = adapter.read_register_ulong(context.registers, hw.STATUS) & hw.STATUS_LINK
            adapter.indicate_status(NDIS_STATUS_MEDIA_CONNECT if up else NDIS_STATUS_MEDIA_DISCONNECT)
            adapter.indicate_status_complete()
        if cause & hw.CAUSE_DMA_ERROR:
            adapter.write_error_log_entry(0xC0001389, (cause,))
            self._stopped_by_itself(adapter, context)
        self._serve(adapter, context)

    def enable_interrupt(self, adapter: Adapter) -> None:
        """After handle_interrupt: let the card interrupt again, unless it went to sleep meanwhile."""
        context = adapter.context
        if not context.asleep:
            adapter.write_register_ulong(context.registers, hw.MASK, hw.ALL_CAUSES)

    # When the card hangs

    def _stopped_by_itself(self, adapter: Adapter, context: Context) -> None:
        """A bus error has stopped both engines: the next check_for_hang asks for a reset."""
        context.broken = 1

    def check_for_hang(self, adapter: Adapter) -> bool:
        """True if a bus error has stopped the card, or if it has had the same packet since the last check."""
        context = adapter.context
        if context.broken:
            return bool(context.broken == 1 and not self._gone(adapter, context))
        waiting = context.tx_done + 1 if context.tx_done != context.tx_next else 0
        before, context.seen_waiting = context.seen_waiting, waiting
        return bool(waiting and waiting == before and not self._gone(adapter, context))

    def reset(self, adapter: Adapter) -> tuple[int, bool]:
        """Start the card anew; filter and multicast list are lost. What protocols hold of the receive slots they keep."""
        context = adapter.context
        self._quiet(adapter, context)
        context.seen_waiting = 0
        if context.runs_on:  # descriptors that are written now would be taken from under the pen
            context.tx_done = context.tx_next
            context.broken = 2
            return NDIS_STATUS_HARD_ERRORS, False
        self._rewind(context)
        if not (self._reset_card(adapter, context) and self._program(adapter, context)):
            context.broken = 2
            return NDIS_STATUS_HARD_ERRORS, False
        context.broken = 0
        self._start(adapter, context)
        return NDIS_STATUS_SUCCESS, True

    # Sending

    def _copy(self, adapter: Adapter, packet: Packet, data: View) -> int:
        """Copy all bytes of a packet to *data*; how many they are."""
        _, _, buffer, _ = adapter.query_packet(packet)
        length = 0
        while buffer is not None:
            source, size = adapter.query_buffer(buffer)
            if size:
                data.write(length, source.read(0, size))
            length += size
            buffer = adapter.get_next_buffer(buffer)
        return length

    def _transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """Fill the next slot: data, length and only then, in a store of its own, the ownership bit."""
        slot = context.tx_next
        data = context.buffers + slot * BUFFER_BYTES
        length = self._copy(adapter, packet, data)
        ring, at = context.tx_ring, slot * hw.DESCRIPTOR_BYTES
        ring.write_ulong(at + hw.BYTES, length)
        ring.write_ulong(at + hw.CONTROL, hw.OWN | hw.END)
        context.tx_packets[slot] = packet
        context.tx_next = slot = (slot + 1) % TX_SLOTS
        adapter.write_register_ulong(context.registers, hw.TX_TAIL, slot)

    def _serve(self, adapter: Adapter, context: Context) -> None:
        """Take from both rings what the card has finished, then tell the protocols."""
        sent, received = self._finished(adapter, context)
        for packet, status in sent:
            adapter.send_complete(packet, status)
        if received:
            adapter.indicate_receive_packet(received)

    def _finished(self, adapter: Adapter, context: Context) -> tuple[list[tuple[Packet, int]], list[Packet]]:
        """Packets that were sent, each with its status, and packets that were received."""
        sent = self._reclaim(adapter, context)
        if sent:
            context.seen_waiting = 0  # the slot that check_for_hang saw may soon hold another packet
        return sent, self._receive(adapter, context)

    def _deaf(self, context: Context) -> bool:
        """True if the card sends nothing whatever it is given: it did not survive a reset."""
        return bool(context.broken == 2)

    def _full(self, context: Context) -> bool:
        """True if no slot is free: all but one may be used, for a full ring would look empty."""
        return bool((context.tx_next + 1) % TX_SLOTS == context.tx_done)

    def _reclaim(self, adapter: Adapter, context: Context) -> list[tuple[Packet, int]]:
        """Packets that were sent, each with its status; their slots are free again."""
        finished: list[tuple[Packet, int]] = []
        slot, end = context.tx_done, context.tx_next
        while slot != end:
            status = self._sent(context, slot)
            if status is None:
                break
            finished.append((context.tx_packets[slot], status))
            slot = (slot + 1) % TX_SLOTS
        if finished:
            context.tx_done = slot
        return finished

    def _sent(self, context: Context, slot: int) -> int | None:
        """What became of the packet in a transmit slot; None while the card has it."""
        control = context.tx_ring.read_ulong(slot * hw.DESCRIPTOR_BYTES + hw.CONTROL)
        if control & hw.OWN:
            return None
        return NDIS_STATUS_FAILURE if control & hw.ERROR else NDIS_STATUS_SUCCESS

    def _fail_all_sends(self, adapter: Adapter, context: Context) -> None:
        """Packets that the card will never send any more go back with a failure."""
        for packet in self._all_sends(context):
            adapter.send_complete(packet, NDIS_STATUS_FAILURE)

    def _all_sends(self, context: Context) -> list[Packet]:
        """Every packet that the miniport has, in order; it has none of them any more."""
        packets = []
        while context.tx_done != context.tx_next:
            packets.append(context.tx_packets[context.tx_done])
            context.tx_done = (context.tx_done + 1) % TX_SLOTS
        return packets

    # Receiving

    def _receive(self, adapter: Adapter, context: Context) -> list[Packet]:
        """Packets that were received, ready to be lent to the protocols."""
        received: list[Packet] = []
        ring, slot, end = context.rx_ring, context.rx_next, context.rx_tail
        lent, origin = context.rx_lent, context.rx_origin
        while slot != end:
            control = ring.read_ulong((slot - origin) % RX_SLOTS * hw.DESCRIPTOR_BYTES + hw.CONTROL)
            if control & hw.OWN:
                break
            if not control & hw.ERROR and SMALLEST_FRAME <= control & hw.LENGTH <= LARGEST_FRAME:
                packet = context.rx_packets[slot]
                adapter.adjust_buffer_length(packet.first, control & hw.LENGTH)
                packet.status = NDIS_STATUS_SUCCESS
                received.append(packet)
                lent |= 1 << slot
            slot = (slot + 1) % RX_SLOTS
        if slot != context.rx_next:
            context.rx_next = slot
            context.rx_lent = lent
            self._refill(adapter, context)
        return received

    def return_packet(self, adapter: Adapter, packet: Packet) -> None:
        """A lent packet is back: its slot can go to the card again."""
        context = adapter.context
        context.rx_lent &= ~(1 << packet.reserved)
        if not context.asleep:
            self._refill(adapter, context)

    def _refill(self, adapter: Adapter, context: Context) -> None:
        """Hand free slots to the card, in order, all but one: a full ring would look empty."""
        ring, lent, stop, origin = context.rx_ring, context.rx_lent, context.rx_next, context.rx_origin
        slot = before = context.rx_tail
        while (slot + 1) % RX_SLOTS != stop and not lent >> slot & 1:
            ring.write_ulong((slot - origin) % RX_SLOTS * hw.DESCRIPTOR_BYTES + hw.CONTROL, hw.OWN)
            slot = (slot + 1) % RX_SLOTS
        if slot != before:
            context.rx_tail = slot
            adapter.write_register_ulong(context.registers, hw.RX_TAIL, (slot - origin) % RX_SLOTS)

    # Requests

    def query_information(self, adapter: Adapter, oid: int, length: int) -> tuple[int, bytes, int]:
        """Answer an OID; a buffer that is too short is told how much it needs."""
        return answer(adapter, oid, length)

    def set_information(self, adapter: Adapter, oid: int, data: bytes) -> tuple[int, int, int]:
        """Packet filter, multicast list and lookahead."""
        return apply(adapter, oid, data)
