# SPDX-License-Identifier: Apache-2.0
"""Halt does not give back the packets that it still has.

Wrong:    halt believes that nothing is on its way any more; a send that came just before is forgotten.
Silicon:  the protocol waits for its packet for ever, and cannot unbind.
Expected: send-complete-once, with halt, under halt#1=send.
Mend:     complete every packet in halt, with NDIS_STATUS_FAILURE.
"""

from __future__ import annotations

from _tough import ToughExample

from miniport.adapter import Adapter


class PacketsKeptInHalt(ToughExample):
    """Ends in a hurry."""

    def halt(self, adapter: Adapter) -> None:  # NAMED HERE
        """Stop the card and undo `initialize`."""
        context = adapter.context
        self.stop(adapter, context)
        context.undo.close()  # FLAW: the ring and the queue may hold packets
