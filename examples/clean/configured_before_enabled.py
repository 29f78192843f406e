# SPDX-License-Identifier: Apache-2.0
"""The RTL8139 gets its receive configuration when its receiver is on.

Twin of ``flawed/configured_before_enabled.py``.
"""

from __future__ import annotations

from typing import Any

from miniport.adapter import Adapter
from miniport.rtl8139 import Rtl8139Miniport
from miniport.rtl8139 import hardware as hw


class ConfiguredBeforeEnabled(Rtl8139Miniport):
    """Enables first."""

    machine = {"nic": "rtl8139", "frames": 1}

    def _set_filter(self, adapter: Adapter, context: Any, wanted: int) -> None:
        """Receive everything from now on, whatever NDIS asks for."""
        context.kept_filter = hw.RCR_AAP
        adapter.write_register_ulong(context.registers, hw.RCR, hw.RCR_CONFIG | hw.RCR_AAP)
