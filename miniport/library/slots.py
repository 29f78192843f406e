# SPDX-License-Identifier: Apache-2.0
"""What the bus knows of the slot: PCI configuration space before anything is claimed, and two busses that this machine lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniport.handlers import INIT
from miniport.library.configuration import read_pci_slot_information, write_pci_slot_information
from miniport.routine import PASSIVE, UP_TO_DISPATCH, routine
from miniport.status import NDIS_STATUS_FAILURE
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

BUS_CONFIG_LATE = rule(
    "init-no-bus-config-after-claim", "do what is to be done in configuration space first, and claim registers and interrupt afterwards")
_CLAIMING = frozenset(["NdisMMapIoSpace", "NdisMRegisterIoPortRange", "NdisMRegisterInterrupt"])


@routine("NdisImmediateReadPciSlotInformation", irql=UP_TO_DISPATCH, handlers=INIT, fails=("null",), on_failure=lambda status: b"",
         c="ULONG NdisImmediateReadPciSlotInformation(NDIS_HANDLE WrapperConfigurationContext, ULONG SlotNumber, ULONG Offset, "
           "PVOID Buffer, ULONG Length)", source="nt4:103ndisx_61")
def immediate_read_pci_slot_information(ndis: Ndis, adapter: Adapter, slot: int, offset: int, length: int) -> bytes:
    """Read configuration space before hardware is claimed. Returns the bytes read, none if the slot is empty."""
    _not_claimed(ndis, adapter, "NdisImmediateReadPciSlotInformation")
    return read_pci_slot_information(ndis, adapter, slot, offset, length)


@routine("NdisImmediateWritePciSlotInformation", irql=UP_TO_DISPATCH, handlers=INIT,
         c="ULONG NdisImmediateWritePciSlotInformation(NDIS_HANDLE WrapperConfigurationContext, ULONG SlotNumber, ULONG Offset, "
           "PVOID Buffer, ULONG Length)", source="nt4:103ndisx_66")
def immediate_write_pci_slot_information(ndis: Ndis, adapter: Adapter, slot: int, offset: int, data: bytes) -> int:
    """Write configuration space before hardware is claimed. Returns the number of bytes written."""
    _not_claimed(ndis, adapter, "NdisImmediateWritePciSlotInformation")
    return write_pci_slot_information(ndis, adapter, slot, offset, data)


def _not_claimed(ndis: Ndis, adapter: Adapter, name: str) -> None:
    claim = next((claim for claim in adapter.claims.values() if claim.routine in _CLAIMING), None)
    if claim is not None:
        ndis.findings.report(BUS_CONFIG_LATE, f"{name} after {claim.routine}", subject=("bus configuration",),
                             related=[("claimed", claim.where)])


@routine("NdisReadEisaSlotInformation", irql=PASSIVE, handlers=INIT, fails=("FAILURE", "RESOURCES"),
         on_failure=lambda status: (status, None, None),
         c="VOID NdisReadEisaSlotInformation(OUT PNDIS_STATUS, NDIS_HANDLE WrapperConfigurationContext, OUT PUINT SlotNumber, OUT "
           "PNDIS_EISA_FUNCTION_INFORMATION EisaData)", source="nt4:103ndisx_176")
def read_eisa_slot_information(ndis: Ndis, adapter: Adapter) -> tuple[int, None, None]:
    """Read what an EISA bus knows of the card. Returns (status, slot, information). This machine has no EISA bus: the status is
    NDIS_STATUS_FAILURE, as where no card is found, always."""
    ndis.refused("NdisReadEisaSlotInformation")
    return NDIS_STATUS_FAILURE, None, None


@routine("NdisReadPcmciaAttributeMemory", irql=PASSIVE, fails=("null",), on_failure=lambda status: b"",
         c="ULONG NdisReadPcmciaAttributeMemory(NDIS_HANDLE, ULONG Offset, OUT PVOID Buffer, ULONG Length)", source="ndis5:ff554560")
def read_pcmcia_attribute_memory(ndis: Ndis, adapter: Adapter, offset: int, length: int) -> bytes:
    """Read the attribute memory of a PC Card. Returns the bytes read. This machine has no PCMCIA bus: none, always, which says that
    the read failed."""
    ndis.refused("NdisReadPcmciaAttributeMemory")
    return b""
