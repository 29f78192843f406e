# SPDX-License-Identifier: Apache-2.0
"""HighestAcceptableAddress is inclusive: one more than the card reaches is found whatever the allocator gives."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.breaks("contig-highest-inclusive", "dma-width")
@pytest.mark.keeps("contig-highest-inclusive", "dma-width")
@pytest.mark.parametrize(("limits", "highest", "found"), [
    ("lance-isa", 0xFFFFFF, []), ("lance-isa", 0x1000000, ["dma-width"]), ("lance-isa", 0x1000001, []),
    ("reference", 0x3FFFFFF, []), ("reference", 0x4000000, ["dma-width"]), ("reference", 0x1000000, []),
    ("rtl8139", 0xFFFFFFFF, []), ("rtl8139", 1 << 32, ["dma-width"]), ("tg3-40", 1 << 40, ["dma-width"]),
])
def test_a_highest_address_of_the_first_byte_out_of_reach(live: Any, bare: Any, broken: Any, limits: str, highest: int,
                                                          found: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        block = adapter.mm_allocate_contiguous_memory(0x1000, highest)
        assert block is not None
        adapter.mm_free_contiguous_memory(block)

    world = live(bare(initialize), limits=limits)
    assert broken(world) == found
    for finding in world.machine.findings.errors:
        assert "contig-highest-inclusive" in finding.also and "inclusive" in finding.message
        assert finding.where is not None and finding.where[0] is initialize.__code__


def test_the_bus_offset_is_taken_into_account(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        for highest in (0x4000000, 0x3000000 - 1):
            adapter.mm_free_contiguous_memory(adapter.mm_allocate_contiguous_memory(0x1000, highest))

    assert broken(live(bare(initialize), bus_offset=0x1000000)) == []
    assert broken(live(bare(lambda adapter: adapter.mm_free_contiguous_memory(
        adapter.mm_allocate_contiguous_memory(0x1000, 0x3000000))), bus_offset=0x1000000)) == ["dma-width"]
