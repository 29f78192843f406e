# SPDX-License-Identifier: Apache-2.0
"""What NdisReadPciSlotInformation gives is used without a look at it.

Wrong:    the revision is taken for an index of a table of errata; a slot that does not answer says 0xFF.
Silicon:  the driver follows a pointer from behind its table.
Expected: miniport-exception, with the line that uses the revision, under NdisReadPciSlotInformation#1=all-ones.
Mend:     a slot whose vendor reads 0xFFFF has no card: refuse; and bound the revision.
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
        length = LOG_BYTES[header[REVISION]]  # FLAW
        status, log = adapter.allocate_memory_with_tag(length, "Log ")
        if log is None:
            return status
        undo.callback(adapter.free_memory, log, length)
        return super().claim_receive_packet(adapter, context, undo)
