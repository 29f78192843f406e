# SPDX-License-Identifier: Apache-2.0
"""The ISA card with slave DMA as its miniport sees it, in the words of the data sheet (docs/nics/isa-slave.md)."""

from __future__ import annotations

CTRL, STATUS, CAUSE, MASK, COMMAND, LENGTH, RX_LENGTH, FILTER = range(0x00, 0x10, 2)
MAC_0, MAC_1, MAC_2, JUMPERS = range(0x10, 0x18, 2)

CTRL_RESET, CTRL_RX_ENABLE = 1, 2
STATUS_LINK, STATUS_BUSY = 1, 2
CAUSE_DONE, CAUSE_RX_FRAME, CAUSE_DMA_ERROR, CAUSE_LINK_CHANGE, CAUSE_MISSED = 1, 2, 4, 8, 16
ALL_CAUSES = 0x1F
COMMAND_TRANSMIT, COMMAND_RECEIVE, COMMAND_DROP = 1, 2, 3
FILTER_DIRECTED, FILTER_BROADCAST, FILTER_MULTICAST, FILTER_PROMISCUOUS = 1, 2, 4, 8
FIRST_WORD_CHANNEL = 5
GONE = 0xFFFF
"""What every register reads when the card is gone."""
