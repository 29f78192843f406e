# SPDX-License-Identifier: Apache-2.0
"""Packets may be completed in another order than they went out; frames are compared as they were handed down."""

from __future__ import annotations

from typing import Any

import pytest

from miniport.reference import ReferenceMiniport
from miniport.status import NDIS_STATUS_SUCCESS


class Backwards(ReferenceMiniport):
    """Completes what the card has sent, the last packet first."""

    def handle_interrupt(self, adapter: Any) -> None:
        class Reversed:
            """The adapter, which keeps completions back."""

            def __init__(self) -> None:
                self.kept: list[tuple[Any, int]] = []

            def __getattr__(self, name: str) -> Any:
                return getattr(adapter, name)

            def send_complete(self, packet: Any, status: int) -> None:
                self.kept.append((packet, status))

        held = Reversed()
        super().handle_interrupt(held)  # type: ignore[arg-type]
        for packet, status in reversed(held.kept):
            assert status == NDIS_STATUS_SUCCESS
            adapter.send_complete(packet, status)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_completions_in_another_order_change_no_frame(live: Any, seed: int) -> None:
    order: list[int] = []
    kept = ReferenceMiniport.send

    class Watched(Backwards):
        def send(self, adapter: Any, packet: Any, flags: int) -> int:
            order.append(packet.number)
            return kept(self, adapter, packet, flags)

    world = live(Watched, frames=40, seed=seed)
    assert world.machine.findings.errors == [] and (world.sent, world.received, world.lost) == (40, 40, 0)
    assert world.ndis.protocol.sent_numbers == sorted(order)
