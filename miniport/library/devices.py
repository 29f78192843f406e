# SPDX-License-Identifier: Apache-2.0
"""Device objects of a driver's own: NdisMRegisterDevice. Nobody opens them: no dispatch routine is ever called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from miniport.handlers import Handler
from miniport.library.loading import driver_of, needs_wrapper
from miniport.routine import PASSIVE, routine
from miniport.status import NDIS_STATUS_FAILURE, NDIS_STATUS_SUCCESS
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

NO_PNP = rule(
    "device-no-pnp-power", "leave IRP_MJ_PNP and IRP_MJ_POWER out of the dispatch routines: NDIS answers them",
    text="A device of NdisMRegisterDevice has no dispatch routine for Plug and Play or power requests.")
ONCE = rule(
    "device-deregister-once", "deregister a device once, with the handle of its registration",
    text="NdisMDeregisterDevice takes the handle of a device that is registered.")

IRP_MJ_POWER, IRP_MJ_PNP = 0x16, 0x1B
_DEREGISTER = Handler.DRIVER_ENTRY | Handler.INITIALIZE | Handler.HALT | Handler.UNLOAD


@dataclass(frozen=True, slots=True, eq=False)
class NdisDevice:
    """What NdisMRegisterDevice gives: the device object and its handle in one."""

    name: str
    symbolic_name: str
    major_functions: Mapping[int, Callable[..., Any]]
    """Dispatch routines by the code of the request, IRP_MJ_CREATE being 0."""


@routine("NdisMRegisterDevice", irql=PASSIVE, handlers=Handler.DRIVER_ENTRY | Handler.INITIALIZE, fails=("FAILURE", "RESOURCES"),
         on_failure=lambda status: (status, None),
         c="NDIS_STATUS NdisMRegisterDevice(NDIS_HANDLE NdisWrapperHandle, PNDIS_STRING DeviceName, PNDIS_STRING SymbolicName, "
           "PDRIVER_DISPATCH MajorFunctions[], OUT PDEVICE_OBJECT*, OUT NDIS_HANDLE* NdisDeviceHandle)",
         source="ddi:ndis/nf-ndis-ndismregisterdevice")
def register_device(ndis: Ndis, adapter: Adapter, device_name: str, symbolic_name: str,
                    major_functions: Mapping[int, Callable[..., Any]]) -> tuple[int, NdisDevice | None]:
    """Make a device with a full path for its name, like ``\\Device\\Name``, and a symbolic link to it, like ``\\DosDevices\\Name``.
    Returns (status, device); NDIS_STATUS_FAILURE for a name that is no full path or that is taken. It belongs to the driver. Only the
    names are modelled: nobody opens the device, and no dispatch routine is called."""
    driver = driver_of(ndis)
    needs_wrapper(ndis, "NdisMRegisterDevice")
    forbidden = sorted({IRP_MJ_POWER, IRP_MJ_PNP} & major_functions.keys())
    if forbidden:
        ndis.findings.report(NO_PNP, f"NdisMRegisterDevice of {device_name} with a dispatch routine for request 0x{forbidden[0]:x}",
                             subject=(device_name,))
    names = (device_name, symbolic_name)
    if not all(name.startswith("\\") and len(name) > 1 for name in names) or any(name in driver.devices for name in names):
        ndis.refused("NdisMRegisterDevice")
        return NDIS_STATUS_FAILURE, None
    device = NdisDevice(device_name, symbolic_name, dict(major_functions))
    driver.devices.update(dict.fromkeys(names, device))
    driver.claim(device, f"device {device_name}", "NdisMRegisterDevice")
    return NDIS_STATUS_SUCCESS, device


@routine("NdisMDeregisterDevice", irql=PASSIVE, handlers=_DEREGISTER, c="NDIS_STATUS NdisMDeregisterDevice(NDIS_HANDLE NdisDeviceHandle)",
         source="ddi:ndis/nf-ndis-ndismderegisterdevice")
def deregister_device(ndis: Ndis, adapter: Adapter, device: NdisDevice) -> int:
    """Remove a device and its symbolic link, in halt, in the unload handler, or where driver_entry or initialize fails. Returns
    NDIS_STATUS_SUCCESS."""
    driver = driver_of(ndis)
    if driver.devices.get(device.name) is not device:
        ndis.findings.report(ONCE, f"NdisMDeregisterDevice of {device.name}, which is not registered", subject=(device.name,))
        return NDIS_STATUS_SUCCESS
    del driver.devices[device.name], driver.devices[device.symbolic_name]
    driver.release(device)
    return NDIS_STATUS_SUCCESS
