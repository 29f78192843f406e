# SPDX-License-Identifier: Apache-2.0
"""What type checkers and editors know of `miniport.adapter`. ``docs/make_stub.py`` writes this file from the table of routines;
a test holds both together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from miniport.adapter_state import AdapterState
from miniport.descriptors import Pool
from miniport.driver import Driver
from miniport.library.configuration import ConfigurationHandle, ResourceDescriptor
from miniport.library.devices import NdisDevice
from miniport.library.events import Event
from miniport.library.files import FileHandle
from miniport.library.interrupts import Interrupt
from miniport.library.locks import SpinLock
from miniport.library.pool_lists import LookasideList
from miniport.library.read_write_locks import LockState, ReadWriteLock
from miniport.library.slave_dma import DmaChannel, DmaDescription
from miniport.library.strings import AnsiString, UnicodeString
from miniport.library.system import DeviceProperty
from miniport.library.timers import Timer, TimerFunction
from miniport.library.work_items import WorkFunction, WorkItem
from miniport.packet import NdisBuffer, Packet
from miniport.view import RegisterWindow, View
from verifier.address import LogicalAddress, PhysicalAddress

class Adapter(AdapterState):
    """One adapter as its miniport sees it."""

    @property
    def serialized(self) -> bool:
        """True if NDIS serializes the handlers: the miniport did not set NDIS_ATTRIBUTE_DESERIALIZE."""

    @property
    def driver(self) -> Driver:
        """The driver to which the adapter belongs, with `context` for what all adapters share."""

    @property
    def registered_version(self) -> tuple[int, int]:
        """The NDIS version that the miniport registered: what a driver keeps in a global after NdisMRegisterMiniport."""

    def acquire_read_write_lock(self, lock: ReadWriteLock, write: bool) -> LockState:
        """NdisAcquireReadWriteLock. Acquire the lock for writing or for reading and raise to DISPATCH_LEVEL. Returns the state that
        the release takes. Readers may be many; a reader that asks to write waits for itself: a deadlock."""

    def acquire_spin_lock(self, lock: SpinLock) -> None:
        """NdisAcquireSpinLock. Acquire the lock and raise to DISPATCH_LEVEL."""

    def adjust_buffer_length(self, buffer: NdisBuffer, length: int) -> None:
        """NdisAdjustBufferLength. Set how many bytes of a buffer count."""

    def allocate_buffer(self, pool: Pool | None, virtual_address: View, length: int) -> tuple[int, NdisBuffer | None]:
        """NdisAllocateBuffer. A buffer descriptor for nonpaged memory; *pool* may be None. Returns (status, buffer)."""

    def allocate_buffer_pool(self, number_of_descriptors: int) -> tuple[int, Pool | None]:
        """NdisAllocateBufferPool. A pool of buffer descriptors. Returns (status, pool); it never fails. A machine without memory
        for them gives the pool NULL, which is as good: each buffer takes its descriptor from the system then."""

    def allocate_from_npaged_lookaside_list(self, lookaside: LookasideList) -> View | None:
        """NdisAllocateFromNPagedLookasideList. An entry, its content undefined, or None."""

    def allocate_map_registers(
            self, dma_channel: int, dma_size: int, base_map_registers_needed: int, maximum_buffer_size: int) -> int:
        """NdisMAllocateMapRegisters. Register a bus master for DMA of the given width, and claim map registers for buffers of up to
        the maximum size."""

    def allocate_memory(self, length: int, flags: int = 0, highest: int = 18446744073709551615) -> tuple[int, View | None]:
        """NdisAllocateMemory. Nonpaged pool memory, the older form; of the memory flags only 0 is modelled."""

    def allocate_memory_with_tag(self, length: int, tag: str | bytes) -> tuple[int, View | None]:
        """NdisAllocateMemoryWithTag. Nonpaged pool memory. Returns (status, view); None where there is none. The content is
        undefined."""

    def allocate_packet(self, pool: Pool) -> tuple[int, Packet | None]:
        """NdisAllocatePacket. A packet descriptor out of a pool, all zero. Returns (status, packet)."""

    def allocate_packet_pool(self, number_of_descriptors: int, protocol_reserved_length: int = 16) -> tuple[int, Pool | None]:
        """NdisAllocatePacketPool. A pool of packet descriptors, in nonpaged memory of its own. Returns (status, pool)."""

    def allocate_packet_pool_ex(
            self, number_of_descriptors: int, number_of_overflow_descriptors: int, protocol_reserved_length: int = 16) -> tuple[int,
            Pool | None]:
        """NdisAllocatePacketPoolEx. A pool of packet descriptors with more for an overflow, which is cut so that both make 0xFFFF
        at most; more than that without it is RESOURCES. Returns (status, pool)."""

    def allocate_shared_memory(self, length: int, cached: bool) -> tuple[View | None, LogicalAddress]:
        """NdisMAllocateSharedMemory. Memory that processor and NIC share. Returns (virtual address, device address); after a
        failure the virtual address is None and the device address means nothing."""

    def allocate_shared_memory_async(self, length: int, cached: bool, context: Any = None) -> int:
        """NdisMAllocateSharedMemoryAsync. Ask for shared memory. PENDING: `allocate_complete` is called once; FAILURE: it is not
        called."""

    def allocate_spin_lock(self) -> SpinLock:
        """NdisAllocateSpinLock. A spin lock, ready to be acquired."""

    def ansi_string_to_unicode_string(self, destination: UnicodeString, source: AnsiString) -> int:
        """NdisAnsiStringToUnicodeString. Convert into the destination's buffer. Returns a status: FAILURE, and the destination as
        it was, where it is too short."""

    def assert_(self, condition: object, text: str = '') -> None:
        """ASSERT. Tell the debugger that a condition is false, as a checked build does; *text* is the expression that C shows. The
        driver goes on, as after *ignore* in the debugger. Python's own ``assert`` raises an exception instead, which ends the
        world."""

    def cancel_timer(self, timer: Timer) -> bool:
        """NdisMCancelTimer. TimerCancelled: True if the timer was queued and its function will not run. False if it was not set or
        has fired: its function may still have to run, and the caller waits for it."""

    def chain_buffer_at_back(self, packet: Packet, buffer: NdisBuffer) -> None:
        """NdisChainBufferAtBack. Append a buffer, or a chain of them, to a packet."""

    def chain_buffer_at_front(self, packet: Packet, buffer: NdisBuffer) -> None:
        """NdisChainBufferAtFront. Put a buffer, or a chain of them, before the buffers of a packet."""

    def close_configuration(self, handle: ConfigurationHandle) -> None:
        """NdisCloseConfiguration. Close the registry key."""

    def close_file(self, handle: FileHandle) -> None:
        """NdisCloseFile. Close the file and free its memory, mapped or not."""

    def complete_buffer_physical_mapping(self, buffer: NdisBuffer, physical_map_register: int) -> None:
        """NdisMCompleteBufferPhysicalMapping. End a mapping when the NIC has done with the buffer: its device addresses are not
        valid any more."""

    def complete_dma_transfer(
            self, miniport_dma_handle: DmaChannel, buffer: NdisBuffer, offset: int, length: int, write_to_device: bool) -> int:
        """NdisMCompleteDmaTransfer. End the transfer: the channel is masked, and what the card wrote is in the buffer from now on.
        Returns SUCCESS, or RESOURCES where no transfer is set up."""

    def copy_buffer(
            self, pool: Pool | None, memory_descriptor: NdisBuffer, offset: int, length: int) -> tuple[int, NdisBuffer | None]:
        """NdisCopyBuffer. Another descriptor for *length* bytes from *offset* on of what a buffer, with those chained behind it,
        describes: a chain where the bytes lie in several buffers. No byte of data is copied. Returns (status, first buffer);
        FAILURE if the range is not in the chain."""

    def copy_from_packet_to_packet(
            self, destination: Packet, destination_offset: int, bytes_to_copy: int, source: Packet, source_offset: int) -> int:
        """NdisCopyFromPacketToPacket. Copy data, without out-of-band data. Returns the bytes copied: fewer where either packet
        ends."""

    def copy_from_packet_to_packet_safe(
            self, destination: Packet, destination_offset: int, bytes_to_copy: int, source: Packet, source_offset: int, priority:
            int = 16) -> int:
        """NdisCopyFromPacketToPacketSafe. As NdisCopyFromPacketToPacket; 0 where the system cannot map the buffers."""

    def dbg_print(self, text: str) -> None:
        """DbgPrint. Print to the debugger: the text stands in the log of the run."""

    def delete_npaged_lookaside_list(self, lookaside: LookasideList) -> None:
        """NdisDeleteNPagedLookasideList. Delete the list, all of whose entries were freed to it."""

    def deregister_adapter_shutdown_handler(self) -> None:
        """NdisMDeregisterAdapterShutdownHandler. Take the shutdown handler back, first thing in halt."""

    def deregister_device(self, device: NdisDevice) -> int:
        """NdisMDeregisterDevice. Remove a device and its symbolic link, in halt, in the unload handler, or where driver_entry or
        initialize fails. Returns NDIS_STATUS_SUCCESS."""

    def deregister_dma_channel(self, miniport_dma_handle: DmaChannel) -> None:
        """NdisMDeregisterDmaChannel. Give the channel back."""

    def deregister_interrupt(self, interrupt: Interrupt) -> None:
        """NdisMDeregisterInterrupt. Disconnect the interrupt; returns when no ISR and no deferred call of it runs or waits any
        more."""

    def deregister_io_port_range(self, initial_port: int, number_of_ports: int, window: RegisterWindow) -> None:
        """NdisMDeregisterIoPortRange. Undo NdisMRegisterIoPortRange, with the same port, count and offset."""

    def dpr_acquire_spin_lock(self, lock: SpinLock) -> None:
        """NdisDprAcquireSpinLock. Acquire the lock where the processor is at DISPATCH_LEVEL already."""

    def dpr_allocate_packet(self, pool: Pool) -> tuple[int, Packet | None]:
        """NdisDprAllocatePacket. NdisAllocatePacket for a caller at DISPATCH_LEVEL. Returns (status, packet)."""

    def dpr_free_packet(self, packet: Packet) -> None:
        """NdisDprFreePacket. NdisFreePacket for a caller at DISPATCH_LEVEL."""

    def dpr_release_spin_lock(self, lock: SpinLock) -> None:
        """NdisDprReleaseSpinLock. Release a lock that the Dpr form acquired."""

    def equal_memory(self, source1: View, source2: View, length: int) -> bool:
        """NdisEqualMemory. True if *length* bytes of both are the same."""

    def equal_string(self, first: UnicodeString, second: UnicodeString, case_insensitive: bool) -> bool:
        """NdisEqualString. True if both strings hold the same text."""

    def eth_indicate_receive(
            self, context: Any, header: View, header_size: int, lookahead: View, lookahead_size: int, packet_size: int) -> None:
        """NdisMEthIndicateReceive. Show the protocols the beginning of a received frame; *packet_size* is without the header. They
        may call `transfer_data` for the rest before the call returns. For serialized miniports."""

    def eth_indicate_receive_complete(self) -> None:
        """NdisMEthIndicateReceiveComplete. End of the calls of NdisMEthIndicateReceive of this handler: the protocols may work on
        what they took."""

    def ex_allocate_pool(self, pool_type: int, number_of_bytes: int) -> View | None:
        """ExAllocatePool. ExAllocatePoolWithTag without a tag."""

    def ex_allocate_pool_with_tag(self, pool_type: int, number_of_bytes: int, tag: str | bytes) -> View | None:
        """ExAllocatePoolWithTag. Pool memory of type 0, nonpaged, or 1, paged; None where there is none. The content is
        undefined."""

    def ex_free_pool(self, memory: View) -> None:
        """ExFreePool. Free pool memory of the Ex routines, with a tag or without."""

    def ex_free_pool_with_tag(self, memory: View, tag: str | bytes) -> None:
        """ExFreePoolWithTag. Free pool memory of ExAllocatePoolWithTag with the tag of the allocation."""

    def fill_memory(self, destination: View, length: int, fill: int) -> None:
        """NdisFillMemory. Fill memory with a byte, of which the lowest 8 bits count."""

    def flush_buffer(self, buffer: NdisBuffer, write_to_device: bool) -> None:
        """NdisFlushBuffer. Flush the processors' cache of a buffer before a transfer to the device, or after one from it and before
        the processor looks. Where the machine's caches are coherent nothing happens but the record of the call."""

    def free_buffer(self, buffer: NdisBuffer) -> None:
        """NdisFreeBuffer. Give a buffer descriptor back."""

    def free_buffer_pool(self, pool: Pool | None) -> None:
        """NdisFreeBufferPool. Free a buffer pool; nothing to do for NULL."""

    def free_map_registers(self) -> None:
        """NdisMFreeMapRegisters. Free the map registers, once, after all shared memory."""

    def free_memory(self, memory: View, length: int, flags: int = 0) -> None:
        """NdisFreeMemory. Free pool memory: the pointer, length and flags of the allocation."""

    def free_packet(self, packet: Packet) -> None:
        """NdisFreePacket. Give a packet descriptor back to its pool. Its buffers are freed apart, before."""

    def free_packet_pool(self, pool: Pool) -> None:
        """NdisFreePacketPool. Free a packet pool, with the memory of its descriptors."""

    def free_shared_memory(self, length: int, cached: bool, virtual_address: View, physical_address: int) -> None:
        """NdisMFreeSharedMemory. Free shared memory: length, cached flag, virtual and device address exactly as allocated; never a
        part of it."""

    def free_spin_lock(self, lock: SpinLock) -> None:
        """NdisFreeSpinLock. Free a spin lock that nobody holds."""

    def free_string(self, string: UnicodeString | AnsiString) -> None:
        """NdisFreeString. Free the buffer of a string that NDIS allocated. NT 4 takes strings of the Init forms, too."""

    def free_to_npaged_lookaside_list(self, lookaside: LookasideList, entry: View) -> None:
        """NdisFreeToNPagedLookasideList. Give an entry back."""

    def get_buffer_physical_array_size(self, buffer: NdisBuffer) -> int:
        """NdisGetBufferPhysicalArraySize. Most pieces that mapping the buffer can give: its pages."""

    def get_cache_fill_size(self) -> int:
        """NdisGetCacheFillSize. Bytes of a cache line."""

    def get_current_processor_counts(self) -> tuple[int, int, int]:
        """NdisGetCurrentProcessorCounts. Returns (idle time, all time, number of the processor), times in 100 ns modulo 2**32. Code
        takes no virtual time: idle."""

    def get_current_system_time(self) -> int:
        """NdisGetCurrentSystemTime. Virtual time in units of 100 ns since 1601; every world begins at the same one."""

    def get_device_property(self) -> DeviceProperty:
        """NdisMGetDeviceProperty. Device objects and resources of the adapter."""

    def get_first_buffer_from_packet(self, packet: Packet) -> tuple[NdisBuffer | None, View | None, int, int]:
        """NdisGetFirstBufferFromPacket. Returns (first buffer, its virtual address, its length, length of all buffers); (None,
        None, 0, 0) where there is none."""

    def get_first_buffer_from_packet_safe(
            self, packet: Packet, priority: int = 16) -> tuple[NdisBuffer | None, View | None, int, int]:
        """NdisGetFirstBufferFromPacketSafe. As NdisGetFirstBufferFromPacket; where the system cannot map the buffer, the address is
        None."""

    def get_next_buffer(self, buffer: NdisBuffer) -> NdisBuffer | None:
        """NdisGetNextBuffer. The buffer that is chained behind this one, or None."""

    def get_physical_address_high(self, physical_address: int) -> int:
        """NdisGetPhysicalAddressHigh. Bits 63:32 of an address."""

    def get_physical_address_low(self, physical_address: int) -> int:
        """NdisGetPhysicalAddressLow. Bits 31:0 of an address."""

    def get_system_up_time(self) -> int:
        """NdisGetSystemUpTime. Milliseconds of virtual time since the world began, modulo 2**32."""

    def get_version(self) -> tuple[int, int]:
        """NdisGetVersion. The version of NDIS on this machine, as (major, minor)."""

    def immediate_read_pci_slot_information(self, slot: int, offset: int, length: int) -> bytes:
        """NdisImmediateReadPciSlotInformation. Read configuration space before hardware is claimed. Returns the bytes read, none if
        the slot is empty."""

    def immediate_read_port_uchar(self, port: int) -> int:
        """NdisImmediateReadPortUchar. Read 1 byte(s) of the port with number *port*, before ports are registered; all ones where
        nothing answers."""

    def immediate_read_port_ulong(self, port: int) -> int:
        """NdisImmediateReadPortUlong. Read 4 byte(s) of the port with number *port*, before ports are registered; all ones where
        nothing answers."""

    def immediate_read_port_ushort(self, port: int) -> int:
        """NdisImmediateReadPortUshort. Read 2 byte(s) of the port with number *port*, before ports are registered; all ones where
        nothing answers."""

    def immediate_write_pci_slot_information(self, slot: int, offset: int, data: bytes) -> int:
        """NdisImmediateWritePciSlotInformation. Write configuration space before hardware is claimed. Returns the number of bytes
        written."""

    def immediate_write_port_uchar(self, port: int, value: int) -> None:
        """NdisImmediateWritePortUchar. Write 1 byte(s) to the port with number *port*, before ports are registered."""

    def immediate_write_port_ulong(self, port: int, value: int) -> None:
        """NdisImmediateWritePortUlong. Write 4 byte(s) to the port with number *port*, before ports are registered."""

    def immediate_write_port_ushort(self, port: int, value: int) -> None:
        """NdisImmediateWritePortUshort. Write 2 byte(s) to the port with number *port*, before ports are registered."""

    def indicate_receive_packet(self, packets: Sequence[Packet]) -> None:
        """NdisMIndicateReceivePacket. Lend received packets to the protocols. With status RESOURCES set they are back when the call
        returns; with SUCCESS each comes back through `return_packet`, maybe before the call returns."""

    def indicate_status(self, status: int, data: bytes = b'') -> None:
        """NdisMIndicateStatus. Tell the protocols of a change, for instance of the link."""

    def indicate_status_complete(self) -> None:
        """NdisMIndicateStatusComplete. End of the status indications."""

    def init_ansi_string(self, source: bytes | None) -> AnsiString:
        """NdisInitAnsiString. A counted string that points to *source*; empty for None. It allocates nothing."""

    def init_unicode_string(self, source: str | None) -> UnicodeString:
        """NdisInitUnicodeString. A counted string that points to *source*; empty for None. It allocates nothing."""

    def initialize_event(self) -> Event:
        """NdisInitializeEvent. An event that is not signalled."""

    def initialize_list_head(self, head: View) -> None:
        """NdisInitializeListHead. Make an empty list of the 16 bytes at *head*."""

    def initialize_npaged_lookaside_list(self, size: int, tag: str | bytes) -> LookasideList:
        """NdisInitializeNPagedLookasideList. A list of entries of *size* bytes; it allocates nothing yet. Functions of the driver's
        own for that are not modelled."""

    def initialize_read_write_lock(self) -> ReadWriteLock:
        """NdisInitializeReadWriteLock. A read-write lock that nobody holds. Nothing frees it."""

    def initialize_scatter_gather_dma(self, dma_64bit_addresses: bool, maximum_physical_mapping: int) -> int:
        """NdisMInitializeScatterGatherDma. Register a bus master of 32 or 64 bits: NDIS maps each packet and gives its list in
        `packet.scatter_gather`."""

    def initialize_string(self, source: bytes | None) -> UnicodeString | None:
        """NdisInitializeString. An allocated string with the Unicode form of *source*, which NdisFreeString frees; None where there
        is no memory."""

    def initialize_timer(self, function: TimerFunction, context: Any = None) -> Timer:
        """NdisMInitializeTimer. A timer, not set. Its *function(adapter, context)* runs at DISPATCH_LEVEL, for a serialized
        miniport under NDIS's lock."""

    def initialize_work_item(self, function: WorkFunction, context: Any = None) -> WorkItem:
        """NdisInitializeWorkItem. A work item that will run *function(adapter, context)*. It may be scheduled as often as it has
        run. Nothing frees it."""

    def initialize_wrapper(self) -> bool:
        """NdisMInitializeWrapper. Tell NDIS that a miniport driver begins. Returns True, and False where C gets a NULL handle. The
        handle is left out of all faces."""

    def insert_head_list(self, head: View, entry: View) -> None:
        """InsertHeadList. Insert at the front."""

    def insert_tail_list(self, head: View, entry: View) -> None:
        """InsertTailList. Append at the end."""

    def interlocked_add_ulong(self, addend: View, increment: int, lock: SpinLock) -> None:
        """NdisInterlockedAddUlong. Add to the ULONG behind the pointer, under a lock that the caller does not hold."""

    def interlocked_and(self, destination: View, value: int) -> int:
        """InterlockedAnd. Clear the bits that *value* lacks in the LONG behind the pointer. Returns what was there before,
        signed."""

    def interlocked_compare_exchange(self, destination: View, exchange: int, comperand: int) -> int:
        """InterlockedCompareExchange. Store *exchange* in the LONG behind the pointer if it holds *comperand*. Returns what was
        there, signed."""

    def interlocked_decrement(self, addend: View) -> int:
        """NdisInterlockedDecrement. Subtract one from the LONG behind the pointer. Returns the difference, signed."""

    def interlocked_exchange(self, target: View, value: int) -> int:
        """InterlockedExchange. Store *value* in the LONG behind the pointer. Returns what was there, signed."""

    def interlocked_exchange_add(self, addend: View, value: int) -> int:
        """InterlockedExchangeAdd. Add *value* to the LONG behind the pointer. Returns what was there before, signed."""

    def interlocked_increment(self, addend: View) -> int:
        """NdisInterlockedIncrement. Add one to the LONG behind the pointer. Returns the sum, signed."""

    def interlocked_insert_head_list(self, head: View, entry: View, lock: SpinLock) -> View | None:
        """NdisInterlockedInsertHeadList. Insert at the front, under a lock that the caller does not hold. Returns what was first
        before, None if nothing was."""

    def interlocked_insert_tail_list(self, head: View, entry: View, lock: SpinLock) -> View | None:
        """NdisInterlockedInsertTailList. Append at the end, under a lock that the caller does not hold. Returns what was last
        before, None if nothing was."""

    def interlocked_or(self, destination: View, value: int) -> int:
        """InterlockedOr. Set the bits of *value* in the LONG behind the pointer. Returns what was there before, signed."""

    def interlocked_remove_head_list(self, head: View, lock: SpinLock) -> View | None:
        """NdisInterlockedRemoveHeadList. Take the first entry off, under a lock that the caller does not hold; None if the list is
        empty."""

    def is_list_empty(self, head: View) -> bool:
        """IsListEmpty. True if nothing is in the list."""

    def ke_bug_check_ex(
            self, bug_check_code: int, parameter1: int = 0, parameter2: int = 0, parameter3: int = 0, parameter4: int = 0) -> None:
        """KeBugCheckEx. Stop the system. The world ends here with the outcome *crash*; shutdown handlers are not called: a world
        with ``--life bug-check`` does that."""

    def map_file(self, handle: FileHandle) -> tuple[int, View | None]:
        """NdisMapFile. Make the content accessible. Returns (status, view); ALREADY_MAPPED and None where it is mapped."""

    def map_io_space(self, physical: int, length: int) -> tuple[int, RegisterWindow | None]:
        """NdisMMapIoSpace. Map device memory. Returns (status, window); only memory that a base address register of the NIC
        holds."""

    def mm_allocate_contiguous_memory(self, number_of_bytes: int, highest_acceptable_address: int) -> View | None:
        """MmAllocateContiguousMemory. A contiguous, nonpaged, cached, page-aligned block at or below the highest address, or
        None."""

    def mm_allocate_contiguous_memory_specify_cache(
            self, number_of_bytes: int, lowest_acceptable_address: int, highest_acceptable_address: int, boundary_address_multiple:
            int, cache_type: int) -> View | None:
        """MmAllocateContiguousMemorySpecifyCache. As MmAllocateContiguousMemory, at or above the lowest address, across no multiple
        of the boundary (0: none), with the cache type."""

    def mm_allocate_contiguous_memory_specify_cache_node(
            self, number_of_bytes: int, lowest_acceptable_address: int, highest_acceptable_address: int, boundary_address_multiple:
            int, cache_type: int, preferred_node: int) -> View | None:
        """MmAllocateContiguousMemorySpecifyCacheNode. As MmAllocateContiguousMemorySpecifyCache, in the node with that number and
        in no other, or with MM_ANY_NODE_OK (0x80000000) in any. Windows Vista and later."""

    def mm_allocate_contiguous_node_memory(
            self, number_of_bytes: int, lowest_acceptable_address: int, highest_acceptable_address: int, boundary_address_multiple:
            int, protect: int, preferred_node: int) -> View | None:
        """MmAllocateContiguousNodeMemory. Of Windows 8 and later, which run no NDIS 5 miniport: always raises `NotModelledError`.
        Callers without a miniport have it in `allocator.direct`."""

    def mm_free_contiguous_memory(self, base_address: View) -> None:
        """MmFreeContiguousMemory. Free a contiguous block by exactly the pointer that its allocation returned."""

    def mm_free_contiguous_memory_specify_cache(self, base_address: View, number_of_bytes: int, cache_type: int) -> None:
        """MmFreeContiguousMemorySpecifyCache. Free a block of the ...SpecifyCache routine: base, byte count and cache type of the
        allocation."""

    def mm_get_physical_address(self, base_address: View) -> PhysicalAddress:
        """MmGetPhysicalAddress. The physical address behind a virtual one; no address for a device."""

    def move_from_mapped_memory(self, destination: View, window: RegisterWindow, offset: int, length: int) -> None:
        """NdisMoveFromMappedMemory. Copy device memory at *offset* of a mapping into memory."""

    def move_mapped_memory(
            self, destination: RegisterWindow, destination_offset: int, source: RegisterWindow, source_offset: int, length:
            int) -> None:
        """NdisMoveMappedMemory. Copy device memory at an offset of one mapping to device memory at an offset of a mapping, the same
        or another. In ULONGs where both offsets allow it, else in bytes, from the lowest address up; the page says nothing of
        ranges that overlap."""

    def move_memory(self, destination: View, source: View, length: int) -> None:
        """NdisMoveMemory. Copy memory."""

    def move_to_mapped_memory(self, window: RegisterWindow, offset: int, source: View, length: int) -> None:
        """NdisMoveToMappedMemory. Copy memory to device memory at *offset* of a mapping."""

    def ndis_cancel_timer(self, timer: Timer) -> bool:
        """NdisCancelTimer. As NdisMCancelTimer, for a timer of NdisInitializeTimer."""

    def ndis_initialize_timer(self, function: TimerFunction, context: Any = None) -> Timer:
        """NdisInitializeTimer. As NdisMInitializeTimer, but NDIS holds no lock around the function."""

    def ndis_set_timer(self, timer: Timer, milliseconds: int) -> None:
        """NdisSetTimer. As NdisMSetTimer, for a timer of NdisInitializeTimer."""

    def open_configuration(self) -> tuple[int, ConfigurationHandle | None]:
        """NdisOpenConfiguration. Open the adapter's registry key. Returns (status, handle)."""

    def open_configuration_key_by_index(
            self, handle: ConfigurationHandle, index: int) -> tuple[int, str | None, ConfigurationHandle | None]:
        """NdisOpenConfigurationKeyByIndex. Open subkey *index*, from 0 in the order of the registry. Returns (status, name,
        handle): FAILURE behind the last one."""

    def open_configuration_key_by_name(self, handle: ConfigurationHandle, name: str) -> tuple[int, ConfigurationHandle | None]:
        """NdisOpenConfigurationKeyByName. Open a subkey, which NdisCloseConfiguration closes. Returns (status, handle): FAILURE and
        None where there is none."""

    def open_file(self, name: str, highest: int = 18446744073709551615) -> tuple[int, FileHandle | None, int]:
        """NdisOpenFile. Open a file and take memory for it whose last byte is at or below *highest*. Returns (status, handle,
        length)."""

    def pci_assign_resources(self, slot: int) -> tuple[int, tuple[ResourceDescriptor, ...]]:
        """NdisMPciAssignResources. The older form of NdisMQueryAdapterResources for PCI. Returns (status, descriptors)."""

    def query_adapter_instance_name(self) -> tuple[int, UnicodeString | None]:
        """NdisMQueryAdapterInstanceName. The name that people see. Returns (status, string); the string's buffer is the miniport's
        to free, with NdisFreeMemory."""

    def query_adapter_resources(self) -> tuple[int, tuple[ResourceDescriptor, ...]]:
        """NdisMQueryAdapterResources. What the system assigned. Returns (status, descriptors): ports, memory, interrupt, and the
        DMA channel of an ISA card."""

    def query_buffer(self, buffer: NdisBuffer) -> tuple[View, int]:
        """NdisQueryBuffer. Returns (virtual address, length)."""

    def query_buffer_offset(self, buffer: NdisBuffer) -> tuple[int, int]:
        """NdisQueryBufferOffset. Returns (offset in the first page, length)."""

    def query_buffer_safe(self, buffer: NdisBuffer, priority: int = 16) -> tuple[View | None, int]:
        """NdisQueryBufferSafe. Returns (virtual address, length); where the system cannot map the buffer, the address is None."""

    def query_information_complete(self, status: int, data: bytes = b'') -> None:
        """NdisMQueryInformationComplete. Complete the query for which `query_information` returned NDIS_STATUS_PENDING; *data* is
        what C writes into its buffer."""

    def query_map_register_count(self, bus_type: int) -> tuple[int, int]:
        """NdisQueryMapRegisterCount. How many map registers there are: no useful number from Windows 2000 on. Returns (status,
        count)."""

    def query_packet(self, packet: Packet) -> tuple[int, int, NdisBuffer | None, int]:
        """NdisQueryPacket. Returns (physical buffers, buffers, first buffer, total length): what stands in the descriptor, which
        chaining and unchaining make void, and adjusting a length does not."""

    def query_packet_length(self, packet: Packet) -> int:
        """NdisQueryPacketLength. The total length that NdisQueryPacket gives."""

    def raw_read_port_buffer_uchar(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """NdisRawReadPortBufferUchar. Read the port at *offset* of a port range *count* times, 1 byte(s) each, into *buffer*."""

    def raw_read_port_buffer_ulong(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """NdisRawReadPortBufferUlong. Read the port at *offset* of a port range *count* times, 4 byte(s) each, into *buffer*."""

    def raw_read_port_buffer_ushort(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """NdisRawReadPortBufferUshort. Read the port at *offset* of a port range *count* times, 2 byte(s) each, into *buffer*."""

    def raw_read_port_uchar(self, window: RegisterWindow, offset: int = 0) -> int:
        """NdisRawReadPortUchar. Read 1 byte(s) at *offset* of a register window; all ones where nothing answers."""

    def raw_read_port_ulong(self, window: RegisterWindow, offset: int = 0) -> int:
        """NdisRawReadPortUlong. Read 4 byte(s) at *offset* of a register window; all ones where nothing answers."""

    def raw_read_port_ushort(self, window: RegisterWindow, offset: int = 0) -> int:
        """NdisRawReadPortUshort. Read 2 byte(s) at *offset* of a register window; all ones where nothing answers."""

    def raw_write_port_buffer_uchar(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """NdisRawWritePortBufferUchar. Write *count* items of *buffer*, 1 byte(s) each, to the port at *offset* of a port range."""

    def raw_write_port_buffer_ulong(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """NdisRawWritePortBufferUlong. Write *count* items of *buffer*, 4 byte(s) each, to the port at *offset* of a port range."""

    def raw_write_port_buffer_ushort(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """NdisRawWritePortBufferUshort. Write *count* items of *buffer*, 2 byte(s) each, to the port at *offset* of a port
        range."""

    def raw_write_port_uchar(self, window: RegisterWindow, offset: int, value: int) -> None:
        """NdisRawWritePortUchar. Write 1 byte(s) at *offset* of a register window."""

    def raw_write_port_ulong(self, window: RegisterWindow, offset: int, value: int) -> None:
        """NdisRawWritePortUlong. Write 4 byte(s) at *offset* of a register window."""

    def raw_write_port_ushort(self, window: RegisterWindow, offset: int, value: int) -> None:
        """NdisRawWritePortUshort. Write 2 byte(s) at *offset* of a register window."""

    def read_configuration(self, handle: ConfigurationHandle, keyword: str) -> tuple[int, int | str | None]:
        """NdisReadConfiguration. Read one value. Returns (status, value): FAILURE and None where the registry does not hold it."""

    def read_dma_counter(self, miniport_dma_handle: DmaChannel) -> int:
        """NdisMReadDmaCounter. Bytes that the transfer has still to move."""

    def read_eisa_slot_information(self) -> tuple[int, None, None]:
        """NdisReadEisaSlotInformation. Read what an EISA bus knows of the card. Returns (status, slot, information). This machine
        has no EISA bus: the status is NDIS_STATUS_FAILURE, as where no card is found, always."""

    def read_network_address(self, handle: ConfigurationHandle) -> tuple[int, bytes | None]:
        """NdisReadNetworkAddress. Read the address that an administrator set. Returns (status, address): FAILURE and None where
        none is set."""

    def read_pci_slot_information(self, slot: int, offset: int, length: int) -> bytes:
        """NdisReadPciSlotInformation. Read configuration space of the adapter's own function. Returns the bytes read, none if the
        slot is empty."""

    def read_pcmcia_attribute_memory(self, offset: int, length: int) -> bytes:
        """NdisReadPcmciaAttributeMemory. Read the attribute memory of a PC Card. Returns the bytes read. This machine has no PCMCIA
        bus: none, always, which says that the read failed."""

    def read_port_buffer_uchar(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """READ_PORT_BUFFER_UCHAR. Read the port at *offset* of a port range *count* times, 1 byte(s) each, into *buffer*."""

    def read_port_buffer_ulong(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """READ_PORT_BUFFER_ULONG. Read the port at *offset* of a port range *count* times, 4 byte(s) each, into *buffer*."""

    def read_port_buffer_ushort(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """READ_PORT_BUFFER_USHORT. Read the port at *offset* of a port range *count* times, 2 byte(s) each, into *buffer*."""

    def read_port_uchar(self, window: RegisterWindow, offset: int = 0) -> int:
        """READ_PORT_UCHAR. Read 1 byte(s) at *offset* of a register window; all ones where nothing answers."""

    def read_port_ulong(self, window: RegisterWindow, offset: int = 0) -> int:
        """READ_PORT_ULONG. Read 4 byte(s) at *offset* of a register window; all ones where nothing answers."""

    def read_port_ushort(self, window: RegisterWindow, offset: int = 0) -> int:
        """READ_PORT_USHORT. Read 2 byte(s) at *offset* of a register window; all ones where nothing answers."""

    def read_register_buffer_uchar(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """READ_REGISTER_BUFFER_UCHAR. Read *count* registers of 1 byte(s), one behind the other from *offset* on, into *buffer*."""

    def read_register_buffer_ulong(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """READ_REGISTER_BUFFER_ULONG. Read *count* registers of 4 byte(s), one behind the other from *offset* on, into *buffer*."""

    def read_register_buffer_ushort(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """READ_REGISTER_BUFFER_USHORT. Read *count* registers of 2 byte(s), one behind the other from *offset* on, into
        *buffer*."""

    def read_register_uchar(self, window: RegisterWindow, offset: int = 0) -> int:
        """NdisReadRegisterUchar. Read 1 byte(s) at *offset* of a register window; all ones where nothing answers."""

    def read_register_ulong(self, window: RegisterWindow, offset: int = 0) -> int:
        """NdisReadRegisterUlong. Read 4 byte(s) at *offset* of a register window; all ones where nothing answers."""

    def read_register_ushort(self, window: RegisterWindow, offset: int = 0) -> int:
        """NdisReadRegisterUshort. Read 2 byte(s) at *offset* of a register window; all ones where nothing answers."""

    def register_adapter_shutdown_handler(self, context: Any, handler: Callable[..., None]) -> None:
        """NdisMRegisterAdapterShutdownHandler. NDIS 4 and 5.0: name the shutdown handler, as the last step of a successful
        initialize."""

    def register_device(
            self, device_name: str, symbolic_name: str, major_functions: Mapping[int, Callable[..., Any]]) -> tuple[int, NdisDevice
            | None]:
        """NdisMRegisterDevice. Make a device with a full path for its name, like ``\\Device\\Name``, and a symbolic link to it,
        like ``\\DosDevices\\Name``. Returns (status, device); NDIS_STATUS_FAILURE for a name that is no full path or that is taken.
        It belongs to the driver. Only the names are modelled: nobody opens the device, and no dispatch routine is called."""

    def register_dma_channel(
            self, dma_channel: int, dma_32bit_addresses: bool, dma_description: DmaDescription, maximum_length: int) -> tuple[int,
            DmaChannel | None]:
        """NdisMRegisterDmaChannel. Claim a DMA channel for transfers of up to the maximum length; for an ISA bus master, let it
        through to the bus. Returns (status, handle)."""

    def register_interrupt(
            self, vector: int, level: int, request_isr: bool, shared_interrupt: bool, mode: int) -> tuple[int, Interrupt | None]:
        """NdisMRegisterInterrupt. Connect the interrupt. Returns (status, interrupt). The ISR may run before the call returns."""

    def register_io_port_range(self, initial_port: int, number_of_ports: int) -> tuple[int, RegisterWindow | None]:
        """NdisMRegisterIoPortRange. Claim ports. Returns (status, window)."""

    def register_miniport(self, major_ndis_version: int, minor_ndis_version: int, characteristics_length: int) -> int:
        """NdisMRegisterMiniport. Register the class as a miniport of that NDIS version. *characteristics_length* is the size in
        bytes of the structure that C passes, as in `miniport.versions.CHARACTERISTICS_LENGTH`. Returns a status:
        NDIS_STATUS_BAD_VERSION for a version that this Windows does not know, NDIS_STATUS_BAD_CHARACTERISTICS for a length below
        that of the version; then NdisTerminateWrapper is due. The handlers are the methods of the class; one that is missing is
        found when NDIS calls it."""

    def register_unload_handler(self, unload_handler: Callable[[Driver], Any]) -> None:
        """NdisMRegisterUnloadHandler. Let *unload_handler(driver)* be called at PASSIVE_LEVEL when the last adapter is halted and
        the driver leaves."""

    def reinitialize_packet(self, packet: Packet) -> None:
        """NdisReinitializePacket. Take all buffers off a packet. Its reserved arrays and its out-of-band data stay as they are."""

    def release_read_write_lock(self, lock: ReadWriteLock, state: LockState) -> None:
        """NdisReleaseReadWriteLock. Release what the acquire that returned *state* acquired; the last release goes back to the IRQL
        before the first acquire."""

    def release_spin_lock(self, lock: SpinLock) -> None:
        """NdisReleaseSpinLock. Release the lock and go back to the IRQL before."""

    def remove_entry_list(self, entry: View) -> bool:
        """RemoveEntryList. Take an entry out of the list in which it is. Returns True if the list is empty then."""

    def remove_head_list(self, head: View) -> View:
        """RemoveHeadList. Take the first entry off; the head itself if the list is empty."""

    def remove_miniport(self) -> int:
        """NdisMRemoveMiniport. Ask the system to remove an adapter that cannot be mended. Returns a status. The request stands in
        the log; the life of the adapter goes on to the end that the world was given."""

    def remove_tail_list(self, head: View) -> View:
        """RemoveTailList. Take the last entry off; the head itself if the list is empty."""

    def reset_complete(self, status: int, addressing_reset: bool) -> None:
        """NdisMResetComplete. Complete the reset for which `reset` returned NDIS_STATUS_PENDING. With *addressing_reset* NDIS sets
        filter and multicast list again."""

    def reset_event(self, event: Event) -> None:
        """NdisResetEvent. Clear the signalled state."""

    def retrieve_ulong(self, destination: View, source: View) -> None:
        """NdisRetrieveUlong. Copy four bytes from any address to one that is a multiple of 4."""

    def rtl_compare_memory(self, source1: View, source2: View, length: int) -> int:
        """RtlCompareMemory. How many bytes are the same until the first that differs; *length* if none does."""

    def rtl_copy_memory(self, destination: View, source: View, length: int) -> None:
        """RtlCopyMemory. Copy memory between ranges that do not overlap."""

    def rtl_equal_memory(self, source1: View, source2: View, length: int) -> bool:
        """RtlEqualMemory. True if *length* bytes of both are the same."""

    def rtl_fill_memory(self, destination: View, length: int, fill: int) -> None:
        """RtlFillMemory. Fill memory with a byte, of which the lowest 8 bits count."""

    def rtl_move_memory(self, destination: View, source: View, length: int) -> None:
        """RtlMoveMemory. Copy memory."""

    def rtl_zero_memory(self, destination: View, length: int) -> None:
        """RtlZeroMemory. Clear memory."""

    def schedule_work_item(self, item: WorkItem | WorkFunction, context: Any = None) -> int:
        """NdisScheduleWorkItem. Let the function of *item* run at PASSIVE_LEVEL later. Returns NDIS_STATUS_SUCCESS, always. A
        function in place of the item stands for NdisInitializeWorkItem with it and *context*, and this call."""

    def send_complete(self, packet: Packet, status: int) -> None:
        """NdisMSendComplete. Give a packet back for which `send` returned NDIS_STATUS_PENDING."""

    def send_resources_available(self) -> None:
        """NdisMSendResourcesAvailable. A serialized miniport that refused a packet for want of resources can take packets again."""

    def set_attributes(self, context: Any, bus_master: bool, adapter_type: int) -> None:
        """NdisMSetAttributes. The NDIS 3 form of NdisMSetAttributesEx."""

    def set_attributes_ex(self, context: Any, check_for_hang_seconds: int, attribute_flags: int, adapter_type: int) -> None:
        """NdisMSetAttributesEx. Register the adapter context and what the NIC is; before anything that claims hardware."""

    def set_event(self, event: Event) -> None:
        """NdisSetEvent. Signal the event; it stays signalled until NdisResetEvent."""

    def set_information_complete(self, status: int) -> None:
        """NdisMSetInformationComplete. Complete the set for which `set_information` returned NDIS_STATUS_PENDING."""

    def set_periodic_timer(self, timer: Timer, milliseconds: int) -> None:
        """NdisMSetPeriodicTimer. Let the function run whenever *milliseconds* have passed; cancels what was set before."""

    def set_physical_address_high(self, physical_address: int, value: int) -> int:
        """NdisSetPhysicalAddressHigh. The address with bits 63:32 from *value*."""

    def set_physical_address_low(self, physical_address: int, value: int) -> int:
        """NdisSetPhysicalAddressLow. The address with bits 31:0 from *value*."""

    def set_timer(self, timer: Timer, milliseconds: int) -> None:
        """NdisMSetTimer. Let the function run once when *milliseconds* have passed; cancels what was set before."""

    def setup_dma_transfer(
            self, miniport_dma_handle: DmaChannel, buffer: NdisBuffer, offset: int, length: int, write_to_device: bool) -> int:
        """NdisMSetupDmaTransfer. Program the channel for one transfer and open it; the card may begin. RESOURCES: the channel is
        busy, or cannot move this length."""

    def sleep(self, microseconds: int) -> None:
        """NdisMSleep. Let virtual time pass, 30 s at most. Interrupts, deferred calls and timers are served as they come, at the
        latest when it ends."""

    def stall_execution(self, microseconds: int) -> None:
        """NdisStallExecution. Wait busily; at most 50 microseconds outside initialize and halt."""

    def start_buffer_physical_mapping(
            self, buffer: NdisBuffer, physical_map_register: int, write_to_device: bool) -> tuple[tuple[LogicalAddress, int], ...]:
        """NdisMStartBufferPhysicalMapping. Map a buffer for one transfer. Returns the pieces as (device address, length), valid
        until it is completed."""

    def store_ulong(self, destination: View, value: int) -> None:
        """NdisStoreUlong. Store four bytes at any address."""

    def synchronize_with_interrupt(self, interrupt: Interrupt, function: Callable[[Any], Any], context: Any) -> bool:
        """NdisMSynchronizeWithInterrupt. Run *function(context)* while the ISR cannot run on any processor. Returns what it
        returns."""

    def system_processor_count(self) -> int:
        """NdisSystemProcessorCount. How many processors the machine has."""

    def terminate_wrapper(self) -> None:
        """NdisTerminateWrapper. Give back what NdisMInitializeWrapper took, on a path of driver_entry that fails. A miniport that
        was registered is no longer. Elsewhere the call changes nothing: what NDIS does then is not modelled."""

    def transfer_data_complete(self, packet: Packet, status: int, bytes_transferred: int) -> None:
        """NdisMTransferDataComplete. The part of a frame is in *packet*, for which `transfer_data` returned NDIS_STATUS_PENDING."""

    def unchain_buffer_at_back(self, packet: Packet) -> NdisBuffer | None:
        """NdisUnchainBufferAtBack. Take the last buffer off a packet. Returns it, None if there is none."""

    def unchain_buffer_at_front(self, packet: Packet) -> NdisBuffer | None:
        """NdisUnchainBufferAtFront. Take the first buffer off a packet. Returns it, None if there is none."""

    def unicode_string_to_ansi_string(self, destination: AnsiString, source: UnicodeString) -> int:
        """NdisUnicodeStringToAnsiString. Convert into the destination's buffer. Returns a status: FAILURE, and the destination as
        it was, where it is too short."""

    def unmap_file(self, handle: FileHandle) -> None:
        """NdisUnmapFile. Take the access back; the view is not used afterwards."""

    def unmap_io_space(self, window: RegisterWindow, length: int) -> None:
        """NdisMUnmapIoSpace. Undo NdisMMapIoSpace, with the same address and length."""

    def upcase_unicode_string(self, destination: UnicodeString, source: UnicodeString) -> int:
        """NdisUpcaseUnicodeString. Write the upper-case form into the destination's buffer, character by character. Returns a
        status: FAILURE if too short."""

    def update_shared_memory(self, length: int, virtual_address: View, physical_address: int) -> None:
        """NdisMUpdateSharedMemory. Flush cached shared memory: what the processor stored goes to memory, and its next load reads
        memory. Nothing to do where the machine's caches are coherent."""

    def wait_event(self, event: Event, milliseconds: int) -> bool:
        """NdisWaitEvent. Wait until the event is signalled; at most *milliseconds*, 0 for ever. Returns True if it is signalled. A
        handler that waits longer than any handler may run is a finding and ends the world."""

    def write_configuration(self, handle: ConfigurationHandle, keyword: str, value: int | str) -> int:
        """NdisWriteConfiguration. Write a number or a string. Returns a status: NOT_SUPPORTED for a value of another type."""

    def write_error_log_entry(self, error_code: int, values: tuple[int, ...] = ()) -> None:
        """NdisWriteErrorLogEntry. Write to the system's error log."""

    def write_event_log_entry(
            self, event_code: int, unique_event_value: int, strings: tuple[str, ...] = (), data: bytes = b'') -> int:
        """NdisWriteEventLogEntry. Write to the system's event log, as protocol drivers do; a miniport calls NdisWriteErrorLogEntry.
        Returns a status. The page gives no number for the most bytes that an entry holds: NDIS_STATUS_BUFFER_TOO_SHORT comes by a
        fault alone."""

    def write_pci_slot_information(self, slot: int, offset: int, data: bytes) -> int:
        """NdisWritePciSlotInformation. Write configuration space. Returns the number of bytes written."""

    def write_port_buffer_uchar(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """WRITE_PORT_BUFFER_UCHAR. Write *count* items of *buffer*, 1 byte(s) each, to the port at *offset* of a port range."""

    def write_port_buffer_ulong(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """WRITE_PORT_BUFFER_ULONG. Write *count* items of *buffer*, 4 byte(s) each, to the port at *offset* of a port range."""

    def write_port_buffer_ushort(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """WRITE_PORT_BUFFER_USHORT. Write *count* items of *buffer*, 2 byte(s) each, to the port at *offset* of a port range."""

    def write_port_uchar(self, window: RegisterWindow, offset: int, value: int) -> None:
        """WRITE_PORT_UCHAR. Write 1 byte(s) at *offset* of a register window."""

    def write_port_ulong(self, window: RegisterWindow, offset: int, value: int) -> None:
        """WRITE_PORT_ULONG. Write 4 byte(s) at *offset* of a register window."""

    def write_port_ushort(self, window: RegisterWindow, offset: int, value: int) -> None:
        """WRITE_PORT_USHORT. Write 2 byte(s) at *offset* of a register window."""

    def write_register_buffer_uchar(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """WRITE_REGISTER_BUFFER_UCHAR. Write *count* items of *buffer* to registers of 1 byte(s), one behind the other from
        *offset* on."""

    def write_register_buffer_ulong(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """WRITE_REGISTER_BUFFER_ULONG. Write *count* items of *buffer* to registers of 4 byte(s), one behind the other from
        *offset* on."""

    def write_register_buffer_ushort(self, window: RegisterWindow, offset: int, buffer: View, count: int) -> None:
        """WRITE_REGISTER_BUFFER_USHORT. Write *count* items of *buffer* to registers of 2 byte(s), one behind the other from
        *offset* on."""

    def write_register_uchar(self, window: RegisterWindow, offset: int, value: int) -> None:
        """NdisWriteRegisterUchar. Write 1 byte(s) at *offset* of a register window; the write is posted until a read drains it."""

    def write_register_ulong(self, window: RegisterWindow, offset: int, value: int) -> None:
        """NdisWriteRegisterUlong. Write 4 byte(s) at *offset* of a register window; the write is posted until a read drains it."""

    def write_register_ushort(self, window: RegisterWindow, offset: int, value: int) -> None:
        """NdisWriteRegisterUshort. Write 2 byte(s) at *offset* of a register window; the write is posted until a read drains it."""

    def zero_mapped_memory(self, window: RegisterWindow, offset: int, length: int) -> None:
        """NdisZeroMappedMemory. Clear device memory at *offset* of a mapping."""

    def zero_memory(self, destination: View, length: int) -> None:
        """NdisZeroMemory. Clear memory."""
