# SPDX-License-Identifier: Apache-2.0
"""The RTL8139 gets its receive configuration while its receiver is off.

Wrong:    RCR is written when the filter is set, but the receiver is switched on only afterwards.
Silicon:  the write is lost without a word: no frame passes the filter, and the ring has another length than the driver believes.
Expected: config-needs-enable, with the write of RCR.
Mend:     set CR.RE first, then write RCR.
"""

from __future__ import annotations

from typing import Any

from miniport.adapter import Adapter
from miniport.rtl8139 import Rtl8139Miniport
from miniport.rtl8139 import hardware as hw


class ConfiguredBeforeEnabled(Rtl8139Miniport):
    """Configures first. All frames are lost: the life has one."""

    machine = {"nic": "rtl8139", "frames": 1}

    def _set_filter(self, adapter: Adapter, context: Any, wanted: int) -> None:
        """Receive everything, and only now let the receiver run."""
        context.kept_filter = hw.RCR_AAP
        adapter.write_register_uchar(context.registers, hw.CR, hw.CR_TE)
        adapter.write_register_ulong(context.registers, hw.RCR, hw.RCR_CONFIG | hw.RCR_AAP)  # FLAW
        adapter.write_register_uchar(context.registers, hw.CR, hw.CR_TE | hw.CR_RE)
