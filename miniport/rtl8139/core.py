# SPDX-License-Identifier: Apache-2.0
"""What an NDIS 5.1 miniport for the RTL8139C does otherwise than one for the reference NIC.

What to look at first: `_receive` walks the ring. It trusts no length, copies a packet that lies around the ring's end in two pieces,
and gives the card its room back with CAPR, 16 less than the next offset. `_transmit` pads, for the card does not. `_start` enables
before it configures: the card takes its configuration in that order alone.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, ClassVar
from zlib import crc32

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.packet import Packet
from miniport.reference import core
from miniport.reference.core import LARGEST_FRAME, SMALLEST_FRAME, ReferenceCore
from miniport.reference.hardware import Limits
from miniport.reference.memory import shared
from miniport.rtl8139 import hardware as hw
from miniport.rtl8139.eeprom import read_word
from miniport.status import (
    NDIS_DMA_32BITS,
    NDIS_PACKET_TYPE_ALL_MULTICAST,
    NDIS_PACKET_TYPE_BROADCAST,
    NDIS_PACKET_TYPE_DIRECTED,
    NDIS_PACKET_TYPE_MULTICAST,
    NDIS_PACKET_TYPE_PROMISCUOUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_LENGTH,
    NDIS_STATUS_MEDIA_CONNECT,
    NDIS_STATUS_MEDIA_DISCONNECT,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
    OID_802_3_MULTICAST_LIST,
    OID_GEN_CURRENT_LOOKAHEAD,
    OID_GEN_CURRENT_PACKET_FILTER,
)

LIMITS = Limits(address_bits=32, boundary=0, alignment=4)
TX_SLOTS = 4
TX_BYTES = 1536
RX_PACKETS = 8
SPARE = RX_PACKETS - 1
"""The packet that is never lent: it takes frames while the protocols hold all others, and is back when the indication returns."""
RX_BYTES = 1536
PADDED_FRAME = 60
FIRST_THRESHOLD = 8
RETRIES = 3
"""How often a frame is tried again after 16 collisions before the card is reset."""
RESET_WAITS, STOP_WAITS, RESTART_TRIES = 100, 100, 3


class Context(core.Context):
    """The adapter context. `tx_next` and `tx_done` count slots modulo 8, so that four in use differ from none; `rx_next` is an offset
    into the ring of bytes."""

    threshold = Ulong()
    retries = Ulong()
    all_multicast = Ulong()
    # Totals for the statistics.
    sent = Ulong()
    not_sent = Ulong()
    received = Ulong()
    missed = Ulong()


class Rtl8139Core(ReferenceCore):
    """All that does not depend on who takes the lock."""

    context_type: ClassVar[type[core.Context]] = Context

    # The card

    def _look_at_card(self, adapter: Adapter, context: Any) -> Limits | None:
        """Reset the card and look whether it is one: its EEPROM begins with a number that says so."""
        if not self._reset_card(adapter, context):
            return None
        if read_word(adapter, context.registers, 0) != hw.EEPROM_ID or not self._address_good(adapter, context):
            return None
        return LIMITS

    def _gone(self, adapter: Adapter, context: Any) -> bool:
        """True if the card was pulled out."""
        return adapter.read_register_ulong(context.registers, hw.TCR) == hw.GONE

    def _reset_card(self, adapter: Adapter, context: Any) -> bool:
        """Reset the card and wait, with a bound. The reset clears the counter of missed packets: it is added up before."""
        registers = context.registers
        missed = adapter.read_register_ulong(registers, hw.MPC)
        if missed == hw.GONE:
            return False
        context.missed += missed
        adapter.write_register_uchar(registers, hw.CR, hw.CR_RST)
        for _ in range(RESET_WAITS):
            command = adapter.read_register_uchar(registers, hw.CR)
            if command == hw.GONE_BYTE:
                return False
            if not command & hw.CR_RST:
                return True
            adapter.stall_execution(10)
        return False

    def _address_good(self, adapter: Adapter, context: Any) -> bool:
        """True if the card has loaded a station address that one station alone may have."""
        low = adapter.read_register_ulong(context.registers, hw.IDR0)
        high = adapter.read_register_ulong(context.registers, hw.IDR4)
        return not low & 1 and bool(low or high)

    def _claim_dma(self, adapter: Adapter, context: Any, limits: Limits, dma_size: int, undo: ExitStack) -> int:
        """Register for DMA with 32 bits; get the receive ring with the 16 bytes that the data sheet adds, and one buffer a slot."""
        status = adapter.allocate_map_registers(0, NDIS_DMA_32BITS, 1, LARGEST_FRAME)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_map_registers)
        for name, size, count in (("rx_ring", hw.RING_BYTES + 16, 1), ("buffers", TX_BYTES, TX_SLOTS)):
            view, address = shared(adapter, limits, size, count, undo)
            if view is None:
                return NDIS_STATUS_RESOURCES
            setattr(context, name, view)
            setattr(context, f"{name}_address", address)
        context.threshold = FIRST_THRESHOLD
        return NDIS_STATUS_SUCCESS

    def _receive_packets(self, adapter: Adapter, context: Any, undo: ExitStack) -> int:
        """Packets with buffers in pool memory: the card never sees them, for every frame is copied out of the ring."""
        status, packet_pool = adapter.allocate_packet_pool(RX_PACKETS)
        if packet_pool is None:
            return status
        undo.callback(adapter.free_packet_pool, packet_pool)
        status, buffer_pool = adapter.allocate_buffer_pool(RX_PACKETS)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_buffer_pool, buffer_pool)
        status, memory = adapter.allocate_memory_with_tag(RX_PACKETS * RX_BYTES, "R139")
        if memory is None:
            return status
        undo.callback(adapter.free_memory, memory, RX_PACKETS * RX_BYTES)
        undo.callback(self._free_receive_packets, adapter, context)
        for number in range(RX_PACKETS):
            status, packet = adapter.allocate_packet(packet_pool)
            if packet is None:
                return status
            context.rx_packets[number] = packet
            packet.reserved = number
            status, buffer = adapter.allocate_buffer(buffer_pool, memory + number * RX_BYTES, RX_BYTES)
            if buffer is None:
                return status
            adapter.chain_buffer_at_back(packet, buffer)
        return NDIS_STATUS_SUCCESS

    def _program(self, adapter: Adapter, context: Any) -> bool:
        """Tell the card where ring and buffers are. The engines are off. False if the card has not understood."""
        registers = context.registers
        places = [(hw.RBSTART, context.rx_ring_address)]
        places += [(hw.TSAD + 4 * slot, context.buffers_address + slot * TX_BYTES) for slot in range(TX_SLOTS)]
        for register, address in places:
            adapter.write_register_ulong(registers, register, address)
        return all(adapter.read_register_ulong(registers, register) == address for register, address in places)

    def _rewind(self, context: Any) -> None:
        """The card will begin with its first slot and at the first byte of the ring."""
        context.tx_next = context.tx_done = context.rx_next = context.retries = 0

    def _start(self, adapter: Adapter, context: Any) -> None:
        """Enable both engines, then configure them, then let the card interrupt."""
        registers = context.registers
        adapter.write_register_uchar(registers, hw.CR, hw.CR_TE | hw.CR_RE)
        adapter.write_register_ulong(registers, hw.TCR, hw.TCR_CONFIG)
        adapter.write_register_ulong(registers, hw.RCR, hw.RCR_CONFIG | context.kept_filter)
        adapter.write_register_ushort(registers, hw.IMR, hw.ALL_CAUSES)

    def _quiet(self, adapter: Adapter, context: Any) -> None:
        """No interrupt and no DMA any more. Reading brings the posted writes home; the wait is bounded."""
        registers = context.registers
        for _ in range(STOP_WAITS):
            adapter.write_register_ushort(registers, hw.IMR, 0)
            adapter.write_register_uchar(registers, hw.CR, 0)
            command = adapter.read_register_uchar(registers, hw.CR)
            if command == hw.GONE_BYTE:
                break
            if not command & (hw.CR_TE | hw.CR_RE) and not adapter.read_register_ushort(registers, hw.IMR):
                return
            adapter.stall_execution(10)
        context.runs_on = 1

    # Interrupts

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? Then mask the card: the line falls, and handle_interrupt does the rest."""
        registers = adapter.context.registers
        mask = adapter.read_register_ushort(registers, hw.IMR)
        cause = adapter.read_register_ushort(registers, hw.ISR)
        if cause == hw.GONE_WORD or not cause & mask:
            return False, False
        adapter.write_register_ushort(registers, hw.IMR, 0)
        adapter.read_register_ushort(registers, hw.IMR)
        return True, True

    def handle_interrupt(self, adapter: Adapter) -> None:
        """Acknowledge first, and read back, then look at slots and ring."""
        context = adapter.context
        cause = adapter.read_register_ushort(context.registers, hw.ISR)
        if cause == hw.GONE_WORD:
            return
        adapter.write_register_ushort(context.registers, hw.ISR, cause)
        adapter.read_register_ushort(context.registers, hw.ISR)
        if cause & hw.ISR_LINK:
            down = adapter.read_register_uchar(context.registers, hw.MSR) & hw.MSR_LINKB
            adapter.indicate_status(NDIS_STATUS_MEDIA_DISCONNECT if down else NDIS_STATUS_MEDIA_CONNECT)
            adapter.indicate_status_complete()
        if cause & hw.ISR_SERR:
            adapter.write_error_log_entry(0xC0001389, (cause,))
            self._stopped_by_itself(adapter, context)
        self._serve(adapter, context)

    def enable_interrupt(self, adapter: Adapter) -> None:
        """After handle_interrupt: let the card interrupt again, unless it went to sleep meanwhile."""
        context = adapter.context
        if not context.asleep:
            adapter.write_register_ushort(context.registers, hw.IMR, hw.ALL_CAUSES)

    def _serve(self, adapter: Adapter, context: Any) -> None:
        """Complete what was sent and indicate what came, until the ring is empty or the rest of it unfinished. The spare packet is
        the driver's again when the indication returns."""
        more = True
        while more:
            sent, received = self._finished(adapter, context)
            more = bool(received) and received[-1].reserved == SPARE  # asked while they are still ours
            for packet, status in sent:
                adapter.send_complete(packet, status)
            if received:
                adapter.indicate_receive_packet(received)

    # Sending

    def _transmit(self, adapter: Adapter, context: Any, packet: Packet) -> None:
        """Copy the frame into the buffer of its slot, pad it with zeros, and hand the slot over: the write of TSD is descriptor and
        doorbell in one."""
        number = context.tx_next
        slot = number % TX_SLOTS
        data = context.buffers + slot * TX_BYTES
        length = self._copy(adapter, packet, data)
        if length < PADDED_FRAME:
            data.write(length, bytes(PADDED_FRAME - length))
            length = PADDED_FRAME
        context.tx_packets[slot] = packet
        context.tx_next = (number + 1) % (2 * TX_SLOTS)
        adapter.write_register_ulong(context.registers, hw.TSD + 4 * slot, context.threshold << hw.THRESHOLD_SHIFT | length)

    def _full(self, context: Any) -> bool:
        """True if the card has all four slots."""
        return bool((context.tx_next - context.tx_done) % (2 * TX_SLOTS) == TX_SLOTS)

    def _reclaim(self, adapter: Adapter, context: Any) -> list[tuple[Packet, int]]:
        """Packets whose slot the card has finished, in turn. OWN alone says no more than that the buffer was read."""
        finished: list[tuple[Packet, int]] = []
        number, end = context.tx_done, context.tx_next
        while number != end:
            slot = number % TX_SLOTS
            status = adapter.read_register_ulong(context.registers, hw.TSD + 4 * slot)
            if status == hw.GONE or not status & (hw.TSD_TOK | hw.TSD_TUN | hw.TSD_TABT):
                break
            if status & hw.TSD_TABT:
                self._try_again(adapter, context)
                break
            if status & hw.TSD_TUN:
                context.threshold = min(context.threshold + 2, hw.THRESHOLD_MOST)
                context.not_sent += 1
            else:
                context.sent += 1
            context.retries = 0
            finished.append((context.tx_packets[slot], NDIS_STATUS_SUCCESS if status & hw.TSD_TOK else NDIS_STATUS_FAILURE))
            number = (number + 1) % (2 * TX_SLOTS)
        context.tx_done = number
        return finished

    def _try_again(self, adapter: Adapter, context: Any) -> None:
        """The transmitter stands still after an abort until it is told to try the same slot once more. Where that does not help,
        check_for_hang has the card reset."""
        if context.retries < RETRIES:
            context.retries += 1
            adapter.write_register_ulong(context.registers, hw.TCR, hw.TCR_CONFIG | hw.TCR_CLRABT)
        else:
            context.broken = 1

    def _all_sends(self, context: Any) -> list[Packet]:
        """Every packet that the miniport has, in order; it has none of them any more."""
        packets = []
        while context.tx_done != context.tx_next:
            packets.append(context.tx_packets[context.tx_done % TX_SLOTS])
            context.tx_done = (context.tx_done + 1) % (2 * TX_SLOTS)
        return packets

    # Receiving

    def _receive(self, adapter: Adapter, context: Any) -> list[Packet]:
        """Packets with the frames that lie in the ring; the spare one is the last, if it is needed."""
        received: list[Packet] = []
        registers, ring = context.registers, context.rx_ring
        at, lent = context.rx_next, context.rx_lent
        while not adapter.read_register_uchar(registers, hw.CR) & hw.CR_BUFE:  # all ones, too
            status, length = hw.HEADER.unpack(ring.read(at, hw.HEADER.size))
            if length == hw.UNFINISHED:
                break  # its interrupt comes when the card has copied it
            frame = length - hw.CRC_BYTES
            if not status & hw.ROK or not SMALLEST_FRAME <= frame <= hw.RING_BYTES // 2:
                at = self._restart_receiver(adapter, context)
                break
            if frame <= LARGEST_FRAME:
                number = next((i for i in range(SPARE) if not lent >> i & 1), SPARE)
                packet = context.rx_packets[number]
                self._copy_out(adapter, ring, (at + hw.HEADER.size) % hw.RING_BYTES, packet, frame)
                packet.status = NDIS_STATUS_SUCCESS if number != SPARE else NDIS_STATUS_RESOURCES
                received.append(packet)
                context.received += 1
                lent |= 1 << number if number != SPARE else 0
            at = (at + hw.HEADER.size + length + 3 & ~3) % hw.RING_BYTES
            self._give_room(adapter, context, at)
            if received and received[-1].reserved == SPARE:
                break
        context.rx_next, context.rx_lent = at, lent
        return received

    def _copy_out(self, adapter: Adapter, ring: Any, at: int, packet: Packet, length: int) -> None:
        """Copy *length* bytes from offset *at* of the ring on, around its end if they lie there."""
        buffer = packet.first
        assert buffer is not None
        adapter.adjust_buffer_length(buffer, length)
        first = min(length, hw.RING_BYTES - at)
        buffer.view.write(0, ring.read(at, first))
        if first < length:
            buffer.view.write(first, ring.read(0, length - first))

    def _give_room(self, adapter: Adapter, context: Any, at: int) -> None:
        """Everything before offset *at* is read. The card adds 16 to what it is told."""
        adapter.write_register_ushort(context.registers, hw.CAPR, at - hw.CAPR_BEHIND & 0xFFFF)

    def _restart_receiver(self, adapter: Adapter, context: Any) -> int:
        """The ring makes no sense any more: off and on again, which empties it. Returns where the next packet will lie. A receiver that
        was not off would go on where it was, and one that stays off would leave the ring as it is."""
        registers = context.registers
        for command in (hw.CR_TE, hw.CR_TE | hw.CR_RE):
            for _ in range(RESTART_TRIES):
                adapter.write_register_uchar(registers, hw.CR, command)
                if (adapter.read_register_uchar(registers, hw.CR) ^ command) & hw.CR_RE == 0:
                    break
        adapter.write_register_ulong(registers, hw.RCR, hw.RCR_CONFIG | context.kept_filter)
        return 0

    def return_packet(self, adapter: Adapter, packet: Packet) -> None:
        """A lent packet is back."""
        adapter.context.rx_lent &= ~(1 << packet.reserved)

    # Requests

    def set_information(self, adapter: Adapter, oid: int, data: bytes) -> tuple[int, int, int]:
        """Packet filter, multicast list and lookahead."""
        context = adapter.context
        if oid == OID_GEN_CURRENT_LOOKAHEAD:
            return (NDIS_STATUS_SUCCESS, 4, 0) if len(data) >= 4 else (NDIS_STATUS_INVALID_LENGTH, 0, 4)
        if oid == OID_GEN_CURRENT_PACKET_FILTER:
            if len(data) < 4:
                return NDIS_STATUS_INVALID_LENGTH, 0, 4
            self._set_filter(adapter, context, int.from_bytes(data[:4], "little"))
            return NDIS_STATUS_SUCCESS, 4, 0
        if oid == OID_802_3_MULTICAST_LIST:
            if len(data) % 6:
                return NDIS_STATUS_INVALID_LENGTH, 0, 0
            table = 0
            for at in range(0, len(data), 6):
                table |= 1 << hash_bit(data[at:at + 6])
            context.kept_hash_lo, context.kept_hash_hi = table & 0xFFFFFFFF, table >> 32
            self._write_table(adapter, context)
            return NDIS_STATUS_SUCCESS, len(data), 0
        return NDIS_STATUS_NOT_SUPPORTED, 0, 0

    def _set_filter(self, adapter: Adapter, context: Any, wanted: int) -> None:
        bits = 0
        for ndis_bits, card_bits in ((NDIS_PACKET_TYPE_DIRECTED, hw.RCR_APM), (NDIS_PACKET_TYPE_BROADCAST, hw.RCR_AB),
                                     (NDIS_PACKET_TYPE_MULTICAST | NDIS_PACKET_TYPE_ALL_MULTICAST, hw.RCR_AM),
                                     (NDIS_PACKET_TYPE_PROMISCUOUS, hw.RCR_AAP)):
            if wanted & ndis_bits:
                bits |= card_bits
        context.all_multicast = bool(wanted & NDIS_PACKET_TYPE_ALL_MULTICAST)
        self._write_table(adapter, context)
        context.kept_filter = bits
        adapter.write_register_ulong(context.registers, hw.RCR, hw.RCR_CONFIG | bits)

    def _write_table(self, adapter: Adapter, context: Any) -> None:
        """The card knows no "all multicast": a table full of ones does it."""
        every = context.all_multicast
        adapter.write_register_ulong(context.registers, hw.MAR0, hw.GONE if every else context.kept_hash_lo)
        adapter.write_register_ulong(context.registers, hw.MAR4, hw.GONE if every else context.kept_hash_hi)


def hash_bit(address: bytes) -> int:
    """The bit of the multicast table for *address*: the top six bits of its CRC as the card computes it, highest bit first."""
    crc = crc32(address) ^ 0xFFFFFFFF
    return sum((crc >> place & 1) << 5 - place for place in range(6))
