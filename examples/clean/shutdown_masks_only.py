# SPDX-License-Identifier: Apache-2.0
"""The shutdown handler stops both engines and reads a register back.

Twin of ``flawed/shutdown_masks_only.py``.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter
from miniport.reference import hardware as hw


class ShutdownMasksOnly(Example):
    """Leaves a card that does nothing."""

    machine = {"life": "power-off"}

    def shutdown(self, adapter: Adapter) -> None:
        """Mask the interrupts, stop the engines, read STATUS."""
        registers = adapter.context.registers
        adapter.write_register_ulong(registers, hw.MASK, 0)
        adapter.write_register_ulong(registers, hw.CTRL, 0)
        adapter.read_register_ulong(registers, hw.STATUS)
