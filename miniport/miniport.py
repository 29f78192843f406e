# SPDX-License-Identifier: Apache-2.0
"""The base class of a Python miniport: handlers that NDIS calls, and what the miniport says of itself.

A miniport subclasses `Miniport` and overrides handlers. Each gets the adapter first; `adapter.context` is what
`initialize` passed to `adapter.set_attributes_ex`. Changing state belongs in that context: assigning another attribute
of the miniport object after construction is a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from miniport import rules
from miniport.status import NDIS_STATUS_BAD_VERSION, NDIS_STATUS_NOT_SUPPORTED, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from miniport.versions import CHARACTERISTICS_LENGTH
from verifier.findings import Findings

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.driver import Driver
    from miniport.packet import Packet
    from miniport.view import View

class Miniport:
    """Base of all Python miniports."""

    ndis_versions: ClassVar[tuple[tuple[int, int], ...]] = ((5, 1), (5, 0))
    """The NDIS versions that the miniport can register, the preferred one first: (5, 1), (5, 0) or (4, 0). It registers the
    first that the machine's Windows takes, as a DriverEntry does that tries again after NDIS_STATUS_BAD_VERSION."""
    machine: ClassVar[dict[str, Any]] = {}
    """Options of the machine that the miniport needs, named as on the command line; the line wins."""
    registry: ClassVar[dict[str, int | str]] = {}
    """Values that NdisReadConfiguration finds. A backslash stands before the name of a value of a subkey: ``Rings\\Size``."""
    files: ClassVar[dict[str, bytes]] = {}
    """Files that NdisOpenFile finds, by name."""

    _findings: Findings | None = None

    def driver_entry(self, driver: Driver) -> int:
        """DriverEntry, at PASSIVE_LEVEL, once and before any `initialize`: begin with `driver.initialize_wrapper`, register the class
        with `driver.register_miniport`, and, where that or something else fails, `driver.terminate_wrapper`. Returns a status.
        What it takes through *driver* an unload handler gives back: `driver.register_unload_handler`.

        Here: register the first of `ndis_versions` that the machine's Windows takes."""
        if not driver.initialize_wrapper():
            return NDIS_STATUS_RESOURCES
        status = NDIS_STATUS_BAD_VERSION
        for version in driver.versions:
            status = driver.register_miniport(*version, CHARACTERISTICS_LENGTH[version])
            if status != NDIS_STATUS_BAD_VERSION:
                break
        if status != NDIS_STATUS_SUCCESS:
            driver.terminate_wrapper()
        return status

    def initialize(self, adapter: Adapter) -> int:
        """MiniportInitialize, at PASSIVE_LEVEL: claim everything and start the NIC. Returns a status, never PENDING."""
        raise NotImplementedError

    def halt(self, adapter: Adapter) -> None:
        """MiniportHalt, at PASSIVE_LEVEL: stop the NIC and release everything that initialize claimed."""
        raise NotImplementedError

    def shutdown(self, adapter: Adapter) -> None:
        """MiniportShutdown, at any IRQL: stop the NIC. Release nothing."""

    def isr(self, adapter: Adapter) -> tuple[bool, bool]:
        """MiniportISR, at DIRQL. Returns (interrupt recognized, queue handle_interrupt)."""
        raise NotImplementedError

    def handle_interrupt(self, adapter: Adapter) -> None:
        """MiniportHandleInterrupt, at DISPATCH_LEVEL: serve what the ISR saw."""
        raise NotImplementedError

    def enable_interrupt(self, adapter: Adapter) -> None:
        """MiniportEnableInterrupt: let the NIC interrupt again, after handle_interrupt."""

    def disable_interrupt(self, adapter: Adapter) -> None:
        """MiniportDisableInterrupt: mask the NIC, for miniports that did not ask for their ISR."""
        raise NotImplementedError

    def send(self, adapter: Adapter, packet: Packet, flags: int) -> int:
        """MiniportSend: send a packet. SUCCESS: done; PENDING: `adapter.send_complete` follows; RESOURCES: only from a
        serialized miniport, NDIS asks again."""
        raise NotImplementedError

    def send_packets(self, adapter: Adapter, packets: list[Packet]) -> None:
        """MiniportSendPackets: send packets in order, at most as many as OID_GEN_MAXIMUM_SEND_PACKETS says. A miniport that
        supplies it is never called at `send`. A serialized one sets the status of each packet, as `send` returns it: from the
        first RESOURCES on, NDIS keeps the rest and asks again. A deserialized one completes each with `adapter.send_complete`."""
        raise NotImplementedError

    def transfer_data(self, adapter: Adapter, packet: Packet, context: Any, byte_offset: int, bytes_to_transfer: int,
                      ) -> tuple[int, int]:
        """MiniportTransferData: copy a part of the frame that `adapter.eth_indicate_receive` showed with *context* into the buffers
        of *packet*; offset 0 is the first byte behind the header. Returns (status, bytes copied); after PENDING
        `adapter.transfer_data_complete` follows."""
        raise NotImplementedError

    def return_packet(self, adapter: Adapter, packet: Packet) -> None:
        """MiniportReturnPacket: an indicated packet comes back."""
        raise NotImplementedError

    def query_information(self, adapter: Adapter, oid: int, length: int) -> tuple[int, bytes, int]:
        """MiniportQueryInformation for a buffer of *length* bytes. Returns (status, bytes written, bytes needed); after PENDING
        `adapter.query_information_complete` follows."""
        return NDIS_STATUS_NOT_SUPPORTED, b"", 0

    def set_information(self, adapter: Adapter, oid: int, data: bytes) -> tuple[int, int, int]:
        """MiniportSetInformation. Returns (status, number of bytes read, bytes needed); after PENDING
        `adapter.set_information_complete` follows."""
        return NDIS_STATUS_NOT_SUPPORTED, 0, 0

    def check_for_hang(self, adapter: Adapter) -> bool:
        """MiniportCheckForHang, at DISPATCH_LEVEL every 2 s of virtual time or as NdisMSetAttributesEx says. True: reset the card."""
        return False

    def reset(self, adapter: Adapter) -> tuple[int, bool]:
        """MiniportReset, at DISPATCH_LEVEL, after `check_for_hang` said True or a request or packet timed out. Returns (status,
        addressing reset): with True NDIS sets filter and multicast list again. After PENDING `adapter.reset_complete` follows. A
        serialized miniport forgets its packets; a deserialized one completes them before the reset is complete."""
        return NDIS_STATUS_SUCCESS, False

    def pnp_event_notify(self, adapter: Adapter, event: str, information: bytes) -> None:
        """MiniportPnPEventNotify (NDIS 5.1), at PASSIVE_LEVEL: *event* is ``surprise-removed``, with no *information*, or
        ``power-profile-changed``, with a ULONG: NDIS_POWER_PROFILE_BATTERY or NDIS_POWER_PROFILE_AC_ONLINE. NDIS 5 delivers no
        other event: it deals with the queries to stop and to remove a device by itself."""

    def allocate_complete(self, adapter: Adapter, virtual: View | None, physical: int, length: int, context: Any) -> None:
        """MiniportAllocateComplete, at DISPATCH_LEVEL, from Windows Vista on at PASSIVE_LEVEL: an asynchronous allocation is
        over. *virtual* is None and *length* 0 if it failed; *context* is what the call gave."""
        raise NotImplementedError

    def overrides(self, handler: str) -> bool:
        """True if the miniport supplies *handler* itself."""
        return getattr(type(self), handler, None) is not getattr(Miniport, handler, None)

    def __setattr__(self, name: str, value: Any) -> None:
        findings = self._findings
        if findings is not None and name != "_findings":
            findings.report(
                rules.STATE_UNDECLARED, f"self.{name} is assigned after construction: state outside the adapter context is seen "
                "by no check", subject=(name,))
        object.__setattr__(self, name, value)
