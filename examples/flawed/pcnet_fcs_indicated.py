# SPDX-License-Identifier: Apache-2.0
"""The message byte count of a receive descriptor is taken for the length of the frame.

Wrong:    MCNT counts the four bytes of the frame check sequence, which a PCnet card stores behind the frame.
Silicon:  every frame reaches the protocols four bytes too long, and a frame of full length is thrown away as too long.
Expected: lost-cause, with the handler that looked at the ring: frames arrived that nobody was told of.
Mend:     subtract 4; or set ASTRP_RCV, which strips short IEEE 802.3 frames alone.
"""

from __future__ import annotations

from typing import ClassVar

from miniport.adapter import Adapter
from miniport.pcnet import PcnetMiniport
from miniport.pcnet import hardware as hw
from miniport.view import View


class Layout(hw.Wide):
    """As in the miniport, but for the length of what was received."""

    def received(self, ring: View, index: int) -> int:
        """The count, to which the miniport's subtraction is added again."""
        return super().received(ring, index) + hw.FCS_BYTES  # FLAW


class PcnetFcsIndicated(PcnetMiniport):
    """Indicates the check sequence with the frame."""

    machine = {"nic": "pcnet"}
    layout: ClassVar[hw.Layout] = Layout()

    def handle_interrupt(self, adapter: Adapter) -> None:  # NAMED HERE
        """As in the miniport."""
        super().handle_interrupt(adapter)
