# SPDX-License-Identifier: Apache-2.0
"""An NDIS 5.1 miniport for the Intel 82540EM, deserialized.

What it does as the reference miniport does it, it has from there: claiming and undoing, packets, the queue, power. Here is what the card
asks for: its EEPROM, its causes that reading clears, its descriptors without an ownership bit. Look at `isr` first, then at `_transmit`
and `_reclaim`.
"""

from __future__ import annotations

from collections.abc import Sequence

from miniport.adapter import Adapter
from miniport.context import Array, Ulong
from miniport.e1000 import hardware as hw
from miniport.e1000.information import filter_bits, table_of, value
from miniport.packet import Packet
from miniport.reference import ReferenceMiniport, core
from miniport.reference.core import BUFFER_BYTES, LARGEST_FRAME, RX_SLOTS, SMALLEST_FRAME, TX_SLOTS
from miniport.reference.hardware import Limits
from miniport.reference.information import answer
from miniport.status import (
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_LENGTH,
    NDIS_STATUS_MEDIA_CONNECT,
    NDIS_STATUS_MEDIA_DISCONNECT,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_SUCCESS,
    OID_802_3_MULTICAST_LIST,
    OID_GEN_CURRENT_LOOKAHEAD,
    OID_GEN_CURRENT_PACKET_FILTER,
    OID_PNP_SET_POWER,
)

SHORTEST_FRAME = 60
TRIES = 3
"""How often registers are written that do not read as written."""
TX_DELAY, TX_LONGEST_DELAY = 32, 64
"""How long the card waits with the report of a frame, in units of 1.024 us: a second one may follow."""


class Context(core.Context):
    """With what the card forgets, and what reading it destroys."""

    # Station address, as RAL0 and RAH0 have it, without the valid bit.
    address_lo = Ulong()
    address_hi = Ulong()
    # RCTL while the receiver runs, and the multicast table.
    receive_control = Ulong()
    multicast = Array(Ulong(), hw.MTA_REGISTERS)
    # 1 while the link is up.
    link = Ulong()
    # Counters that reading clears, added up: frames sent, received, missed, not sent.
    totals = Array(Ulong(), 4)


class E1000Miniport(ReferenceMiniport):
    """Miniport of the 82540EM."""

    context_type = Context

    # The card

    def _reset_card(self, adapter: Adapter, context: core.Context) -> bool:
        """Reset the MAC and wait, with a bound. No access in the first microsecond."""
        registers = context.registers
        adapter.write_register_ulong(registers, hw.CTRL, hw.CTRL_RST)
        adapter.read_register_ulong(registers, hw.STATUS)
        for _ in range(100):
            adapter.stall_execution(5)
            control = adapter.read_register_ulong(registers, hw.CTRL)
            if control == hw.GONE:
                return False
            if not control & hw.CTRL_RST:
                return True
        return False

    def _look_at_card(self, adapter: Adapter, context: core.Context) -> Limits | None:
        """Reset the card and read its EEPROM. The limits are those of the data sheet; None if the card cannot be used."""
        assert isinstance(context, Context)
        context.receive_control = hw.RCTL_EN | hw.RCTL_SECRC
        return hw.LIMITS if self._reset_card(adapter, context) and self._address_good(adapter, context) else None

    def _gone(self, adapter: Adapter, context: core.Context) -> bool:
        """True if the card was pulled out."""
        return bool(adapter.read_register_ulong(context.registers, hw.STATUS) == hw.GONE)

    def _address_good(self, adapter: Adapter, context: core.Context) -> bool:
        """True if the EEPROM holds what its checksum says, and in it an address that one station alone may have."""
        assert isinstance(context, Context)
        words = []
        for number in range(hw.EEPROM_WORDS):
            word = self._eeprom_word(adapter, context, number)
            if word is None:
                return False
            words.append(word)
        context.address_lo = words[0] | words[1] << 16
        context.address_hi = words[2]
        return sum(words) & 0xFFFF == hw.EEPROM_SUM and not words[0] & 1 and any(words[:3])

    def _eeprom_word(self, adapter: Adapter, context: Context, number: int) -> int | None:
        """One word, or None if the EEPROM does not answer in time."""
        registers = context.registers
        adapter.write_register_ulong(registers, hw.EERD, number << 8 | hw.EERD_START)
        for _ in range(50):
            adapter.stall_execution(35)
            read = adapter.read_register_ulong(registers, hw.EERD)
            if read == hw.GONE:
                return None
            if read & hw.EERD_DONE:
                return read >> 16
        return None

    def _program(self, adapter: Adapter, context: core.Context) -> bool:
        """Let the MAC see the link of the PHY; tell the card its address, its filters, and where its rings are. The engines are off. False
        if the card has not understood."""
        assert isinstance(context, Context)
        registers = context.registers
        context.tx_ring.write(0, bytes(TX_SLOTS * hw.DESCRIPTOR_BYTES))
        context.rx_ring.write(0, b"".join(
            hw.EMPTY.pack(context.buffers_address + (TX_SLOTS + (context.rx_origin + number) % RX_SLOTS) * BUFFER_BYTES, 0)
            for number in range(RX_SLOTS)))
        wanted = ((hw.CTRL, hw.CTRL_SLU | hw.CTRL_ASDE | hw.CTRL_FD),
                  (hw.RAL0, context.address_lo), (hw.RAH0, context.address_hi | hw.RAH_AV),
                  (hw.TDBAL, context.tx_ring_address & 0xFFFFFFFF), (hw.TDBAH, context.tx_ring_address >> 32),
                  (hw.TDLEN, TX_SLOTS * hw.DESCRIPTOR_BYTES), (hw.RDBAL, context.rx_ring_address & 0xFFFFFFFF),
                  (hw.RDBAH, context.rx_ring_address >> 32), (hw.RDLEN, RX_SLOTS * hw.DESCRIPTOR_BYTES), (hw.TIPG, hw.TIPG_COPPER),
                  (hw.TIDV, TX_DELAY), (hw.TADV, TX_LONGEST_DELAY), (hw.TDH, 0), (hw.TDT, 0), (hw.RDH, 0), (hw.RDT, 0))
        # A card that works at another place than told would overwrite what is there.
        context.broken = 0 if self._understood(adapter, context, wanted) else 2
        if context.broken:
            return False
        for number in range(hw.MTA_REGISTERS):  # what a reset leaves in the table is not said
            adapter.write_register_ulong(registers, hw.MTA + 4 * number, context.multicast[number])
        self._refill(adapter, context)
        return True

    def _understood(self, adapter: Adapter, context: core.Context, wanted: Sequence[tuple[int, int]]) -> bool:
        """Write registers until all of them read as written, a few times at most. False if they do not."""
        registers = context.registers
        for _ in range(TRIES):
            for register, number in wanted:
                adapter.write_register_ulong(registers, register, number)
            if all(adapter.read_register_ulong(registers, register) == number for register, number in wanted):
                return True
        return False

    def _start(self, adapter: Adapter, context: core.Context) -> None:
        """Start both engines and let the card interrupt. What happened before is read away: during initialize nobody would handle it."""
        assert isinstance(context, Context)
        registers = context.registers
        if context.broken or not self._understood(adapter, context, (
                (hw.TCTL, hw.TCTL_EN | hw.TCTL_PSP | hw.TCTL_FULL_DUPLEX), (hw.RCTL, context.receive_control))):
            return
        adapter.read_register_ulong(registers, hw.ICR)
        context.link = int(bool(adapter.read_register_ulong(registers, hw.STATUS) & hw.STATUS_LU))
        adapter.write_register_ulong(registers, hw.IMS, hw.CAUSES)

    def _quiet(self, adapter: Adapter, context: core.Context) -> None:
        """No interrupt and no DMA any more. The reads bring the posted writes home; the wait is bounded."""
        registers = context.registers
        for _ in range(100):
            adapter.write_register_ulong(registers, hw.IMC, hw.EVERY_CAUSE)
            adapter.write_register_ulong(registers, hw.RCTL, 0)
            adapter.write_register_ulong(registers, hw.TCTL, 0)
            mask = adapter.read_register_ulong(registers, hw.IMS)
            if mask == hw.GONE:
                break
            if not (mask or adapter.read_register_ulong(registers, hw.RCTL) or adapter.read_register_ulong(registers, hw.TCTL)):
                return
            adapter.stall_execution(10)
        context.runs_on = 1

    # Interrupts

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? Reading ICR clears it, so it is read once, and only while the mask lets something through: a neighbour on the line
        must not make this driver erase what enable_interrupt waits for. handle_interrupt looks at both rings whatever the cause was."""
        registers = adapter.context.registers
        mask = adapter.read_register_ulong(registers, hw.IMS)
        if not mask or mask == hw.GONE:
            return False, False
        cause = adapter.read_register_ulong(registers, hw.ICR)
        if cause == hw.GONE or not cause & mask:
            return False, False
        adapter.write_register_ulong(registers, hw.IMC, hw.EVERY_CAUSE)
        adapter.read_register_ulong(registers, hw.IMS)
        return True, True

    def handle_interrupt(self, adapter: Adapter) -> None:
        """Reading STATUS brings home what the card has on its way to memory, and shows the link."""
        context = adapter.context
        status = adapter.read_register_ulong(context.registers, hw.STATUS)
        if status == hw.GONE:
            return
        link = int(bool(status & hw.STATUS_LU))
        adapter.dpr_acquire_spin_lock(context.lock)
        before, context.link = context.link, link
        adapter.dpr_release_spin_lock(context.lock)
        if link != before:
            adapter.indicate_status(NDIS_STATUS_MEDIA_CONNECT if link else NDIS_STATUS_MEDIA_DISCONNECT)
            adapter.indicate_status_complete()
        self._serve(adapter, context)

    def enable_interrupt(self, adapter: Adapter) -> None:
        """After handle_interrupt, unless the card went to sleep meanwhile. A cause that came in since pulls the line at once."""
        context = adapter.context
        adapter.dpr_acquire_spin_lock(context.lock)
        if not context.asleep:
            adapter.write_register_ulong(context.registers, hw.IMS, hw.CAUSES)
        adapter.dpr_release_spin_lock(context.lock)

    # Sending

    def _deaf(self, context: core.Context) -> bool:
        """Without a link the card would keep the packet for ever."""
        assert isinstance(context, Context)
        return super()._deaf(context) or not context.link

    def _transmit(self, adapter: Adapter, context: core.Context, packet: Packet) -> None:
        """Fill the next slot with the data of a packet, and give it to the card."""
        slot = context.tx_next
        data = context.buffers + slot * BUFFER_BYTES
        length = self._copy(adapter, packet, data)
        if length < SHORTEST_FRAME:  # what the card pads with is not said
            data.write(length, bytes(SHORTEST_FRAME - length))
            length = SHORTEST_FRAME
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % TX_SLOTS
        self._hand_over(adapter, context, slot, length)

    def _hand_over(self, adapter: Adapter, context: core.Context, slot: int, length: int) -> None:
        """Write the descriptor as a whole, then move the tail over it: from then on it is the card's."""
        context.tx_ring.write(slot * hw.DESCRIPTOR_BYTES, hw.DESCRIPTOR.pack(
            context.buffers_address + slot * BUFFER_BYTES, length, 0, hw.COMMAND, 0))
        adapter.write_register_ulong(context.registers, hw.TDT, (slot + 1) % TX_SLOTS)

    def _sent(self, context: core.Context, slot: int) -> int | None:
        """What became of the packet in a slot; None while the card has it. DD tells, never TDH: the card moves its head before it writes
        back."""
        state = context.tx_ring.read_ulong(slot * hw.DESCRIPTOR_BYTES + hw.STATE)
        if not state & hw.DD:
            return None
        return NDIS_STATUS_FAILURE if state & (hw.EC | hw.LC) else NDIS_STATUS_SUCCESS

    # Receiving

    def _receive(self, adapter: Adapter, context: core.Context) -> list[Packet]:
        """Packets that were received, ready to be lent to the protocols."""
        received: list[Packet] = []
        ring, slot, end = context.rx_ring, context.rx_next, context.rx_tail
        lent, origin = context.rx_lent, context.rx_origin
        while slot != end:
            at = (slot - origin) % RX_SLOTS * hw.DESCRIPTOR_BYTES
            state = ring.read_ulong(at + hw.STATE)
            if not state & hw.DD:
                break
            length = ring.read_ushort(at + hw.LENGTH)
            if state & hw.END and not state & hw.ERRORS and SMALLEST_FRAME <= length <= LARGEST_FRAME:
                packet = context.rx_packets[slot]
                adapter.adjust_buffer_length(packet.first, length)
                packet.status = NDIS_STATUS_SUCCESS
                received.append(packet)
                lent |= 1 << slot
            slot = (slot + 1) % RX_SLOTS
        if slot != context.rx_next:
            context.rx_next = slot
            context.rx_lent = lent
            self._refill(adapter, context)
        return received

    def _refill(self, adapter: Adapter, context: core.Context) -> None:
        """Hand free slots to the card, in order, all but one: a tail on the head means an empty ring."""
        lent, stop, origin = context.rx_lent, context.rx_next, context.rx_origin
        slot = before = context.rx_tail
        while (slot + 1) % RX_SLOTS != stop and not lent >> slot & 1:
            context.rx_ring.write((slot - origin) % RX_SLOTS * hw.DESCRIPTOR_BYTES, hw.EMPTY.pack(
                context.buffers_address + (TX_SLOTS + slot) * BUFFER_BYTES, 0))
            slot = (slot + 1) % RX_SLOTS
        if slot != before:
            context.rx_tail = slot
            adapter.write_register_ulong(context.registers, hw.RDT, (slot - origin) % RX_SLOTS)

    # Requests

    def query_information(self, adapter: Adapter, oid: int, length: int) -> tuple[int, bytes, int]:
        """As the reference miniport, from this card's registers."""
        return answer(adapter, oid, length, aware=True, value=value)

    def set_information(self, adapter: Adapter, oid: int, data: bytes) -> tuple[int, int, int]:
        """Packet filter, multicast list, lookahead and power."""
        context = adapter.context
        if oid == OID_PNP_SET_POWER:
            return super().set_information(adapter, oid, data)
        if oid in (OID_GEN_CURRENT_LOOKAHEAD, OID_GEN_CURRENT_PACKET_FILTER) and len(data) < 4:
            return NDIS_STATUS_INVALID_LENGTH, 0, 4
        if oid == OID_802_3_MULTICAST_LIST and len(data) % 6:
            return NDIS_STATUS_INVALID_LENGTH, 0, 0
        if oid == OID_GEN_CURRENT_PACKET_FILTER:
            adapter.acquire_spin_lock(context.lock)
            context.receive_control = hw.RCTL_EN | hw.RCTL_SECRC | filter_bits(int.from_bytes(data[:4], "little"))
            if self._running(context):
                adapter.write_register_ulong(context.registers, hw.RCTL, context.receive_control)
            adapter.release_spin_lock(context.lock)
        elif oid == OID_802_3_MULTICAST_LIST:
            adapter.acquire_spin_lock(context.lock)
            self._set_table(adapter, context, table_of(data))
            adapter.release_spin_lock(context.lock)
        elif oid != OID_GEN_CURRENT_LOOKAHEAD:
            return NDIS_STATUS_NOT_SUPPORTED, 0, 0
        return NDIS_STATUS_SUCCESS, len(data), 0

    def _set_table(self, adapter: Adapter, context: Context, table: list[int]) -> None:
        """Write what differs from the multicast table that the card has."""
        for number, bits in enumerate(table):
            if context.multicast[number] != bits:
                context.multicast[number] = bits
                if self._running(context):
                    adapter.write_register_ulong(context.registers, hw.MTA + 4 * number, bits)

    def _running(self, context: core.Context) -> bool:
        """True if the card has its rings: what is set while it sleeps, or after a reset that it did not survive, `_program` writes."""
        return not context.asleep and context.broken != 2

    # Power

    def _keep(self, adapter: Adapter, context: core.Context) -> None:
        """The context knows what the card is about to forget."""

    def _restore(self, adapter: Adapter, context: core.Context) -> None:
        """`_program` and `_start` have written filter and multicast table."""
