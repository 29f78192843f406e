# SPDX-License-Identifier: Apache-2.0
"""The buffers lie in another window of 16 MB than rings and initialization block.

Wrong:    in the 16-bit software style an Am79C970A takes bits 31 to 24 of every address from CSR2, and each block is allocated alone.
Silicon:  the card reads and writes at the same place of the initialization block's window: memory of somebody else.
Expected: dma-window, with the store that gives the buffer to the card.
Mend:     allocate one block for everything, placed inside one window; or select a 32-bit software style.
"""

from __future__ import annotations

from typing import ClassVar

from miniport.adapter import Adapter
from miniport.pcnet import PcnetMiniport
from miniport.pcnet import hardware as hw
from miniport.reference import core as reference
from miniport.reference.hardware import Limits
from miniport.view import View

WINDOW = 16 << 20


class Layout(hw.Narrow):
    """As in the miniport; the last store of a descriptor is made here."""

    def hand_over(self, ring: View, index: int, address: int, length: int, flags: int) -> None:
        """The count first; then flags and the upper byte of the address, which share a word."""
        ring.write_ushort(8 * index + 4, hw.count_of(length))
        ring.write_ushort(8 * index + 6, 0)
        ring.write_ushort(8 * index + 2, hw.OWN | flags | address >> 16 & 0xFF)  # NAMED HERE


class PcnetTwoWindows(PcnetMiniport):
    """In software style 0, as after a reset."""

    machine = {"nic": "pcnet"}
    layout: ClassVar[hw.Layout] = Layout()
    limits: ClassVar[Limits] = Limits(address_bits=32, boundary=WINDOW, alignment=8)  # FLAW: no piece crosses a window, and that is all

    def _select_style(self, adapter: Adapter, context: reference.Context) -> bool:
        """The one that the card has."""
        return True
