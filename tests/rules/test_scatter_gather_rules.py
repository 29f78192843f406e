# SPDX-License-Identifier: Apache-2.0
"""Scatter/gather DMA of NDIS 5: the longest packet, and how long a list is good for."""

from __future__ import annotations

from typing import Any

import pytest

from dmabed.world import World
from miniport import status as s
from tests.rules.test_contexts import in_initialize, rules


def sends(live: Any, bare: Any, longest: int = 1514, **handlers: Any) -> World:
    """A life in which every packet is refused, whose list the handlers may look at."""
    handlers.setdefault("send", lambda adapter, packet, flags: s.NDIS_STATUS_FAILURE)
    world: World = live(bare(lambda adapter: adapter.initialize_scatter_gather_dma(False, longest) and None, **handlers), frames=40,
                        limits="pci32-16m")
    return world


@pytest.mark.breaks("sg5-max-mapping")
@pytest.mark.keeps("sg5-max-mapping")
@pytest.mark.parametrize("longest, found", [(1500, True), (1513, True), (1514, False), (1515, False), (65536, False)])
def test_the_largest_mapping_is_the_longest_packet(live: Any, bare: Any, longest: int, found: bool) -> None:
    world = sends(live, bare, longest)
    assert ("sg5-max-mapping" in rules(world)) == found
    if found:
        finding = next(finding for finding in world.machine.findings.errors if finding.rule.id == "sg5-max-mapping")
        assert finding.where is not None and finding.message.endswith(f"MaximumPhysicalMapping is {longest}")


@pytest.mark.breaks("sg5-list-lifetime")
@pytest.mark.keeps("sg5-list-lifetime")
@pytest.mark.parametrize("late", [False, True])
def test_the_card_reads_a_packet_before_it_is_completed(live: Any, bare: Any, late: bool) -> None:
    kept: list[tuple[int, int]] = []

    def send(adapter: Any, packet: Any, flags: int) -> int:
        kept[:] = packet.scatter_gather
        if not late:
            fetches(adapter)
        return s.NDIS_STATUS_FAILURE

    def fetches(adapter: Any) -> None:
        adapter.nic.dma.bus_master = True
        for address, length in kept:
            adapter.nic.dma.read(address, length, "test")

    handlers = {"halt": fetches} if late else {}
    world = sends(live, bare, send=send, **handlers)
    assert kept and ("sg5-list-lifetime" in rules(world)) == late
    for finding in world.machine.findings.errors:
        if finding.rule.id == "sg5-list-lifetime":
            assert finding.also == ("mapreg-valid-window",)


@pytest.mark.breaks("sg5-no-mapregs")
def test_scatter_gather_takes_the_place_of_map_registers(bare: Any) -> None:
    def initialize(adapter: Any) -> None:
        adapter.initialize_scatter_gather_dma(False, 1514)
        if adapter.allocate_map_registers(0, s.NDIS_DMA_32BITS, 1, 1514) == s.NDIS_STATUS_SUCCESS:
            adapter.free_map_registers()

    [finding] = in_initialize(bare, initialize, limits="rtl8139").machine.findings.errors
    assert finding.rule.id == "mapreg-or-sg" and finding.also == ("sg5-no-mapregs",)


@pytest.mark.keeps("sg5-no-mapregs")
def test_scatter_gather_alone_is_fine(bare: Any) -> None:
    def initialize(adapter: Any) -> None:
        assert adapter.initialize_scatter_gather_dma(False, 1514) == s.NDIS_STATUS_SUCCESS

    assert rules(in_initialize(bare, initialize, limits="rtl8139")) == set()
