# SPDX-License-Identifier: Apache-2.0
"""A descriptor is changed while the card owns it.

Wrong:    a flag is set in the descriptor after the doorbell, when the card has it already.
Silicon:  the card works with what it has taken, and later writes its status over the change.
Expected: desc-owner, with the store.
Mend:     write the flag with the ownership bit, and leave the descriptor alone until the card has handed it back.
"""

from __future__ import annotations

from _base import CONTROL, DESCRIPTOR_BYTES, Context, Example

from miniport.adapter import Adapter
from miniport.packet import Packet
from miniport.reference import hardware as hw

MARK = 1
"""A bit that the card does not look at when it sends."""


class DescriptorRewritten(Example):
    """Marks the descriptor after the doorbell."""

    def transmit(self, adapter: Adapter, context: Context, packet: Packet) -> None:
        """As in the base, and mark the descriptor."""
        slot = context.tx_next
        super().transmit(adapter, context, packet)
        adapter.read_register_ulong(context.registers, hw.TX_TAIL)
        (context.tx_ring + slot * DESCRIPTOR_BYTES).write_ulong(CONTROL, hw.OWN | hw.END | MARK)  # FLAW
