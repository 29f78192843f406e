# SPDX-License-Identifier: Apache-2.0
"""Configuration: what the registry and the bus say of an adapter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw.pci import Bar
from miniport.handlers import INIT
from miniport.routine import PASSIVE, routine
from miniport.status import NDIS_INTERRUPT_LATCHED, NDIS_INTERRUPT_LEVEL_SENSITIVE, NDIS_STATUS_FAILURE, NDIS_STATUS_SUCCESS
from miniport.versions import ndis_of

if TYPE_CHECKING:
    from hw.nic.base import Nic
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis


class ConfigurationHandle:
    """An open configuration of one adapter: its key, or the subkey whose path, with a backslash behind each name, is *path*."""

    __slots__ = ("open", "path")

    def __init__(self, path: str = "") -> None:
        self.open = True
        self.path = path


@dataclass(frozen=True, slots=True)
class ResourceDescriptor:
    """One CM_PARTIAL_RESOURCE_DESCRIPTOR. *kind*: ``memory``, ``port``, ``interrupt`` or ``dma``; *start* is the address, the
    port or the vector; *length* counts bytes or ports."""

    kind: str
    start: int
    length: int
    level: int = 0
    shared: bool = False
    mode: int = NDIS_INTERRUPT_LEVEL_SENSITIVE


@routine("NdisOpenConfiguration", irql=PASSIVE, fails=("FAILURE",), on_failure=lambda status: (status, None),
         c="VOID NdisOpenConfiguration(OUT PNDIS_STATUS, OUT PNDIS_HANDLE ConfigurationHandle, NDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndisopenconfiguration")
def open_configuration(ndis: Ndis, adapter: Adapter) -> tuple[int, ConfigurationHandle | None]:
    """Open the adapter's registry key. Returns (status, handle)."""
    handle = ConfigurationHandle()
    adapter.claim(handle, "configuration handle", "NdisOpenConfiguration", also=("config-open-close",))
    return NDIS_STATUS_SUCCESS, handle


@routine("NdisReadConfiguration", irql=PASSIVE, fails=("FAILURE",), on_failure=lambda status: (status, None),
         c="VOID NdisReadConfiguration(OUT PNDIS_STATUS, OUT PNDIS_CONFIGURATION_PARAMETER*, NDIS_HANDLE, PNDIS_STRING Keyword, "
           "NDIS_PARAMETER_TYPE)", source="ddi:ndis/nf-ndis-ndisreadconfiguration")
def read_configuration(ndis: Ndis, adapter: Adapter, handle: ConfigurationHandle, keyword: str) -> tuple[int, int | str | None]:
    """Read one value. Returns (status, value): FAILURE and None where the registry does not hold it."""
    value = ndis.miniport.registry.get(handle.path + keyword)
    return (NDIS_STATUS_FAILURE, None) if value is None else (NDIS_STATUS_SUCCESS, value)


@routine("NdisReadNetworkAddress", irql=PASSIVE, fails=("FAILURE",), on_failure=lambda status: (status, None),
         c="VOID NdisReadNetworkAddress(OUT PNDIS_STATUS, OUT PVOID* NetworkAddress, OUT PUINT Length, NDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndisreadnetworkaddress")
def read_network_address(ndis: Ndis, adapter: Adapter, handle: ConfigurationHandle) -> tuple[int, bytes | None]:
    """Read the address that an administrator set. Returns (status, address): FAILURE and None where none is set."""
    value = ndis.miniport.registry.get("NetworkAddress")
    if not isinstance(value, str):
        return NDIS_STATUS_FAILURE, None
    return NDIS_STATUS_SUCCESS, bytes.fromhex(value)


@routine("NdisCloseConfiguration", irql=PASSIVE, c="VOID NdisCloseConfiguration(NDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndiscloseconfiguration")
def close_configuration(ndis: Ndis, adapter: Adapter, handle: ConfigurationHandle) -> None:
    """Close the registry key."""
    handle.open = False
    adapter.release(handle)


@routine("NdisReadPciSlotInformation", irql=PASSIVE, fails=("null",), on_failure=lambda status: b"",
         c="ULONG NdisReadPciSlotInformation(NDIS_HANDLE, ULONG SlotNumber, ULONG Offset, PVOID Buffer, ULONG Length)",
         source="nt4:103ndisx")
def read_pci_slot_information(ndis: Ndis, adapter: Adapter, slot: int, offset: int, length: int) -> bytes:
    """Read configuration space of the adapter's own function. Returns the bytes read, none if the slot is empty."""
    if ndis.nic.bus_kind != "pci":
        return b""
    return ndis.nic.config.read(offset, length)


@routine("NdisWritePciSlotInformation", irql=PASSIVE,
         c="ULONG NdisWritePciSlotInformation(NDIS_HANDLE, ULONG SlotNumber, ULONG Offset, PVOID Buffer, ULONG Length)",
         source="nt4:103ndisx")
def write_pci_slot_information(ndis: Ndis, adapter: Adapter, slot: int, offset: int, data: bytes) -> int:
    """Write configuration space. Returns the number of bytes written."""
    if ndis.nic.bus_kind != "pci":
        return 0
    if ndis.machine.bus.posted:
        ndis.machine.bus.drain()  # no configuration cycle overtakes a posted write
    return ndis.nic.config.write(offset, data)


@routine("NdisMQueryAdapterResources", irql=PASSIVE, handlers=INIT, fails=("FAILURE", "RESOURCES"),
         on_failure=lambda status: (status, ()),
         c="VOID NdisMQueryAdapterResources(OUT PNDIS_STATUS, NDIS_HANDLE, OUT PNDIS_RESOURCE_LIST, IN OUT PUINT BufferSize)",
         source="ddi:ndis/nf-ndis-ndismqueryadapterresources")
def query_adapter_resources(ndis: Ndis, adapter: Adapter) -> tuple[int, tuple[ResourceDescriptor, ...]]:
    """What the system assigned. Returns (status, descriptors): ports, memory, interrupt, and the DMA channel of an ISA card."""
    return NDIS_STATUS_SUCCESS, _resources(ndis.nic)


@routine("NdisMPciAssignResources", irql=PASSIVE, handlers=INIT, fails=("RESOURCES", "FAILURE"),
         on_failure=lambda status: (status, ()),
         c="NDIS_STATUS NdisMPciAssignResources(NDIS_HANDLE, ULONG SlotNumber, OUT PNDIS_RESOURCE_LIST*)",
         source="ddi:ndis/nf-ndis-ndismpciassignresources")
def pci_assign_resources(ndis: Ndis, adapter: Adapter, slot: int) -> tuple[int, tuple[ResourceDescriptor, ...]]:
    """The older form of NdisMQueryAdapterResources for PCI. Returns (status, descriptors)."""
    return NDIS_STATUS_SUCCESS, _resources(ndis.nic)


def _resources(nic: Nic) -> tuple[ResourceDescriptor, ...]:
    line = nic.interrupt_line

    def of(bar: Bar) -> ResourceDescriptor:
        return ResourceDescriptor("port" if bar.ports else "memory", nic.config.bar(bar.number), bar.size)

    if nic.machine.messages:
        return (*(of(bar) for bar in nic.bars),
                ResourceDescriptor("interrupt", line.vector, 1, line.irql, mode=NDIS_INTERRUPT_LATCHED))
    if nic.dma_channel is None:
        return (*(of(bar) for bar in nic.bars), ResourceDescriptor("interrupt", line.vector, 1, line.irql, shared=True))
    return (*(of(bar) for bar in nic.bars),
            ResourceDescriptor("interrupt", line.vector, 1, line.irql, mode=NDIS_INTERRUPT_LATCHED),
            ResourceDescriptor("dma", nic.dma_channel, 1))


@routine("NdisGetVersion", c="UINT NdisGetVersion(VOID)", source="ddi:ndis/nf-ndis-ndisgetversion", event=False)
def get_version(ndis: Ndis, adapter: Adapter) -> tuple[int, int]:
    """The version of NDIS on this machine, as (major, minor)."""
    return ndis_of(ndis.windows)
