# SPDX-License-Identifier: Apache-2.0
"""Rules that the DMA port enforces on every device access."""

from __future__ import annotations

from verifier.rule import Severity, rule

DMA_WIDTH = rule(
    "dma-width", "declare the NIC's address width where memory is asked for, and test base + length - 1, not the base, "
    "before an address goes to the NIC", also=("contig-highest-inclusive", "shared-alloc-width"))
DMA_BOUNDARY = rule(
    "dma-boundary", "ask for twice the length and place the block inside one window, or pass BoundaryAddressMultiple to "
    "MmAllocateContiguousMemorySpecifyCache", also=("contig-boundary-no-cross",))
DMA_LENGTH = rule("dma-length", "split the transfer into pieces that the NIC's counter can hold")
DMA_ALIGNMENT = rule("dma-alignment", "over-allocate, and align the virtual and the device address by the same offset",
                     also=("shared-align-self",))
DMA_STRAY = rule(
    "dma-stray", "give the NIC only device addresses of live shared memory, with lengths inside the block", also=("shared-only-way",))
PHYSICAL_64 = rule(
    "contig-phys-64bit", "keep all 64 bits of a physical or device address and write both halves to the NIC, or ask for memory below "
    "4 GiB", also=("dma-stray",))
NULL_BOTH = rule(
    "shared-alloc-null-both", "give the NIC the device address of an allocation only where its virtual address is not NULL",
    also=("shared-alloc-check-required",))
PA_IS_LOGICAL = rule(
    "shared-pa-is-logical", "program the address that NdisMAllocateSharedMemory returned, never one of "
    "MmGetPhysicalAddress: the bus may add an offset", also=("contig-physical-not-dma",))
CONTIG_PHYSICAL = rule(
    "contig-physical-not-dma", "get memory for the NIC from NdisMAllocateSharedMemory, which returns its device address",
    also=("contig-not-for-ndis-dma",))
CONTIG_NOT_FOR_DMA = rule(
    "contig-not-for-ndis-dma", "prefer NdisMAllocateSharedMemory: contiguous memory has no promised device address, this "
    "works by luck of the bus", severity=Severity.WARNING)
SHARED_CACHED = rule(
    "shared-cached-ndis5", "call NdisMUpdateSharedMemory after a device wrote cached shared memory and before the processor reads it, "
    "and after the processor wrote it and before the device reads it; or allocate it with Cached FALSE")
FLUSH_CACHED = rule(
    "mapreg-flush-cached", "call NdisFlushBuffer with WriteToDevice TRUE before the transfer of a buffer that the device reads, with FALSE "
    "before the processor looks at one that the device wrote", also=("slave-flush",))
SHARED_LINE = rule(
    "shared-align-cacheline", "begin and end what a device writes at a multiple of NdisGetCacheFillSize, so that no line is shared",
    also=("mapreg-flush-cacheline",))
IOMMU = rule(
    "hal-iommu", "get memory for the NIC from NdisMAllocateSharedMemory, which maps it for the device")
USE_AFTER_FREE = rule(
    "contig-no-use-after-free", "stop the NIC and read a register back before its memory is freed")
SHARED_AFTER_FREE = rule(
    "shared-free-nic-stopped", "stop the NIC, wait until it says so, and only then free the memory it can reach",
    also=("contig-free-device-idle", "halt-stop-nic"))
NEVER_WRITTEN = rule(
    "shared-init-value", "write every byte that the NIC reads before the NIC may read it",
    also=("contig-alloc-uninitialized",))
BOUNDS = rule("shared-bounds", "keep every access inside the length that was asked for: the rest of the last page is not yours",
              also=("contig-tail-untouched",))
VALID_WINDOW = rule(
    "mapreg-valid-window", "complete a mapping only when the NIC has finished with the buffer", also=("mapreg-complete-nic-done",))
LIST_LIFETIME = rule(
    "sg5-list-lifetime", "complete a packet when the NIC has read it: its scatter/gather list ends there",
    also=("mapreg-valid-window",))
DMA_WINDOW = rule("dma-window", "place all blocks of the device inside one window, and check it")
DIRECTION = rule("mapreg-direction", "map with WriteToDevice TRUE what the NIC reads, FALSE what it writes")
AFTER_SHUTDOWN = rule(
    "shutdown-quiesce", "stop DMA and interrupts in the shutdown handler and read a register back before it returns")
D3_QUIET = rule(
    "power-d3-quiet", "stop engines and interrupts and read a register back before OID_PNP_SET_POWER to D3 is complete",
    text="When OID_PNP_SET_POWER to D3 is complete, the card does no DMA and its interrupts are disabled.")
WIRE_BYTES = rule(
    "wire-bytes-of-this-frame", "clear or rewrite the whole buffer for each frame, up to the length that goes to the NIC")
RX_BYTES = rule("rx-bytes-of-this-frame", "indicate only as many bytes as the NIC stored for this frame")
DESC_OWN_LAST = rule(
    "desc-own-last", "write address, length and flags first and the ownership bit in a last store of its own")
DESC_OWNER = rule("desc-owner", "leave a descriptor alone until the NIC has handed it back")
DESC_BEFORE_DOORBELL = rule("desc-before-doorbell", "complete the descriptor, ownership bit last, and only then ring the doorbell")
MAPPED_READ = rule(
    "mapreg-complete-before-cpu-read", "call NdisMCompleteBufferPhysicalMapping before the processor looks at what the NIC wrote: the "
    "bytes may lie in a bounce page until then")
COMPLETE_BEFORE_READ = rule(
    "slave-complete-before-read", "look at what the card wrote only after NdisMCompleteDmaTransfer")
