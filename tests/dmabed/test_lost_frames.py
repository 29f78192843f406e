# SPDX-License-Identifier: Apache-2.0
"""A frame that stays away is told with what the card knows of it: that it dropped it, or that nothing of the card runs."""

from __future__ import annotations

from typing import Any

import pytest

from dmabed.bed import Bed
from miniport import status as s
from miniport.miniport import Miniport
from miniport.reference import ReferenceMiniport

CTRL = 0x04


class Deaf(ReferenceMiniport):
    """Says yes to the packet filter and leaves the card's at 0."""

    def set_information(self, adapter: Any, oid: int, data: bytes) -> tuple[int, int, int]:
        return s.NDIS_STATUS_SUCCESS, len(data), 0


class Stopped(ReferenceMiniport):
    """Switches the engines off at the end of initialize, and never asks for a reset."""

    check_for_hang = Miniport.check_for_hang

    def initialize(self, adapter: Any) -> int:
        status = super().initialize(adapter)
        adapter.write_register_ulong(adapter.context.registers, CTRL, 0)
        return status


@pytest.mark.parametrize("miniport, says", [
    (Deaf, "nic0 dropped 2 frame(s): filtered"), (Stopped, "no engine of nic0 runs and none of its rings is live")])
def test_a_lost_cause_names_what_the_card_knows(miniport: type[Miniport], says: str) -> None:
    result = Bed(miniport, frames=2).run()
    told = [each for finding in result["findings"] for each in (finding, *finding["consequences"]) if each["rule"] == "lost-cause"]
    assert len(told) == 1 and says in told[0]["message"]
