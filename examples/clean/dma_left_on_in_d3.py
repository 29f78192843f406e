# SPDX-License-Identifier: Apache-2.0
"""On the way into D3 the miniport stops both engines and the interrupts, and waits until the card says that they are off.

The twin ``flawed/dma_left_on_in_d3.py`` masks the interrupts alone.
"""

from __future__ import annotations

from _base import Context
from _power import PowerExample

from miniport.adapter import Adapter


class DmaLeftOnInD3(PowerExample):
    """Sleeps without a transfer in its dreams."""

    def sleep(self, adapter: Adapter, context: Context) -> None:
        """Stop the card before OID_PNP_SET_POWER is complete: what is on its way then is lost with the power."""
        self.set_asleep(adapter, context, 1)
        self.stop(adapter, context)
