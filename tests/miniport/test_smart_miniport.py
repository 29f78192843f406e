# SPDX-License-Identifier: Apache-2.0
"""The miniport of the smart NIC: clean wherever it lives, and its boot step takes whatever file and card do."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from allocator.frames import Placement
from dmabed.bed import Bed
from dmabed.result import timeline, verdict_of
from dmabed.spec import LIVES, WorldSpec
from dmabed.world import World, run_world
from firmware.elf import pack
from firmware.image import ImageError, parse
from miniport import status as s
from miniport.smart import SerializedSmartMiniport, SmartMiniport, boot, driver
from miniport.smart import hardware as smart
from miniport.smart.boot import ATTEMPTS, IMAGE_FILE, SmartCore

VARIANTS = (SmartMiniport, SerializedSmartMiniport)
BASE = Path(boot.__file__).resolve().parent
IMAGE = driver.FILES[IMAGE_FILE]
MIXED = Path(__file__).resolve().parents[1] / "data" / "mixed.pcap"


def life(miniport: type[SmartCore] = SmartMiniport, **options: Any) -> World:
    return run_world(WorldSpec(nic="smart", **options), miniport, BASE)


def clean(world: World) -> tuple[list[str], str, int]:
    return [finding.message for finding in world.machine.findings.errors], verdict_of(world), world.lost


CLEAN: tuple[list[str], str, int] = ([], "clean", 0)


def with_file(image: bytes, base: type[SmartCore] = SmartMiniport) -> type[SmartCore]:
    return type("Other", (base,), {"files": {IMAGE_FILE: image}})


def calls(world: World, routine: str) -> int:
    return sum(row["text"].startswith(f"{routine} ->") for row in timeline(world))


def test_it_is_the_miniport_of_its_nic() -> None:
    assert Bed(nic="smart").miniport is SmartMiniport


def test_image_is_made_of_the_elf_file_beside_it() -> None:
    images = Path(driver.__file__).resolve().parents[2] / "firmware" / "images"
    assert pack((images / "smart.elf").read_bytes(), parse(IMAGE).version) == IMAGE


@pytest.mark.parametrize("end", LIVES)
@pytest.mark.parametrize("miniport", VARIANTS)
def test_every_life_is_clean_at_every_place(miniport: type[SmartCore], end: str) -> None:
    for number, placement in enumerate(Placement):
        spec = {"life": end, "placement": placement.value, "seed": 7 * number + 1, "adapters": number % 3 + 1, "frames": 3 + 20 * (number % 2),
                "processors": 1 + number % 3}
        assert clean(life(miniport, **spec)) == CLEAN, spec


@pytest.mark.parametrize("windows", ["2000", "xp", "2003", "vista", "7"])
@pytest.mark.parametrize("miniport", VARIANTS)
def test_every_windows_is_clean(miniport: type[SmartCore], windows: str) -> None:
    assert clean(life(miniport, windows=windows)) == CLEAN


def test_every_order_is_clean() -> None:
    for seed, processors in product(range(1, 6), (1, 2, 4)):
        assert clean(life(seed=seed, processors=processors, frames=20)) == CLEAN, (seed, processors)


@pytest.mark.parametrize("options", [
    {"iommu": True}, {"incoherent": True}, {"msi": True}, {"bus_offset": 0x100_0000}, {"address_bits": 24, "boundary": 0x10000},
    {"address_bits": 40, "boundary": 0}], ids=str)
def test_every_condition_is_clean(options: dict[str, Any]) -> None:
    assert clean(life(**options)) == CLEAN


def test_a_whole_capture_goes_through() -> None:
    world = life(pcap=str(MIXED))
    assert clean(world) == CLEAN and world.sent == world.received > 100


# The boot step

def test_download_block_is_freed_exactly_in_halt() -> None:
    world = life()
    lengths = [1 << (len(IMAGE) - 1).bit_length()]
    blocks = [row for row in timeline(world) if row["text"].startswith("NdisMFreeSharedMemory ->")]
    assert blocks and lengths and not any(block.live for block in world.machine.book.made)


def test_file_is_open_in_initialize_alone() -> None:
    world = life()
    assert [calls(world, f"Ndis{name}File") for name in ("Open", "Map", "Unmap", "Close")] == [1, 1, 1, 1]


@pytest.mark.parametrize(("fault", "status"), [
    ("NdisOpenFile#1=FILE_NOT_FOUND", s.NDIS_STATUS_FILE_NOT_FOUND), ("NdisOpenFile#1=RESOURCES", s.NDIS_STATUS_RESOURCES),
    ("NdisOpenFile#1=ERROR_READING_FILE", s.NDIS_STATUS_ERROR_READING_FILE), ("NdisMapFile#1", s.NDIS_STATUS_ALREADY_MAPPED)])
def test_file_that_cannot_be_had_is_refused_with_its_status(fault: str, status: int) -> None:
    world = life(faults=(fault,))
    assert (verdict_of(world), world.machine.findings.errors, world.ndis.adapter.status) == ("refused", [], status)
    assert f"{status:x}" in world.ndis.error_log[-1]
