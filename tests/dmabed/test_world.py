# SPDX-License-Identifier: Apache-2.0
"""One world from end to end: its lives, its counts, its judgements, and every single fault of the routines and of the card."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from dmabed.load import find_miniport
from dmabed.result import as_json, verdict_of
from dmabed.spec import LIVES, WorldSpec
from dmabed.world import World, run_world
from hw.frames import TEST_LENGTHS
from miniport.miniport import Miniport
from miniport.reference import hardware as hw
from miniport.routine import TABLE
from miniport.status import NDIS_STATUS_FAILURE, NDIS_STATUS_PENDING, NDIS_STATUS_SUCCESS
from verifier.address_book import BlockKind
from verifier.errors import UsageError

REFERENCE, BASE = find_miniport(None, "reference")
MIB, GIB = 1 << 20, 1 << 30
NEVER = "dma-read#999999999"
"""A fault that never fires: the world counts the uses of each point."""


def run(miniport: type[Miniport] = REFERENCE, **options: Any) -> World:
    return run_world(WorldSpec(**options), miniport, BASE)


def altered(**handlers: Any) -> type[Miniport]:
    """The reference miniport with other handlers."""
    return type("Altered", (REFERENCE,), handlers)


def broken(world: World) -> list[str]:
    return [f.rule.id for f in world.machine.findings.errors]


# A clean life


def test_the_defaults_are_those_of_the_contract() -> None:
    world = as_json(run())["world"]
    expected = {"nic": "reference", "limits": "reference", "address_bits": 26, "boundary": 16 * MIB, "ram": 256 * MIB,
                "windows": "2003", "ndis": "5.1", "placement": "hostile", "processors": 2, "frames": 8, "life": "halt", "seed": 1,
                "bus_offset": 0, "faults": [], "silicon": False, "stop": False}
    assert {name: world[name] for name in expected} == expected


@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize("frames", [0, 1, 7, 40])
def test_every_life_is_clean_with_any_number_of_frames(life: str, frames: int) -> None:
    world = run(life=life, frames=frames)
    result = as_json(world)
    assert (result["verdict"], result["outcome"], result["status"]) == ("clean", "ran", "NDIS_STATUS_SUCCESS")
    assert result["frames"] == {"sent": frames, "received": frames, "lost": 0, "padded": 0}


def test_lengths_cycle_and_the_content_comes_from_the_seed() -> None:
    one, two = run(frames=14), run(frames=14, seed=2)
    assert [len(frame) for frame in one.frames] == [TEST_LENGTHS[n % len(TEST_LENGTHS)] for n in range(14)]
    assert one.frames != two.frames and one.frames[:8] == run().frames


@pytest.mark.parametrize("life, calls", [("halt", {"halt"}), ("power-off", {"shutdown"}), ("bug-check", {"shutdown"}),
                                         ("surprise", {"halt", "pnp_event_notify"}), ("suspend", {"halt"}), ("rebalance", {"halt"})])
def test_a_life_ends_with_its_own_handlers(life: str, calls: set[str]) -> None:
    ends = {"halt", "shutdown", "pnp_event_notify"}
    assert ends & set(run(life=life).ndis.calls) == calls


@pytest.mark.parametrize("windows, ndis, notified", [("2000", "5.0", False), ("xp", "5.0", False), ("xp", "5.1", True)])
def test_surprise_removal_is_notified_from_ndis_5_1_on(windows: str, ndis: str, notified: bool) -> None:
    assert ("pnp_event_notify" in run(windows=windows, ndis=ndis, life="surprise").ndis.calls) == notified


@pytest.mark.parametrize("windows, ndis", [("2000", "5.0"), ("xp", "5.1"), ("2003", "5.1"), ("7", "5.1")])
def test_the_miniport_registers_the_newest_version_that_windows_takes(windows: str, ndis: str) -> None:
    assert as_json(run(windows=windows))["world"]["ndis"] == ndis


@pytest.mark.parametrize("options", [{"windows": "nt4"}, {"windows": "2000", "ndis": "5.1"}, {"ndis": "4.0"}, {"windows": "8"},
                                     {"windows": "95"}, {"ndis": "6.0"}, {"limits": "nothing"}, {"nic": "nothing"},
                                     {"limits": "i8237"}, {"ram": 1 * MIB}, {"ram": 2 << 40}, {"placement": "worst"},
                                     {"faults": ("NdisMSleep#1",)}, {"faults": ("Nothing#1",)}])
def test_what_cannot_be_is_a_usage_error_with_a_remedy(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        run(**options)
    assert caught.value.message and caught.value.remedy


@pytest.mark.keeps("halt-undo-all")
def test_all_shared_memory_is_listed_in_order_and_freed_in_halt() -> None:
    world = run()
    result = as_json(world)
    shared = [b for b in world.machine.book.made if b.kind is BlockKind.SHARED]
    assert [(a["routine"], a["length"], a["physical"], a["logical"]) for a in result["allocations"]] == [
        ("NdisMAllocateSharedMemory", b.size, b.physical, b.logical) for b in shared]
    assert {a["freed_in"] for a in result["allocations"]} == {"halt"}
    assert {a["freed_in"] for a in as_json(run(life="power-off"))["allocations"]} == {None}


@pytest.mark.parametrize("offset", [0, 0x4000_0000, -0x100000])
def test_logical_addresses_are_physical_ones_plus_the_offset(offset: int) -> None:
    result = as_json(run(bus_offset=offset, limits="tg3-40"))
    assert result["verdict"] == "clean"
    assert all(a["logical"] == a["physical"] + offset for a in result["allocations"])


@pytest.mark.parametrize("processors", [1, 2, 3, 8])
@pytest.mark.parametrize("seed", range(5))
def test_no_interleaving_disturbs_the_reference_miniport(processors: int, seed: int) -> None:
    world = run(processors=processors, seed=seed, frames=30)
    assert verdict_of(world) == "clean" and world.received == 30


# Judgements


@pytest.mark.breaks("initialize-failed-without-fault")
def test_a_refusal_without_a_reason_is_a_finding() -> None:
    world = run(altered(initialize=lambda self, adapter: NDIS_STATUS_FAILURE))
    assert broken(world) == ["initialize-failed-without-fault"] and world.refused
    assert as_json(world)["status"] == "NDIS_STATUS_FAILURE"


@pytest.mark.breaks("init-status-set")
@pytest.mark.parametrize("answer", [NDIS_STATUS_PENDING, None, "yes"])
def test_initialize_returns_a_status_and_never_pending(answer: object) -> None:
    assert "init-status-set" in broken(run(altered(initialize=lambda self, adapter: answer)))


@pytest.mark.breaks("attr5-first")
def test_a_success_without_attributes_is_a_finding() -> None:
    assert "attr5-first" in broken(run(altered(
        initialize=lambda self, adapter: NDIS_STATUS_SUCCESS, halt=lambda self, adapter: None,
        query_information=lambda self, adapter, oid, length: (NDIS_STATUS_FAILURE, b"", 0),
        set_information=lambda self, adapter, oid, data: (NDIS_STATUS_FAILURE, 0, 0)), frames=0))


@pytest.mark.breaks("halt-undo-all")
def test_a_halt_that_does_nothing_leaks_all_and_leaves_the_card_running() -> None:
    world = run(altered(halt=lambda self, adapter: None))
    assert "halt-undo-all" in broken(world)
    leaked = {f.owner for f in world.machine.findings.errors if f.rule.id == "halt-undo-all"}
    assert {"map registers", "interrupt", "register mapping", "shared memory #1", "pool memory #1"} <= leaked


@pytest.mark.breaks("shutdown-quiesce")
@pytest.mark.parametrize("life", ["power-off", "bug-check"])
def test_a_shutdown_that_does_nothing_leaves_the_card_running_and_that_is_told(life: str) -> None:
    assert "shutdown-quiesce" in broken(run(altered(shutdown=lambda self, adapter: None), life=life))


@pytest.mark.breaks("lost-cause", "frame-lost-without-fault")
def test_frames_that_are_kept_in_the_card_are_told() -> None:
    def handle(self: Any, adapter: Any) -> None:
        registers = adapter.context.registers
        adapter.write_register_ulong(registers, hw.CAUSE, adapter.read_register_ulong(registers, hw.CAUSE))

    world = run(altered(handle_interrupt=handle, check_for_hang=lambda self, adapter: False))
    assert "lost-cause" in [f.rule.id for first in world.machine.findings.errors for f in (first, *first.consequences)]
    assert world.lost == 8 and world.outcome == "ran"
    reset = run(altered(handle_interrupt=handle))
    assert broken(reset) == ["frame-lost-without-fault"] and reset.lost == 8 and reset.ndis.protocol.hang.resets


@pytest.mark.breaks("int-isr-quiet")
def test_a_cause_that_is_never_acknowledged_hangs_the_world_with_a_finding() -> None:
    world = run(altered(handle_interrupt=lambda self, adapter: None))
    assert (broken(world), world.outcome) == (["int-isr-quiet"], "hang")


@pytest.mark.breaks("miniport-exception")
@pytest.mark.parametrize("handler", ["initialize", "send", "handle_interrupt", "isr", "halt", "query_information", "return_packet"])
def test_an_exception_in_any_handler_ends_the_world_as_a_crash(handler: str) -> None:
    def raises(self: Any, *arguments: Any) -> None:
        raise KeyError("by hand")

    world = run(altered(**{handler: raises}))
    assert (world.outcome, broken(world)[0]) == ("crash", "miniport-exception")
    assert verdict_of(world) == "findings"


def test_stop_ends_the_world_at_its_first_finding() -> None:
    def halt(self: Any, adapter: Any) -> None:
        adapter.free_map_registers()
        adapter.free_map_registers()

    assert len(run(altered(halt=halt)).machine.findings.errors) > 1
    assert len(run(altered(halt=halt), stop=True).machine.findings.errors) == 1


# Every fault point of a full life


@cache
def points(windows: str) -> dict[str, int]:
    """How often each fault point is used in a full life without a fault."""
    world = run(windows=windows, frames=4, faults=(NEVER,))
    assert verdict_of(world) == "not-proven" and world.machine.injector is not None and world.received == 4
    return dict(world.machine.injector.counts)


def routine_faults() -> list[tuple[str, str]]:
    return [(windows, f"{name}#{n}={effect}") for windows in ("2000", "2003") for name, uses in points(windows).items()
            if name in TABLE for effect in TABLE[name].fails for n in range(1, uses + 1)]


def failed(world: World) -> list[str]:
    """Everything that must not be after a fault that the documents allow."""
    wrong = [f"{f.rule.id}: {f.message}" for f in world.machine.findings.errors]
    if world.outcome != "ran" or world.not_fired:
        wrong.append(f"{world.outcome} {world.not_fired}")
    if world.refused and any(block.live for block in world.machine.book.made):
        wrong.append("a block is still live")
    if not world.refused and world.lost:
        wrong.append(f"{world.lost} frames lost")
    return wrong


def test_the_recording_reaches_the_routines_that_can_fail() -> None:
    reached = {fault.partition("#")[0] for _, fault in routine_faults()}
    assert {"NdisAllocateMemoryWithTag", "NdisMQueryAdapterResources", "NdisMMapIoSpace", "NdisMAllocateMapRegisters",
            "NdisMAllocateSharedMemory", "NdisAllocatePacketPool", "NdisAllocatePacket", "NdisAllocateBuffer",
            "NdisMRegisterInterrupt"} <= reached
    assert len(routine_faults()) > 40


@pytest.mark.keeps("miniport-exception")
@pytest.mark.parametrize("windows, fault", routine_faults())
def test_a_single_failure_of_a_routine_is_survived_or_refused(windows: str, fault: str) -> None:
    for life in LIVES:
        world = run(windows=windows, frames=4, life=life, faults=(fault,))
        assert failed(world) == []
        assert verdict_of(world) in ("clean", "refused")


@pytest.mark.parametrize("machine", [
    {"placement": "low"}, {"placement": "random", "seed": 3}, {"bus_offset": 0x4000_0000, "limits": "tg3-40"},
    {"ram_ranges": ((16 * MIB, 48 * MIB),)}, {"limits": "b44", "ram": 4 * GIB}, {"processors": 1, "windows": "xp"}], ids=str)
def test_single_failures_are_survived_or_refused_on_other_machines_too(machine: dict[str, Any]) -> None:
    recording = run(frames=2, faults=(NEVER,), **machine)
    assert recording.machine.injector is not None and not recording.refused
    wrong = {}
    for name, uses in recording.machine.injector.counts.items():
        for n in range(1, uses + 1) if name in TABLE and TABLE[name].fails else ():
            world = run(frames=2, faults=(f"{name}#{n}",), **machine)
            if failed(world):
                wrong[f"{name}#{n}"] = failed(world)
    assert wrong == {}


@pytest.mark.long
@pytest.mark.parametrize("windows", ["2000", "2003"])
def test_two_failures_of_routines_are_survived_or_refused(windows: str) -> None:
    wrong = {}
    for _, first in [pair for pair in routine_faults() if pair[0] == windows]:
        counted = run(windows=windows, frames=2, faults=(first, NEVER))
        assert counted.machine.injector is not None
        for name, uses in counted.machine.injector.counts.items():
            for n in range(1, uses + 1) if name in TABLE and TABLE[name].fails else ():
                if f"{name}#{n}" != first.partition("=")[0]:
                    world = run(windows=windows, frames=2, faults=(first, f"{name}#{n}"))
                    if world.not_fired == [first.removesuffix("=fail")]:
                        world.not_fired.clear()  # the second failure comes before the first one is reached
                    if failed(world):
                        wrong[first, f"{name}#{n}"] = failed(world)
    assert wrong == {}


def removals() -> list[str]:
    """The card is pulled out at each register access of a life."""
    return [f"{name}#{n}=remove" for name, uses in points("2003").items() if name.startswith("register-") for n in range(1, uses + 1)]


def test_a_card_that_is_pulled_out_at_any_register_access_is_survived() -> None:
    wrong = {}
    for fault in removals():
        world = run(frames=4, faults=(fault,))
        found = [f.rule.id for f in world.machine.findings.errors]
        if found or world.outcome != "ran" or world.not_fired:
            wrong[fault] = (found, world.outcome)
    assert wrong == {}
    assert len(removals()) > 50


def test_reads_of_all_ones_and_aborted_cycles_hang_and_crash_nothing() -> None:
    wrong = {}
    for name, uses in points("2003").items():
        effect = "all-ones" if name.startswith("register-read") else "abort" if name.startswith("dma-") else None
        for n in range(1, uses + 1) if effect is not None else ():
            world = run(frames=4, faults=(f"{name}#{n}={effect}",))
            if world.outcome != "ran" or world.machine.findings.errors or world.not_fired:
                wrong[f"{name}#{n}"] = (world.outcome, broken(world))
    assert wrong == {}
