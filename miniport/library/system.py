# SPDX-License-Identifier: Apache-2.0
"""What the system says of itself: virtual time, processors, the adapter's names and device objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw.cache import LINE
from hw.clock import MS
from miniport.handlers import NOT_AT_DIRQL
from miniport.library.configuration import ResourceDescriptor, query_adapter_resources
from miniport.library.strings import UnicodeString, allocated_string
from miniport.packet import NdisBuffer
from miniport.routine import PASSIVE, UP_TO_DISPATCH, routine
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from verifier.events import Kind

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

START = 126_227_808_000_000_000
"""The system time at which every world begins: 1 January 2001, in units of 100 ns since 1 January 1601."""
UNIT_NS = 100


@dataclass(frozen=True, slots=True)
class DeviceProperty:
    """What NdisMGetDeviceProperty gives. Device objects are opaque names; raw and translated resources are equal on this bus."""

    physical_device: str
    functional_device: str
    next_device: str
    allocated_resources: tuple[ResourceDescriptor, ...]
    allocated_resources_translated: tuple[ResourceDescriptor, ...]


@routine("NdisGetCurrentSystemTime", c="VOID NdisGetCurrentSystemTime(PLARGE_INTEGER)", source="ndis5:ff552051", event=False)
def get_current_system_time(ndis: Ndis, adapter: Adapter) -> int:
    """Virtual time in units of 100 ns since 1601; every world begins at the same one."""
    return START + ndis.clock.now // UNIT_NS


@routine("NdisGetSystemUpTime", c="VOID NdisGetSystemUpTime(OUT PULONG)", source="ndis5:ff552110", event=False)
def get_system_up_time(ndis: Ndis, adapter: Adapter) -> int:
    """Milliseconds of virtual time since the world began, modulo 2**32."""
    return ndis.clock.now // MS & 0xFFFFFFFF


@routine("NdisSystemProcessorCount", irql=PASSIVE, c="CCHAR NdisSystemProcessorCount(VOID)",
         source="ddi:ndis/nf-ndis-ndissystemprocessorcount", event=False)
def system_processor_count(ndis: Ndis, adapter: Adapter) -> int:
    """How many processors the machine has."""
    return len(ndis.scheduler.processors)


@routine("NdisGetCurrentProcessorCounts", irql=UP_TO_DISPATCH, event=False,
         c="VOID NdisGetCurrentProcessorCounts(OUT PULONG IdleCount, OUT PULONG KernelAndUser, OUT PULONG Index)",
         source="ddi:ndis/nf-ndis-ndisgetcurrentprocessorcounts")
def get_current_processor_counts(ndis: Ndis, adapter: Adapter) -> tuple[int, int, int]:
    """Returns (idle time, all time, number of the processor), times in 100 ns modulo 2**32. Code takes no virtual time: idle."""
    passed = ndis.clock.now // UNIT_NS & 0xFFFFFFFF
    return passed, passed, ndis.scheduler.current.number


@routine("NdisGetCacheFillSize", irql=PASSIVE, c="ULONG NdisGetCacheFillSize(VOID)", source="nt4:103ndisx_45", event=False)
def get_cache_fill_size(ndis: Ndis, adapter: Adapter) -> int:
    """Bytes of a cache line."""
    return LINE


@routine("NdisFlushBuffer", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, c="VOID NdisFlushBuffer(PNDIS_BUFFER, BOOLEAN WriteToDevice)",
         source="nt4:103ndisx_36")
def flush_buffer(ndis: Ndis, adapter: Adapter, buffer: NdisBuffer, write_to_device: bool) -> None:
    """Flush the processors' cache of a buffer before a transfer to the device, or after one from it and before the processor looks.
    Where the machine's caches are coherent nothing happens but the record of the call."""
    cache = ndis.machine.cache
    if cache is None:
        return
    view, length = buffer.span()
    for physical, size in view.block.pieces(view.offset, length):
        if write_to_device:
            cache.write_back(physical, size)
        else:
            cache.flush(physical, size)


@routine("NdisMQueryAdapterInstanceName", irql=PASSIVE, fails=("RESOURCES",), on_failure=lambda status: (status, None),
         c="NDIS_STATUS NdisMQueryAdapterInstanceName(OUT PNDIS_STRING, NDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndismqueryadapterinstancename")
def query_adapter_instance_name(ndis: Ndis, adapter: Adapter) -> tuple[int, UnicodeString | None]:
    """The name that people see. Returns (status, string); the string's buffer is the miniport's to free, with NdisFreeMemory."""
    name = allocated_string(ndis, adapter, f"{ndis.nic.name} Ethernet adapter")
    return (NDIS_STATUS_RESOURCES, None) if name is None else (NDIS_STATUS_SUCCESS, name)


@routine("NdisMGetDeviceProperty", irql=PASSIVE,
         c="VOID NdisMGetDeviceProperty(NDIS_HANDLE, PDEVICE_OBJECT*, PDEVICE_OBJECT*, PDEVICE_OBJECT*, PCM_RESOURCE_LIST*, "
           "PCM_RESOURCE_LIST*)", source="ddi:ndis/nf-ndis-ndismgetdeviceproperty")
def get_device_property(ndis: Ndis, adapter: Adapter) -> DeviceProperty:
    """Device objects and resources of the adapter."""
    resources = query_adapter_resources(ndis, adapter)[1]
    return DeviceProperty(f"PDO {adapter.number}", f"FDO {adapter.number}", f"PDO {adapter.number}", resources, resources)


@routine("NdisMRemoveMiniport", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, fails=("FAILURE",),
         c="NDIS_STATUS NdisMRemoveMiniport(NDIS_HANDLE)", source="ddi:ndis/nf-ndis-ndismremoveminiport")
def remove_miniport(ndis: Ndis, adapter: Adapter) -> int:
    """Ask the system to remove an adapter that cannot be mended. Returns a status. The request stands in the log; the life of the
    adapter goes on to the end that the world was given."""
    text = f"{ndis.nic.name}: the miniport asks for its removal"
    ndis.log.append(text)
    ndis.record((ndis.clock.now, Kind.LOG, ndis.scheduler.current.number, text))
    return NDIS_STATUS_SUCCESS
