# SPDX-License-Identifier: Apache-2.0
"""DMA of a bus master: map registers, scatter/gather set-up, shared memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.dma_rules import NEVER_WRITTEN, SHARED_AFTER_FREE
from hw.limits import DmaKind
from hw.processor import DISPATCH_LEVEL, PASSIVE_LEVEL, irql_name
from miniport import rules
from miniport.adapter_state import Bounce, MapRegisters
from miniport.handlers import INIT, INIT_OR_HALT, METHODS, NOT_SHUTDOWN, Handler
from miniport.nulls import POISON_ADDRESS
from miniport.packet import NdisBuffer
from miniport.routine import ANY, PASSIVE, UP_TO_DISPATCH, routine
from miniport.status import (
    DMA_SIZE_BITS,
    NDIS_INTERFACE_ISA,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from miniport.versions import at_least, title
from miniport.view import View
from verifier.address import KIB, PAGE_SIZE, LogicalAddress, Span, hex_address, pages_for
from verifier.address_book import Block, BlockKind, Incoming
from verifier.errors import BedError
from verifier.rule import Severity, rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

SLAVE_OLD = rule(
    "shared-alloc-slave-old", "before Windows XP SP1 and Server 2003, give a slave card pool memory: NdisMSetupDmaTransfer takes any",
    severity=Severity.WARNING, also=("shared-alloc-slave-new",))
FREE_SLAVE = rule("shared-free-slave", "free shared memory of a slave card only where NDIS gives it some: from XP SP1 on")
SLAVE_BOUNDARY = 64 * KIB
"""What a HAL keeps common buffers of a slave inside, for word channels, too (ReactOS halx86, HalAllocateCommonBuffer)."""
ABSURD_COUNT = 0x10000
"""What NdisQueryMapRegisterCount gives from Windows 2000 on (KB Q253233: an invalid count)."""
MOST_MAP_REGISTERS = 64
"""Map registers that one miniport may have (ff552300)."""


def _nothing(status: int | None) -> tuple[None, LogicalAddress]:
    return None, POISON_ADDRESS


# Map registers

@routine("NdisMAllocateMapRegisters", irql=PASSIVE, irql_rule="mapreg-alloc-init-only", handlers=INIT,
         handlers_rule="mapreg-alloc-init-only", fails=("RESOURCES",),
         c="NDIS_STATUS NdisMAllocateMapRegisters(NDIS_HANDLE, UINT DmaChannel, NDIS_DMA_SIZE DmaSize, "
           "ULONG BaseMapRegistersNeeded, ULONG MaximumBufferSize)", source="ndis5:ff552300")
def allocate_map_registers(ndis: Ndis, adapter: Adapter, dma_channel: int, dma_size: int, base_map_registers_needed: int,
                           maximum_buffer_size: int) -> int:
    """Register a bus master for DMA of the given width, and claim map registers for buffers of up to the maximum size."""
    report, name = ndis.findings.report, "NdisMAllocateMapRegisters"
    if not adapter.attributes_set:
        report(rules.ATTRIBUTES_FIRST, f"{name} before NdisMSetAttributesEx", subject=(name,))
    if not adapter.bus_master:
        also = rules.MAPREG_BUSMASTER.also if ndis.nic.limits.kind is DmaKind.SLAVE else ()
        report(rules.MAPREG_BUSMASTER, f"{name} without NDIS_ATTRIBUTE_BUS_MASTER", subject=(name,), also=also)
        ndis.refused(name)
        return NDIS_STATUS_RESOURCES
    if dma_size not in DMA_SIZE_BITS:
        report(rules.MAPREG_WIDTH, f"{name}: DmaSize {dma_size} is none of the three widths", subject=(name,))
        ndis.refused(name)
        return NDIS_STATUS_RESOURCES
    if dma_channel and adapter.interface != NDIS_INTERFACE_ISA:
        report(rules.MAPREG_CHANNEL, f"{name}: DmaChannel {dma_channel} for a NIC that is not on ISA", subject=(name,))
    if adapter.scatter_gather:
        report(rules.MAPREG_OR_SG, f"{name} after NdisMInitializeScatterGatherDma", subject=(name,))
    if DMA_SIZE_BITS[dma_size] == 24 and ndis.nic.bus_kind == "pci" and ndis.nic.limits.address_bits >= 32:
        report(rules.MAPREG_NOT_24, f"{name} with NDIS_DMA_24BITS for a PCI NIC with {ndis.nic.limits.address_bits} address bits",
               subject=(name,))
    if base_map_registers_needed == ABSURD_COUNT and at_least(ndis.windows, "2000"):
        report(rules.MAPREG_QUERY_OBSOLETE, f"{name} with 0x{ABSURD_COUNT:x} map registers, the number that NdisQueryMapRegisterCount "
               f"gives on {title(ndis.windows)}", subject=(name,))
    pages = pages_for(maximum_buffer_size) + (maximum_buffer_size > 1)
    if base_map_registers_needed * pages > MOST_MAP_REGISTERS or maximum_buffer_size <= 0 or adapter.map_registers is not None:
        ndis.refused(name)
        return NDIS_STATUS_RESOURCES
    state = MapRegisters(base_map_registers_needed, maximum_buffer_size, DMA_SIZE_BITS[dma_size])
    if not _reserve_bounce_pages(ndis, adapter, state, base_map_registers_needed * pages):
        ndis.refused(name)
        return NDIS_STATUS_RESOURCES
    adapter.map_registers = state
    adapter.map_registers_freed_at = None
    adapter.dma_bits = state.bits
    adapter.claim("map registers", "map registers", name, also=("mapreg-free-required",))
    return NDIS_STATUS_SUCCESS


def _reserve_bounce_pages(ndis: Ndis, adapter: Adapter, state: MapRegisters, count: int) -> bool:
    """Pages within reach for all that the registers can map, where some memory of the machine is out of reach."""
    offset = ndis.machine.bus.logical_offset
    if ndis.ram.ranges[-1].end + offset <= 1 << state.bits:
        return True
    state.bounce = ndis.memory.allocate(
        BlockKind.MAPPING, "NdisMAllocateMapRegisters", "bounce pages", count * PAGE_SIZE, owner="map registers",
        lowest=max(0, -offset), highest=(1 << state.bits) - 1 - offset, adapter=adapter.number, logical_offset=offset,
        cached=False)
    state.free_pages = list(range(count))
    return state.bounce is not None


@routine("NdisMFreeMapRegisters", irql=PASSIVE, irql_rule="mapreg-free-context", handlers=INIT_OR_HALT,
         handlers_rule="mapreg-free-context", c="VOID NdisMFreeMapRegisters(NDIS_HANDLE)", source="ndis5:ff553523")
def free_map_registers(ndis: Ndis, adapter: Adapter) -> None:
    """Free the map registers, once, after all shared memory."""
    state = adapter.map_registers
    if state is None:
        ndis.findings.report(rules.MAPREG_FREE_SUCCESS, "NdisMFreeMapRegisters without map registers", subject=("map registers",))
        return
    adapter.map_registers_freed_at = ndis.where.capture()
    if state.busy:
        ndis.findings.report(
            rules.MAPREG_FREE_OPEN, f"NdisMFreeMapRegisters with map registers {sorted(state.busy)} in use",
            subject=("map registers",), bugcheck="0xE6/0x10 under DMA verification")
    for index in tuple(state.incoming):
        _arrived(state, index)
    if state.bounce is not None:
        ndis.memory.free(state.bounce, "NdisMFreeMapRegisters", METHODS[ndis.handler])
    adapter.map_registers = None
    adapter.release("map registers")


@routine("NdisQueryMapRegisterCount", irql=PASSIVE, irql_rule="mapreg-query-before", handlers=INIT,
         handlers_rule="mapreg-query-before", fails=("NOT_SUPPORTED",), on_failure=lambda s: (s, 0),
         c="NDIS_STATUS NdisQueryMapRegisterCount(NDIS_INTERFACE_TYPE, OUT PUINT MapRegisterCount)", source="nt4:103ndisx_159")
def query_map_register_count(ndis: Ndis, adapter: Adapter, bus_type: int) -> tuple[int, int]:
    """How many map registers there are: no useful number from Windows 2000 on. Returns (status, count)."""
    name = "NdisQueryMapRegisterCount"
    if adapter.map_registers is not None:
        ndis.findings.report(rules.MAPREG_QUERY_BEFORE, f"{name} after NdisMAllocateMapRegisters", subject=(name,))
    return NDIS_STATUS_SUCCESS, ABSURD_COUNT if at_least(ndis.windows, "2000") else MOST_MAP_REGISTERS


@routine("NdisGetBufferPhysicalArraySize", irql=UP_TO_DISPATCH,
         c="VOID NdisGetBufferPhysicalArraySize(PNDIS_BUFFER, OUT PUINT ArraySize)", source="nt4:103ndisx")
def get_buffer_physical_array_size(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer) -> int:
    """Most pieces that mapping the buffer can give: its pages."""
    return buffer.pages()


@routine("NdisMStartBufferPhysicalMapping", irql=UP_TO_DISPATCH, irql_rule="mapreg-start-irql", handlers=NOT_SHUTDOWN,
         c="VOID NdisMStartBufferPhysicalMapping(NDIS_HANDLE, PNDIS_BUFFER, ULONG PhysicalMapRegister, BOOLEAN WriteToDevice, "
           "OUT PNDIS_PHYSICAL_ADDRESS_UNIT, OUT PUINT ArraySize)", source="ndis5:ff553646")
def start_buffer_physical_mapping(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer, physical_map_register: int,
                                  write_to_device: bool) -> tuple[tuple[LogicalAddress, int], ...]:
    """Map a buffer for one transfer. Returns the pieces as (device address, length), valid until it is completed."""
    report, state, name = ndis.findings.report, adapter.map_registers, "NdisMStartBufferPhysicalMapping"
    index = physical_map_register
    if state is None:
        freed = adapter.map_registers_freed_at is not None
        report(rules.MAPREG_START, f"{name} {'after NdisMFreeMapRegisters' if freed else 'without map registers'}", subject=(name,),
               also=rules.MAPREG_START.also if freed else ())
        return ()
    if not 0 <= index < state.count:
        report(rules.MAPREG_INDEX, f"{name}: map register {index}; the adapter has {state.count}", subject=("map register", index))
        return ()
    if index in state.busy:
        report(rules.MAPREG_BUSY, f"{name}: map register {index} is in use", subject=("map register", index),
               bugcheck="0xE6/0x1D under DMA verification")
        return ()
    if buffer.length > state.maximum:
        report(rules.MAPREG_MAX, f"{name}: {buffer.length} bytes; MaximumBufferSize is {state.maximum}",
               subject=("map register", index))
        return ()
    state.busy[index] = buffer
    return _map_buffer(ndis, state, buffer, index, write_to_device)


def _map_buffer(ndis: Ndis, state: MapRegisters, buffer: NdisBuffer, index: int, write_to_device: bool,
               ) -> tuple[tuple[LogicalAddress, int], ...]:
    """Device addresses of a buffer; pieces out of the device's reach go through bounce pages."""
    view, left = buffer.span()
    block, bus = view.block, ndis.machine.bus
    reach = 1 << state.bits
    pieces: list[tuple[LogicalAddress, int]] = []
    bounced: list[Bounce] = []
    incoming = state.incoming[index] = []
    at = view.offset
    while left:
        physical = block.physical_at(at)
        size = min(left, PAGE_SIZE - (physical & (PAGE_SIZE - 1)))
        logical = bus.to_logical(physical)
        if logical < 0 or logical + size > reach:
            physical = _bounce(ndis, state, bounced, block, at, size, write_to_device)
            logical = bus.to_logical(physical)
        if not write_to_device:
            incoming.append(Incoming(block, at, size, physical))
        if pieces and pieces[-1][0] + pieces[-1][1] == logical:
            pieces[-1] = pieces[-1][0], pieces[-1][1] + size
        else:
            pieces.append((LogicalAddress(logical), size))
        at += size
        left -= size
    for holder in (block, state.bounce):
        if holder is not None and incoming:
            holder.expect(holder.incoming + incoming)
    block.was_mapped = True
    block.device_reads += write_to_device
    block.device_writes += not write_to_device
    state.to_device[index] = write_to_device
    state.bounced[index] = bounced
    return tuple(pieces)


def _bounce(ndis: Ndis, state: MapRegisters, bounced: list[Bounce], block: Block, at: int, size: int, write_to_device: bool) -> int:
    """Take a bounce page for one piece, copy it out where the device reads; returns its physical address."""
    pages = state.bounce
    if pages is None or not state.free_pages:
        raise BedError("map registers without bounce pages", "this is a fault of the bed: please report it")
    page = state.free_pages.pop()
    physical = block.physical_at(at)
    inset = page * PAGE_SIZE + physical % PAGE_SIZE
    pages.device_reads += write_to_device
    pages.device_writes += not write_to_device
    pages.was_mapped = True
    if write_to_device:
        data = ndis.ram.read(physical, size)
        if ndis.ram.unwritten is not None:
            ndis.findings.report(
                NEVER_WRITTEN, f"a buffer is mapped for the NIC to read: byte 0x{at + ndis.ram.unwritten - physical:x} of {block.name} "
                "was never written since it was allocated", block=block)
        ndis.ram.write_tagged(pages.physical + inset, data, ndis.ram.first_tag(physical, size))
    bounced.append(Bounce(block, at, page, inset, size, write_to_device))
    return pages.physical + inset


@routine("NdisMCompleteBufferPhysicalMapping", irql=UP_TO_DISPATCH, irql_rule="mapreg-start-irql", handlers=NOT_SHUTDOWN,
         c="VOID NdisMCompleteBufferPhysicalMapping(NDIS_HANDLE, PNDIS_BUFFER, ULONG PhysicalMapRegister)",
         source="ndis5:ff553460")
def complete_buffer_physical_mapping(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer, physical_map_register: int) -> None:
    """End a mapping when the NIC has done with the buffer: its device addresses are not valid any more."""
    state, index = adapter.map_registers, physical_map_register
    if state is not None and index not in state.busy and state.completed.get(index) is buffer:
        ndis.findings.report(
            rules.MAPREG_ONCE, f"NdisMCompleteBufferPhysicalMapping: the mapping of this buffer by map register {index} was completed "
            "before", subject=("map register", index), bugcheck="0xE6/0x16 under DMA verification")
        return
    if state is None or state.busy.get(index) is not buffer:
        ndis.findings.report(
            rules.MAPREG_MATCH, f"NdisMCompleteBufferPhysicalMapping: map register {index} does not map this buffer",
            subject=("map register", index), bugcheck="0xE6/0x16 under DMA verification")
        return
    block = buffer.view.block
    for piece in state.bounced.pop(index):
        if state.bounce is not None and not piece.write_to_device:
            at = state.bounce.physical + piece.inset
            data = ndis.ram.read(at, piece.size)
            ndis.ram.write_tagged(piece.original.physical_at(piece.offset), data, ndis.ram.first_tag(at, piece.size))
        state.free_pages.append(piece.page)
        if state.bounce is not None:
            state.bounce.device_reads -= piece.write_to_device
            state.bounce.device_writes -= not piece.write_to_device
    to_device = state.to_device.pop(index)
    block.device_reads -= to_device
    block.device_writes -= not to_device
    _arrived(state, index)
    state.completed[index] = state.busy.pop(index)


def _arrived(state: MapRegisters, index: int) -> None:
    """The processor may look again at what map register *index* mapped for the NIC to write."""
    for piece in state.incoming.pop(index, ()):
        for holder in (piece.block, state.bounce):
            if holder is not None and holder.incoming:
                holder.expect([other for other in holder.incoming if other is not piece])


# Scatter/gather

@routine("NdisMInitializeScatterGatherDma", irql=PASSIVE, irql_rule="sg5-init-only", handlers=INIT, handlers_rule="sg5-init-only",
         fails=("RESOURCES", "NOT_SUPPORTED"),
         c="NDIS_STATUS NdisMInitializeScatterGatherDma(NDIS_HANDLE, BOOLEAN Dma64BitAddresses, ULONG MaximumPhysicalMapping)",
         source="ndis5:ff553543")
def initialize_scatter_gather_dma(ndis: Ndis, adapter: Adapter, dma_64bit_addresses: bool, maximum_physical_mapping: int) -> int:
    """Register a bus master of 32 or 64 bits: NDIS maps each packet and gives its list in `packet.scatter_gather`."""
    report, name = ndis.findings.report, "NdisMInitializeScatterGatherDma"
    if not adapter.bus_master or not adapter.attributes_set or ndis.ndis_version < (5, 0):
        if not adapter.attributes_set:
            report(rules.SG_AFTER_ATTRIBUTES, f"{name} before NdisMSetAttributesEx", subject=(name,), also=("attr5-first",))
        elif not adapter.bus_master:
            report(rules.SG_AFTER_ATTRIBUTES, f"{name} without NDIS_ATTRIBUTE_BUS_MASTER", subject=(name,))
        else:
            report(rules.SG_VERSION, f"{name} by a miniport that is registered as NDIS 4.0", subject=(name,))
        ndis.refused(name)
        return NDIS_STATUS_NOT_SUPPORTED
    if adapter.map_registers is not None:
        report(rules.MAPREG_OR_SG, f"{name} after NdisMAllocateMapRegisters", subject=(name,))
    if ndis.nic.limits.address_bits < 32:
        report(rules.SG_NOT_24, f"{name} for a NIC with {ndis.nic.limits.address_bits} address bits", subject=(name,))
    adapter.scatter_gather = ndis.nic.dma.lists = True
    adapter.longest_mapping = maximum_physical_mapping
    adapter.scatter_gather_at = ndis.where.capture()
    adapter.dma_bits = 64 if dma_64bit_addresses else 32
    return NDIS_STATUS_SUCCESS


# Shared memory

@routine("NdisMAllocateSharedMemory", irql=PASSIVE, irql_rule="shared-alloc-passive", handlers=INIT,
         handlers_rule="shared-alloc-init-only", fails=("null",), on_failure=_nothing,
         c="VOID NdisMAllocateSharedMemory(NDIS_HANDLE, ULONG Length, BOOLEAN Cached, OUT PVOID* VirtualAddress, "
           "OUT PNDIS_PHYSICAL_ADDRESS PhysicalAddress)", source="ddi:ndis/nf-ndis-ndismallocatesharedmemory")
def allocate_shared_memory(ndis: Ndis, adapter: Adapter, length: int, cached: bool) -> tuple[View | None, LogicalAddress]:
    """Memory that processor and NIC share. Returns (virtual address, device address); after a failure the virtual
    address is None and the device address means nothing."""
    report, name = ndis.findings.report, "NdisMAllocateSharedMemory"
    if not adapter.attributes_set:
        report(rules.SHARED_AFTER_ATTRIBUTES, f"{name} before NdisMSetAttributesEx", subject=(name,))
    slave = not adapter.bus_master and ndis.nic.limits.kind is DmaKind.SLAVE
    if slave and not at_least(ndis.windows, "xp-sp1"):
        report(SLAVE_OLD, f"{name} for a NIC that is no bus master: {title(ndis.windows)} gives no memory", subject=(name,))
        ndis.refused(name, length)
        return None, POISON_ADDRESS
    channel_held = slave and any(claim.routine == "NdisMRegisterDmaChannel" for claim in adapter.claims.values())
    if adapter.map_registers is None and not adapter.scatter_gather and not channel_held:
        report(rules.SHARED_AFTER_DMA, f"{name} before NdisMAllocateMapRegisters or NdisMInitializeScatterGatherDma: no memory "
               "is given", subject=(name,))
        ndis.refused(name, length)
        return None, POISON_ADDRESS
    if length <= 0:
        ndis.refused(name, length)
        return None, POISON_ADDRESS
    block = shared_block(ndis, adapter, name, length, cached)
    if block is None:
        ndis.refused(name, length)
        return None, POISON_ADDRESS
    adapter.claim(block, block.name, name, block, also=("shared-free-all-at-halt",))
    return View(ndis.port, block), LogicalAddress(block.logical or 0)


def shared_block(ndis: Ndis, adapter: Adapter, name: str, length: int, cached: bool) -> Block | None:
    """A block within the width that the miniport declared; for a slave card below 16 MB and inside 64 KB, as a HAL places
    it. None if there is none."""
    offset = ndis.machine.bus.logical_offset
    slave = not adapter.bus_master and ndis.nic.limits.kind is DmaKind.SLAVE
    bits = ndis.nic.limits.address_bits if slave else adapter.dma_bits
    return ndis.memory.allocate(
        BlockKind.SHARED, name, f"shared memory #{adapter.number_of('shared memory')}", length, owner="the miniport",
        lowest=max(0, -offset), highest=(1 << bits) - 1 - offset, boundary=SLAVE_BOUNDARY if slave else 0, cached=cached,
        adapter=adapter.number, device_reads=True, device_writes=True, minimal_alignment=True, logical_offset=offset)


@routine("NdisMFreeSharedMemory", irql=ANY, handlers=NOT_SHUTDOWN,
         handlers_rule="shared-free-not-in-shutdown",
         c="VOID NdisMFreeSharedMemory(NDIS_HANDLE, ULONG Length, BOOLEAN Cached, PVOID VirtualAddress, "
           "NDIS_PHYSICAL_ADDRESS PhysicalAddress)", source="seed2, ddi:ndis/nf-ndis-ndismfreesharedmemory")
def free_shared_memory(ndis: Ndis, adapter: Adapter, length: int, cached: bool, virtual_address: View,
                       physical_address: int) -> None:
    """Free shared memory: length, cached flag, virtual and device address exactly as allocated; never a part of it."""
    name = "NdisMFreeSharedMemory"
    if ndis.handler == Handler.SHUTDOWN:
        return
    if not adapter.bus_master and ndis.nic.limits.kind is DmaKind.SLAVE and not at_least(ndis.windows, "xp-sp1"):
        ndis.findings.report(
            FREE_SLAVE, f"{name} for a NIC that is no bus master: {title(ndis.windows)} has given it no memory", subject=(name,))
        return
    _check_irql(ndis, virtual_address.block)
    block = _checked_shared(ndis, adapter, name, length, cached, virtual_address, physical_address)
    if block is None:
        return
    if adapter.map_registers_freed_at is not None:
        # Judged here and not where the map registers were freed: memory that is never freed is a leak and nothing else.
        ndis.findings.report(
            rules.SHARED_FREE_MAPREGS, f"NdisMFreeMapRegisters while {block.name} was still allocated",
            where=adapter.map_registers_freed_at, block=block, subject=("map registers",),
            related=[(f"{block.name} freed", ndis.where.capture())], bugcheck="0xE6/0x07 under DMA verification")
    check_device_idle(ndis, name, block)
    lent = next((packet for packet in adapter.outstanding_receives.values() if ndis.protocol.receiving.lies_in(packet, block)), None)
    if lent is not None:
        ndis.findings.report(
            rules.SHARED_FREE_LENT, f"{name} of {block.describe()} while {lent!r}, which was indicated from it, is not returned",
            block=block)
    ndis.memory.free(block, name, METHODS[ndis.handler])
    adapter.release(block)


@routine("NdisMUpdateSharedMemory", irql=UP_TO_DISPATCH,
         c="VOID NdisMUpdateSharedMemory(NDIS_HANDLE, ULONG Length, PVOID VirtualAddress, NDIS_PHYSICAL_ADDRESS)",
         source="nt4:103ndisx")
def update_shared_memory(ndis: Ndis, adapter: Adapter, length: int, virtual_address: View, physical_address: int) -> None:
    """Flush cached shared memory: what the processor stored goes to memory, and its next load reads memory. Nothing to do where the
    machine's caches are coherent."""
    block = virtual_address.block
    if block.kind is not BlockKind.SHARED or not block.live or virtual_address.offset + length > block.size:
        ndis.findings.report(
            rules.SHARED_UPDATE, f"NdisMUpdateSharedMemory: 0x{length:x} bytes at {hex_address(int(virtual_address))} are not "
            "shared memory of this adapter", block=block)
        return
    if ndis.machine.cache is not None:
        ndis.machine.cache.flush(block.physical + virtual_address.offset, length)


def _check_irql(ndis: Ndis, block: Block) -> None:
    """Part N.2 of the rule book: XP and Server 2003 by the DDK's own text, other versions up to DISPATCH_LEVEL."""
    irql = ndis.scheduler.current.irql
    if at_least(ndis.windows, "xp") and not at_least(ndis.windows, "vista"):
        wanted = PASSIVE_LEVEL if ndis.handler & INIT_OR_HALT else DISPATCH_LEVEL
        if irql != wanted:
            ndis.findings.report(
                rules.SHARED_FREE_IRQL, f"NdisMFreeSharedMemory at {irql_name(irql)} in {METHODS[ndis.handler]}; "
                f"{title(ndis.windows)} asks for {irql_name(wanted)} there", block=block)
    elif irql > DISPATCH_LEVEL:
        ndis.findings.report(
            rules.SHARED_FREE_IRQL_OTHER, f"NdisMFreeSharedMemory at {irql_name(irql)}; {title(ndis.windows)} asks for "
            f"{irql_name(DISPATCH_LEVEL)} or below", block=block)


def _checked_shared(ndis: Ndis, adapter: Adapter, name: str, length: int, cached: bool, view: View, physical: int,
                    ) -> Block | None:
    """The block to free; None after a finding that says the call frees nothing."""
    report, block, at = ndis.findings.report, view.block, view.offset
    base = block.logical or 0
    if (at == 0 and length == block.size and physical == base and bool(cached) == block.cached and block.live
            and block.kind is BlockKind.SHARED and block.adapter == adapter.number):
        return block
    code = "0xD2" if not at_least(ndis.windows, "2003") else "0x7C/0x03"
    span = Span(max(int(view), 0), max(length, 1))
    if block.kind is not BlockKind.SHARED or block.adapter != adapter.number:
        report(rules.SHARED_FREE_FOREIGN, f"{name}: {block.describe()} came from {block.routine or 'nowhere'}", block=block,
               space="virtual", span=span, bugcheck=code)
        return None
    if not block.live:
        report(rules.SHARED_FREE_TWICE, f"{name}: {block.name} was freed already", block=block, space="virtual", span=span,
               bugcheck=code)
        return None
    part = at >= 0 and at + length <= block.size and length < block.size and (at == 0 or at + length == block.size)
    if part:
        report(rules.SHARED_FREE_SUBRANGE, f"{name}: 0x{length:x} bytes at offset 0x{at:x} of {block.describe()}: a part of a block "
               "cannot be freed", block=block, space="virtual", span=span, bugcheck=code)
        return None
    wrong = []
    if at:
        wrong.append(f"virtual address {hex_address(int(view))} instead of {hex_address(block.virtual)}")
    if length != block.size:
        wrong.append(f"length 0x{length:x} instead of 0x{block.size:x}")
    if bool(cached) != block.cached:
        wrong.append(f"cached {bool(cached)} instead of {block.cached}")
    if physical != base:
        wrong.append(f"device address {hex_address(physical)} instead of {hex_address(base)}")
    report(rules.SHARED_FREE_EXACT, f"{name} of {block.name}: {', '.join(wrong)}", block=block, space="virtual", span=span,
           bugcheck=code if at else None)
    return None if at else block


def check_device_idle(ndis: Ndis, name: str, block: Block) -> None:
    """The NIC must not be able to reach a block at the moment of its free, not even because the write that stops it is
    still on its way."""
    nic, offset = ndis.nic, ndis.machine.bus.logical_offset
    span = Span(block.physical + offset, block.size)
    for pointer in nic.reaches():
        if span.overlaps(Span(pointer.logical, pointer.length)):
            stopping = next((slot for device, slot, value, _ in ndis.machine.bus.posted
                             if device is nic and nic.stops_dma(slot, value)), None)
            if stopping is not None:
                ndis.findings.report(
                    rules.FLUSH_BEFORE_FREE, f"{name} of {block.describe()} while the write of {stopping.name} that stops "
                    f"{nic.name} is still posted: its {pointer.what} at {Span(pointer.logical, pointer.length)} is live", block=block,
                    subject=(nic,), space="logical", span=span)
            else:
                ndis.findings.report(
                    SHARED_AFTER_FREE, f"{name} of {block.describe()} while {nic.name} runs: its {pointer.what} at "
                    f"{Span(pointer.logical, pointer.length)} lies in it", block=block, subject=(nic,), space="logical", span=span)
            return

