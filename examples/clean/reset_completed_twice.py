# SPDX-License-Identifier: Apache-2.0
"""Reset returns NDIS_STATUS_PENDING, because it calls NdisMResetComplete.

Twin of ``flawed/reset_completed_twice.py``.
"""

from __future__ import annotations

from _base import Context, Example

from miniport.adapter import Adapter
from miniport.context import Ulong
from miniport.status import NDIS_STATUS_PENDING, NDIS_STATUS_SUCCESS


class ResettingContext(Context):
    """With the number of looks at the card."""

    looks = Ulong()


class ResetCompletedTwice(Example):
    """Resets the card at the first look, whether it hangs or not."""

    context_class = ResettingContext

    def check_for_hang(self, adapter: Adapter) -> bool:
        """True at the first look."""
        context = adapter.context
        context.looks += 1
        return bool(context.looks == 1)

    def reset(self, adapter: Adapter) -> tuple[int, bool]:
        """Reset the card, give back the packets, start it with empty rings."""
        context = adapter.context
        self.reset_card(adapter, context)
        self.fail_all_sends(adapter, context)
        context.tx_next = context.tx_done = context.rx_next = 0
        self.start(adapter, context)
        adapter.reset_complete(NDIS_STATUS_SUCCESS, True)
        return NDIS_STATUS_PENDING, True
