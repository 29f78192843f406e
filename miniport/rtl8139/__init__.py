# SPDX-License-Identifier: Apache-2.0
"""The miniport of the RTL8139C: the reference miniport over a card without descriptors. Read `core`, after `miniport.reference.core`."""

from miniport.rtl8139.driver import Rtl8139Miniport

__all__ = ["Rtl8139Miniport"]
