# SPDX-License-Identifier: Apache-2.0
"""Reset resets the card before it touches a descriptor.

Twin of ``flawed/reset_with_dma_on.py``.
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
        """Reset the card, clear the receive ring, give back the packets, start with empty rings."""
        context = adapter.context
        self.reset_card(adapter, context)
        context.rx_ring.fill(0, RING_BYTES)
        self.fail_all_sends(adapter, context)
        context.tx_next = context.tx_done = context.rx_next = 0
        self.start(adapter, context)
        return NDIS_STATUS_SUCCESS, True
