# SPDX-License-Identifier: Apache-2.0
"""The deserialized variant: NDIS calls its handlers at any time and on any processor, so that it locks its rings itself.

A packet that finds the ring full waits in a queue of the miniport's own. The lock is never held over a call that may come
back: completions and indications.
"""

from __future__ import annotations

from contextlib import ExitStack

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw
from miniport.reference.core import LARGEST_FRAME, Context, ReferenceCore
from miniport.reference.information import answer
from miniport.status import (
    NDIS_ATTRIBUTE_BUS_MASTER,
    NDIS_ATTRIBUTE_DESERIALIZE,
    NDIS_DEVICE_STATE_D0,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_LENGTH,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_REQUEST_ABORTED,
    NDIS_STATUS_SUCCESS,
    OID_PNP_SET_POWER,
)


class ReferenceMiniport(ReferenceCore):
    """Miniport of the reference NIC, deserialized."""

    attributes = NDIS_ATTRIBUTE_BUS_MASTER | NDIS_ATTRIBUTE_DESERIALIZE

    def _claim_more(self, adapter: Adapter, context: Context, undo: ExitStack) -> None:
        """The lock of both rings."""
        context.lock = adapter.allocate_spin_lock()
        undo.callback(adapter.free_spin_lock, context.lock)

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """Copy the packet into a slot of the ring, or queue it while the ring is full."""
        if not 14 <= packet.length <= LARGEST_FRAME:
            return NDIS_STATUS_INVALID_LENGTH
        context = adapter.context
        adapter.acquire_spin_lock(context.lock)
        if self._deaf(context):
            adapter.release_spin_lock(context.lock)
            return NDIS_STATUS_FAILURE
        if context.queue_head is not None or self._full(context):
            self._enqueue(context, packet)
        else:
            self._transmit(adapter, context, packet)
        adapter.release_spin_lock(context.lock)
        return NDIS_STATUS_PENDING

    def return_packet(self, adapter: Adapter, packet: Packet) -> None:
        """A lent packet is back; another handler may look at the receive ring."""
        lock = adapter.context.lock
        adapter.acquire_spin_lock(lock)
        super().return_packet(adapter, packet)
        adapter.release_spin_lock(lock)

    def _finished(self, adapter: Adapter, context: Context) -> tuple[list[tuple[Packet, int]], list[Packet]]:
        """Look at both rings under the lock: handle_interrupt runs at DISPATCH_LEVEL already."""
        adapter.dpr_acquire_spin_lock(context.lock)
        finished = super()._finished(adapter, context)
        adapter.dpr_release_spin_lock(context.lock)
        return finished

    def _reclaim(self, adapter: Adapter, context: Context) -> list[tuple[Packet, int]]:
        """The freed slots are filled from the queue."""
        finished = super()._reclaim(adapter, context)
        if finished:
            while context.queue_head is not None and not self._full(context):
                self._transmit(adapter, context, self._dequeue(context))
        return finished

    def check_for_hang(self, adapter: Adapter) -> bool:
        """Look under the lock."""
        lock = adapter.context.lock
        adapter.dpr_acquire_spin_lock(lock)
        hangs = super().check_for_hang(adapter)
        adapter.dpr_release_spin_lock(lock)
        return hangs

    def _stopped_by_itself(self, adapter: Adapter, context: Context) -> None:
        """Note it under the lock: handle_interrupt runs at DISPATCH_LEVEL already."""
        adapter.dpr_acquire_spin_lock(context.lock)
        super()._stopped_by_itself(adapter, context)
        adapter.dpr_release_spin_lock(context.lock)

    def reset(self, adapter: Adapter) -> tuple[int, bool]:
        """The card starts anew under the lock; then every packet that was out is completed, before the reset is."""
        context = adapter.context
        adapter.dpr_acquire_spin_lock(context.lock)
        packets = self._all_sends(context)
        result = super().reset(adapter)
        adapter.dpr_release_spin_lock(context.lock)
        for packet in packets:
            adapter.send_complete(packet, NDIS_STATUS_REQUEST_ABORTED)
        return result

    # Power

    def enable_interrupt(self, adapter: Adapter) -> None:
        """Under the lock: no interrupt is let through behind the back of `_sleep`."""
        lock = adapter.context.lock
        adapter.dpr_acquire_spin_lock(lock)
        super().enable_interrupt(adapter)
        adapter.dpr_release_spin_lock(lock)

    def query_information(self, adapter: Adapter, oid: int, length: int) -> tuple[int, bytes, int]:
        """As the core, and aware of power management: the card may go to D3 at any time."""
        return answer(adapter, oid, length, aware=True)

    def set_information(self, adapter: Adapter, oid: int, data: bytes) -> tuple[int, int, int]:
        """OID_PNP_SET_POWER puts the card to sleep and starts it again; the rest as the core."""
        if oid != OID_PNP_SET_POWER:
            return super().set_information(adapter, oid, data)
        if int.from_bytes(data[:4], "little") == NDIS_DEVICE_STATE_D0:
            self._wake(adapter, adapter.context)
        else:
            self._sleep(adapter, adapter.context)
        return NDIS_STATUS_SUCCESS, 4, 0

    def _sleep(self, adapter: Adapter, context: Context) -> None:
        """Note what the card is about to forget, and stop it. From here on no handler touches it."""
        adapter.acquire_spin_lock(context.lock)
        context.asleep = 1
        adapter.release_spin_lock(context.lock)
        self._keep(adapter, context)
        self._quiet(adapter, context)

    def _keep(self, adapter: Adapter, context: Context) -> None:
        """Note filter and multicast table."""
        registers = context.registers
        context.kept_filter = adapter.read_register_ulong(registers, hw.FILTER)
        context.kept_hash_lo = adapter.read_register_ulong(registers, hw.HASH_LO)
        context.kept_hash_hi = adapter.read_register_ulong(registers, hw.HASH_HI)

    def _wake(self, adapter: Adapter, context: Context) -> None:
        """The card is as after power-up: write rings and filter again, then start it. What protocols hold of the receive slots they
        keep."""
        if self._gone(adapter, context):
            return
        adapter.acquire_spin_lock(context.lock)
        context.asleep = 0
        self._rewind(context)
        self._program(adapter, context)
        adapter.release_spin_lock(context.lock)
        self._restore(adapter, context)
        self._start(adapter, context)

    def _restore(self, adapter: Adapter, context: Context) -> None:
        """Write filter and multicast table as they were."""
        registers = context.registers
        adapter.write_register_ulong(registers, hw.FILTER, context.kept_filter)
        adapter.write_register_ulong(registers, hw.HASH_LO, context.kept_hash_lo)
        adapter.write_register_ulong(registers, hw.HASH_HI, context.kept_hash_hi)

    # Packets

    def _all_sends(self, context: Context) -> list[Packet]:
        """What waits in the queue is out, too."""
        packets = super()._all_sends(context)
        while context.queue_head is not None:
            packets.append(self._dequeue(context))
        return packets

    def _enqueue(self, context: Context, packet: Packet) -> None:
        packet.reserved = None
        if context.queue_head is None:
            context.queue_head = packet
        else:
            context.queue_tail.reserved = packet
        context.queue_tail = packet

    def _dequeue(self, context: Context) -> Packet:
        packet: Packet = context.queue_head
        context.queue_head = packet.reserved
        return packet
