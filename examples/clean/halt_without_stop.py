# SPDX-License-Identifier: Apache-2.0
"""Halt stops both engines, and waits until the card says that they are off.

Twin of ``flawed/halt_without_stop.py``.
"""

from __future__ import annotations

from _base import Example

from miniport.adapter import Adapter


class HaltWithoutStop(Example):
    """Stops the card before its memory goes."""

    def halt(self, adapter: Adapter) -> None:
        """Stop the card, give back the packets, undo initialize."""
        context = adapter.context
        self.stop(adapter, context)
        self.fail_all_sends(adapter, context)
        context.undo.close()
