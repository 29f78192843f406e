# SPDX-License-Identifier: Apache-2.0
"""The two miniports: where PCI and ISA, and deserialized and serialized, differ."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import ClassVar

from miniport import status as s
from miniport.adapter import Adapter
from miniport.context import Pointer
from miniport.library.configuration import ResourceDescriptor
from miniport.library.slave_dma import WIDTH_8_BITS, WIDTH_16_BITS, DmaDescription
from miniport.pcnet import core as pcnet
from miniport.pcnet import hardware as hw
from miniport.pcnet.core import SUSPEND_WAITS, WAIT_US, PcnetCore
from miniport.pcnet.information import value
from miniport.reference import core
from miniport.reference.driver import ReferenceMiniport
from miniport.reference.hardware import Limits
from miniport.reference.information import answer
from miniport.reference.serialized import SerializedReferenceMiniport
from miniport.status import NDIS_STATUS_SUCCESS

FIRST_WORD_CHANNEL = 5


class PcnetMiniport(ReferenceMiniport, PcnetCore):
    """Miniport of the Am79C970A, deserialized, in software style 2."""

    layout: ClassVar[hw.Layout] = hw.Wide()
    limits: ClassVar[Limits] = hw.PCI_LIMITS
    chip: ClassVar[int] = hw.PCI_ID

    def _select_style(self, adapter: Adapter, context: core.Context) -> bool:
        """32-bit descriptors in place of those of a LANCE, and with them addresses of 32 bits."""
        self._write(adapter, context, 20, hw.BCR20_STYLE_2, hw.BDP)
        return self._read(adapter, context, 20, hw.BDP) & 0xFF == hw.BCR20_STYLE_2

    def _alone(self, adapter: Adapter, context: core.Context, function: Callable[[Adapter], bool]) -> bool:
        """The lock keeps the other handlers out."""
        adapter.acquire_spin_lock(context.lock)
        result = super()._alone(adapter, context, function)
        adapter.release_spin_lock(context.lock)
        return result

    def _set_filter(self, adapter: Adapter, context: pcnet.Context) -> None:
        """Suspend the card: it ends what it is at, keeps its place in both rings, and goes on afterwards."""
        def change(adapter: Adapter) -> bool:
            self._write(adapter, context, 5, hw.CSR5_SPND)
            for _ in range(SUSPEND_WAITS):
                state = self._read(adapter, context, 5)
                if state == hw.GONE:
                    return False
                if state == hw.CSR5_SPND:
                    self._write_filter(adapter, context)
                    break
                adapter.stall_execution(WAIT_US)
            self._write(adapter, context, 5, 0)
            return True
        self._alone(adapter, context, change)

    def query_information(self, adapter: Adapter, oid: int, length: int) -> tuple[int, bytes, int]:
        """Answer an OID. The card has no power management."""
        return _answer(self, adapter, oid, length)

    def set_information(self, adapter: Adapter, oid: int, data: bytes) -> tuple[int, int, int]:
        """As the core."""
        return PcnetCore.set_information(self, adapter, oid, data)


class IsaContext(pcnet.Context):
    """With the DMA channel."""

    channel = Pointer()


class PcnetIsaMiniport(SerializedReferenceMiniport, PcnetCore):
    """Miniport of the Am79C960, serialized, in the 16-bit style that it has alone.

    An ISA bus master needs its channel of the system's DMA controller, too: NdisMRegisterDmaChannel opens it as a cascade, through
    which the card gets the bus. Without it the card ends INIT with MERR.
    """

    layout: ClassVar[hw.Layout] = hw.Narrow()
    limits: ClassVar[Limits] = hw.ISA_LIMITS
    chip: ClassVar[int] = hw.ISA_ID
    context_type: ClassVar[type[core.Context]] = IsaContext
    interface: ClassVar[int] = s.NDIS_INTERFACE_ISA
    shared_interrupt: ClassVar[bool] = False
    csr2_mask: ClassVar[int] = 0x00FF

    def _channel(self, adapter: Adapter, context: core.Context) -> int:
        """NdisMAllocateMapRegisters wants to know it, too."""
        assert isinstance(context, IsaContext)
        return int(context.channel.channel.number)

    def _surprise_flag(self, adapter: Adapter) -> int:
        """Nobody pulls a card out of an ISA bus."""
        return 0

    def _claim_registers(self, adapter: Adapter, context: core.Context, resources: tuple[ResourceDescriptor, ...], undo: ExitStack) -> int:
        """The ports, then the channel."""
        status = super()._claim_registers(adapter, context, resources, undo)
        dma = next((r for r in resources if r.kind == "dma"), None)
        if status != NDIS_STATUS_SUCCESS or dma is None:
            return status if dma is not None else s.NDIS_STATUS_ADAPTER_NOT_FOUND
        assert isinstance(context, IsaContext)
        wide = dma.start >= FIRST_WORD_CHANNEL
        description = DmaDescription(dma_channel_specified=True, dma_channel=dma.start, dma_width=WIDTH_16_BITS if wide else WIDTH_8_BITS)
        status, context.channel = adapter.register_dma_channel(dma.start, False, description, core.LARGEST_FRAME)
        if status == NDIS_STATUS_SUCCESS:
            undo.callback(self._close_channel, adapter, context)
        return status

    def _close_channel(self, adapter: Adapter, context: IsaContext) -> None:
        """Give the channel back, once."""
        channel, context.channel = context.channel, None
        if channel is not None:
            adapter.deregister_dma_channel(channel)

    def _take_bus_away(self, adapter: Adapter) -> None:
        """The card does not say that it has stopped, and its memory is about to be freed: without the channel it gets no bus."""
        self._close_channel(adapter, adapter.context)

    def _set_filter(self, adapter: Adapter, context: pcnet.Context) -> None:
        """The card cannot be suspended: stop it and start it again. It keeps its place in both rings; but what it has told of is
        lost with STOP, so that the rings have to be looked at."""
        def change(adapter: Adapter) -> bool:
            adapter.raw_write_port_ushort(context.registers, hw.RDP, hw.CSR0_STOP)
            self._write_filter(adapter, context)
            self._start(adapter, context)
            return True
        self._alone(adapter, context, change)
        self._serve(adapter, context)

    def query_information(self, adapter: Adapter, oid: int, length: int) -> tuple[int, bytes, int]:
        """Answer an OID."""
        return _answer(self, adapter, oid, length)


def _answer(miniport: PcnetCore, adapter: Adapter, oid: int, length: int) -> tuple[int, bytes, int]:
    """(status, bytes, bytes needed) for one OID; the link is looked at."""
    def of(adapter: Adapter, oid: int) -> bytes | None:
        if oid != s.OID_GEN_MEDIA_CONNECT_STATUS:
            return value(adapter, oid)
        up = miniport.link_up(adapter, adapter.context)
        return (s.NDIS_MEDIA_STATE_CONNECTED if up else s.NDIS_MEDIA_STATE_DISCONNECTED).to_bytes(4, "little")
    return answer(adapter, oid, length, value=of)
