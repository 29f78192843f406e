# SPDX-License-Identifier: Apache-2.0
"""Suspend, rebalance and the source of power as a miniport sees them: who is asked what, who is halted, and which rules bind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dmabed.spec import WorldSpec
from dmabed.world import World, run_world
from miniport import status as s
from miniport.reference import ReferenceMiniport, SerializedReferenceMiniport
from miniport.reference import hardware as hw
from verifier.events import Kind

PNP = {s.OID_PNP_CAPABILITIES: "capabilities", s.OID_PNP_QUERY_POWER: "query", s.OID_PNP_SET_POWER: "set",
       s.OID_PNP_ENABLE_WAKE_UP: "wake"}
GOOD = s.NDIS_STATUS_SUCCESS
NO_HALT = s.NDIS_ATTRIBUTE_BUS_MASTER | s.NDIS_ATTRIBUTE_NO_HALT_ON_SUSPEND


class Asked:
    """Handlers of a `bare` miniport that answer power requests with given statuses, and note what they were asked."""

    def __init__(self, *, capabilities: int = GOOD, query: int = GOOD, d3: int = GOOD, d0: int = GOOD, wake: bytes = bytes(12)) -> None:
        self.order: list[str] = []
        self._answers = {s.OID_PNP_CAPABILITIES: (capabilities, bytes(4) + wake, 0), s.OID_PNP_QUERY_POWER: (query, b"", 0)}
        self._set = {s.NDIS_DEVICE_STATE_D3: d3, s.NDIS_DEVICE_STATE_D0: d0}

    def query_information(self, adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        if oid in PNP:
            self.order.append(PNP[oid])
        return self._answers.get(oid, (s.NDIS_STATUS_NOT_SUPPORTED, b"", 0))

    def set_information(self, adapter: Any, oid: int, data: bytes) -> tuple[int, int, int]:
        if oid == s.OID_PNP_ENABLE_WAKE_UP:
            self.order.append(f"wake {int.from_bytes(data, 'little')}")
        if oid != s.OID_PNP_SET_POWER:
            return GOOD, len(data), 0
        state = int.from_bytes(data, "little")
        self.order.append({s.NDIS_DEVICE_STATE_D3: "D3", s.NDIS_DEVICE_STATE_D0: "D0"}[state])
        return self._set[state], 4, 0

    def handlers(self) -> dict[str, Any]:
        return {"query_information": self.query_information, "set_information": self.set_information}


def calls(world: World, *names: str) -> list[str]:
    """Which of the handlers *names* were entered, in order."""
    return [event[3] for event in world.machine.events.events if event[1] == Kind.ENTER and event[3] in names]


def suspended(live: Any, bare: Any, asked: Asked, *, versions: Any = ((5, 1),), attributes: int = s.NDIS_ATTRIBUTE_BUS_MASTER,
              **options: Any) -> World:
    world: World = live(bare(attributes=attributes, versions=versions, **asked.handlers()), life="suspend", **options)
    return world


# Who is halted, who is asked


@pytest.mark.keeps("power-success")
def test_an_aware_miniport_is_asked_then_put_to_sleep_and_never_halted(live: Any, bare: Any, broken: Any) -> None:
    asked = Asked()
    world = suspended(live, bare, asked)
    assert asked.order == ["capabilities", "query", "D3", "D0"]
    assert calls(world, "initialize", "halt") == ["initialize", "halt"]
    assert broken(world) == []


def test_one_that_is_not_aware_is_halted_and_initialized_again(live: Any, bare: Any, broken: Any) -> None:
    asked = Asked(capabilities=s.NDIS_STATUS_NOT_SUPPORTED)
    world = suspended(live, bare, asked)
    assert asked.order == ["capabilities"]
    assert calls(world, "initialize", "halt") == ["initialize", "halt"] * 2
    assert broken(world) == []


@pytest.mark.keeps("attr5-no-halt-on-suspend")
def test_no_halt_on_suspend_gets_the_state_alone(live: Any, bare: Any, broken: Any) -> None:
    asked = Asked(capabilities=s.NDIS_STATUS_NOT_SUPPORTED)
    world = suspended(live, bare, asked, attributes=NO_HALT)
    assert asked.order == ["capabilities", "D3", "D0"]
    assert calls(world, "initialize", "halt") == ["initialize", "halt"]
    assert broken(world) == []


@pytest.mark.breaks("attr5-no-halt-on-suspend")
@pytest.mark.parametrize("refused", ["d3", "d0"])
def test_no_halt_on_suspend_without_the_request_is_told(live: Any, bare: Any, broken: Any, refused: str) -> None:
    asked = Asked(capabilities=s.NDIS_STATUS_NOT_SUPPORTED, **{refused: s.NDIS_STATUS_NOT_SUPPORTED})
    assert broken(suspended(live, bare, asked, attributes=NO_HALT)) == ["attr5-no-halt-on-suspend"]


def test_a_miniport_of_ndis_4_is_not_asked(live: Any, bare: Any) -> None:
    asked = Asked()
    world = suspended(live, bare, asked, versions=((4, 0),))
    assert asked.order == [] and calls(world, "halt") == ["halt", "halt"]


@pytest.mark.parametrize("attributes, order", [(0, []), (s.NDIS_ATTRIBUTE_NO_HALT_ON_SUSPEND, ["capabilities", "query", "D3", "D0"])])
def test_on_a_bus_without_power_states_only_no_halt_on_suspend_is_asked(live: Any, bare: Any, attributes: int, order: list[str]) -> None:
    asked = Asked()
    suspended(live, bare, asked, attributes=attributes, nic="isa-slave")
    assert asked.order == order


@pytest.mark.parametrize("wake, bits", [((4, 0, 0), 1), ((0, 4, 0), 2), ((0, 0, 4), 4), ((1, 4, 3), 7)])
def test_what_can_wake_the_system_is_enabled(live: Any, bare: Any, wake: tuple[int, int, int], bits: int) -> None:
    asked = Asked(wake=b"".join(state.to_bytes(4, "little") for state in wake))
    suspended(live, bare, asked)
    assert asked.order == ["capabilities", f"wake {bits}", "query", "D3", "D0"]


@pytest.mark.breaks("power-success")
@pytest.mark.parametrize("refused", ["query", "d3", "d0"])
def test_an_aware_miniport_refuses_no_power_request(live: Any, bare: Any, broken: Any, refused: str) -> None:
    assert broken(suspended(live, bare, Asked(**{refused: s.NDIS_STATUS_FAILURE}))) == ["power-success"]


@pytest.mark.breaks("power-success")
def test_a_power_request_that_is_never_completed_is_told(live: Any, bare: Any, broken: Any, told: Any) -> None:
    world = suspended(live, bare, Asked(d3=s.NDIS_STATUS_PENDING))
    assert "power-success" in broken(world) and "never completed" in told(world, "power-success")


@pytest.mark.parametrize("miniport, times", [(ReferenceMiniport, 1), (SerializedReferenceMiniport, 2)])
def test_ndis_sets_filter_and_multicast_list_again_after_initialize_and_not_after_d0(live: Any, miniport: Any, times: int) -> None:
    seen: list[int] = []

    class Watched(miniport):  # type: ignore[misc]
        def set_information(self, adapter: Any, oid: int, data: bytes) -> Any:
            seen.append(oid)
            return super().set_information(adapter, oid, data)

    world = live(Watched, life="suspend", frames=0)
    assert seen.count(s.OID_GEN_CURRENT_PACKET_FILTER) == seen.count(s.OID_802_3_MULTICAST_LIST) == times
    assert calls(world, "initialize") == ["initialize"] * times


# What sleeps is quiet


def reference(**changes: Any) -> type[ReferenceMiniport]:
    return type("Changed", (ReferenceMiniport,), changes)


def masked_only(self: Any, adapter: Any, context: Any) -> None:
    adapter.write_register_ulong(context.registers, hw.MASK, 0)


def stopped_only(self: Any, adapter: Any, context: Any) -> None:
    adapter.write_register_ulong(context.registers, hw.CTRL, 0)
    adapter.read_register_ulong(context.registers, hw.STATUS)


@pytest.mark.breaks("power-d3-quiet")
@pytest.mark.parametrize("sleep", [masked_only, stopped_only])
def test_engines_and_interrupts_are_off_in_d3(live: Any, broken: Any, sleep: Any) -> None:
    assert broken(live(reference(_quiet=sleep), life="suspend", frames=4))[:1] == ["power-d3-quiet"]


@pytest.mark.keeps("power-d3-quiet", "power-restored", "power-no-access", "power-timers-cancelled")
@pytest.mark.parametrize("seed", range(1, 9))
def test_a_miniport_that_stops_and_restores_is_clean(live: Any, broken: Any, seed: int) -> None:
    world = live(ReferenceMiniport, life="suspend", frames=20, seed=seed, adapters=2)
    assert (broken(world), world.received) == ([], 40)


@pytest.mark.breaks("power-restored")
@pytest.mark.parametrize("forgotten, named", [
    ("_program", "engine"), ("_start", "interrupts"), ("kept_filter", "packet filter"), ("kept_hash_lo", "multicast table")])
def test_what_d0_does_not_restore_is_named(live: Any, told: Any, forgotten: str, named: str) -> None:
    class Forgets(ReferenceMiniport):
        def _wake(self, adapter: Any, context: Any) -> None:
            if forgotten.startswith("_"):
                setattr(type(self), forgotten, lambda self, adapter, context: None)
            else:
                context.kept_filter = 0 if forgotten == "kept_filter" else context.kept_filter
                if forgotten == "kept_hash_lo":
                    context.kept_hash_lo = context.kept_hash_hi = 0
            try:
                super()._wake(adapter, context)
            finally:
                if forgotten.startswith("_"):
                    delattr(type(self), forgotten)

    assert named in told(live(Forgets, life="suspend", frames=4), "power-restored")


@pytest.mark.breaks("power-timers-cancelled")
@pytest.mark.parametrize("cancelled", [False, True])
def test_a_timer_that_is_set_in_d3_is_told(live: Any, broken: Any, cancelled: bool) -> None:
    class Ticking(ReferenceMiniport):
        def initialize(self, adapter: Any) -> int:
            status = super().initialize(adapter)
            self.timers.append(adapter.initialize_timer(lambda adapter, context: None))
            adapter.set_periodic_timer(self.timers[0], 1000)
            return status

        def __init__(self) -> None:
            self.timers: list[Any] = []

        def _sleep(self, adapter: Any, context: Any) -> None:
            if cancelled:
                adapter.cancel_timer(self.timers[0])
            super()._sleep(adapter, context)

        def halt(self, adapter: Any) -> None:
            adapter.cancel_timer(self.timers[0])
            super().halt(adapter)

    assert broken(live(Ticking, life="suspend")) == ([] if cancelled else ["power-timers-cancelled"])


@pytest.mark.breaks("power-no-access")
def test_a_packet_that_comes_back_while_the_card_sleeps_touches_no_register(live: Any, broken: Any) -> None:
    class Touches(ReferenceMiniport):
        def return_packet(self, adapter: Any, packet: Any) -> None:
            adapter.read_register_ulong(adapter.context.registers, hw.STATUS)
            super().return_packet(adapter, packet)

    seen = {tuple(broken(live(Touches, life="suspend", frames=40, seed=seed))) for seed in range(1, 31)}
    assert seen == {(), ("power-no-access",)}


@pytest.mark.keeps("power-no-access")
def test_the_isr_of_a_sleeping_card_on_a_shared_line_may_look(live: Any, broken: Any) -> None:
    world = live(ReferenceMiniport, life="suspend", adapters=3, frames=3)
    names = [event[3] for event in world.machine.events.events if event[1] == Kind.REGISTER_READ and event[6] == hw.GONE]
    assert "nic0" in names and broken(world) == []


# Resources


@pytest.mark.keeps("resources-current")
def test_after_a_rebalance_the_resources_are_others(live: Any, bare: Any, broken: Any) -> None:
    seen: list[Any] = []
    world = live(bare(lambda adapter: seen.append(adapter.query_adapter_resources()[1]) or None), life="rebalance")
    assert broken(world) == [] and len(seen) == 2
    assert all(one.start != other.start for one, other in zip(*seen, strict=True) if one.kind != "interrupt")


@pytest.mark.breaks("resources-current")
@pytest.mark.parametrize("kind", ["memory", "port"])
def test_an_address_of_the_first_life_is_told(live: Any, bare: Any, broken: Any, kind: str) -> None:
    first: list[Any] = []

    def initialize(adapter: Any) -> int:
        first.extend(r for r in adapter.query_adapter_resources()[1] if r.kind == kind)
        start, length = first[0].start, first[0].length
        if kind == "memory":
            _, window = adapter.map_io_space(start, length)
            if window is not None:
                adapter.unmap_io_space(window, length)
        else:
            _, window = adapter.register_io_port_range(start, length)
            if window is not None:
                adapter.deregister_io_port_range(start, length, window)
        return s.NDIS_STATUS_SUCCESS

    assert broken(live(bare(initialize), life="rebalance")) == ["resources-current"]


@pytest.mark.breaks("resources-current")
def test_an_interrupt_of_the_first_life_is_told(live: Any, bare: Any, broken: Any) -> None:
    seen = set()
    for seed in range(1, 9):
        first: list[Any] = []

        def initialize(adapter: Any, first: list[Any] = first) -> None:
            first.extend(r for r in adapter.query_adapter_resources()[1] if r.kind == "interrupt")
            _, interrupt = adapter.register_interrupt(first[0].start, first[0].level, True, True, first[0].mode)
            if interrupt is not None:
                adapter.deregister_interrupt(interrupt)

        world = live(bare(initialize, isr=lambda adapter: (False, False)), life="rebalance", seed=seed)
        seen.add((first[-1].start != 11, tuple(broken(world))))
    assert seen == {(True, ("resources-current",)), (False, ())}


def test_protocols_bind_again_after_a_rebalance(live: Any) -> None:
    world = live(SerializedReferenceMiniport, life="rebalance", frames=9)
    assert calls(world, "initialize", "halt") == ["initialize", "halt"] * 2
    assert world.received == 9


# The source of power


def notified(live: Any, **options: Any) -> list[tuple[str, bytes]]:
    seen: list[tuple[str, bytes]] = []

    class Told(ReferenceMiniport):
        def pnp_event_notify(self, adapter: Any, event: str, information: bytes) -> None:
            assert adapter._ndis.scheduler.current.irql == 0
            seen.append((event, information))

    live(Told, **options)
    return seen


MAINS, BATTERY = ((value.to_bytes(4, "little")) for value in (s.NDIS_POWER_PROFILE_AC_ONLINE, s.NDIS_POWER_PROFILE_BATTERY))


def test_the_source_of_power_is_told_after_initialize_and_after_d0(live: Any) -> None:
    assert notified(live) == [("power-profile-changed", MAINS)]
    assert [event for event, _ in notified(live, life="suspend")] == ["power-profile-changed"] * 2


def test_surprise_removal_brings_no_information(live: Any) -> None:
    assert notified(live, life="surprise")[-1] == ("surprise-removed", b"")


@pytest.mark.parametrize("windows, ndis", [("2000", "5.0"), ("xp", "5.0")])
def test_before_ndis_5_1_nobody_is_told(live: Any, windows: str, ndis: str) -> None:
    assert notified(live, windows=windows, ndis=ndis, life="suspend") == []


def test_the_plug_is_pulled_while_packets_are_out_as_the_seed_says(live: Any) -> None:
    seen = {information for seed in range(1, 9) for _, information in notified(live, frames=100, seed=seed)}
    assert seen == {MAINS, BATTERY}


# Requests at bad moments


@pytest.mark.keeps("power-restored", "power-no-access")
@pytest.mark.parametrize("adapters", [1, 3])
@pytest.mark.parametrize("effect", ["filter-0", "storm"])
def test_nothing_but_power_goes_down_to_a_card_that_sleeps(effect: str, adapters: int) -> None:
    def life(*faults: str, record: bool = False) -> World:
        return run_world(WorldSpec(frames=2, life="suspend", adapters=adapters, faults=faults), ReferenceMiniport, Path(), record=record)

    recording = life(record=True).machine.injector
    assert recording is not None
    fired = 0
    for number in range(1, recording.counts["request"] + 1):
        world = life(f"request#{number}={effect}")
        fired += not world.not_fired
        assert world.machine.findings.errors == []
    assert fired >= 2 * adapters
