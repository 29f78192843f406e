# SPDX-License-Identifier: Apache-2.0
"""DMA channels: a slave card's transfers over the 8237, and the cascade of an ISA bus master.

A transfer goes through a buffer of the HAL below 16 MB, inside one window of the channel: what a card reads is copied
there by the set-up, what it writes is copied back by the completion. A HAL may do without the copies where the buffer
lies well; this one never does, so that a miniport that reads too early is found out every time. A channel that starts
over by itself (AutoInitialize) has no end at which to copy: it works on the miniport's buffer, which has to lie well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw.dma_rules import NEVER_WRITTEN
from hw.i8237_channel import Channel
from hw.i8237_registers import PAGE_PORTS, Service
from miniport.handlers import INIT, INIT_OR_HALT, METHODS, NOT_SHUTDOWN
from miniport.library.shared import check_device_idle
from miniport.packet import NdisBuffer
from miniport.routine import PASSIVE, UP_TO_DISPATCH, routine
from miniport.status import (
    NDIS_INTERFACE_ISA,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_RESOURCE_CONFLICT,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from miniport.view import View
from verifier.address import Span
from verifier.address_book import Block, BlockKind
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

REGISTER_INIT = rule("slave-register-init-only", "register the channel in the initialize handler, after the attributes")
REGISTER_STATUS = rule(
    "slave-register-status", "register a DMA channel only for an ISA card: no other bus has one, and the call fails there")
DEREGISTER = rule(
    "slave-deregister", "deregister the channel once, in halt or a failing initialize, when no transfer is set up on it")
SETUP_IRQL = rule("slave-setup-irql", "set transfers up at DISPATCH_LEVEL or below")
ONE_TRANSFER = rule("slave-one-transfer", "complete a transfer before the next one is set up on the channel")
SUBRANGE = rule("slave-subrange", "keep offset and length inside the buffer")
COMPLETE_MATCH = rule(
    "slave-complete-match", "complete with the buffer, offset, length and direction of the set-up, at DISPATCH_LEVEL or below")
COUNTER = rule("slave-counter", "read the counter only while a transfer is set up")

WIDTH_8_BITS, WIDTH_16_BITS, WIDTH_32_BITS = range(3)
"""Values of DMA_WIDTH (ntddk.h)."""


@dataclass(frozen=True, slots=True)
class DmaDescription:
    """NDIS_DMA_DESCRIPTION. A channel that is not specified is the one that the call names; speed and port say nothing on
    an ISA bus."""

    demand_mode: bool = False
    auto_initialize: bool = False
    dma_channel_specified: bool = False
    dma_width: int = WIDTH_8_BITS
    dma_speed: int = 0
    dma_port: int = 0
    dma_channel: int = 0


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer that is set up."""

    buffer: NdisBuffer
    offset: int
    length: int
    to_device: bool
    block: Block
    """Where the controller moves its bytes, at *address* in physical memory."""
    address: int
    before: bytes | None
    """What the buffer held before the card began to fill it, if that was ever written."""
    places: tuple[tuple[int, int], ...]
    """(Physical address, bytes) of the pieces of the buffer."""


class DmaChannel:
    """A registered channel: the object behind a MiniportDmaHandle."""

    __slots__ = ("bounce", "channel", "demand", "live", "maximum", "restarts", "transfer")

    def __init__(self, channel: Channel, maximum: int, demand: bool, restarts: bool) -> None:
        self.channel = channel
        self.maximum = maximum
        self.demand = demand
        self.restarts = restarts
        self.bounce: Block | None = None
        self.transfer: Transfer | None = None
        self.live = True

    def __repr__(self) -> str:
        return f"<DMA channel {self.channel.number}>"


@routine("NdisMRegisterDmaChannel", irql=PASSIVE, irql_rule="slave-register-init-only", handlers=INIT,
         handlers_rule="slave-register-init-only", fails=("RESOURCE_CONFLICT", "RESOURCES", "FAILURE"),
         on_failure=lambda status: (status, None),
         c="NDIS_STATUS NdisMRegisterDmaChannel(OUT PNDIS_HANDLE MiniportDmaHandle, NDIS_HANDLE, UINT DmaChannel, "
           "BOOLEAN Dma32BitAddresses, PNDIS_DMA_DESCRIPTION, ULONG MaximumLength)",
         source="ddi:ndis/nf-ndis-ndismregisterdmachannel")
def register_dma_channel(ndis: Ndis, adapter: Adapter, dma_channel: int, dma_32bit_addresses: bool, dma_description: DmaDescription,
                         maximum_length: int) -> tuple[int, DmaChannel | None]:
    """Claim a DMA channel for transfers of up to the maximum length; for an ISA bus master, let it through to the bus.
    Returns (status, handle)."""
    name, machine = "NdisMRegisterDmaChannel", ndis.machine
    number = dma_description.dma_channel if dma_description.dma_channel_specified else dma_channel
    if not adapter.attributes_set:
        ndis.findings.report(REGISTER_INIT, f"{name} before NdisMSetAttributesEx", subject=(name,))
    status = NDIS_STATUS_SUCCESS
    if ndis.nic.bus_kind != "isa" or adapter.interface != NDIS_INTERFACE_ISA:
        ndis.findings.report(
            REGISTER_STATUS, f"{name}: {ndis.nic.name} sits on the {ndis.nic.bus_kind} bus and was declared with interface type "
            f"{adapter.interface}; only an ISA card has a DMA channel", subject=(name,))
        status = NDIS_STATUS_FAILURE
    elif number not in PAGE_PORTS or number in machine.claimed_channels:
        status = NDIS_STATUS_RESOURCE_CONFLICT
    elif maximum_length <= 0 or (number > 3) != (dma_description.dma_width != WIDTH_8_BITS):
        status = NDIS_STATUS_RESOURCES  # the HAL has no such adapter object
    if status != NDIS_STATUS_SUCCESS:
        ndis.refused(name)
        return status, None
    channel = machine.dma_controllers.device_channel(number)
    handle = DmaChannel(channel, min(maximum_length, channel.limits.max_length), dma_description.demand_mode,
                        dma_description.auto_initialize)
    if adapter.bus_master:
        channel.open_cascade()
    elif not handle.restarts:
        offset = machine.bus.logical_offset
        handle.bounce = ndis.memory.allocate(
            BlockKind.MAPPING, name, f"DMA buffer of channel {number}", handle.maximum, owner="the HAL", lowest=max(0, -offset),
            highest=channel.limits.last - offset, boundary=channel.limits.boundary, adapter=adapter.number, logical_offset=offset,
            cached=False)
        if handle.bounce is None:
            ndis.refused(name)
            return NDIS_STATUS_RESOURCES, None
        handle.bounce.was_mapped = True
    machine.claimed_channels.add(number)
    adapter.claim(handle, f"DMA channel {number}", name, also=("slave-deregister",))
    return NDIS_STATUS_SUCCESS, handle


@routine("NdisMDeregisterDmaChannel", irql=PASSIVE, irql_rule="slave-deregister", handlers=INIT_OR_HALT,
         handlers_rule="slave-deregister", c="VOID NdisMDeregisterDmaChannel(NDIS_HANDLE MiniportDmaHandle)",
         source="ddi:ndis/nf-ndis-ndismderegisterdmachannel")
def deregister_dma_channel(ndis: Ndis, adapter: Adapter, miniport_dma_handle: DmaChannel) -> None:
    """Give the channel back."""
    handle, name = miniport_dma_handle, "NdisMDeregisterDmaChannel"
    if handle is None or not handle.live:
        ndis.findings.report(DEREGISTER, f"{name} of a channel that is not registered", subject=(name,))
        return
    if handle.transfer is not None:
        ndis.findings.report(DEREGISTER, f"{name} of {handle!r} while a transfer of {handle.transfer.length} bytes is set up",
                             subject=(handle,))
        _end(ndis, handle)
    handle.live = False
    handle.channel.close()
    if handle.bounce is not None:
        check_device_idle(ndis, name, handle.bounce)
        ndis.memory.free(handle.bounce, name, METHODS[ndis.handler])
    ndis.machine.claimed_channels.discard(handle.channel.number)
    adapter.release(handle)


@routine("NdisMSetupDmaTransfer", irql=UP_TO_DISPATCH, irql_rule="slave-setup-irql", handlers=NOT_SHUTDOWN, fails=("RESOURCES",),
         c="VOID NdisMSetupDmaTransfer(OUT PNDIS_STATUS, PNDIS_HANDLE MiniportDmaHandle, PNDIS_BUFFER, ULONG Offset, ULONG Length, "
           "BOOLEAN WriteToDevice)", source="ddi:ndis/nf-ndis-ndismsetupdmatransfer")
def setup_dma_transfer(ndis: Ndis, adapter: Adapter, miniport_dma_handle: DmaChannel, buffer: NdisBuffer, offset: int, length: int,
                       write_to_device: bool) -> int:
    """Program the channel for one transfer and open it; the card may begin. RESOURCES: the channel is busy, or cannot
    move this length."""
    handle, name = miniport_dma_handle, "NdisMSetupDmaTransfer"
    channel, view = handle.channel, buffer.view + offset
    status = NDIS_STATUS_SUCCESS
    if handle.transfer is not None:
        ndis.findings.report(
            ONE_TRANSFER, f"{name} on {handle!r} while a transfer of {handle.transfer.length} bytes is set up on it", subject=(handle,))
        status = NDIS_STATUS_RESOURCES
    elif offset < 0 or length < 0 or offset + length > buffer.length:
        ndis.findings.report(
            SUBRANGE, f"{name}: {length} bytes at offset {offset} of a buffer of {buffer.length} bytes", block=view.block,
            subject=(handle,))
        status = NDIS_STATUS_RESOURCES
    elif not handle.live or adapter.bus_master or not 0 < length <= handle.maximum or length % channel.width:
        status = NDIS_STATUS_RESOURCES
    block = view.block
    places = block.pieces(view.offset, length) if status == NDIS_STATUS_SUCCESS else []
    at = places[0][0] if places else 0
    if status == NDIS_STATUS_SUCCESS and handle.bounce is None:
        logical = ndis.machine.bus.to_logical(at)
        if logical < 0 or logical % channel.width or len(places) > 1 or not channel.limits.legal(logical, length):
            status = NDIS_STATUS_RESOURCES
    if status != NDIS_STATUS_SUCCESS:
        ndis.refused(name)
        return status
    before = None
    if handle.bounce is not None:
        block, at, before = handle.bounce, handle.bounce.physical, _copy_out(ndis, handle, view, places, write_to_device)
    block.device_reads += write_to_device
    block.device_writes += not write_to_device
    block.was_mapped = True
    handle.transfer = Transfer(buffer, offset, length, write_to_device, block, at, before, tuple(places))
    channel.program(ndis.machine.bus.to_logical(at), length, to_device=write_to_device, auto_initialize=handle.restarts,
                    service=Service.DEMAND if handle.demand else Service.SINGLE)
    return NDIS_STATUS_SUCCESS


@routine("NdisMCompleteDmaTransfer", irql=UP_TO_DISPATCH, irql_rule="slave-complete-match", handlers=NOT_SHUTDOWN,
         c="VOID NdisMCompleteDmaTransfer(OUT PNDIS_STATUS, PNDIS_HANDLE MiniportDmaHandle, PNDIS_BUFFER, ULONG Offset, ULONG Length, "
           "BOOLEAN WriteToDevice)", source="ddi:ndis/nf-ndis-ndismcompletedmatransfer")
def complete_dma_transfer(ndis: Ndis, adapter: Adapter, miniport_dma_handle: DmaChannel, buffer: NdisBuffer, offset: int,
                          length: int, write_to_device: bool) -> int:
    """End the transfer: the channel is masked, and what the card wrote is in the buffer from now on. Returns SUCCESS, or
    RESOURCES where no transfer is set up."""
    handle, name = miniport_dma_handle, "NdisMCompleteDmaTransfer"
    transfer = handle.transfer
    if transfer is None:
        ndis.findings.report(COMPLETE_MATCH, f"{name} on {handle!r} where no transfer is set up", subject=(handle,))
        return NDIS_STATUS_RESOURCES
    wrong = [text for text, differs in (
        ("another buffer", buffer is not transfer.buffer),
        (f"offset {offset} instead of {transfer.offset}", offset != transfer.offset),
        (f"length {length} instead of {transfer.length}", length != transfer.length),
        (f"WriteToDevice {bool(write_to_device)}", bool(write_to_device) != transfer.to_device)) if differs]
    if wrong:
        ndis.findings.report(COMPLETE_MATCH, f"{name} on {handle!r}: {', '.join(wrong)}", subject=(handle,))
    _end(ndis, handle)
    return NDIS_STATUS_SUCCESS


@routine("NdisMReadDmaCounter", irql=UP_TO_DISPATCH, c="ULONG NdisMReadDmaCounter(NDIS_HANDLE MiniportDmaHandle)",
         source="nt4:103ndisx")
def read_dma_counter(ndis: Ndis, adapter: Adapter, miniport_dma_handle: DmaChannel) -> int:
    """Bytes that the transfer has still to move."""
    if miniport_dma_handle.transfer is None:
        ndis.findings.report(COUNTER, f"NdisMReadDmaCounter of {miniport_dma_handle!r} where no transfer is set up",
                             subject=(miniport_dma_handle,))
        return 0
    return miniport_dma_handle.channel.bytes_left


def _copy_out(ndis: Ndis, handle: DmaChannel, view: View, places: list[tuple[int, int]], to_device: bool) -> bytes | None:
    """Before a transfer: what the card will read goes to the HAL's buffer; what it will write is kept, and counts as not
    there until the completion. *places* are the (physical address, bytes) of the buffer at *view*."""
    ram, bounce = ndis.ram, handle.bounce
    before, missing = b"", None
    for at, size in places:
        data = ram.read(at, size)
        if missing is None and ram.unwritten is not None:
            missing = len(before) + ram.unwritten - at
        if bounce is None or not to_device:
            ram.forget(at, size)
            ndis.machine.transfers.append(Span(at, size))
        else:
            inset, tag = bounce.physical + len(before), ram.first_tag(at, size)
            ram.write_tagged(inset, data, tag)
            foreign = ram.first_foreign(at, size, tag)
            if foreign is not None:
                ram.write_tagged(inset + foreign[0] - at, data[foreign[0] - at:], foreign[1])
        before += data
    if bounce is None or not to_device:
        return before if missing is None else None
    if missing is not None:
        ndis.findings.report(
            NEVER_WRITTEN, f"a buffer is set up for the card to read: byte 0x{view.offset + missing:x} of {view.block.name} was never "
            "written since it was allocated", block=view.block)
    return None


def _end(ndis: Ndis, handle: DmaChannel) -> None:
    """Mask the channel and copy back what the card wrote."""
    transfer, ram = handle.transfer, ndis.ram
    if transfer is None:
        return
    channel = handle.channel
    began = channel.masked or channel.address != channel.base_address  # the count of 64 K units cannot tell
    moved = transfer.length - (0 if channel.masked else channel.bytes_left) if began else 0
    channel.close()
    handle.transfer = None
    transfer.block.device_reads -= transfer.to_device
    transfer.block.device_writes -= not transfer.to_device
    if transfer.to_device or handle.bounce is None:
        return
    data, tag = (ram.read(transfer.address, moved), ram.first_tag(transfer.address, moved)) if moved else (b"", 0)
    done = 0
    for at, size in transfer.places:
        ndis.machine.transfers.remove(Span(at, size))
        if transfer.before is not None:
            ram.write_tagged(at, transfer.before[done:done + size], 0)
        if done < moved:
            ram.write_tagged(at, data[done:done + size], tag)
        done += size
