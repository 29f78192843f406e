# SPDX-License-Identifier: Apache-2.0
"""What an NDIS 5.1 miniport for a PCnet card does otherwise than one for the reference NIC.

What to look at first: the card has one address port for all of its registers, RAP. Here it names CSR0 at all times, so that the ISR
may use the data port at once; whoever needs another register goes through `_alone`, which keeps the ISR and every other handler
out. `_program` builds the initialization block and waits for the card to have read it. IENA in CSR0 is no bit that stays: every
write of CSR0 says anew whether the card may interrupt.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import ClassVar

from miniport import status as s
from miniport.adapter import Adapter
from miniport.context import Pointer, Ulong, Ulonglong
from miniport.library.configuration import ResourceDescriptor
from miniport.packet import Packet
from miniport.pcnet import hardware as hw
from miniport.pcnet.information import table_of
from miniport.reference import core
from miniport.reference.core import BUFFER_BYTES, LARGEST_FRAME, RX_SLOTS, SMALLEST_FRAME, TX_SLOTS, ReferenceCore
from miniport.reference.hardware import Limits
from miniport.reference.memory import shared
from miniport.status import NDIS_STATUS_FAILURE, NDIS_STATUS_SUCCESS
from miniport.view import View

INIT_WAITS, SUSPEND_WAITS, RAP_TRIES = 100, 100, 3
WAIT_US = 10
NDIS_ERROR_CODE_HARDWARE_FAILURE = 0xC000138A


class Context(core.Context):
    """The adapter context, with what the card cannot be asked for while it runs."""

    block = Pointer()
    block_address = Ulonglong()
    # Which transmit slot comes first in the ring, as rx_origin says for the other one.
    tx_origin = Ulong()
    # Station address as the address PROM has it.
    address = Ulonglong()
    # Mode and logical address filter, as they are to be.
    mode = Ulong()
    filters = Ulonglong()
    all_multicast = Ulong()
    # What the last look through `_alone` saw.
    seen_link = Ulong()
    link = Ulong()
    # Totals for the statistics.
    sent = Ulong()
    not_sent = Ulong()
    received = Ulong()
    missed = Ulong()


class PcnetCore(ReferenceCore):
    """All that both cards have in common. *layout* is that of the software style."""

    context_type: ClassVar[type[core.Context]] = Context
    layout: ClassVar[hw.Layout]
    limits: ClassVar[Limits]
    chip: ClassVar[int]
    """What CSR88 must say."""
    csr2_mask: ClassVar[int] = 0xFFFF
    """The bits that CSR2 has."""

    # Registers

    def _claim_registers(self, adapter: Adapter, context: core.Context, resources: tuple[ResourceDescriptor, ...], undo: ExitStack) -> int:
        """The ports."""
        ports = next((r for r in resources if r.kind == "port"), None)
        if ports is None:
            return s.NDIS_STATUS_ADAPTER_NOT_FOUND
        status, context.registers = adapter.register_io_port_range(ports.start, ports.length)
        if status == NDIS_STATUS_SUCCESS:
            undo.callback(adapter.deregister_io_port_range, ports.start, ports.length, context.registers)
        return status

    def _read(self, adapter: Adapter, context: core.Context, number: int, port: int = hw.RDP) -> int:
        """A register by its number; RAP is back at CSR0 afterwards. Called while nobody else touches the card."""
        adapter.raw_write_port_ushort(context.registers, hw.RAP, number)
        value: int = adapter.raw_read_port_ushort(context.registers, port)
        self._back_to_csr0(adapter, context)
        return value

    def _write(self, adapter: Adapter, context: core.Context, number: int, value: int, port: int = hw.RDP) -> None:
        """As `_read`."""
        adapter.raw_write_port_ushort(context.registers, hw.RAP, number)
        adapter.raw_write_port_ushort(context.registers, port, value)
        self._back_to_csr0(adapter, context)

    def _back_to_csr0(self, adapter: Adapter, context: core.Context) -> None:
        """Everything hangs on RAP being 0 from here on: it is read back."""
        for _ in range(RAP_TRIES):
            adapter.raw_write_port_ushort(context.registers, hw.RAP, 0)
            if adapter.raw_read_port_ushort(context.registers, hw.RAP) in (0, hw.GONE):
                return

    def _alone(self, adapter: Adapter, context: core.Context, function: Callable[[Adapter], bool]) -> bool:
        """Call *function* while no ISR can run: between a write of RAP and the access that it is for, RAP must not change. A
        deserialized miniport takes its lock besides."""
        return bool(adapter.synchronize_with_interrupt(context.interrupt, function, adapter))

    # The card

    def _look_at_card(self, adapter: Adapter, context: core.Context) -> Limits | None:
        """Reset the card, ask it who it is, and read its address PROM."""
        if not self._reset_card(adapter, context):
            return None
        if self._read(adapter, context, 88) != self.chip or not self._address_good(adapter, context):
            return None
        return self.limits

    def _gone(self, adapter: Adapter, context: core.Context) -> bool:
        """True if the card was pulled out. RAP reads as 0 otherwise."""
        return bool(adapter.raw_read_port_ushort(context.registers, hw.RDP) == hw.GONE)

    def _reset_card(self, adapter: Adapter, context: core.Context) -> bool:
        """Reading RESET resets; RAP is 0 then, and CSR0 says STOP."""
        adapter.raw_read_port_ushort(context.registers, hw.RESET)
        adapter.raw_write_port_ushort(context.registers, hw.RAP, 0)
        return bool(adapter.raw_read_port_ushort(context.registers, hw.RDP) == hw.CSR0_STOP)

    def _address_good(self, adapter: Adapter, context: core.Context) -> bool:
        """True if the address PROM holds what its check sum says, and a station address that one station alone may have."""
        assert isinstance(context, Context)
        prom = bytes(adapter.raw_read_port_uchar(context.registers, hw.APROM + at) for at in range(16))
        total = sum(prom[:12]) + sum(prom[14:])
        if prom[14:] != b"WW" or total != int.from_bytes(prom[12:14], "little"):
            return False
        context.address = int.from_bytes(prom[:6], "little")
        return not prom[0] & 1 and any(prom[:6])

    def _claim_dma(self, adapter: Adapter, context: core.Context, limits: Limits, dma_size: int, undo: ExitStack) -> int:
        """Register for DMA of one width, then get rings, buffers and the initialization block where the card reaches them."""
        status = adapter.allocate_map_registers(self._channel(adapter, context), dma_size, 1, LARGEST_FRAME)
        if status != NDIS_STATUS_SUCCESS:
            return status
        undo.callback(adapter.free_map_registers)
        each = self.layout.descriptor_bytes
        for name, size, count in (("tx_ring", TX_SLOTS * each, 1), ("rx_ring", RX_SLOTS * each, 1), ("block", hw.INIT_BLOCK_BYTES, 1),
                                  ("buffers", BUFFER_BYTES, TX_SLOTS + RX_SLOTS)):
            view, address = self._memory(adapter, context, limits, name, size, count, undo)
            if view is None:
                return s.NDIS_STATUS_RESOURCES
            setattr(context, name, view)
            setattr(context, f"{name}_address", address)
        return NDIS_STATUS_SUCCESS

    def _memory(self, adapter: Adapter, context: core.Context, limits: Limits, name: str, size: int, count: int,
                undo: ExitStack) -> tuple[View | None, int]:
        """Shared memory for *count* pieces of *size* bytes of what is called *name*, each of which the card reaches."""
        return shared(adapter, limits, size, count, undo)

    def _channel(self, adapter: Adapter, context: core.Context) -> int:
        """The DMA channel of a card on ISA."""
        return 0

    def _program(self, adapter: Adapter, context: core.Context) -> bool:
        """Write everything and have the card read it. A card that does not is stopped: it may still be about to read."""
        if self._initialize_card(adapter, context):
            return True
        self._quiet(adapter, context)
        return False

    def _initialize_card(self, adapter: Adapter, context: core.Context) -> bool:
        """Write rings and initialization block, and have the card read the latter. The card is stopped. False if it does not."""
        assert isinstance(context, Context)
        layout, buffers = self.layout, context.buffers_address
        context.mode = context.mode or hw.MODE_10BASE_T | hw.MODE_DRCVBC | hw.MODE_DRCVPA
        context.tx_ring.write(0, b"".join(
            layout.empty(buffers + (context.tx_origin + number) % TX_SLOTS * BUFFER_BYTES) for number in range(TX_SLOTS)))
        context.rx_ring.write(0, b"".join(
            layout.empty(buffers + (TX_SLOTS + (context.rx_origin + number) % RX_SLOTS) * BUFFER_BYTES) for number in range(RX_SLOTS)))
        self._refill(adapter, context)
        context.block.write(0, layout.block(
            context.mode, context.address.to_bytes(6, "little"), self._filters(context),
            (context.rx_ring_address, RX_SLOTS.bit_length() - 1), (context.tx_ring_address, TX_SLOTS.bit_length() - 1)))

        def tell(adapter: Adapter) -> bool:
            return self._tell_where(adapter, context)

        # After a reset the ISR may run for another card on the same line, and it reads CSR0.
        if not (tell(adapter) if context.interrupt is None else adapter.synchronize_with_interrupt(context.interrupt, tell, adapter)):
            return False
        adapter.raw_write_port_ushort(context.registers, hw.RDP, hw.CSR0_INIT)
        for _ in range(INIT_WAITS):
            status = adapter.raw_read_port_ushort(context.registers, hw.RDP)
            if status == hw.GONE or status & hw.CSR0_MERR:
                return False
            if status & hw.CSR0_IDON:
                return True
            adapter.stall_execution(WAIT_US)
        return False

    def _tell_where(self, adapter: Adapter, context: Context) -> bool:
        """Write what the card has to know before INIT. False if it has not understood."""
        if not self._select_style(adapter, context):
            return False
        address = context.block_address
        for number, value in ((1, address & 0xFFFF), (2, address >> 16 & self.csr2_mask), (3, hw.CSR3_IDONM), (4, hw.CSR4_VALUE)):
            self._write(adapter, context, number, value)
            if self._read(adapter, context, number) != value:
                return False
        return True

    def _select_style(self, adapter: Adapter, context: core.Context) -> bool:
        """The software style that `layout` is for; after power-up it is 0. False if the card does not take it."""
        return True

    def _rewind(self, context: core.Context) -> None:
        """The card will begin both rings anew."""
        super()._rewind(context)
        assert isinstance(context, Context)
        context.tx_origin = 0

    def _start(self, adapter: Adapter, context: core.Context) -> None:
        """Start both engines and let the card interrupt. IDON stays as it is: a one for it together with STRT upsets some chips."""
        adapter.raw_write_port_ushort(context.registers, hw.RDP, hw.CSR0_STRT | hw.CSR0_IENA)

    def _quiet(self, adapter: Adapter, context: core.Context) -> None:
        """No interrupt and no DMA any more. A processor that was frozen may have left RAP at another register; the wait is bounded."""
        registers = context.registers
        for _ in range(100):
            adapter.raw_write_port_ushort(registers, hw.RAP, 0)
            adapter.raw_write_port_ushort(registers, hw.RDP, hw.CSR0_STOP)
            status = adapter.raw_read_port_ushort(registers, hw.RDP)
            if status == hw.GONE:
                return
            if status & hw.CSR0_STOP and not status & (hw.CSR0_TXON | hw.CSR0_RXON | hw.CSR0_IENA):
                return
            adapter.stall_execution(WAIT_US)
        context.runs_on = 1

    # Interrupts

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """Is it ours? Then write CSR0 without IENA: the line falls, and handle_interrupt does the rest."""
        registers = adapter.context.registers
        status = adapter.raw_read_port_ushort(registers, hw.RDP)
        if status == hw.GONE or not (status & hw.CSR0_INTR and status & hw.CSR0_IENA):
            return False, False
        adapter.raw_write_port_ushort(registers, hw.RDP, 0)
        return True, True

    def handle_interrupt(self, adapter: Adapter) -> None:
        """Acknowledge first, look at the rings afterwards: what comes in between interrupts again."""
        self._serve(adapter, adapter.context)

    def enable_interrupt(self, adapter: Adapter) -> None:
        """After handle_interrupt: let the card interrupt again, unless it was stopped meanwhile."""
        context = adapter.context
        if not context.asleep and context.broken != 2:
            adapter.raw_write_port_ushort(context.registers, hw.RDP, hw.CSR0_IENA)

    def _finished(self, adapter: Adapter, context: core.Context) -> tuple[list[tuple[Packet, int]], list[Packet]]:
        """Acknowledge what is set, see whether the card still runs, and take what it has finished from both rings."""
        assert isinstance(context, Context)
        status = adapter.raw_read_port_ushort(context.registers, hw.RDP)
        if status == hw.GONE:
            return [], []
        adapter.raw_write_port_ushort(context.registers, hw.RDP, status & hw.CSR0_CAUSES)
        context.missed += bool(status & hw.CSR0_MISS)
        if status & hw.CSR0_MERR or not status & hw.CSR0_TXON or not status & hw.CSR0_RXON:
            context.broken = context.broken or 1
        return super()._finished(adapter, context)

    # When the card hangs

    def check_for_hang(self, adapter: Adapter) -> bool:
        """As the reference miniport, and look whether the card has stopped by itself: after an abort on the bus nothing tells."""
        context = adapter.context
        status = adapter.raw_read_port_ushort(context.registers, hw.RDP)
        if status != hw.GONE and not context.broken and not status & hw.CSR0_TXON:
            context.broken = 1
        return super().check_for_hang(adapter)

    # Sending

    def _transmit(self, adapter: Adapter, context: core.Context, packet: Packet) -> None:
        """Fill the next slot, hand it over with the last store, and demand that the card looks now and not at its next poll."""
        assert isinstance(context, Context)
        slot = context.tx_next
        at = slot * BUFFER_BYTES
        data = context.buffers + at
        length = self._copy(adapter, packet, data)
        index = (slot - context.tx_origin) % TX_SLOTS
        context.tx_packets[slot] = packet
        context.tx_next = (slot + 1) % TX_SLOTS
        self.layout.hand_over(context.tx_ring, index, context.buffers_address + at, length, hw.STP | hw.ENP)
        self._demand(adapter, context)

    def _demand(self, adapter: Adapter, context: core.Context) -> None:
        """The card looks at its transmit ring now, and may go on interrupting."""
        adapter.raw_write_port_ushort(context.registers, hw.RDP, hw.CSR0_TDMD | hw.CSR0_IENA)

    def _reclaim(self, adapter: Adapter, context: core.Context) -> list[tuple[Packet, int]]:
        """Packets that were sent, each with its status; their slots are free again."""
        assert isinstance(context, Context)
        finished: list[tuple[Packet, int]] = []
        slot, end = context.tx_done, context.tx_next
        while slot != end:
            flags = self.layout.status(context.tx_ring, (slot - context.tx_origin) % TX_SLOTS)
            if flags & hw.OWN:
                break
            finished.append((context.tx_packets[slot], NDIS_STATUS_FAILURE if flags & hw.ERR else NDIS_STATUS_SUCCESS))
            slot = (slot + 1) % TX_SLOTS
        if finished:
            context.tx_done = slot
            failed = sum(status == NDIS_STATUS_FAILURE for _, status in finished)
            context.not_sent += failed
            context.sent += len(finished) - failed
        return finished

    # Receiving

    def _receive(self, adapter: Adapter, context: core.Context) -> list[Packet]:
        """Packets that were received, ready to be lent. The count that the card gives has the check sequence in it."""
        assert isinstance(context, Context)
        received: list[Packet] = []
        slot, end, lent, origin = context.rx_next, context.rx_tail, context.rx_lent, context.rx_origin
        while slot != end:
            index = (slot - origin) % RX_SLOTS
            flags = self.layout.status(context.rx_ring, index)
            if flags & hw.OWN:
                break
            length = self.layout.received(context.rx_ring, index) - hw.FCS_BYTES
            whole = flags & (hw.ERR | hw.STP | hw.ENP) == hw.STP | hw.ENP
            if whole and SMALLEST_FRAME <= length <= LARGEST_FRAME:
                packet = context.rx_packets[slot]
                adapter.adjust_buffer_length(packet.first, length)
                packet.status = NDIS_STATUS_SUCCESS
                received.append(packet)
                lent |= 1 << slot
            slot = (slot + 1) % RX_SLOTS
        if slot != context.rx_next:
            context.rx_next = slot
            context.rx_lent = lent
            context.received += len(received)
            self._refill(adapter, context)
        return received

    def _refill(self, adapter: Adapter, context: core.Context) -> None:
        """Hand free slots to the card, in order, all but one: a full ring would look empty. The card finds them by itself."""
        ring, lent, stop, origin = context.rx_ring, context.rx_lent, context.rx_next, context.rx_origin
        slot = before = context.rx_tail
        while (slot + 1) % RX_SLOTS != stop and not lent >> slot & 1:
            address = context.buffers_address + (TX_SLOTS + slot) * BUFFER_BYTES
            self.layout.hand_over(ring, (slot - origin) % RX_SLOTS, address, BUFFER_BYTES, 0)
            slot = (slot + 1) % RX_SLOTS
        if slot != before:
            context.rx_tail = slot

    # Requests

    def set_information(self, adapter: Adapter, oid: int, data: bytes) -> tuple[int, int, int]:
        """Packet filter, multicast list and lookahead."""
        context = adapter.context
        if oid == s.OID_GEN_CURRENT_LOOKAHEAD:
            return (NDIS_STATUS_SUCCESS, 4, 0) if len(data) >= 4 else (s.NDIS_STATUS_INVALID_LENGTH, 0, 4)
        if oid == s.OID_GEN_CURRENT_PACKET_FILTER:
            if len(data) < 4:
                return s.NDIS_STATUS_INVALID_LENGTH, 0, 4
            wanted = int.from_bytes(data[:4], "little")
            mode = hw.MODE_10BASE_T | hw.MODE_PROM * bool(wanted & s.NDIS_PACKET_TYPE_PROMISCUOUS) | (
                hw.MODE_DRCVBC * (not wanted & s.NDIS_PACKET_TYPE_BROADCAST)) | (
                hw.MODE_DRCVPA * (not wanted & s.NDIS_PACKET_TYPE_DIRECTED))
            self._filter(adapter, context, mode, context.filters, bool(wanted & s.NDIS_PACKET_TYPE_ALL_MULTICAST))
            return NDIS_STATUS_SUCCESS, 4, 0
        if oid == s.OID_802_3_MULTICAST_LIST:
            if len(data) % 6:
                return s.NDIS_STATUS_INVALID_LENGTH, 0, 0
            self._filter(adapter, context, context.mode, table_of(data), bool(context.all_multicast))
            return NDIS_STATUS_SUCCESS, len(data), 0
        return s.NDIS_STATUS_NOT_SUPPORTED, 0, 0

    def _filter(self, adapter: Adapter, context: Context, mode: int, filters: int, every: bool) -> None:
        """Note mode and filter. The card has to stand still for a change and misses frames meanwhile: nothing is changed in vain, and
        in the promiscuous mode the filter does not matter."""
        before = context.mode, self._filters(context)
        context.mode, context.filters, context.all_multicast = mode, filters, every
        if mode != before[0] or (self._filters(context) != before[1] and not mode & hw.MODE_PROM):
            self._set_filter(adapter, context)

    def _filters(self, context: Context) -> int:
        """The logical address filter; the card knows no "all multicast": a filter full of ones does it."""
        return 0xFFFFFFFFFFFFFFFF if context.all_multicast else context.filters

    def _set_filter(self, adapter: Adapter, context: Context) -> None:
        """Write mode and filter: registers that the card takes only while it stands still."""
        raise NotImplementedError

    def _write_filter(self, adapter: Adapter, context: Context) -> None:
        """Mode and filter, while the card stands still."""
        filters = self._filters(context)
        for number in range(4):
            self._write(adapter, context, 8 + number, filters >> 16 * number & 0xFFFF)
        self._write(adapter, context, 15, context.mode)

    def link_up(self, adapter: Adapter, context: Context) -> bool:
        """What the link LED says."""
        def look(adapter: Adapter) -> bool:
            return bool(self._read(adapter, context, 4, hw.BDP) & hw.BCR4_LINK)
        return self._alone(adapter, context, look)
