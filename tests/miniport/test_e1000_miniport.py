# SPDX-License-Identifier: Apache-2.0
"""The miniport of the 82540EM: every frame both ways, clean in every life, and what it does when its card fails."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from allocator.frames import Placement
from dmabed.bed import Bed
from dmabed.campaign.pairwise import covering_rows
from dmabed.fault_points import effects_of
from dmabed.load import find_miniport
from dmabed.result import verdict_of
from dmabed.spec import LIVES, WorldSpec, lives_of
from dmabed.stepper import ENDS, Stepper
from dmabed.world import World, run_world
from hw.nic.e1000 import E1000Nic
from miniport import status as s
from miniport.e1000 import E1000Miniport
from miniport.e1000 import hardware as hw
from miniport.e1000.information import filter_bits, table_of
from miniport.reference.hardware import Limits
from miniport.versions import WINDOWS, ndis_of
from verifier.address_book import BlockKind

CAPTURE = Path(__file__).resolve().parents[1] / "data" / "mixed.pcap"
VERSIONS = [windows for windows in WINDOWS if ndis_of(windows) >= (5, 0)]
OFTEN = re.compile("preempt|register-access|register-(read|write):(EERD|MTA[0-9]+)|NdisStallExecution")
"""Points with many counts that are all alike."""


def world(**options: Any) -> World:
    return Bed(nic="e1000", **options).world()


def rows() -> list[dict[str, Any]]:
    """Worlds in which every two of Windows version, life, placement, processors and seed stand together."""
    axes: dict[str, tuple[Any, ...]] = {
        "windows": tuple(VERSIONS), "life": LIVES, "placement": tuple(p.value for p in Placement), "processors": (1, 2, 4),
        "seed": tuple(range(1, 6)), "adapters": (1, 2), "frames": (8, 40)}

    def possible(row: tuple[int, ...]) -> bool:
        return row[0] < 0 or row[1] < 0 or LIVES[row[1]] in lives_of(E1000Nic, VERSIONS[row[0]])

    return [{name: values[index] for (name, values), index in zip(axes.items(), row, strict=True)}
            for row in covering_rows([len(values) for values in axes.values()], possible)]


def wrong(chaos: bool, step: int, **options: Any) -> dict[str, Any]:
    """Every effect at every *step*-th count of what comes often, and at every count of the rest: what was not survived."""
    miniport, base = find_miniport(None, "e1000")
    recording = run_world(WorldSpec(nic="e1000", **options), miniport, base, record=True)
    assert recording.machine.injector is not None
    found: dict[str, Any] = {}
    for point, uses in recording.machine.injector.counts.items():
        for effect in effects_of(point, WorldSpec(nic="e1000")):
            for count in range(1, uses + 1, step if OFTEN.match(point) else 1) if effect.chaos is chaos else ():
                fault = f"{point}#{count}={effect.name}"
                lived = world(faults=(fault,), **options)
                assert lived.machine.injector is not None
                told = lived.not_fired == [] or fault in lived.machine.injector.idle
                if lived.outcome != "ran" or lived.machine.findings.errors or not told:
                    found[fault] = (lived.outcome, [f.rule.id for f in lived.machine.findings.errors], lived.not_fired)
    return found


def test_all_431_frames_of_the_capture_go_out_and_come_in() -> None:
    lived = world(pcap=str(CAPTURE))
    assert (verdict_of(lived), lived.sent, lived.received, lived.lost, lived.padded) == ("clean", 431, 431, 0, 0)


def test_lives_versions_placements_processors_and_adapters_are_clean() -> None:
    for options in rows():
        lived = world(**options)
        assert (verdict_of(lived), lived.lost, lived.machine.findings.notices) == ("clean", 0, []), options


@pytest.mark.parametrize("options", [
    {"ram": "6G", "placement": "high"}, {"bus_offset": "1G"}, {"iommu": True}, {"incoherent": True}, {"msi": True},
    {"windows": "2000", "ndis": "5.0"}, {"ram": "2M"}], ids=str)
def test_machines_of_every_kind_are_clean(options: dict[str, Any]) -> None:
    lived = world(**options)
    assert (verdict_of(lived), lived.lost) == ("clean", 0)


def test_no_buffer_begins_at_the_device_address_0() -> None:
    lived = world(ram="6G", placement="random", seed=6, processors=1)
    freed = lived.machine.book.last_freed(0, 16)
    assert freed is not None and freed.kind is BlockKind.SHARED
    assert (verdict_of(lived), lived.lost) == ("clean", 0)


class BeyondReach(E1000Miniport):
    """Believes in the 64 address bits of the descriptors."""

    def _look_at_card(self, adapter: Any, context: Any) -> Limits | None:
        limits = super()._look_at_card(adapter, context)
        return None if limits is None else replace(limits, address_bits=64)


@pytest.mark.breaks("dma-width")
@pytest.mark.parametrize("silicon", [False, True])
def test_a_buffer_above_4_gb_is_a_finding_and_nothing_moves(silicon: bool) -> None:
    spec = WorldSpec(nic="e1000", ram=8 << 30, placement="high", frames=3, silicon=silicon)
    lived = run_world(spec, BeyondReach, Path(__file__).parent)
    assert {finding.rule.id for finding in lived.machine.findings.errors} == (set() if silicon else {"dma-width"})
    assert (lived.machine.wire.sent, lived.received) == ([], 0)


@pytest.mark.parametrize("end", ENDS)
def test_a_life_in_steps_is_clean(end: str) -> None:
    with Stepper(nic="e1000") as life:
        life.initialize()
        life.send([14, 60, 61, 1513, 1514])
        life.receive([60, 1514])
        life.query("OID_GEN_LINK_SPEED", 4)
        life.query(s.OID_GEN_LINK_SPEED, 3)
        life.query(s.OID_GEN_XMIT_OK, 4)
        life.set("OID_802_3_MULTICAST_LIST", b"\x01\x00\x5e\x00\x00\x01")
        life.interrupt()
        life.reset()
        life.hand_down([60] * 5)
        life.reset()
        life.quiet()
        life.hand_down([200] * 40)
        life.wait(20)
        life.unplug()
        life.suspend()
        life.send([60])
        life.restart()
        life.rebalance()
        life.send([60, 61])
        life.receive([60])
        assert (life.sent, life.received) == (53, 53 + 3)
        life.hand_down([60, 60])
        life.end(end)


def test_a_machine_without_memory_in_reach_is_refused() -> None:
    assert verdict_of(world(ram="64M", bus_offset="4G")) == "refused"


@pytest.mark.parametrize("fault, verdict", [
    ("eeprom#1=bad-checksum", "refused"), ("eeprom#1=all-ones", "refused"), ("eeprom#1=never", "refused"), ("mac#1=zero", "refused"),
    ("mac#1=multicast", "refused"), ("mac#1=ones", "refused"), ("link#1=down", "clean"), ("link#1=dead", "clean"),
    ("frame-out#2=never", "clean"), ("frame-out#2=late-collision", "clean"), ("frame-in#2=overrun", "clean"), ("interrupt#1=lost", "clean"),
    ("dma-read#2=master-abort", "clean"), ("card-reset#1=slow", "clean"), ("card-reset#1=never", "refused")])
def test_what_the_card_may_do_is_refused_or_survived(fault: str, verdict: str) -> None:
    lived = world(faults=(fault,))
    assert (verdict_of(lived), lived.machine.findings.errors) == (verdict, [])


@pytest.mark.parametrize("effect", ["delayed", "coalesced"])
def test_cause_that_comes_while_the_isr_runs_for_another_adapter_is_the_cards_own(effect: str) -> None:
    """The card would pull its line, and a fault holds it back."""
    lived = world(adapters=3, frames=2, life="rebalance", faults=("send#4=burst", f"interrupt#14={effect}"))
    assert (verdict_of(lived), lived.machine.findings.errors) == ("clean", [])


def test_every_contract_fault_is_survived() -> None:
    assert wrong(False, 61, frames=3) == {}


def test_broken_hardware_is_survived() -> None:
    assert wrong(True, 97, frames=3) == {}


@pytest.mark.long
@pytest.mark.parametrize("options", [{}, {"windows": "2000"}, {"processors": 1, "seed": 5}, {"life": "rebalance"}, {"msi": True}], ids=str)
@pytest.mark.parametrize("chaos", [False, True])
def test_every_fault_at_every_point_is_survived(options: dict[str, Any], chaos: bool) -> None:
    assert wrong(chaos, 1, **{"frames": 4, **options}) == {}


@pytest.mark.parametrize("wanted, bits", [
    (0, 0), (s.NDIS_PACKET_TYPE_DIRECTED, 0), (s.NDIS_PACKET_TYPE_BROADCAST, 1 << 15), (s.NDIS_PACKET_TYPE_MULTICAST, 0),
    (s.NDIS_PACKET_TYPE_ALL_MULTICAST, 1 << 4), (s.NDIS_PACKET_TYPE_PROMISCUOUS, 0x18),
    (s.NDIS_PACKET_TYPE_PROMISCUOUS | s.NDIS_PACKET_TYPE_ALL_MULTICAST | s.NDIS_PACKET_TYPE_BROADCAST, 0x8018)])
def test_a_packet_filter_in_bits_of_rctl(wanted: int, bits: int) -> None:
    assert filter_bits(wanted) == bits


def test_the_multicast_table_has_the_bit_that_the_card_looks_at() -> None:
    address = bytes.fromhex("01005e0000fb")
    table = table_of(address + address)
    assert [(number, bits) for number, bits in enumerate(table) if bits] == [(0xFB0 >> 5, 1 << (0xFB0 & 31))]


# Handlers by themselves


class Card:
    """Registers as a handler sees them, and what it did to them."""

    def __init__(self, **context: Any) -> None:
        self.context = SimpleNamespace(registers=None, lock=None, **context)
        self.shown: dict[int, int] = {}
        self.read: list[int] = []
        self.written: list[tuple[int, int]] = []

    def read_register_ulong(self, registers: Any, offset: int) -> int:
        self.read.append(offset)
        return self.shown.get(offset, 0)

    def write_register_ulong(self, registers: Any, offset: int, value: int) -> None:
        self.written.append((offset, value))

    def dpr_acquire_spin_lock(self, lock: Any) -> None:
        """One handler alone runs here."""

    dpr_release_spin_lock = dpr_acquire_spin_lock


@pytest.mark.parametrize("mask, cause, ours", [
    (0, hw.CAUSES, False), (hw.GONE, hw.GONE, False), (hw.CAUSES, 0, False), (hw.CAUSES, 2, False), (hw.CAUSES, hw.GONE, False),
    (hw.CAUSES, 1, True), (hw.CAUSES, 0x80, True)])
def test_the_isr_claims_what_its_card_pulled_and_masks_it(mask: int, cause: int, ours: bool) -> None:
    card: Any = Card()
    card.shown = {hw.IMS: mask, hw.ICR: cause}
    assert E1000Miniport().isr(card) == (ours, ours)
    assert card.written == ([(hw.IMC, hw.EVERY_CAUSE)] if ours else [])
    assert card.read.count(hw.ICR) == (mask == hw.CAUSES)


@pytest.mark.parametrize("asleep", [0, 1])
def test_a_card_that_went_to_sleep_is_not_let_interrupt(asleep: int) -> None:
    card: Any = Card(asleep=asleep)
    E1000Miniport().enable_interrupt(card)
    assert card.written == ([] if asleep else [(hw.IMS, hw.CAUSES)])


def test_without_a_link_packets_fail_at_once_and_nobody_asks_for_a_reset() -> None:
    lived = world(faults=("link#1=dead",))
    assert (lived.ndis.protocol.hang.resets, lived.machine.wire.sent, lived.machine.findings.errors) == (0, [], [])
