# SPDX-License-Identifier: Apache-2.0
"""Attributes, shutdown handler, error log: how an adapter introduces itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from miniport import rules
from miniport.handlers import INIT, INIT_OR_HALT, RUN_TIME
from miniport.routine import ANY, PASSIVE, UP_TO_DISPATCH, routine
from miniport.status import (
    NDIS_ATTRIBUTE_BUS_MASTER,
    NDIS_ATTRIBUTE_IGNORE_PACKET_TIMEOUT,
    NDIS_ATTRIBUTE_IGNORE_REQUEST_TIMEOUT,
    NDIS_ATTRIBUTE_INTERMEDIATE_DRIVER,
    NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK,
    NDIS_INTERFACE_ISA,
    NDIS_INTERFACE_PCI,
    NDIS_STATUS_SUCCESS,
)
from miniport.versions import at_least, title
from verifier.events import Kind

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

_TYPES = {"pci": NDIS_INTERFACE_PCI, "isa": NDIS_INTERFACE_ISA}
_FORBIDDEN = (NDIS_ATTRIBUTE_IGNORE_PACKET_TIMEOUT | NDIS_ATTRIBUTE_IGNORE_REQUEST_TIMEOUT
              | NDIS_ATTRIBUTE_INTERMEDIATE_DRIVER)


@routine("NdisMSetAttributesEx", irql=PASSIVE, irql_rule="attr5-passive-init", handlers=INIT, handlers_rule="attr5-passive-init",
         c="VOID NdisMSetAttributesEx(NDIS_HANDLE, NDIS_HANDLE MiniportAdapterContext, UINT CheckForHangTimeInSeconds, "
           "ULONG AttributeFlags, NDIS_INTERFACE_TYPE AdapterType)", source="ddi:ndis/nf-ndis-ndismsetattributesex")
def set_attributes_ex(ndis: Ndis, adapter: Adapter, context: Any, check_for_hang_seconds: int, attribute_flags: int,
                      adapter_type: int) -> None:
    """Register the adapter context and what the NIC is; before anything that claims hardware."""
    report = ndis.findings.report
    if adapter.attributes_set:
        report(rules.ATTRIBUTES_ONCE, "NdisMSetAttributesEx was called before in this initialize", subject=("attributes",))
    if attribute_flags & _FORBIDDEN:
        report(rules.ATTRIBUTES_NO_IGNORE, f"attribute flags 0x{attribute_flags:x} hold 0x{attribute_flags & _FORBIDDEN:x}, which a "
               "NIC driver does not set", subject=("attributes",))
    if attribute_flags & NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK and not at_least(ndis.windows, "xp"):
        report(rules.ATTRIBUTES_SURPRISE, f"{title(ndis.windows)} does not know NDIS_ATTRIBUTE_SURPRISE_REMOVE_OK",
               subject=("attributes",))
    if adapter_type != _TYPES[ndis.nic.bus_kind]:
        report(rules.ATTRIBUTES_TYPE, f"AdapterType is {adapter_type}, and {ndis.nic.name} was found on the {ndis.nic.bus_kind.upper()} "
               f"bus, which is {_TYPES[ndis.nic.bus_kind]}", subject=("attributes",))
    adapter.context = context
    adapter.attributes = attribute_flags
    adapter.attributes_set = True
    adapter.attributes_at = ndis.clock.now
    adapter.check_for_hang_seconds = check_for_hang_seconds
    adapter.interface = adapter_type
    adapter.bus_master = bool(attribute_flags & NDIS_ATTRIBUTE_BUS_MASTER)


@routine("NdisMSetAttributes", irql=PASSIVE, irql_rule="attr5-passive-init", handlers=INIT, handlers_rule="attr5-passive-init",
         c="VOID NdisMSetAttributes(NDIS_HANDLE, NDIS_HANDLE MiniportAdapterContext, BOOLEAN BusMaster, NDIS_INTERFACE_TYPE)",
         source="nt4:103ndisx_129")
def set_attributes(ndis: Ndis, adapter: Adapter, context: Any, bus_master: bool, adapter_type: int) -> None:
    """The NDIS 3 form of NdisMSetAttributesEx."""
    set_attributes_ex(ndis, adapter, context, 0, NDIS_ATTRIBUTE_BUS_MASTER if bus_master else 0, adapter_type)


@routine("NdisMRegisterAdapterShutdownHandler", irql=PASSIVE, handlers=INIT,
         c="VOID NdisMRegisterAdapterShutdownHandler(NDIS_HANDLE, PVOID ShutdownContext, ADAPTER_SHUTDOWN_HANDLER)",
         source="nt4:103ndisx")
def register_adapter_shutdown_handler(ndis: Ndis, adapter: Adapter, context: Any, handler: Callable[..., None]) -> None:
    """NDIS 4 and 5.0: name the shutdown handler, as the last step of a successful initialize."""
    adapter.shutdown_handler = handler
    adapter.shutdown_context = context
    adapter.claim("shutdown handler", "shutdown handler", "NdisMRegisterAdapterShutdownHandler")


@routine("NdisMDeregisterAdapterShutdownHandler", irql=PASSIVE, handlers=INIT_OR_HALT,
         c="VOID NdisMDeregisterAdapterShutdownHandler(NDIS_HANDLE)", source="nt4:103ndisx")
def deregister_adapter_shutdown_handler(ndis: Ndis, adapter: Adapter) -> None:
    """Take the shutdown handler back, first thing in halt."""
    adapter.shutdown_handler = None
    adapter.release("shutdown handler")


@routine("NdisWriteErrorLogEntry", irql=UP_TO_DISPATCH, handlers=RUN_TIME,
         c="VOID NdisWriteErrorLogEntry(NDIS_HANDLE, NDIS_ERROR_CODE, ULONG NumberOfErrorValues, ...)",
         source="ddi:ndis/nf-ndis-ndiswriteerrorlogentry")
def write_error_log_entry(ndis: Ndis, adapter: Adapter, error_code: int, values: tuple[int, ...] = ()) -> None:
    """Write to the system's error log."""
    shown = "".join(f" 0x{value:x}" for value in values)
    ndis.error_log.append(f"error log: code 0x{error_code:08x}{shown}")


@routine("NdisWriteEventLogEntry", irql=UP_TO_DISPATCH, handlers=RUN_TIME, fails=("RESOURCES", "BUFFER_TOO_SHORT"),
         c="NDIS_STATUS NdisWriteEventLogEntry(PVOID LogHandle, ULONG EventCode, ULONG UniqueEventValue, USHORT NumStrings, PVOID "
           "StringsList, ULONG DataSize, PVOID Data)", source="ddi:ndis/nf-ndis-ndiswriteeventlogentry")
def write_event_log_entry(ndis: Ndis, adapter: Adapter, event_code: int, unique_event_value: int, strings: tuple[str, ...] = (),
                          data: bytes = b"") -> int:
    """Write to the system's event log, as protocol drivers do; a miniport calls NdisWriteErrorLogEntry. Returns a status. The page
    gives no number for the most bytes that an entry holds: NDIS_STATUS_BUFFER_TOO_SHORT comes by a fault alone."""
    shown = "".join(f" {string!r}" for string in strings) + (f" {data.hex()}" if data else "")
    ndis.error_log.append(f"event log: code 0x{event_code:08x}, value 0x{unique_event_value:x}{shown}")
    return NDIS_STATUS_SUCCESS


@routine("DbgPrint", irql=ANY, event=False, c="ULONG DbgPrint(PCSTR Format, ...)", source="ddi:wdm/nf-wdm-dbgprint")
def dbg_print(ndis: Ndis, adapter: Adapter, text: str) -> None:
    """Print to the debugger: the text stands in the log of the run."""
    ndis.log.append(text)
    ndis.record((ndis.clock.now, Kind.LOG, ndis.scheduler.current.number, text))
