# SPDX-License-Identifier: Apache-2.0
"""Reset writes the rings anew while the card works with them.

Wrong:    nothing stops the engines before the descriptors are cleared.
Silicon:  the card goes on with descriptors that it has taken, and stores frames and states over the cleared ring.
Expected: desc-owner, with the store.
Mend:     reset the card, or stop both engines and wait, before a descriptor is touched.
"""

from __future__ import annotations

from _base import RING_BYTES, Context, Example

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.status import NDIS_STATUS_SUCCESS


class ResettingContext(Context):
    """With the number of looks at the card."""

    looks = Ulong()


class ResetWithDmaOn(Example):
    """Resets at the first look, whether the card hangs or not."""

    context_class = ResettingContext

    def check_for_hang(self, adapter: Adapter) -> bool:
        """True at the first look."""
        context = adapter.context
        context.looks += 1
        return bool(context.looks == 1)

    def reset(self, adapter: Adapter) -> tuple[int, bool]:
        """Clear the receive ring, reset the card, give back the packets, start with empty rings."""
        context = adapter.context
        context.rx_ring.fill(0, RING_BYTES)  # FLAW
        self.reset_card(adapter, context)
        self.fail_all_sends(adapter, context)
        context.tx_next = context.tx_done = context.rx_next = 0
        self.start(adapter, context)
        return NDIS_STATUS_SUCCESS, True
