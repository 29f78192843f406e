# SPDX-License-Identifier: Apache-2.0
"""What faults do to routines where more is possible than a failure: answers that are legal and rare, and races."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miniport.effects import NoEffectError, effect
from miniport.library.configuration import ResourceDescriptor, query_adapter_resources, read_configuration
from miniport.library.timers import Timer
from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

_FAR = 0x7FFF_FFFF


@effect("NdisMAllocateMapRegisters", "grant-K", "refuses a claim for more than K buffers with NDIS_STATUS_RESOURCES, and grants K")
def _grant(ndis: Ndis, adapter: Adapter, most: int, dma_channel: int, dma_size: int, base_map_registers_needed: int,
           maximum_buffer_size: int) -> int:
    if base_map_registers_needed > most:
        ndis.refused("NdisMAllocateMapRegisters")
        return NDIS_STATUS_RESOURCES
    raise NoEffectError(f"the call asks for {base_map_registers_needed}, which is granted")


def _descriptors(ndis: Ndis, adapter: Adapter) -> tuple[ResourceDescriptor, ...]:
    _, there = query_adapter_resources(ndis, adapter)
    return tuple(there)


@effect("NdisMQueryAdapterResources", "reordered", "gives the descriptors in the opposite order")
def _reordered(ndis: Ndis, adapter: Adapter, _: int) -> tuple[int, tuple[ResourceDescriptor, ...]]:
    return NDIS_STATUS_SUCCESS, _descriptors(ndis, adapter)[::-1]


def _without(ndis: Ndis, adapter: Adapter, kind: str) -> tuple[int, tuple[ResourceDescriptor, ...]]:
    there = _descriptors(ndis, adapter)
    left = tuple(descriptor for descriptor in there if descriptor.kind != kind)
    if left == there:
        raise NoEffectError(f"the card has no descriptor of kind {kind}")
    ndis.refused("NdisMQueryAdapterResources")
    return NDIS_STATUS_SUCCESS, left


@effect("NdisMQueryAdapterResources", "without-memory", "gives no descriptor of memory space")
def _without_memory(ndis: Ndis, adapter: Adapter, _: int) -> tuple[int, tuple[ResourceDescriptor, ...]]:
    return _without(ndis, adapter, "memory")


@effect("NdisMQueryAdapterResources", "without-port", "gives no descriptor of port space")
def _without_ports(ndis: Ndis, adapter: Adapter, _: int) -> tuple[int, tuple[ResourceDescriptor, ...]]:
    return _without(ndis, adapter, "port")


@effect("NdisMQueryAdapterResources", "without-interrupt", "gives no descriptor of an interrupt")
def _without_interrupt(ndis: Ndis, adapter: Adapter, _: int) -> tuple[int, tuple[ResourceDescriptor, ...]]:
    return _without(ndis, adapter, "interrupt")


@effect("NdisMQueryAdapterResources", "empty", "gives no descriptor at all")
def _empty(ndis: Ndis, adapter: Adapter, _: int) -> tuple[int, tuple[ResourceDescriptor, ...]]:
    ndis.refused("NdisMQueryAdapterResources")
    return NDIS_STATUS_SUCCESS, ()


@effect("NdisReadPciSlotInformation", "all-ones", "gives all ones, as an empty slot does on many machines")
def _all_ones(ndis: Ndis, adapter: Adapter, _: int, slot: int, offset: int, length: int) -> bytes:
    ndis.refused("NdisReadPciSlotInformation")
    return b"\xff" * length


@effect("NdisReadConfiguration", "wrong-type", "gives text where a number stands, and a number for text or for nothing")
def _wrong_type(ndis: Ndis, adapter: Adapter, _: int, handle: Any, keyword: str, *more: Any) -> Any:
    _, value = read_configuration(ndis, adapter, handle, keyword, *more)
    return NDIS_STATUS_SUCCESS, "not a number" if isinstance(value, int) else _FAR


@effect("NdisReadConfiguration", "out-of-range", "gives the number 0x7fffffff, or 300 characters of text")
def _out_of_range(ndis: Ndis, adapter: Adapter, _: int, handle: Any, keyword: str, *more: Any) -> Any:
    _, value = read_configuration(ndis, adapter, handle, keyword, *more)
    return NDIS_STATUS_SUCCESS, "x" * 300 if isinstance(value, str) else _FAR


@effect("NdisReadNetworkAddress", "short", "gives an address of 5 bytes")
def _short_address(ndis: Ndis, adapter: Adapter, _: int, handle: Any) -> tuple[int, bytes]:
    return NDIS_STATUS_SUCCESS, b"\x02\x00\x00\x00\x01"


@effect("NdisReadNetworkAddress", "long", "gives an address of 8 bytes")
def _long_address(ndis: Ndis, adapter: Adapter, _: int, handle: Any) -> tuple[int, bytes]:
    return NDIS_STATUS_SUCCESS, b"\x02\x00\x00\x00\x01\x02\x03\x04"


@effect("NdisReadNetworkAddress", "multicast", "gives a multicast address")
def _multicast_address(ndis: Ndis, adapter: Adapter, _: int, handle: Any) -> tuple[int, bytes]:
    return NDIS_STATUS_SUCCESS, b"\x03\x00\x00\x00\x00\x01"


@effect("NdisReadNetworkAddress", "zero", "gives an address of six zeros")
def _zero_address(ndis: Ndis, adapter: Adapter, _: int, handle: Any) -> tuple[int, bytes]:
    return NDIS_STATUS_SUCCESS, bytes(6)


@effect("NdisMCancelTimer", "fired", "says False: the timer has just expired, and its function runs 1 ms later", kind="race")
@effect("NdisCancelTimer", "fired", "says False: the timer has just expired, and its function runs 1 ms later", kind="race")
def _just_fired(ndis: Ndis, adapter: Adapter, _: int, timer: Timer) -> bool:
    if not timer.expire_late():
        raise NoEffectError("the timer is not set")
    return timer.disarm()
