# SPDX-License-Identifier: Apache-2.0
"""NDIS_ATTRIBUTE_USES_SAFE_BUFFER_APIS promises that no other form is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from miniport.status import NDIS_ATTRIBUTE_BUS_MASTER, NDIS_ATTRIBUTE_USES_SAFE_BUFFER_APIS

PLAIN = {
    "NdisQueryBuffer": lambda adapter, packet: adapter.query_buffer(packet.first),
    "NdisGetFirstBufferFromPacket": lambda adapter, packet: adapter.get_first_buffer_from_packet(packet),
    "NdisCopyFromPacketToPacket": lambda adapter, packet: adapter.copy_from_packet_to_packet(packet, 0, 0, packet, 0),
}
SAFE = {
    "NdisQueryBufferSafe": lambda adapter, packet: adapter.query_buffer_safe(packet.first),
    "NdisGetFirstBufferFromPacketSafe": lambda adapter, packet: adapter.get_first_buffer_from_packet_safe(packet),
    "NdisCopyFromPacketToPacketSafe": lambda adapter, packet: adapter.copy_from_packet_to_packet_safe(packet, 0, 0, packet, 0),
}


@pytest.fixture
def found(live: Any, bare: Any, broken: Any) -> Callable[..., list[str]]:
    """The rules that one call on an own packet breaks, under attributes with *flags*."""

    def run(call: Callable[[Any, Any], object], flags: int) -> list[str]:
        def initialize(adapter: Any) -> None:
            _, packets = adapter.allocate_packet_pool(1)
            _, buffers = adapter.allocate_buffer_pool(1)
            _, memory = adapter.allocate_memory_with_tag(64, "Test")
            _, packet = adapter.allocate_packet(packets)
            _, buffer = adapter.allocate_buffer(buffers, memory, 64)
            adapter.chain_buffer_at_back(packet, buffer)
            call(adapter, packet)
            adapter.free_buffer(adapter.unchain_buffer_at_front(packet))
            adapter.free_packet(packet)
            adapter.free_memory(memory, 64)
            adapter.free_buffer_pool(buffers)
            adapter.free_packet_pool(packets)

        rules: list[str] = broken(live(bare(initialize, attributes=NDIS_ATTRIBUTE_BUS_MASTER | flags)))
        return rules

    return run


@pytest.mark.breaks("attr5-other-flags")
@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_form_breaks_the_promise(found: Any, name: str) -> None:
    assert found(PLAIN[name], NDIS_ATTRIBUTE_USES_SAFE_BUFFER_APIS) == ["attr5-other-flags"]


@pytest.mark.keeps("attr5-other-flags")
@pytest.mark.parametrize("name", SAFE)
def test_the_safe_form_keeps_it(found: Any, name: str) -> None:
    assert found(SAFE[name], NDIS_ATTRIBUTE_USES_SAFE_BUFFER_APIS) == []


@pytest.mark.keeps("attr5-other-flags")
@pytest.mark.parametrize("name", PLAIN)
def test_without_the_flag_nothing_was_promised(found: Any, name: str) -> None:
    assert found(PLAIN[name], 0) == []
