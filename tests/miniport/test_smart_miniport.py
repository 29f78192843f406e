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
from firmware import layout
from firmware.elf import pack
from firmware.image import parse
from hw.clock import MS
from hw.nic.smart import SmartNic
from hw.nic.smart_registers import State
from miniport import status as s
from miniport.smart import SerializedSmartMiniport, SmartMiniport, boot, driver
from miniport.smart.boot import ATTEMPTS, IMAGE_FILE, SmartCore
from verifier.address_book import BlockKind

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


def refusals(world: World) -> list[str]:
    return [finding.rule.id for finding in world.machine.findings.errors]


WITHOUT_FAULT = ["initialize-failed-without-fault"]
"""What the bed says of a driver that refuses although no routine failed: a bad image is no fault of the machine."""


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
        spec = {"life": end, "placement": placement.value, "seed": 7 * number + 1, "adapters": number % 3 + 1,
                "frames": 3 + 20 * (number % 2), "processors": 1 + number % 3}
        assert clean(life(miniport, **spec)) == CLEAN, spec


@pytest.mark.parametrize("windows", ["2000", "xp", "2003", "vista", "7"])
@pytest.mark.parametrize("miniport", VARIANTS)
def test_every_windows_is_clean(miniport: type[SmartCore], windows: str) -> None:
    assert clean(life(miniport, windows=windows)) == CLEAN


def test_every_order_is_clean() -> None:
    for seed, processors in product(range(1, 6), (1, 2, 4)):
        assert clean(life(seed=seed, processors=processors, frames=20)) == CLEAN, (seed, processors)


@pytest.mark.parametrize("options", [{"iommu": True}, {"incoherent": True}, {"msi": True}, {"bus_offset": 0x10000}], ids=str)
def test_every_condition_is_clean(options: dict[str, Any]) -> None:
    assert clean(life(**options)) == CLEAN


def test_a_whole_capture_goes_through() -> None:
    world = life(pcap=str(MIXED))
    assert clean(world) == CLEAN and world.sent == world.received > 100


# The boot step

def test_download_block_is_freed_exactly_in_halt() -> None:
    world = life()
    shared = [block for block in world.machine.book.made if block.kind is BlockKind.SHARED]
    assert sum(block.size >= len(IMAGE) for block in shared) >= 1 and not any(block.live for block in shared)
    assert calls(world, "NdisMAllocateSharedMemory") == calls(world, "NdisMFreeSharedMemory") == 4


def test_file_is_open_in_initialize_alone() -> None:
    world = life(faults=("firmware#1=assertion",))
    assert [calls(world, f"Ndis{name}File") for name in ("Open", "Map", "Unmap", "Close")] == [1, 1, 1, 1]
    assert world.ndis.calls["reset"] == 1


@pytest.mark.parametrize(("fault", "status"), [
    ("NdisOpenFile#1=FILE_NOT_FOUND", s.NDIS_STATUS_FILE_NOT_FOUND), ("NdisOpenFile#1=RESOURCES", s.NDIS_STATUS_RESOURCES),
    ("NdisOpenFile#1=ERROR_READING_FILE", s.NDIS_STATUS_ERROR_READING_FILE), ("NdisMapFile#1", s.NDIS_STATUS_ALREADY_MAPPED)])
def test_file_that_cannot_be_had_is_refused_with_its_status(fault: str, status: int) -> None:
    world = life(faults=(fault,))
    assert (verdict_of(world), world.machine.findings.errors, world.status) == ("refused", [], status)
    assert f"0x{status:x}" in world.ndis.error_log[-1]


def test_file_that_is_not_there_is_refused() -> None:
    bare = type("Bare", (SmartMiniport,), {"files": {}})
    world = life(bare)
    assert (verdict_of(world), world.status) == ("refused", s.NDIS_STATUS_FILE_NOT_FOUND)


def places() -> dict[str, int]:
    """A byte in the header, in the table, and in each payload of the image."""
    header = layout.header().parse(IMAGE[:layout.HEADER_BYTES])
    found, at = {"header": 8, "table": layout.HEADER_BYTES + 4}, layout.HEADER_BYTES + header.segment_count * layout.ROW_BYTES
    for number in range(header.segment_count):
        found[f"segment {number}"] = at
        at += layout.row().parse(IMAGE[layout.HEADER_BYTES + number * layout.ROW_BYTES:]).file_length
    return found


@pytest.mark.parametrize("place", places())
@pytest.mark.parametrize("miniport", VARIANTS)
def test_image_that_the_card_refuses_is_tried_again_and_then_refused(miniport: type[SmartCore], place: str) -> None:
    bad = bytearray(IMAGE)
    bad[places()[place]] ^= 1
    world = life(with_file(bytes(bad), miniport))
    assert (refusals(world), world.status) == (WITHOUT_FAULT, s.NDIS_STATUS_DEVICE_FAILED)
    error = 3 if place == "header" else 4
    assert world.ndis.error_log == [f"error log: code 0xc000138a 0x5 0x{error:x} 0x0 0x0"] * ATTEMPTS + [
        f"error log: code 0xc0001389 0x{s.NDIS_STATUS_DEVICE_FAILED:x}"]
    assert not any(block.live for block in world.machine.book.made)


@pytest.mark.parametrize(("image", "status"), [
    (b"", s.NDIS_STATUS_DEVICE_FAILED), (IMAGE[:36], s.NDIS_STATUS_DEVICE_FAILED), (IMAGE + bytes(4), s.NDIS_STATUS_DEVICE_FAILED),
    (bytes(1 << 20), s.NDIS_STATUS_DEVICE_FAILED), (bytes((1 << 20) + 1), s.NDIS_STATUS_ERROR_READING_FILE)],
    ids=["empty", "header alone", "longer than it says", "1 MiB", "over 1 MiB"])
def test_file_of_a_wrong_length_is_refused(image: bytes, status: int) -> None:
    world = life(with_file(image))
    assert (refusals(world), world.status) == (WITHOUT_FAULT, status)


@pytest.mark.parametrize(("fault", "logged"), [
    ("image#1=corrupt-header", "0x5 0x3 0x0"), ("image#1=corrupt-0", "0x5 0x4 0x0"), ("boot#1=hang", "0x6 0x7 0x0"),
    ("boot#1=assertion", "0x6 0x8 0xffff0000"), ("boot#1=wrong-version", "0x3 0x0 0x0")])
@pytest.mark.parametrize("miniport", VARIANTS)
def test_card_that_boots_at_the_second_attempt_works(miniport: type[SmartCore], fault: str, logged: str) -> None:
    world = life(miniport, faults=(fault,))
    assert clean(world) == CLEAN and world.not_fired == []
    assert [entry.startswith(f"error log: code 0xc000138a {logged}") for entry in world.ndis.error_log] == [True]


@pytest.mark.parametrize("fault", ["image#1+=corrupt-1", "boot#1+=hang", "boot#1+=assertion", "boot#1+=wrong-version"])
def test_card_that_never_boots_is_refused_in_bounded_time(fault: str) -> None:
    world = life(faults=(fault,))
    assert (verdict_of(world), world.machine.findings.errors, world.status) == ("refused", [], s.NDIS_STATUS_DEVICE_FAILED)
    assert len(world.ndis.error_log) == ATTEMPTS + 1 and world.machine.clock.now < 100 * MS
    assert not any(block.live for block in world.machine.book.made)


@pytest.mark.parametrize("fault", ["boot#3=hang", "image#3=corrupt-0"])
def test_last_attempt_counts(fault: str) -> None:
    earlier = tuple(f"{fault.split('#')[0]}#{n}={fault.split('=')[1]}" for n in (1, 2))
    assert clean(life(faults=earlier)) == CLEAN
    assert verdict_of(life(faults=(*earlier, fault))) == "refused"


@pytest.mark.parametrize("effect", ["hang", "assertion"])
@pytest.mark.parametrize("miniport", VARIANTS)
def test_program_that_dies_is_found_logged_and_brought_again(miniport: type[SmartCore], effect: str) -> None:
    world = life(miniport, faults=(f"firmware#4={effect}",))
    assert [finding.message for finding in world.machine.findings.errors] == [] and world.not_fired == []
    assert world.ndis.calls["reset"] == 1 and calls(world, "NdisOpenFile") == 1
    error, file = ("0x7", "0x0") if effect == "hang" else ("0x8", "0xffff0000")
    assert world.ndis.error_log[0].startswith(f"error log: code 0xc000138a 0x6 {error} {file}")
    assert world.seats[0].probes_lost == 0


def test_program_is_brought_again_after_d3() -> None:
    world = life(life="suspend", windows="xp", frames=20)
    assert clean(world) == CLEAN and calls(world, "NdisOpenFile") == 1


@pytest.mark.keeps("power-restored")
def test_card_that_never_boots_again_after_d3_is_given_up() -> None:
    for fault in ("image#2+=corrupt-0", "boot#2+=hang"):
        world = life(life="suspend", windows="xp", faults=(fault,))
        assert refusals(world) == [] and world.outcome == "ran" and world.not_fired == []
        assert world.ndis.calls["reset"] >= 1 and len(world.ndis.error_log) >= 2 * ATTEMPTS


@pytest.mark.parametrize("effect", ["hang", "assertion"])
def test_program_that_dies_while_no_packet_is_out_is_found_as_well(effect: str) -> None:
    answers: list[tuple[bool, bool]] = []

    class Watched(SmartMiniport):
        def check_for_hang(self, adapter: Any) -> bool:
            idle = adapter.context.tx_done == adapter.context.tx_next
            answers.append((idle, super().check_for_hang(adapter)))
            return answers[-1][1]

    world = life(Watched, frames=0, faults=(f"firmware#1={effect}",))
    assert clean(world) == CLEAN and world.not_fired == []
    assert (True, True) in answers and world.ndis.calls["reset"] == 1 and world.seats[0].probes_lost == 0


def test_card_that_does_not_survive_the_reset_is_left_alone() -> None:
    world = life(faults=("firmware#2=hang", "boot#2+=hang"))
    assert refusals(world) == [] and world.outcome == "ran" and world.not_fired == []
    assert world.ndis.calls["reset"] == 1


def test_card_that_was_stopped_for_d3_does_not_pass_for_a_hung_one() -> None:
    answers: list[bool] = []

    class Watched(SmartMiniport):
        def _sleep(self, adapter: Any, context: Any) -> None:
            super()._sleep(adapter, context)
            answers.append(SmartCore.check_for_hang(self, adapter))

    assert life(Watched, life="suspend", windows="xp").outcome == "ran"
    assert answers == [False]


def test_program_stops_in_order_at_the_end() -> None:
    nic = life().seats[0].nic
    assert isinstance(nic, SmartNic) and nic.state is State.STOPPED


@pytest.mark.parametrize("variant", VARIANTS)
def test_program_that_hangs_when_it_is_to_stop_is_reset(variant: type[SmartCore]) -> None:
    recording = life(variant, frames=0, faults=("firmware#99=hang",))
    assert recording.machine.injector is not None
    last = recording.machine.injector.counts["firmware"]
    world = life(variant, frames=0, faults=(f"firmware#{last}=hang",))
    nic = world.seats[0].nic
    assert clean(world)[0] == [] and world.not_fired == []
    assert isinstance(nic, SmartNic) and nic.state is State.ROM


@pytest.mark.parametrize("missing", [0x0001, 0x0002, 0x0008])
def test_program_that_cannot_do_what_is_needed_is_not_used(missing: int) -> None:
    able = 0x81F & ~missing
    world = life(faults=(f"register-read:CAPABILITIES#1={able:#x}",))
    assert world.machine.findings.errors == [] and len(world.ndis.error_log) == 1
    assert verdict_of(life(faults=(f"register-read:CAPABILITIES#1+={able:#x}",))) == "refused"


def test_program_with_further_capabilities_is_used() -> None:
    world = life(faults=("register-read:CAPABILITIES#1=0xffffff1f",))
    assert clean(world) == CLEAN and world.ndis.error_log == []


def test_card_that_is_pulled_out_while_it_boots_is_survived() -> None:
    for point, count in product(("register-write:BOOT_CTRL", "register-read:BOOT_STATUS", "register-read:VERSION"), (1, 2)):
        world = life(faults=(f"{point}#{count}=remove",))
        assert world.machine.findings.errors == [] and world.outcome == "ran", (point, count)


def test_same_frames_and_calls_as_on_the_reference_nic() -> None:
    """After the boot step the driver sees the reference NIC."""
    worlds = [Bed(nic=nic, frames=40, seed=3).world() for nic in ("smart", "reference")]
    frames, requests = [world.seats[0].nic.wire.sent for world in worlds], [world.ndis.calls for world in worlds]
    assert frames[0] == frames[1] and len(frames[0]) == 40
    for handler in ("initialize", "halt", "send", "query_information", "set_information", "return_packet"):
        assert requests[0].get(handler) == requests[1].get(handler), handler
    assert [world.received for world in worlds] == [40, 40]


def test_the_timeline_is_the_same_again() -> None:
    first, second = (Bed(nic="smart", frames=4, faults=("boot#1=hang",)).run() for _ in range(2))
    assert first == second
