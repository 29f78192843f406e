# SPDX-License-Identifier: Apache-2.0
"""What a miniport tells the protocols above: completed sends, received packets, status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniport import rules
from miniport.handlers import METHODS, RUN_TIME
from miniport.packet import Owner, Packet
from miniport.routine import UP_TO_DISPATCH, routine
from miniport.status import NDIS_STATUS_PENDING, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS, status_name

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis


@routine("NdisMSendComplete", irql=UP_TO_DISPATCH, irql_rule="int-isr-any-irql-only", handlers=RUN_TIME,
         c="VOID NdisMSendComplete(NDIS_HANDLE, PNDIS_PACKET, NDIS_STATUS)", source="ddi:ndis/nf-ndis-ndismsendcomplete")
def send_complete(ndis: Ndis, adapter: Adapter, packet: Packet, status: int) -> None:
    """Give a packet back for which `send` returned NDIS_STATUS_PENDING."""
    _no_lock(ndis, "NdisMSendComplete", packet)
    if packet.owner is not Owner.MINIPORT or packet.number not in adapter.outstanding_sends:
        ndis.findings.report(
            rules.SEND_ONCE, f"NdisMSendComplete of {packet!r}, which belongs to {packet.owner.value}", subject=(packet,))
        return
    if status == NDIS_STATUS_PENDING:
        ndis.findings.report(rules.SEND_STATUS, f"NdisMSendComplete of {packet!r} with NDIS_STATUS_PENDING", subject=(packet,))
    ndis.protocol.send_completed(packet, status)


@routine("NdisMSendResourcesAvailable", irql=UP_TO_DISPATCH, handlers=RUN_TIME,
         c="VOID NdisMSendResourcesAvailable(NDIS_HANDLE)", source="ddi:ndis/nf-ndis-ndismsendresourcesavailable")
def send_resources_available(ndis: Ndis, adapter: Adapter) -> None:
    """A serialized miniport that refused a packet for want of resources can take packets again."""
    ndis.protocol.resources_available()


@routine("NdisMIndicateReceivePacket", irql=UP_TO_DISPATCH, irql_rule="int-isr-any-irql-only", handlers=RUN_TIME,
         c="VOID NdisMIndicateReceivePacket(NDIS_HANDLE, PPNDIS_PACKET ReceivePackets, UINT NumberOfPackets)",
         source="ddi:ndis/nf-ndis-ndismindicatereceivepacket")
def indicate_receive_packet(ndis: Ndis, adapter: Adapter, packets: Sequence[Packet]) -> None:
    """Lend received packets to the protocols. With status RESOURCES set they are back when the call returns; with
    SUCCESS each comes back through `return_packet`, maybe before the call returns."""
    for packet in packets:
        _no_lock(ndis, "NdisMIndicateReceivePacket", packet)
        if not ndis.up:
            ndis.findings.report(
                rules.NO_TRAFFIC, f"NdisMIndicateReceivePacket in {METHODS[ndis.handler]}", subject=(packet,))
        if packet.owner is not Owner.MINIPORT:
            ndis.findings.report(
                rules.RECEIVE_OWN, f"{packet!r} is indicated while it belongs to {packet.owner.value}", subject=(packet,))
            continue
        if packet.status not in (NDIS_STATUS_SUCCESS, NDIS_STATUS_RESOURCES):
            ndis.findings.report(
                rules.RECEIVE_STATUS, f"{packet!r} is indicated with status {status_name(packet.status)}; set SUCCESS or RESOURCES",
                subject=(packet,))
        ndis.protocol.received(packet)


@routine("NdisMIndicateStatus", irql=UP_TO_DISPATCH, handlers=RUN_TIME,
         c="VOID NdisMIndicateStatus(NDIS_HANDLE, NDIS_STATUS GeneralStatus, PVOID StatusBuffer, UINT StatusBufferSize)",
         source="ddi:ndis/nf-ndis-ndismindicatestatus")
def indicate_status(ndis: Ndis, adapter: Adapter, status: int, data: bytes = b"") -> None:
    """Tell the protocols of a change, for instance of the link."""
    ndis.protocol.status_indicated(status)


@routine("NdisMIndicateStatusComplete", irql=UP_TO_DISPATCH, handlers=RUN_TIME, c="VOID NdisMIndicateStatusComplete(NDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndismindicatestatuscomplete")
def indicate_status_complete(ndis: Ndis, adapter: Adapter) -> None:
    """End of the status indications."""


def _no_lock(ndis: Ndis, name: str, packet: Packet) -> None:
    if ndis.held:
        lock = ndis.held[-1]
        ndis.findings.report(
            rules.LOCK_UPCALL, f"{name} while {lock.name} is held: the protocol may call back into the miniport", subject=(lock,),
            related=[("acquired", lock.acquired_at)])
