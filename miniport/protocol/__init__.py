# SPDX-License-Identifier: Apache-2.0
"""The protocol above a miniport, and what NDIS does between the two: sends, receives, requests, time-outs and reset.

It is unkind, within what the documents allow, and the seed decides how: packets come in fragments, receives are held and
returned out of order, requests and changes of the filter come while packets are out.
"""

from miniport.protocol.packets import EXTRA_FRAME, padded
from miniport.protocol.upper_edge import IN_FLIGHT, Protocol, exchange

__all__ = ["EXTRA_FRAME", "IN_FLIGHT", "Protocol", "exchange", "padded"]
