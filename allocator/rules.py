# SPDX-License-Identifier: Apache-2.0
"""Rules that the memory manager enforces on arguments and frees."""

from __future__ import annotations

from verifier.rule import rule

SIZE_NONZERO = rule("contig-size-nonzero", "ask for at least one byte, and for less than the address space")
BOUNDARY_POW2 = rule("contig-boundary-pow2", "pass a power of two, or 0 for no boundary")
HIGHEST_NONE = rule("contig-highest-none", "pass the last address that the device reaches, or all ones for no limit")
LOWEST = rule("contig-lowest-inclusive", "pass a lowest address that is not above the highest one")
CACHE_TYPE = rule("contig-cache-type-valid", "pass MmNonCached, MmCached or MmWriteCombined")
FREE_EXACT = rule("contig-free-exact-base", "free exactly the address that the allocation returned, once")
FREE_ROUTINE = rule(
    "contig-free-right-routine", "free with the partner of the routine that allocated: MmFreeContiguousMemory, "
    "NdisMFreeSharedMemory or NdisFreeMemory")
FREESPECIFY_MATCH = rule("contig-freespecify-match", "repeat the byte count and the cache type of the allocation")
FREESPECIFY_ORIGIN = rule(
    "contig-freespecify-origin", "free memory that MmAllocateContiguousMemory gave with MmFreeContiguousMemory")
PHYSICAL_LOCKED = rule(
    "contig-physical-locked", "ask for the physical address of a live block only")
