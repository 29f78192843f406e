# SPDX-License-Identifier: Apache-2.0
"""Rules that the memory manager enforces on arguments and frees."""

from __future__ import annotations

from verifier.rule import Severity, rule

SIZE_NONZERO = rule("contig-size-nonzero", "ask for at least one byte, and for less than the address space")
BOUNDARY_POW2 = rule("contig-boundary-pow2", "pass a power of two, or 0 for no boundary")
HIGHEST_NONE = rule("contig-highest-none", "pass the last address that the device reaches, or all ones for no limit")
LOWEST = rule("contig-lowest-inclusive", "pass a lowest address that is not above the highest one")
CACHE_TYPE = rule("contig-cache-type-valid", "pass MmNonCached, MmCached or MmWriteCombined")
NODE_ANY = rule(
    "contig-node-any", "pass MM_ANY_NODE_OK (0x80000000) alone where any node will do", also=("contig-node-range",))
NODE_STRICT = rule(
    "contig-node-strict", "ask the nodes that have memory within the limits, or pass MM_ANY_NODE_OK", severity=Severity.ADVICE)
NODE_RANGE = rule("contig-node-range", "number nodes from 0 to the highest node number of the machine")
PROTECT_ONE = rule("contig-nodememory-protect-one", "pass exactly one of PAGE_READWRITE and PAGE_EXECUTE_READWRITE")
PROTECT_CACHE = rule(
    "contig-nodememory-protect-cache", "pass PAGE_NOCACHE or PAGE_WRITECOMBINE, or neither for cached memory")
ALWAYS_EXECUTABLE = rule(
    "contig-older-always-exec", "from Windows 8 on take MmAllocateContiguousNodeMemory with PAGE_READWRITE",
    severity=Severity.ADVICE)
FREE_EXACT = rule("contig-free-exact-base", "free exactly the address that the allocation returned, once")
FREE_ROUTINE = rule(
    "contig-free-right-routine", "free with the partner of the routine that allocated: MmFreeContiguousMemory, "
    "NdisMFreeSharedMemory or NdisFreeMemory")
FREESPECIFY_MATCH = rule("contig-freespecify-match", "repeat the byte count and the cache type of the allocation")
FREESPECIFY_ORIGIN = rule(
    "contig-freespecify-origin", "free memory that MmAllocateContiguousMemory gave with MmFreeContiguousMemory")
PHYSICAL_LOCKED = rule(
    "contig-physical-locked", "ask for the physical address of a live block only")
