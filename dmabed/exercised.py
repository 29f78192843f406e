# SPDX-License-Identifier: Apache-2.0
"""What a world never tried: rules that nothing in it could have broken, handlers that nobody called, lines never run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniport.handlers import NAMES
from verifier.events import Kind
from verifier.rule import declared_rules
from verifier.where import display_path

if TYPE_CHECKING:
    from dmabed.world import World

_EVIDENCE: dict[str, tuple[str, ...]] = {
    "contig-nodememory-": ("MmAllocateContiguousNodeMemory",), "contig-older-": ("MmAllocateContiguousNodeMemory",),
    "contig-node-": ("MmAllocateContiguousMemorySpecifyCacheNode",),
    "contig-": ("MmAllocateContiguousMemory", "MmAllocateContiguousMemorySpecifyCache", "MmAllocateContiguousMemorySpecifyCacheNode"),
    "mapreg-": ("NdisMAllocateMapRegisters",), "sg5-": ("NdisMInitializeScatterGatherDma",),
    "shared-async-": ("NdisMAllocateSharedMemoryAsync",), "slave-": ("NdisMRegisterDmaChannel",),
    "shared-alloc-slave-": ("NdisMRegisterDmaChannel",), "shared-free-slave": ("NdisMRegisterDmaChannel",),
    "shared-": ("NdisMAllocateSharedMemory",), "lock-": ("NdisAllocateSpinLock",), "int-": ("NdisMRegisterInterrupt",),
    "iomap-": ("NdisMMapIoSpace",), "ioport-": ("NdisMRegisterIoPortRange",), "config-": ("NdisOpenConfiguration",),
    "mem-": ("NdisAllocateMemoryWithTag", "NdisAllocateMemory"), "sleep-": ("NdisMSleep",), "stall-": ("NdisStallExecution",),
    "dma-": ("dma",), "desc-": ("dma",), "wire-": ("dma",), "rx-": ("NdisMIndicateReceivePacket",),
    "receive-": ("NdisMIndicateReceivePacket",), "send-": ("send",), "oid-": ("query_information", "set_information"),
    "halt-": ("halt",), "shutdown-": ("shutdown",), "surprise-": ("pnp_event_notify",), "init-fail": ("refused",),
    "register-": ("register",), "mmio-": ("register",), "timer-": ("NdisMSetTimer", "NdisMSetPeriodicTimer", "NdisSetTimer"),
    "timer5-": ("NdisMSetTimer", "NdisMSetPeriodicTimer", "NdisSetTimer"), "work-item-": ("NdisScheduleWorkItem",),
    "wait-event-": ("NdisWaitEvent",), "lookaside-": ("NdisInitializeNPagedLookasideList",), "file-": ("NdisOpenFile",),
    "string-": ("NdisFreeString",), "power-": ("power",), "attr5-no-halt-": ("power",), "resources-": ("power",),
}
"""A rule whose id begins so was exercised if one of these was seen: a routine, a handler, a register or a DMA access. The first
prefix that fits counts."""



def not_exercised(world: World) -> dict[str, list[str]]:
    """Ids of rules, names of handlers that the miniport supplies, and ``file:line`` that this world did not reach."""
    ndis = world.ndis
    seen = set(ndis.calls)
    broken: set[str] = set()
    for event in world.machine.events.events:
        kind = event[1]
        if kind == Kind.ROUTINE:
            seen.add(event[3])
        elif kind in (Kind.DMA_READ, Kind.DMA_WRITE):
            seen.add("dma")
        elif kind in (Kind.REGISTER_READ, Kind.REGISTER_WRITE):
            seen.add("register")
        elif kind == Kind.POWER:
            seen.add("power")
        elif kind == Kind.FINDING:
            broken.add(event[3])
    if world.refused:
        seen.add("refused")
    unseen_rules = [id for id in sorted(declared_rules()) if id not in broken and not _exercised(id, seen)]
    handlers = [name for name in NAMES if name not in ndis.calls and hasattr(ndis.miniport, name) and ndis.miniport.overrides(name)]
    lines: list[str] = []
    if world.lines is not None:
        for name, numbers in world.lines.missed(type(ndis.miniport)).items():
            lines += [f"{display_path(name, world.base)}:{number}" for number in numbers]
    return {"rules": unseen_rules, "handlers": handlers, "lines": lines}


def _exercised(rule_id: str, seen: set[str]) -> bool:
    for prefix, evidence in _EVIDENCE.items():
        if rule_id.startswith(prefix):
            return any(item in seen for item in evidence)
    return True

