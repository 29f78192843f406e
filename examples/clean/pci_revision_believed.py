# SPDX-License-Identifier: Apache-2.0
"""A slot whose vendor reads 0xFFFF has no card, and initialize refuses; a revision that is not known has the newest errata.

Twin of ``flawed/pci_revision_believed.py``.
"""

from __future__ import annotations

from contextlib import ExitStack

from _base import Context
from _tough import ToughExample

from miniport import status as s
from miniport.adapter import Adapter

REVISION = 8
LOG_BYTES = (512, 1024)
"""By revision of the card, how much its errata want logged."""


class PciRevisionBelieved(ToughExample):
    """Looks up what is wrong with its card."""

    def claim_receive_packet(self, adapter: Adapter, context: Context, undo: ExitStack) -> int:
        """A log as large as the revision wants it, and as in the base."""
        status: int
        header = adapter.read_pci_slot_information(0, 0, 16)
        if not header:
            return s.NDIS_STATUS_ADAPTER_NOT_FOUND
        if header[:2] == b"\xff\xff":
            return s.NDIS_STATUS_ADAPTER_NOT_FOUND
        length = LOG_BYTES[min(header[REVISION], len(LOG_BYTES) - 1)]
        status, log = adapter.allocate_memory_with_tag(length, "Log ")
        if log is None:
            return status
        undo.callback(adapter.free_memory, log, length)
        return super().claim_receive_packet(adapter, context, undo)
