# SPDX-License-Identifier: Apache-2.0
"""The miniport of the RTL8139C: clean wherever it lives, all frames of the capture both ways, and what it does when the card fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from allocator.frames import Placement
from dmabed.bed import Bed
from dmabed.campaign import Plan, Selection, run
from dmabed.campaign.pairwise import covering_rows
from dmabed.result import verdict_of
from dmabed.spec import LIVES, WorldSpec, lives_of
from dmabed.world import World, run_world
from hw.nic.rtl8139 import Rtl8139Nic
from hw.nic.rtl8139_receive import multicast_hash
from miniport.rtl8139 import Rtl8139Miniport, core
from miniport.rtl8139.core import SPARE, TX_SLOTS, hash_bit
from miniport.status import NDIS_STATUS_DEVICE_FAILED
from verifier.events import Kind

BASE = Path(core.__file__).resolve().parent
MIXED = Path(__file__).resolve().parents[1] / "data" / "mixed.pcap"
GOOD = {"recovered", "degraded", "refused"}
WINDOWS = ("2000", "xp", "2003", "vista", "7")


def life(miniport: type[Rtl8139Miniport] = Rtl8139Miniport, **options: Any) -> World:
    return run_world(WorldSpec(nic="rtl8139", **options), miniport, BASE)


def clean(world: World) -> tuple[list[str], str, int]:
    return [finding.message for finding in world.machine.findings.errors], verdict_of(world), world.lost


CLEAN: tuple[list[str], str, int] = ([], "clean", 0)


def writes(world: World, register: str) -> list[int]:
    return [event[6] for event in world.machine.events.events if event[1] == Kind.REGISTER_WRITE and event[4] == register]


# Lives


def test_it_is_the_miniport_of_its_nic() -> None:
    assert Bed(nic="rtl8139").miniport is Rtl8139Miniport


def test_all_frames_of_the_capture_go_both_ways() -> None:
    world = life(pcap=str(MIXED))
    assert (clean(world), world.sent, world.received, world.padded) == (CLEAN, 431, 431, 0)


def rows() -> list[dict[str, Any]]:
    axes: dict[str, tuple[Any, ...]] = {
        "life": LIVES, "windows": WINDOWS, "placement": tuple(placement.value for placement in Placement), "processors": (1, 2, 4),
        "seed": tuple(range(1, 8)), "frames": (3, 40), "adapters": (1, 2)}

    def possible(row: tuple[int, ...]) -> bool:
        return row[0] < 0 or row[1] < 0 or LIVES[row[0]] in lives_of(Rtl8139Nic, WINDOWS[row[1]])

    return [{name: values[index] for (name, values), index in zip(axes.items(), row, strict=True)}
            for row in covering_rows([len(values) for values in axes.values()], possible)]


def test_every_life_is_clean_at_every_place() -> None:
    for options in rows():
        assert clean(life(**options)) == CLEAN, options


@pytest.mark.parametrize("options", [{"msi": True}, {"iommu": True}, {"bus_offset": 0x1000_0000}, {"ram": 8 << 30}, {"ndis": "5.0"},
                                     {"incoherent": True}], ids=str)
def test_other_machines_are_clean(options: dict[str, Any]) -> None:
    assert clean(life(frames=24, **options)) == CLEAN


def test_its_hash_is_that_of_the_card() -> None:
    for number in range(500):
        address = bytes((1, 0, 0x5E, 0, number >> 8, number & 255))
        assert hash_bit(address) == multicast_hash(address)


# The ring


def test_frames_around_the_end_of_the_ring_are_copied_in_two_pieces() -> None:
    split = []

    class Watching(Rtl8139Miniport):
        def _copy_out(self, adapter: Any, ring: Any, at: int, packet: Any, length: int) -> None:
            split.append(at + length > core.hw.RING_BYTES)
            super()._copy_out(adapter, ring, at, packet, length)

    assert clean(life(Watching, frames=80)) == CLEAN
    assert 1 <= sum(split) < 6


def test_while_the_protocols_keep_packets_frames_go_up_with_the_spare_one() -> None:
    indicated, returned = [], []

    class Keeping(Rtl8139Miniport):
        def _copy_out(self, adapter: Any, ring: Any, at: int, packet: Any, length: int) -> None:
            indicated.append(packet.reserved)
            super()._copy_out(adapter, ring, at, packet, length)

        def return_packet(self, adapter: Any, packet: Any) -> None:
            returned.append(packet.reserved)
            super().return_packet(adapter, packet)

    world = life(Keeping, frames=40, faults=("indicate#1+=hold",))
    assert (world.machine.findings.errors, world.received) == ([], 40)
    assert indicated[:40] == [*range(SPARE), *[SPARE] * (40 - SPARE)], "behind them come the frames that probe the card after the fault"
    assert set(returned) == set(range(SPARE))


def test_a_header_that_makes_no_sense_restarts_the_receiver() -> None:
    world = life(faults=("frame-in#3=bogus-length",))
    assert world.machine.findings.errors == []
    assert writes(world, "CR").count(core.hw.CR_TE) == 1, "RE went off once"


def test_an_unfinished_packet_is_waited_for() -> None:
    world = life(faults=("frame-in#3=unfinished",))
    assert (world.machine.findings.errors, world.received) == ([], 8)


# The slots


def test_four_slots_are_used_in_turn_and_what_is_more_waits() -> None:
    world = life(frames=24)
    assert clean(world) == CLEAN
    order = [event[4] for event in world.machine.events.events if event[1] == Kind.REGISTER_WRITE and event[4].startswith("TSD")]
    assert order == [f"TSD{number % TX_SLOTS}" for number in range(24)]


def test_short_frames_go_out_with_zeros_up_to_60_bytes() -> None:
    world = life(pcap=str(MIXED))
    short = [frame for frame in world.ndis.protocol.sent if len(frame) < 60]
    assert short and all(frame.ljust(60, b"\0") in world.machine.wire.sent for frame in short)


def test_an_underrun_raises_the_threshold() -> None:
    world = life(faults=("frame-out#6=underrun",), frames=12)
    assert world.machine.findings.errors == []
    thresholds = [value >> 16 for slot in range(TX_SLOTS) for value in writes(world, f"TSD{slot}")]
    assert {core.FIRST_THRESHOLD, core.FIRST_THRESHOLD + 2} == set(thresholds)


def test_an_aborted_frame_is_tried_again() -> None:
    world = life(faults=("frame-out#2=abort",))
    assert (world.machine.findings.errors, world.sent) == ([], 8)
    assert [value & 1 for value in writes(world, "TCR")].count(1) == 1


def test_a_frame_that_aborts_again_and_again_makes_the_card_be_reset() -> None:
    world = life(faults=("frame-out#2+=abort",))
    assert world.machine.findings.errors == []
    assert world.ndis.protocol.hang.resets >= 1


# Refusals


@pytest.mark.parametrize("fault", ["eeprom#1=blank", "eeprom#1=dead", "eeprom#1=bad-id", "mac#1=multicast", "mac#1=zero", "mac#1=ones"])
def test_a_card_without_a_station_address_is_refused(fault: str) -> None:
    world = life(faults=(fault,))
    assert (world.machine.findings.errors, world.not_fired) == ([], [])
    assert world.status == NDIS_STATUS_DEVICE_FAILED


# The campaign


@pytest.mark.parametrize("selection", [Selection(), Selection(chaos=True), Selection(("routine", "device", "async"), persistent=True)],
                         ids=["contract", "chaos", "persistent"])
def test_a_sample_of_the_faults_is_taken(selection: Selection) -> None:
    done = run(Plan(Bed(nic="rtl8139", frames=1).spec, selection, shard=(1, 61 if selection.chaos else 31)))
    assert set(done.outcomes) <= GOOD, [(r.case.id, r.outcome, [f["rule"] for f in r.findings]) for r in done.failing][:5]
    assert done.fired > 0


@pytest.mark.long
@pytest.mark.parametrize("selection", [Selection(), Selection(chaos=True)], ids=["contract", "chaos"])
def test_every_single_fault_is_taken(selection: Selection) -> None:
    done = run(Plan(Bed(nic="rtl8139", frames=1).spec, selection))
    assert set(done.outcomes) <= GOOD, [(r.case.id, r.outcome, [f["rule"] for f in r.findings]) for r in done.failing][:5]
    assert done.verdict == "clean" and done.armed == done.fired > 0
