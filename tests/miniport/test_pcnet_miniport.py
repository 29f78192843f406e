# SPDX-License-Identifier: Apache-2.0
"""The miniports of the PCnet cards: clean wherever they live, all frames of the capture both ways, and what they do when a card fails."""

from __future__ import annotations

from itertools import pairwise
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
from hw.nic import MODELS
from hw.nic.pcnet import PcnetNic
from hw.nic.pcnet_core import PcnetCore
from hw.nic.pcnet_receive import multicast_hash
from miniport.miniport import Miniport
from miniport.pcnet import PcnetIsaMiniport, PcnetMiniport, core
from miniport.pcnet.information import hash_bit
from miniport.status import NDIS_STATUS_DEVICE_FAILED
from verifier.errors import UsageError
from verifier.events import Kind

BASE = Path(core.__file__).resolve().parent
MIXED = Path(__file__).resolve().parents[1] / "data" / "mixed.pcap"
MINIPORTS: dict[str, type[Miniport]] = {"pcnet": PcnetMiniport, "pcnet-isa": PcnetIsaMiniport}
GOOD = {"recovered", "degraded", "refused"}
WINDOWS = ("2000", "xp", "2003", "vista", "7")
EACH = pytest.mark.parametrize("nic", MINIPORTS)


def life(nic: str, miniport: type[Miniport] | None = None, **options: Any) -> World:
    return run_world(WorldSpec(nic=nic, **options), miniport or MINIPORTS[nic], BASE)


def clean(world: World) -> tuple[list[str], str, int]:
    return [finding.message for finding in world.machine.findings.errors], verdict_of(world), world.lost


CLEAN: tuple[list[str], str, int] = ([], "clean", 0)


def writes(world: World, register: str) -> list[int]:
    return [event[6] for event in world.machine.events.events if event[1] == Kind.REGISTER_WRITE and event[4] == register]


# Lives


@EACH
def test_each_nic_has_its_miniport(nic: str) -> None:
    assert Bed(nic=nic).miniport is MINIPORTS[nic]


@EACH
def test_all_frames_of_the_capture_go_both_ways(nic: str) -> None:
    world = life(nic, pcap=str(MIXED))
    assert (clean(world), world.sent, world.received) == (CLEAN, 431, 431)
    assert world.padded == sum(len(frame) < 60 for frame in world.ndis.protocol.sent)


def rows(nic: str) -> list[dict[str, Any]]:
    axes: dict[str, tuple[Any, ...]] = {
        "life": LIVES, "windows": WINDOWS, "placement": tuple(placement.value for placement in Placement), "processors": (1, 2, 4),
        "seed": tuple(range(1, 8)), "frames": (3, 40), "adapters": (1, 2)}

    def possible(row: tuple[int, ...]) -> bool:
        if row[0] < 0:
            return True
        windows = WINDOWS if row[1] < 0 else (WINDOWS[row[1]],)
        return any(LIVES[row[0]] in lives_of(MODELS[nic], release) for release in windows)

    return [{name: values[index] for (name, values), index in zip(axes.items(), row, strict=True)}
            for row in covering_rows([len(values) for values in axes.values()], possible)]


@EACH
def test_every_life_is_clean_at_every_place(nic: str) -> None:
    for options in rows(nic):
        assert clean(life(nic, **options)) == CLEAN, options


@EACH
@pytest.mark.parametrize("options", [{"iommu": True}, {"bus_offset": 0x10_0000}, {"ram": 8 << 30}, {"ndis": "5.0"}, {"incoherent": True},
                                     {"ram": 16 << 20}, {"adapters": 4}], ids=str)
def test_other_machines_are_clean(nic: str, options: dict[str, Any]) -> None:
    assert clean(life(nic, frames=24, **options)) == CLEAN


def test_messages_are_clean() -> None:
    assert clean(life("pcnet", msi=True)) == CLEAN


@pytest.mark.parametrize("switch", ["restart_rewinds", "start_with_idon_lost", "soft_reset_ends_dword_mode"])
def test_errata_of_the_970a_are_no_trouble(monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
    monkeypatch.setattr(PcnetNic, switch, True)
    assert clean(life("pcnet", frames=24)) == CLEAN


def test_its_hash_is_that_of_the_card() -> None:
    for number in range(500):
        address = bytes((1, 0, 0x5E, 0, number >> 8, number & 255))
        assert hash_bit(address) == multicast_hash(address)


# What it does with the card


def test_the_pci_driver_takes_style_2_and_the_isa_driver_has_no_choice() -> None:
    for nic, number in (("pcnet", 2), ("pcnet-isa", 0)):
        card = life(nic).nic
        assert isinstance(card, PcnetCore) and card.style.number == number


@EACH
def test_rap_names_csr0_whenever_a_handler_ends(nic: str) -> None:
    rap, wrong = 0, []
    for event in life(nic, frames=40, seed=3, processors=4).machine.events.events:
        if event[1] == Kind.REGISTER_WRITE and event[4] == "RAP":
            rap = event[6]
        elif event[1] == Kind.LEAVE and rap:
            wrong.append(event)
    assert wrong == []


@EACH
def test_the_channel_of_the_isa_card_is_claimed_and_given_back(nic: str) -> None:
    routines = [event[3] for event in life(nic).machine.events.events if event[1] == Kind.ROUTINE]
    expected = 1 if nic == "pcnet-isa" else 0
    assert routines.count("NdisMRegisterDmaChannel") == routines.count("NdisMDeregisterDmaChannel") == expected


def test_without_its_channel_the_isa_card_cannot_be_initialized() -> None:
    class WithoutChannel(PcnetIsaMiniport):
        def _claim_registers(self, adapter: Any, context: Any, resources: Any, undo: Any) -> int:
            return core.PcnetCore._claim_registers(self, adapter, context, resources, undo)

        def _channel(self, adapter: Any, context: Any) -> int:
            return 0

    world = life("pcnet-isa", WithoutChannel)
    assert world.status == NDIS_STATUS_DEVICE_FAILED
    assert [finding.rule.id for finding in world.machine.findings.errors] == ["initialize-failed-without-fault"]
    assert not any(event[1] in (Kind.DMA_READ, Kind.DMA_WRITE) for event in world.machine.events.events)


@EACH
def test_an_unchanged_filter_does_not_halt_the_card(nic: str) -> None:
    world = life(nic, frames=0)
    modes = writes(world, "CSR15")
    assert all(before != after for before, after in pairwise(modes))


def test_all_blocks_of_the_isa_card_lie_below_16_mb() -> None:
    for ram in (32 << 20, 256 << 20, 8 << 30):
        world = life("pcnet-isa", ram=ram)
        shared = [block for block, _ in world.blocks if block.device_reads or block.was_mapped or block.kind.value == "shared"]
        assert shared and all(block.physical + block.size <= 1 << 24 for block in shared if block.kind.value == "shared")


def test_on_isa_a_driver_that_forgets_16_mb_writes_to_the_truncated_address() -> None:
    result = Bed("examples/flawed/isa_truncated_address.py", silicon=True).run()
    assert result["verdict"] == "unchecked"
    landed = [(hit["address"], hit["length"]) for hit in result["corrupted"]]
    checked, = Bed("examples/flawed/isa_truncated_address.py").run()["findings"]
    assert (checked["span"]["address"] & 0xFFFFFF, 64) in landed


# Refusals and failures


@EACH
@pytest.mark.parametrize("fault", ["prom#1=checksum", "mac#1=multicast", "mac#1=zero", "mac#1=ones", "init#1=never",
                                   "dma-read#1"])
def test_a_card_that_cannot_be_used_is_refused(nic: str, fault: str) -> None:
    world = life(nic, faults=(fault,))
    assert (world.machine.findings.errors, world.not_fired) == ([], [])
    assert world.status == NDIS_STATUS_DEVICE_FAILED


@pytest.mark.parametrize("nic, fault", [("pcnet", "prom#1=missing"), ("pcnet-isa", "prom#1=ones")])
def test_a_card_without_its_prom_is_refused(nic: str, fault: str) -> None:
    world = life(nic, faults=(fault,))
    assert (world.machine.findings.errors, world.not_fired, world.status) == ([], [], NDIS_STATUS_DEVICE_FAILED)


@EACH
def test_a_slow_initialization_is_waited_for(nic: str) -> None:
    assert clean(life(nic, faults=("init#1=slow",))) == CLEAN


@EACH
@pytest.mark.parametrize("fault, failed", [("frame-out#2=late-collision", 1), ("frame-out#2=retry", 1)])
def test_a_frame_that_the_card_could_not_send_is_failed(nic: str, fault: str, failed: int) -> None:
    world = life(nic, faults=(fault,))
    assert (world.machine.findings.errors, world.sent) == ([], 8 - failed)
    assert world.ndis.protocol.hang.resets == 0


@EACH
@pytest.mark.parametrize("fault", ["frame-out#2=underrun", "frame-out#2=never"])
def test_a_transmitter_that_stopped_makes_the_card_be_reset(nic: str, fault: str) -> None:
    world = life(nic, faults=(fault,))
    assert world.machine.findings.errors == []
    assert world.ndis.protocol.hang.resets == 1


def test_an_isr_that_runs_for_another_card_during_a_reset_finds_csr0() -> None:
    """Between a write of RAP and the access that it is for no ISR of a shared line may come in."""
    spec = WorldSpec(nic="pcnet", frames=3, faults=("frame-out#2=never",))
    stopped = run_world(spec, MINIPORTS["pcnet"], BASE, record=True).machine.injector
    assert stopped is not None
    points = range(stopped.counts_at_fire["preempt"] + 1, stopped.counts["preempt"] + 1, 3)
    assert len(points) > 100
    for point in points:
        world = life("pcnet", frames=3, faults=("frame-out#2=never", f"preempt#{point}=interrupt"))
        assert (world.machine.findings.errors, world.ndis.protocol.hang.resets) == ([], 1)


@EACH
def test_a_card_that_an_abort_stopped_while_nothing_waits_is_reset_at_the_next_check(nic: str) -> None:
    world = life(nic, faults=("dma-write#23",))
    entered = [event[3] for event in world.machine.events.events if event[1] == Kind.ENTER and event[3] in ("send", "reset")]
    assert world.machine.findings.errors == []
    assert entered[:9] == ["send"] * 8 + ["reset"], "no packet was waiting that could have told"


@EACH
@pytest.mark.parametrize("fault", ["frame-in#3=missed", "frame-in#3=overflow", "frame-in#3=bad-crc", "frame-in#3=overlong"])
def test_a_frame_that_came_broken_or_not_at_all_is_not_indicated(nic: str, fault: str) -> None:
    world = life(nic, faults=(fault,))
    assert (world.machine.findings.errors, world.received) == ([], 7)


@EACH
def test_registers_behind_rap_are_fault_points_by_their_own_names(nic: str) -> None:
    world = life(nic, faults=("register-read:CSR0#3=all-ones",))
    assert (world.machine.findings.errors, world.not_fired) == ([], [])
    with pytest.raises(UsageError, match="no register 'RDP'"):
        life(nic, faults=("register-read:RDP#1",))


# The campaign


@EACH
@pytest.mark.parametrize("selection", [Selection(), Selection(chaos=True), Selection(("routine", "device", "async"), persistent=True)],
                         ids=["contract", "chaos", "persistent"])
def test_a_sample_of_the_faults_is_taken(nic: str, selection: Selection) -> None:
    done = run(Plan(Bed(nic=nic, frames=1).spec, selection, shard=(1, 83 if selection.chaos else 47)))
    assert set(done.outcomes) <= GOOD, [(r.case.id, r.outcome, [f["rule"] for f in r.findings]) for r in done.failing][:5]
    assert done.fired > 0


@pytest.mark.long
@EACH
@pytest.mark.parametrize("selection", [Selection(), Selection(chaos=True)], ids=["contract", "chaos"])
def test_every_single_fault_is_taken(nic: str, selection: Selection) -> None:
    done = run(Plan(Bed(nic=nic, frames=1).spec, selection))
    assert set(done.outcomes) <= GOOD, [(r.case.id, r.outcome, [f["rule"] for f in r.findings]) for r in done.failing][:5]
    assert done.verdict == "clean" and done.armed == done.fired > 0
