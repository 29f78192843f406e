# SPDX-License-Identifier: Apache-2.0
"""What a miniport tells the protocols above: completed sends, received packets, status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from miniport import rules
from miniport.handlers import METHODS, RUN_TIME
from miniport.packet import Owner, Packet
from miniport.routine import UP_TO_DISPATCH, routine
from miniport.status import NDIS_STATUS_PENDING, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS, status_name
from miniport.view import View
from verifier.address import PAGE_SIZE
from verifier.rule import Severity, rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

RESOURCES_SERIALIZED = rule(
    "send-resources-serialized", "queue packets in the miniport: only a serialized one refuses them and says when it takes them again",
    severity=Severity.WARNING)
NO_TRANSFER = rule(
    "receive-no-transfer-complete", "indicate either whole packets, or the beginning of frames whose rest is transferred",
    severity=Severity.WARNING)
STATUS_UP = rule(
    "status-while-up", "indicate status between the return of initialize and the call of halt", severity=Severity.WARNING,
    also=("halt-no-status-after",))

_HEADER_BYTES = 14


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
    if not adapter.serialized:
        ndis.findings.report(
            RESOURCES_SERIALIZED, "NdisMSendResourcesAvailable by a deserialized miniport, to which NDIS leaves the queue",
            subject=("resources",))
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
        ndis.protocol.receiving.whole_packets = True
        ndis.protocol.receiving.received(packet)


@routine("NdisMEthIndicateReceive", irql=UP_TO_DISPATCH, handlers=RUN_TIME,
         c="VOID NdisMEthIndicateReceive(NDIS_HANDLE, NDIS_HANDLE MiniportReceiveContext, PVOID HeaderBuffer, UINT HeaderBufferSize, "
           "PVOID LookaheadBuffer, UINT LookaheadBufferSize, UINT PacketSize)", source="ddi:ndis/nf-ndis-ndismethindicatereceive")
def eth_indicate_receive(ndis: Ndis, adapter: Adapter, context: Any, header: View, header_size: int, lookahead: View,
                         lookahead_size: int, packet_size: int) -> None:
    """Show the protocols the beginning of a received frame; *packet_size* is without the header. They may call `transfer_data` for
    the rest before the call returns. For serialized miniports."""
    what = ("lookahead", len(ndis.protocol.receiving.frames))
    _no_lock(ndis, "NdisMEthIndicateReceive")
    if not ndis.up:
        ndis.findings.report(rules.NO_TRAFFIC, f"NdisMEthIndicateReceive in {METHODS[ndis.handler]}", subject=what)
    if not isinstance(header, View) or not isinstance(lookahead, View):
        raise TypeError("header and lookahead are views of memory")
    problem = ("a deserialized miniport indicates packets with NdisMIndicateReceivePacket" if not adapter.serialized else
               f"a header of {header_size} bytes is shown, an Ethernet header has {_HEADER_BYTES}" if header_size != _HEADER_BYTES else
               f"{lookahead_size} bytes are shown of a packet of {packet_size}" if not 0 <= lookahead_size <= packet_size else
               f"a packet of {packet_size} bytes is shown; the longest frame of the wire has {PAGE_SIZE} bytes with its header" if
               packet_size > PAGE_SIZE - _HEADER_BYTES else
               f"more bytes are shown than {header!r} and {lookahead!r} have" if header_size > header.length or
               lookahead_size > lookahead.length else "")
    if problem:
        ndis.findings.report(rules.LOOKAHEAD, problem, subject=what)
        return
    ndis.protocol.receiving.incomplete = True
    ndis.protocol.receiving.looked_at(context, header, header_size, lookahead, lookahead_size, packet_size)


@routine("NdisMEthIndicateReceiveComplete", irql=UP_TO_DISPATCH, handlers=RUN_TIME,
         c="VOID NdisMEthIndicateReceiveComplete(NDIS_HANDLE)", source="ddi:ndis/nf-ndis-ndismethindicatereceivecomplete")
def eth_indicate_receive_complete(ndis: Ndis, adapter: Adapter) -> None:
    """End of the calls of NdisMEthIndicateReceive of this handler: the protocols may work on what they took."""
    _no_lock(ndis, "NdisMEthIndicateReceiveComplete")
    ndis.protocol.receiving.incomplete = False


@routine("NdisMTransferDataComplete", irql=UP_TO_DISPATCH, handlers=RUN_TIME,
         c="VOID NdisMTransferDataComplete(NDIS_HANDLE, PNDIS_PACKET, NDIS_STATUS, UINT BytesTransferred)",
         source="ddi:ndis/nf-ndis-ndismtransferdatacomplete")
def transfer_data_complete(ndis: Ndis, adapter: Adapter, packet: Packet, status: int, bytes_transferred: int) -> None:
    """The part of a frame is in *packet*, for which `transfer_data` returned NDIS_STATUS_PENDING."""
    _no_lock(ndis, "NdisMTransferDataComplete", packet)
    if ndis.protocol.receiving.whole_packets:
        ndis.findings.report(
            NO_TRANSFER, "NdisMTransferDataComplete by a miniport that indicates packets with NdisMIndicateReceivePacket",
            subject=("transfer",))
    if packet.number not in ndis.protocol.receiving.transfers or status == NDIS_STATUS_PENDING:
        ndis.findings.report(
            rules.TRANSFER_ONCE, f"NdisMTransferDataComplete of {packet!r} with {status_name(status)}; it belongs to "
            f"{packet.owner.value}", subject=(packet,))
    if packet.number in ndis.protocol.receiving.transfers:
        ndis.protocol.receiving.transferred(packet, status, bytes_transferred)


@routine("NdisMIndicateStatus", irql=UP_TO_DISPATCH, handlers=RUN_TIME,
         c="VOID NdisMIndicateStatus(NDIS_HANDLE, NDIS_STATUS GeneralStatus, PVOID StatusBuffer, UINT StatusBufferSize)",
         source="ddi:ndis/nf-ndis-ndismindicatestatus")
def indicate_status(ndis: Ndis, adapter: Adapter, status: int, data: bytes = b"") -> None:
    """Tell the protocols of a change, for instance of the link."""
    _no_lock(ndis, "NdisMIndicateStatus")
    _up(ndis, "NdisMIndicateStatus")
    ndis.protocol.status_incomplete = ndis.up
    ndis.protocol.status_indicated(status)


@routine("NdisMIndicateStatusComplete", irql=UP_TO_DISPATCH, handlers=RUN_TIME, c="VOID NdisMIndicateStatusComplete(NDIS_HANDLE)",
         source="ddi:ndis/nf-ndis-ndismindicatestatuscomplete")
def indicate_status_complete(ndis: Ndis, adapter: Adapter) -> None:
    """End of the status indications."""
    _no_lock(ndis, "NdisMIndicateStatusComplete")
    _up(ndis, "NdisMIndicateStatusComplete")
    ndis.protocol.status_incomplete = False


def _up(ndis: Ndis, name: str) -> None:
    if not ndis.up:
        ndis.findings.report(STATUS_UP, f"{name} in {METHODS[ndis.handler]}", subject=("status",))


def _no_lock(ndis: Ndis, name: str, packet: Packet | None = None) -> None:
    if ndis.held:
        lock = ndis.held[-1]
        ndis.findings.report(
            rules.LOCK_UPCALL, f"{name} while {lock.name} is held: the protocol may call back into the miniport", subject=(lock,),
            related=[("acquired", lock.acquired_at)])
