# SPDX-License-Identifier: Apache-2.0
"""The halves of an NDIS_PHYSICAL_ADDRESS. An address is an integer in Python; what C changes in place, these return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniport.routine import routine

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

_HALF = 0xFFFFFFFF


@routine("NdisGetPhysicalAddressHigh", event=False, c="ULONG NdisGetPhysicalAddressHigh(NDIS_PHYSICAL_ADDRESS)",
         source="ddi:ndis/nf-ndis-ndisgetphysicaladdresshigh")
def get_physical_address_high(ndis: Ndis, adapter: Adapter, physical_address: int) -> int:
    """Bits 63:32 of an address."""
    return physical_address >> 32 & _HALF


@routine("NdisGetPhysicalAddressLow", event=False, c="ULONG NdisGetPhysicalAddressLow(NDIS_PHYSICAL_ADDRESS)",
         source="ddi:ndis/nf-ndis-ndisgetphysicaladdresslow")
def get_physical_address_low(ndis: Ndis, adapter: Adapter, physical_address: int) -> int:
    """Bits 31:0 of an address."""
    return physical_address & _HALF


@routine("NdisSetPhysicalAddressHigh", event=False, c="VOID NdisSetPhysicalAddressHigh(NDIS_PHYSICAL_ADDRESS, ULONG Value)",
         source="ddi:ndis/nf-ndis-ndissetphysicaladdresshigh")
def set_physical_address_high(ndis: Ndis, adapter: Adapter, physical_address: int, value: int) -> int:
    """The address with bits 63:32 from *value*."""
    return (value & _HALF) << 32 | physical_address & _HALF


@routine("NdisSetPhysicalAddressLow", event=False, c="VOID NdisSetPhysicalAddressLow(NDIS_PHYSICAL_ADDRESS, ULONG Value)",
         source="ddi:ndis/nf-ndis-ndissetphysicaladdresslow")
def set_physical_address_low(ndis: Ndis, adapter: Adapter, physical_address: int, value: int) -> int:
    """The address with bits 31:0 from *value*."""
    return (physical_address >> 32 & _HALF) << 32 | value & _HALF
