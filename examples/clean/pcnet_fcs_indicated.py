# SPDX-License-Identifier: Apache-2.0
"""The frame check sequence is no part of the frame.

Twin of ``flawed/pcnet_fcs_indicated.py``.
"""

from __future__ import annotations

from miniport.pcnet import PcnetMiniport


class PcnetFcsIndicated(PcnetMiniport):
    """As the miniport."""

    machine = {"nic": "pcnet"}
