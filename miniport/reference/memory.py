# SPDX-License-Identifier: Apache-2.0
"""Memory that the card can use: asked for as NDIS allows, placed, and each address checked before the card sees it."""

from __future__ import annotations

from contextlib import ExitStack

from miniport.adapter import Adapter
from miniport.reference import hardware as hw
from miniport.status import NDIS_DMA_24BITS, NDIS_DMA_32BITS, NDIS_DMA_64BITS
from miniport.view import View

MM_NON_CACHED = 0
NARROWEST_BITS = 24
"""The narrowest width that a NIC can be registered with."""


def dma_sizes(limits: hw.Limits) -> list[int]:
    """NDIS knows three widths. A card between two of them declares the narrower one first, so that all it gets is in
    reach; where the machine has no memory there, the wider one is worth a try, because every address is checked."""
    if limits.address_bits >= 64:
        return [NDIS_DMA_64BITS]
    if limits.address_bits > 32:
        return [NDIS_DMA_32BITS, NDIS_DMA_64BITS]
    return [NDIS_DMA_32BITS] if limits.address_bits == 32 else [NDIS_DMA_24BITS, NDIS_DMA_32BITS]


def shared(adapter: Adapter, limits: hw.Limits, size: int, count: int, undo: ExitStack) -> tuple[View | None, int]:
    """Shared memory for *count* pieces of *size* bytes that the card can use: over-allocated, placed, and each piece
    checked to its last byte. What it cannot use goes back at once."""
    unit = limits.unit(size)
    length = size * count + unit - 1 + limits.lowest
    virtual, physical = adapter.allocate_shared_memory(length, False)
    if virtual is None:
        return None, 0
    start = -(-max(physical, limits.lowest) // unit) * unit
    if all(limits.admit(start + piece * size, size) for piece in range(count)):
        undo.callback(adapter.free_shared_memory, length, False, virtual, physical)
        return virtual + (start - physical), start
    plain_bus = int(adapter.mm_get_physical_address(virtual)) == physical
    adapter.free_shared_memory(length, False, virtual, physical)
    if limits.address_bits < NARROWEST_BITS and plain_bus:
        return _contiguous(adapter, limits, size, count, undo)
    return None, 0


def _contiguous(adapter: Adapter, limits: hw.Limits, size: int, count: int, undo: ExitStack) -> tuple[View | None, int]:
    """The last resort for a card narrower than NDIS can say: contiguous memory with its exact limits. Its physical
    address is good for the card only on a bus that adds nothing, as a shared block has told, and where no IOMMU has to map it."""
    unit = limits.unit(size)
    block = adapter.mm_allocate_contiguous_memory_specify_cache(
        size * count + unit - 1, 0, (1 << limits.address_bits) - 1, 0, MM_NON_CACHED)
    if block is None:
        return None, 0
    undo.callback(adapter.mm_free_contiguous_memory, block)
    base = adapter.mm_get_physical_address(block)
    start = -(-base // unit) * unit
    if not all(limits.admit(start + piece * size, size) for piece in range(count)):
        return None, 0
    return block + (start - base), start
