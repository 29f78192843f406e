# SPDX-License-Identifier: Apache-2.0
"""The driver as DriverEntry and the unload handler see it: what it registered, and what all its adapters share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from miniport.adapter import Adapter

if TYPE_CHECKING:
    from miniport.ndis import Ndis


class Driver(Adapter):
    """What `Miniport.driver_entry` gets: every routine of an adapter, where its page allows the call, without a card.

    What is claimed through it belongs to the driver, and is given back by the unload handler, or by a driver_entry that fails.
    `context` is the driver's to use: its globals, for all adapters.
    """

    __slots__ = ("devices", "registered", "unload_handler", "versions", "wrapper")

    def __init__(self, ndis: Ndis, versions: tuple[tuple[int, int], ...]) -> None:
        super().__init__(ndis, ndis.nic, ndis.nic.adapter)
        self.versions = versions
        """The NDIS versions that the driver tries to register, the preferred one first."""
        self.wrapper = False
        """True from NdisMInitializeWrapper to NdisTerminateWrapper."""
        self.registered: tuple[int, int] | None = None
        """The NDIS version of the miniport that NdisMRegisterMiniport registered."""
        self.unload_handler: Callable[[Driver], Any] | None = None
        self.devices: dict[str, Any] = {}
        """Devices of NdisMRegisterDevice by their names and by their symbolic names."""
