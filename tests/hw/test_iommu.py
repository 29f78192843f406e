# SPDX-License-Identifier: Apache-2.0
"""An IOMMU admits a device to the pages that are mapped for it at this moment, and stops it at all others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dmabed.result import as_json
from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from hw.dma import DmaPort
from hw.limits import PRESETS
from hw.machine import Machine
from miniport.reference import ReferenceMiniport
from verifier.address_book import Block, BlockKind

HERE = Path(__file__).parent
PAGE = 4096
BLOCK = 0x20_0F00
"""Where the tests' block begins: 0x100 bytes before the end of a page."""


class Bench:
    """A machine with an IOMMU, one device, and one block of 0x200 bytes across a page boundary."""

    def __init__(self, build: Callable[..., Machine], enter: Callable[..., Block], **options: Any) -> None:
        self.machine = build(ram=16 << 20, iommu=True)
        self.block = enter(self.machine, "buffer", BLOCK, 0x200, **options)
        self.machine.ram.write(0x20_0000, bytes(4 * PAGE))
        self.port = self.machine.dma_port("nic0", 0, PRESETS["reference"])
        self.port.bus_master = True

    @property
    def stopped(self) -> list[tuple[int, int, bool]]:
        assert self.machine.iommu is not None
        return [(record.address, record.length, record.writes) for record in self.machine.iommu.records]


@pytest.fixture
def bench(build: Callable[..., Machine], enter: Callable[..., Block]) -> Callable[..., Bench]:
    return lambda **options: Bench(build, enter, **options)


@pytest.mark.parametrize(("address", "length"), [(BLOCK, 0x200), (BLOCK, 1), (BLOCK + 0x1FF, 1)])
def test_a_mapped_block_is_reached_to_its_last_byte(bench: Any, address: int, length: int) -> None:
    rig = bench()
    assert rig.port.read(address, length, "test") == bytes(length)
    assert rig.port.write(address, bytes(length), "test") and rig.stopped == []
    assert rig.machine.findings.errors == []


@pytest.mark.parametrize(("address", "admitted"), [
    (0x20_0000, True), (0x20_1FFF, True), (0x20_2000, False), (0x1F_FFFF, False), (0x20_1FFE, True)])
def test_pages_are_what_an_iommu_knows_and_bytes_are_what_the_bed_knows(bench: Any, address: int, admitted: bool) -> None:
    """Outside the block every access is a finding; it is stopped only where no byte of the page is mapped."""
    rig = bench()
    data = rig.port.read(address, 1, "test")
    assert (data is not None) is admitted
    assert rig.stopped == ([] if admitted else [(address, 1, False)])
    assert [finding.rule.id for finding in rig.machine.findings.errors] == ["dma-stray"]


def test_an_access_that_begins_in_a_mapped_page_and_ends_in_another_is_stopped_whole(bench: Any) -> None:
    rig = bench()
    assert not rig.port.write(0x20_1FFF, b"\x01\x02", "test")
    rig.port.flush()
    assert rig.stopped == [(0x20_1FFF, 2, True)] and rig.machine.ram.read(0x20_1FFF, 2) == bytes(2)


@pytest.mark.breaks("hal-iommu")
def test_contiguous_memory_is_mapped_for_nobody(bench: Any) -> None:
    rig = bench(kind=BlockKind.CONTIGUOUS)
    for _ in range(2):
        assert rig.port.read(BLOCK, 4, "test") is None
    assert [finding.rule.id for finding in rig.machine.findings.errors] == ["hal-iommu"]
    assert rig.machine.findings.errors[0].bugcheck == "0xE6/0x26" and len(rig.stopped) == 2


def test_without_an_iommu_contiguous_memory_is_reached(build: Any, enter: Any) -> None:
    machine = build(ram=16 << 20)
    enter(machine, "buffer", BLOCK, 0x200, kind=BlockKind.CONTIGUOUS)
    machine.ram.write(BLOCK, bytes(0x200))
    port: DmaPort = machine.dma_port("nic0", 0, PRESETS["reference"])
    port.bus_master = True
    assert port.read(BLOCK, 4, "test") == bytes(4) and machine.iommu is None
    assert machine.findings.errors == []


def test_a_mapping_that_is_over_is_stale(bench: Any) -> None:
    rig = bench()
    assert rig.port.write(BLOCK, b"\x07", "test")
    rig.port.flush()
    rig.block.device_reads = rig.block.device_writes = 0
    rig.block.was_mapped = True
    assert not rig.port.write(BLOCK, b"\x08", "test") and rig.port.read(BLOCK, 1, "test") is None
    rig.port.flush()
    assert rig.machine.ram.read(BLOCK, 1) == b"\x07"
    assert rig.stopped == [(BLOCK, 1, True), (BLOCK, 1, False)]
    assert rig.machine.findings.errors[0].rule.id == "mapreg-valid-window"


@pytest.mark.parametrize(("reads", "writes"), [(True, False), (False, True)])
def test_a_mapping_holds_in_its_direction(bench: Any, reads: bool, writes: bool) -> None:
    rig = bench(device_reads=reads, device_writes=writes)
    assert (rig.port.read(BLOCK, 1, "test") is not None) is reads
    assert rig.port.write(BLOCK, b"\x01", "test") is writes
    assert len(rig.stopped) == 1


def test_a_neighbours_device_has_mappings_of_its_own(bench: Any) -> None:
    rig = bench(adapter=1)
    assert rig.port.read(BLOCK, 1, "test") is None and rig.stopped == [(BLOCK, 1, False)]


# Whole lives


def life(**options: Any) -> World:
    return run_world(WorldSpec(iommu=True, **options), ReferenceMiniport, HERE)


@pytest.mark.keeps("hal-iommu")
@pytest.mark.parametrize("limits", ["reference", "lance-isa", "rtl8139", "tg3-40"])
@pytest.mark.parametrize("bus_offset", [0, 1 << 20])
def test_the_reference_miniport_never_meets_the_iommu(limits: str, bus_offset: int) -> None:
    world = life(limits=limits, bus_offset=bus_offset)
    result = as_json(world)
    assert (result["verdict"], result["iommu_faults"]) == ("clean", []) and world.received == 8


def test_the_replay_line_names_the_iommu_and_the_result_its_records() -> None:
    class Early(ReferenceMiniport):
        def halt(self, adapter: Any) -> None:
            adapter.context.undo.close()

    world = run_world(WorldSpec(iommu=True), Early, HERE)
    result = as_json(world)
    assert " --iommu " in result["replay"] and result["findings"]
    assert result["iommu_faults"] and {record["device"] for record in result["iommu_faults"]} == {"nic0"}
    assert "iommu_faults" not in as_json(run_world(WorldSpec(), ReferenceMiniport, HERE))
