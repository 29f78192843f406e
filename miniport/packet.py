# SPDX-License-Identifier: Apache-2.0
"""NDIS packets and buffers: who owns them, where their bytes lie, and which frame they carry."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from miniport.view import View


class Owner(Enum):
    """Who may touch a packet."""

    PROTOCOL = "the protocol"
    MINIPORT = "the miniport"
    FREE = "nobody"


class NdisBuffer:
    """An NDIS_BUFFER: *length* bytes from *view* on, in nonpaged memory."""

    __slots__ = ("length", "next", "pool", "view")

    def __init__(self, view: View, length: int, pool: Any = None) -> None:
        self.view = view
        self.length = length
        self.next: NdisBuffer | None = None
        self.pool = pool


class Packet:
    """An NDIS_PACKET. A protocol's packet goes down in `send`; a miniport's goes up in `indicate_receive_packet`.

    *status* is what NDIS_SET_PACKET_STATUS sets and NDIS_GET_PACKET_STATUS reads. *reserved* is MiniportReserved: the
    miniport keeps there what it likes while it owns the packet. *scatter_gather* is the list that NDIS built, as
    (logical address, length) pieces, for miniports with scatter/gather DMA.
    """

    __slots__ = ("first", "frame", "last", "number", "owner", "pool", "reserved", "scatter_gather", "status")

    def __init__(self, number: int, pool: Any = None) -> None:
        self.number = number
        self.pool = pool
        self.first: NdisBuffer | None = None
        self.last: NdisBuffer | None = None
        self.owner = Owner.FREE
        self.status = 0
        self.reserved: Any = None
        self.scatter_gather: tuple[tuple[int, int], ...] | None = None
        self.frame = b""
        """For packets of the protocol: the frame they carry."""

    def chain_back(self, buffer: NdisBuffer) -> None:
        """Append a buffer."""
        if self.last is None:
            self.first = self.last = buffer
        else:
            self.last.next = buffer
            self.last = buffer

    def buffers(self) -> list[NdisBuffer]:
        """The chained buffers, in order."""
        chain, buffer = [], self.first
        while buffer is not None:
            chain.append(buffer)
            buffer = buffer.next
        return chain

    @property
    def length(self) -> int:
        """Total bytes of all buffers."""
        return sum(buffer.length for buffer in self.buffers())

    def __repr__(self) -> str:
        return f"<packet {self.number}>"
