# SPDX-License-Identifier: Apache-2.0
"""What silicon does with an address that its limits forbid: exactly the bytes that the truncated or wrapped address names
are overwritten or sent, and the result says so. With checks on the same bytes move and a finding tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dmabed.result import as_json
from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from miniport.miniport import Miniport
from miniport.reference import ReferenceMiniport
from miniport.reference import hardware as hw
from miniport.status import NDIS_ATTRIBUTE_BUS_MASTER, NDIS_INTERFACE_PCI, NDIS_STATUS_SUCCESS

KIB, MIB, GIB, PAGE = 1 << 10, 1 << 20, 1 << 30, 4096
HERE = Path(__file__).parent
FRAME = bytes.fromhex("ffffffffffff 020dbeffff01 88b5") + bytes(n * 7 + 1 & 0xFF for n in range(1500))


class Seen:
    """Memory before and after one transfer, and where the ring lies."""

    def __init__(self) -> None:
        self.before: dict[int, bytes] = {}
        self.after: dict[int, bytes] = {}
        self.ring = 0
        self.buffer = 0
        self.failed = False

    def changed(self) -> dict[int, int]:
        """Address and new value of each byte that changed, but for the status that the card writes into its ring."""
        found = {}
        for page, content in self.after.items():
            old = self.before.get(page, bytes(PAGE))
            if old != content:
                found.update({page * PAGE + n: new for n, (was, new) in enumerate(zip(old, content, strict=True)) if was != new})
        return {at: value for at, value in found.items() if not self.ring <= at < self.ring + 64}


def image(ram: Any) -> dict[int, bytes]:
    return {page: bytes(ram.backing.cells[page * PAGE:(page + 1) * PAGE]) for page in ram.touched()}


def careless(at: int, offset: int, seen: Seen, fill: tuple[int, int, int], *, transmit: bool = False,
             length: int | None = None) -> type[Miniport]:
    """A miniport that gives the card a buffer at physical address *at* without a look at the card's limits. *fill*
    is an address, a length and a value: what lies where silicon goes instead. *length* is what the descriptor says instead
    of the truth."""

    class Careless(Miniport):
        ndis_versions = ((5, 1),)

        def initialize(self, adapter: Any) -> int:
            adapter.set_attributes_ex(None, 0, NDIS_ATTRIBUTE_BUS_MASTER, NDIS_INTERFACE_PCI)
            _, resources = adapter.query_adapter_resources()
            memory = next(r for r in resources if r.kind == "memory")
            _, window = adapter.map_io_space(memory.start, memory.length)
            first = at // PAGE * PAGE
            ring = adapter.mm_allocate_contiguous_memory_specify_cache(PAGE, MIB + 64 * KIB, MIB + 128 * KIB - 1, 0, 0)
            block = adapter.mm_allocate_contiguous_memory_specify_cache(2 * PAGE, first, first + 2 * PAGE - 1, 0, 0)
            seen.ring, seen.buffer = ring.block.physical, block.block.physical
            machine = adapter._ndis.machine
            machine.ram.write(fill[0], bytes([fill[2]]) * fill[1])
            block.write(0, bytes(2 * PAGE))
            if transmit:
                block.write(at - first, FRAME)
            own = hw.OWN | (hw.END if transmit else 0)
            stated = length or (len(FRAME) if transmit else 2048)
            ring.write(0, hw.DESCRIPTOR.pack(at + offset, stated, own) + bytes(48))
            base, tail, enable = (hw.TX_BASE_LO, hw.TX_TAIL, hw.CTRL_TX_ENABLE) if transmit else (
                hw.RX_BASE_LO, hw.RX_TAIL, hw.CTRL_RX_ENABLE)
            write = adapter.write_register_ulong
            write(window, base, seen.ring + offset & 0xFFFFFFFF)
            write(window, base + 4, seen.ring + offset >> 32)
            write(window, base + 8, 4)
            write(window, hw.FILTER, hw.FILTER_PROMISCUOUS)
            seen.before = image(machine.ram)
            write(window, hw.CTRL, enable)
            write(window, tail, 1)
            adapter.sleep(10)
            if not transmit:
                machine.wire.deliver(FRAME)
            adapter.sleep(1000)
            seen.after = image(machine.ram)
            seen.failed = bool(adapter.read_register_ulong(window, hw.CAUSE) & hw.CAUSE_DMA_ERROR)
            write(window, hw.CTRL, 0)
            adapter.read_register_ulong(window, hw.STATUS)
            adapter.mm_free_contiguous_memory(block)
            adapter.mm_free_contiguous_memory(ring)
            adapter.unmap_io_space(window, memory.length)
            return NDIS_STATUS_SUCCESS

        def halt(self, adapter: Any) -> None:
            pass

        def handle_interrupt(self, adapter: Any) -> None:
            pass

    return Careless


def lands(start: int, index: int, bits: int, boundary: int) -> int:
    """Oracle: the device address of byte *index* of a transfer at *start*: bits above the width are gone, and a counter
    without carry stays in its window."""
    reach = 1 << bits
    window = boundary if 0 < boundary < reach else reach
    first = start % reach
    return first // window * window + (first + index) % window


def run(seen: Seen, miniport: type[Miniport], **options: Any) -> World:
    world = run_world(WorldSpec(**{"frames": 0, "ram": 8 * GIB, "silicon": True, **options}), miniport, HERE)
    assert world.outcome == "ran" and world.status == NDIS_STATUS_SUCCESS
    assert seen.after and seen.buffer
    return world


RAM = ((0, 640 * KIB), (MIB, 3 * GIB - MIB), (4 * GIB, 4 * GIB))
CASES = [
    # Above the width, in whole: bits dropped.
    (26, 16 * MIB, 64 * MIB + 0x1000, 0), (26, 0, 2 * GIB + 5 * MIB + 0x123, 0), (24, 0, 17 * MIB, 0), (32, 0, 4 * GIB + 0x500000, 0),
    (24, 16 * MIB, GIB + 3 * MIB + 1, 0), (26, 0, 64 * MIB + 0x2000, 16 * MIB),
    # Across a boundary: the counter wraps. One byte before, in the middle, one byte behind the last.
    (26, 16 * MIB, 16 * MIB - 1, 0), (26, 16 * MIB, 16 * MIB - 700, 0), (26, 16 * MIB, 16 * MIB - len(FRAME) + 1, 0),
    (32, 64 * KIB, 2 * MIB - 100, 0), (32, 64 * KIB, 2 * MIB - 100, 64 * KIB), (32, 16 * MIB, GIB - 2, 0),
    # Across the end of the width.
    (24, 0, 16 * MIB - 600, 0), (26, 16 * MIB, 64 * MIB - 600, 0),
    # Legal: nothing is corrupted.
    (26, 16 * MIB, 16 * MIB - len(FRAME), 0), (26, 16 * MIB, 16 * MIB, 0), (26, 16 * MIB, 5 * MIB + 3, 0),
]


@pytest.mark.parametrize("silicon", [True, False], ids=["unchecked", "checked"])
@pytest.mark.parametrize("bits, boundary, at, offset", CASES)
def test_a_received_frame_overwrites_exactly_what_the_wrong_address_names(bits: int, boundary: int, at: int, offset: int,
                                                                          silicon: bool) -> None:
    targets = [lands(at + offset, n, bits, boundary) - offset for n in range(len(FRAME))]
    low = min(targets) // PAGE * PAGE
    seen = Seen()
    world = run(seen, careless(at, offset, seen, (low, 2 * PAGE, 0x5C)), address_bits=bits, boundary=boundary, ram_ranges=RAM,
                bus_offset=offset, silicon=silicon)
    expected = {}
    for target, value in zip(targets, FRAME, strict=True):
        old = seen.before.get(target // PAGE, bytes(PAGE))[target % PAGE]
        if old != value:
            expected[target] = value
    assert seen.changed() == expected

    astray = [target for n, target in enumerate(targets) if target != at + n]
    told = [a for c in world.nic.dma.corrupted for a in range(c.physical, c.physical + c.length)]
    assert told == astray
    if silicon:
        result = as_json(world)
        assert result["verdict"] == "unchecked" and result["findings"] == []
        assert [a for c in result["corrupted"] for a in range(c["address"], c["address"] + c["length"])] == astray
    else:
        broken = [f.rule.id for f in world.machine.findings.errors]
        wide = at + offset + len(FRAME) > 1 << bits
        # Nobody indicates the frame: that is all there is to tell of a legal transfer.
        assert broken == (["lost-cause"] if not astray else ["dma-width"] if wide else ["dma-boundary"])


@pytest.mark.parametrize("bits, boundary, at, offset", CASES)
def test_a_sent_frame_holds_exactly_what_lies_where_the_wrong_address_goes(bits: int, boundary: int, at: int, offset: int) -> None:
    targets = [lands(at + offset, n, bits, boundary) - offset for n in range(len(FRAME))]
    low = min(targets) // PAGE * PAGE
    seen = Seen()
    world = run(seen, careless(at, offset, seen, (low, 2 * PAGE, 0x5C), transmit=True), address_bits=bits, boundary=boundary,
                ram_ranges=RAM, bus_offset=offset)
    expected = bytes(seen.before.get(t // PAGE, bytes(PAGE))[t % PAGE] for t in targets)
    assert world.machine.wire.sent == [expected]
    assert seen.changed() == {} and world.nic.dma.corrupted == []


@pytest.mark.parametrize("limits, at", [("b44", GIB + 0x1000), ("b44", GIB - 100), ("e1000-64k", 2 * MIB - 100)])
@pytest.mark.parametrize("transmit", [False, True])
def test_where_silicon_reaches_no_host_memory_nothing_moves_and_the_card_tells(limits: str, at: int, transmit: bool) -> None:
    seen = Seen()
    world = run(seen, careless(at, 0, seen, (3 * MIB, PAGE, 0x5C), transmit=transmit), limits=limits)
    assert seen.changed() == {} and world.nic.dma.corrupted == [] and world.machine.wire.sent == []
    assert seen.failed


@pytest.mark.parametrize("length", [4097, 0xA5A5A5A5, 0xFFFFFFFF])
@pytest.mark.parametrize("at", [3 * MIB, 64 * MIB + 3 * MIB])
def test_a_length_beyond_the_counter_of_the_card_moves_nothing_at_all(at: int, length: int) -> None:
    seen = Seen()
    world = run(seen, careless(at, 0, seen, (3 * MIB, PAGE, 0x5C), transmit=True, length=length), address_bits=26)
    assert seen.changed() == {} and world.machine.wire.sent == [] and seen.failed


def test_the_owner_of_the_overwritten_bytes_is_named() -> None:
    seen = Seen()
    world = run(seen, careless(64 * MIB + 0x100000, 0, seen, (MIB, 16, 1)), address_bits=26, boundary=0)
    [hit] = as_json(world)["corrupted"]
    assert hit["address"] == MIB and hit["length"] == len(FRAME)
    assert "memory" in hit["owner"]


def test_an_address_without_memory_behind_it_corrupts_nothing() -> None:
    seen = Seen()
    world = run(seen, careless(64 * MIB + 700 * KIB, 0, seen, (MIB, 16, 1)), address_bits=26, boundary=0)
    assert seen.changed() == {} and as_json(world)["corrupted"] == []


def test_a_clean_miniport_corrupts_nothing_and_its_verdict_is_unchecked() -> None:
    world = run_world(WorldSpec(silicon=True), ReferenceMiniport, HERE)
    result = as_json(world)
    assert (result["verdict"], result["corrupted"], result["findings"]) == ("unchecked", [], [])
    assert result["frames"] == {"sent": 8, "received": 8, "lost": 0, "padded": 0}
