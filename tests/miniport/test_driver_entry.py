# SPDX-License-Identifier: Apache-2.0
"""How a driver is loaded and unloaded: wrapper, registration, unload handler, devices."""

from __future__ import annotations

from typing import Any

import pytest

from miniport.driver import Driver
from miniport.miniport import Miniport
from miniport.reference import ReferenceMiniport
from miniport.status import (
    NDIS_STATUS_BAD_CHARACTERISTICS,
    NDIS_STATUS_BAD_VERSION,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from miniport.versions import CHARACTERISTICS_LENGTH
from verifier.errors import NotModelledError

DEVICE = ("\\Device\\Bed", "\\DosDevices\\Bed", {0: print})


def loaded(entry: Any, **more: Any) -> type[ReferenceMiniport]:
    """The reference miniport with a driver_entry of its own."""
    return type("Loaded", (ReferenceMiniport,), {"driver_entry": lambda self, driver: entry(driver), **more})


def register(driver: Driver, version: tuple[int, int] = (5, 1), length: int | None = None) -> int:
    driver.initialize_wrapper()
    return driver.register_miniport(*version, CHARACTERISTICS_LENGTH[version] if length is None else length)


def calls(world: Any) -> list[str]:
    return [event[3] for event in world.machine.events.events if isinstance(event[3], str)]


@pytest.mark.keeps("wrapper-first", "wrapper-terminate-on-failure", "driver-entry-registers", "unload-undo-all")
def test_a_class_without_driver_entry_is_registered_before_initialize(live: Any, broken: Any) -> None:
    world = live(ReferenceMiniport)
    assert broken(world) == []
    said = calls(world)
    assert said.index("NdisMInitializeWrapper") < said.index("NdisMRegisterMiniport") < said.index("initialize")
    assert "NdisTerminateWrapper" not in said
    assert world.ndis.calls["driver_entry"] == 1


def test_driver_entry_runs_once_for_two_adapters(live: Any, broken: Any) -> None:
    world = live(ReferenceMiniport, adapters=2)
    assert broken(world) == []
    assert [seat.ndis.calls.get("driver_entry") for seat in world.seats] == [1, None]
    assert world.seats[0].ndis.driver is world.seats[1].ndis.driver


@pytest.mark.parametrize("effect, status", [
    ("RESOURCES", NDIS_STATUS_RESOURCES), ("BAD_CHARACTERISTICS", NDIS_STATUS_BAD_CHARACTERISTICS), ("FAILURE", NDIS_STATUS_FAILURE)])
def test_a_registration_that_fails_is_a_driver_that_is_not_there(live: Any, broken: Any, effect: str, status: int) -> None:
    world = live(ReferenceMiniport, faults=(f"NdisMRegisterMiniport#1={effect}",), adapters=2)
    assert broken(world) == [] and world.not_fired == []
    assert world.refused and [seat.status for seat in world.seats] == [status, status]
    assert "initialize" not in calls(world) and "NdisTerminateWrapper" in calls(world)


def test_after_bad_version_the_older_version_is_registered(live: Any, broken: Any) -> None:
    world = live(ReferenceMiniport, faults=("NdisMRegisterMiniport#1=BAD_VERSION",))
    assert broken(world) == []
    assert (world.ndis.ndis_version, world.status) == ((5, 0), NDIS_STATUS_SUCCESS)


def test_when_every_version_is_bad_the_driver_is_not_there(live: Any, broken: Any) -> None:
    world = live(ReferenceMiniport, faults=("NdisMRegisterMiniport#1+=BAD_VERSION",))
    assert broken(world) == [] and world.status == NDIS_STATUS_BAD_VERSION
    assert calls(world).count("NdisMRegisterMiniport") == 2


def test_without_a_wrapper_nothing_is_registered(live: Any, broken: Any) -> None:
    world = live(ReferenceMiniport, faults=("NdisMInitializeWrapper#1",))
    assert broken(world) == [] and world.status == NDIS_STATUS_RESOURCES
    assert "NdisMRegisterMiniport" not in calls(world)


@pytest.mark.breaks("wrapper-first")
@pytest.mark.parametrize("step", [
    lambda driver: driver.register_miniport(5, 1, 240), lambda driver: driver.register_device(*DEVICE),
    lambda driver: driver.register_unload_handler(print), lambda driver: driver.terminate_wrapper(),
    lambda driver: driver.allocate_memory_with_tag(16, "Bed0"),
])
def test_a_call_before_the_wrapper_is_a_finding(live: Any, broken: Any, step: Any) -> None:
    def entry(driver: Driver) -> int:
        step(driver)
        return register(driver)

    assert broken(live(loaded(entry)))[0] == "wrapper-first"


@pytest.mark.breaks("wrapper-terminate-on-failure")
def test_a_failing_driver_entry_terminates_the_wrapper(live: Any, broken: Any) -> None:
    def entry(driver: Driver) -> int:
        return register(driver)

    world = live(loaded(entry), faults=("NdisMRegisterMiniport#1",))
    assert broken(world) == ["wrapper-terminate-on-failure"] and world.refused


@pytest.mark.breaks("driver-entry-registers")
@pytest.mark.parametrize("step", [lambda driver: None, lambda driver: driver.register_miniport(5, 1, 240)])
def test_success_without_a_miniport_is_a_finding(live: Any, broken: Any, step: Any) -> None:
    def entry(driver: Driver) -> int:
        driver.initialize_wrapper()
        step(driver)
        driver.terminate_wrapper()
        return NDIS_STATUS_SUCCESS

    world = live(loaded(entry))
    assert broken(world) == ["driver-entry-registers"] and world.refused


def test_a_driver_entry_that_fails_for_no_reason_is_a_finding(live: Any, broken: Any) -> None:
    assert broken(live(loaded(lambda driver: NDIS_STATUS_FAILURE))) == ["initialize-failed-without-fault"]


@pytest.mark.parametrize("version", [(4, 0), (5, 0), (5, 1)])
@pytest.mark.breaks("miniport-characteristics-length")
@pytest.mark.keeps("miniport-characteristics-length")
def test_characteristics_have_at_least_the_length_of_their_version(live: Any, broken: Any, version: tuple[int, int]) -> None:
    got: list[int] = []

    def entry(driver: Driver) -> int:
        for more in (1, 0, -1):
            got.append(register(driver, version, CHARACTERISTICS_LENGTH[version] + more))
        driver.terminate_wrapper()
        return got[-1]

    world = live(loaded(entry))
    assert got == [NDIS_STATUS_SUCCESS, NDIS_STATUS_SUCCESS, NDIS_STATUS_BAD_CHARACTERISTICS]
    assert broken(world) == ["miniport-characteristics-length"]


@pytest.mark.breaks("shutdown-registered")
@pytest.mark.keeps("shutdown-registered")
@pytest.mark.parametrize("ndis, supplied, found", [
    ("5.1", False, ["shutdown-registered"]), ("5.1", True, []), ("5.0", False, []), ("4.0", False, [])])
def test_shutdown_handler_stands_in_the_characteristics_of_ndis_5_1(live: Any, bare: Any, ndis: str, supplied: bool,
                                                                    found: list[str]) -> None:
    miniport = bare() if supplied else type("Without", (bare(),), {"shutdown": Miniport.shutdown})
    world = live(miniport, ndis=ndis)
    assert [one.rule.id for one in world.machine.findings.notices if one.rule.id == "shutdown-registered"] == found
    assert all(one.where is not None for one in world.machine.findings.notices)


@pytest.mark.parametrize("windows, version, status", [
    ("2000", (5, 0), NDIS_STATUS_SUCCESS), ("2000", (5, 1), NDIS_STATUS_BAD_VERSION), ("nt4", (5, 0), NDIS_STATUS_BAD_VERSION),
    ("7", (5, 1), NDIS_STATUS_SUCCESS), ("7", (5, 2), NDIS_STATUS_BAD_VERSION), ("7", (6, 0), NDIS_STATUS_BAD_VERSION)])
def test_a_version_that_this_windows_does_not_know_is_bad(live: Any, windows: str, version: tuple[int, int], status: int) -> None:
    got: list[int] = []

    def entry(driver: Driver) -> int:
        driver.initialize_wrapper()
        got.append(driver.register_miniport(*version, 240))
        driver.terminate_wrapper()
        return NDIS_STATUS_FAILURE

    live(loaded(entry, ndis_versions=((5, 0), (4, 0))), windows=windows)
    assert got == [status]


def test_ndis_3_miniports_are_not_modelled(live: Any) -> None:
    with pytest.raises(NotModelledError, match=r"NDIS 3\.0"):
        live(loaded(lambda driver: register(driver, (3, 0))))


# Unload


def unloading(memory: list[Any], free: bool, when: list[str]) -> type[ReferenceMiniport]:
    def unload(driver: Driver) -> None:
        when.append("unload")
        if free:
            driver.free_memory(memory[0], 32)

    def entry(driver: Driver) -> int:
        status = register(driver)
        memory.append(driver.allocate_memory_with_tag(32, "Bed0")[1])
        driver.register_unload_handler(unload)
        return status

    def halt(self: Any, adapter: Any) -> None:
        when.append("halt")
        ReferenceMiniport.halt(self, adapter)

    return loaded(entry, halt=halt)


@pytest.mark.keeps("unload-undo-all", "pool-leak-unload", "unload-handler-after-register")
@pytest.mark.parametrize("life, expected", [
    ("halt", ["halt", "halt", "unload"]), ("surprise", ["halt", "halt", "unload"]), ("power-off", []), ("bug-check", [])])
def test_unload_follows_the_last_halt(live: Any, broken: Any, life: str, expected: list[str]) -> None:
    when: list[str] = []
    world = live(unloading([], True, when), adapters=2, life=life)
    assert (broken(world), when) == ([], expected)


@pytest.mark.breaks("unload-undo-all", "pool-leak-unload")
def test_what_driver_entry_took_is_given_back_in_unload(live: Any, told: Any) -> None:
    world = live(unloading([], False, []))
    [finding] = world.machine.findings.errors
    assert finding.rule.id == "unload-undo-all" and "pool-leak-unload" in (finding.also or finding.rule.also)
    assert finding.message == "pool memory #1 of NdisAllocateMemoryWithTag is still held after the driver was unloaded"


def test_what_the_driver_took_may_be_given_back_in_halt(live: Any, broken: Any) -> None:
    memory: list[Any] = []

    def entry(driver: Driver) -> int:
        status = register(driver)
        memory.append(driver.allocate_memory_with_tag(32, "Bed0")[1])
        return status

    def halt(self: Any, adapter: Any) -> None:
        ReferenceMiniport.halt(self, adapter)
        adapter.free_memory(memory[0], 32)

    assert broken(live(loaded(entry, halt=halt))) == []


@pytest.mark.breaks("unload-undo-all")
def test_a_failing_driver_entry_gives_back_what_it_took(live: Any, broken: Any) -> None:
    def entry(driver: Driver) -> int:
        driver.initialize_wrapper()
        driver.allocate_spin_lock()
        status = driver.register_miniport(5, 1, 240)
        if status != NDIS_STATUS_SUCCESS:
            driver.terminate_wrapper()
        return status

    assert broken(live(loaded(entry), faults=("NdisMRegisterMiniport#1",))) == ["unload-undo-all"]


@pytest.mark.breaks("unload-handler-after-register")
def test_an_unload_handler_comes_after_the_miniport(live: Any, broken: Any) -> None:
    def entry(driver: Driver) -> int:
        driver.initialize_wrapper()
        driver.register_unload_handler(lambda driver: None)
        return driver.register_miniport(5, 1, 240)

    assert broken(live(loaded(entry))) == ["unload-handler-after-register"]


def test_all_adapters_see_the_context_of_the_driver(live: Any, hooked: Any, broken: Any) -> None:
    seen: list[Any] = []

    def initialize(adapter: Any) -> None:
        seen.append(adapter.driver.context)
        adapter.driver.context = "shared"

    assert broken(live(hooked(initialize=initialize), adapters=2)) == []
    assert seen == [None, "shared"]


@pytest.mark.parametrize("call", ["initialize_wrapper", "terminate_wrapper"])
def test_the_wrapper_belongs_to_driver_entry(live: Any, hooked: Any, broken: Any, call: str) -> None:
    world = live(hooked(halt=lambda adapter: getattr(adapter, call)()))
    assert broken(world) == ["routine-context"]


# Devices


def with_device(driver: Driver, *, undo: bool, device: tuple[Any, ...] = DEVICE) -> int:
    status = register(driver)
    made = driver.register_device(*device)[1]
    if undo:
        driver.register_unload_handler(lambda driver: [driver.deregister_device(made), None][-1])
    return status


@pytest.mark.keeps("device-no-pnp-power", "device-deregister-once", "unload-undo-all")
def test_a_device_lives_until_unload(live: Any, broken: Any) -> None:
    assert broken(live(loaded(lambda driver: with_device(driver, undo=True)))) == []


@pytest.mark.breaks("unload-undo-all")
def test_a_device_that_stays_is_a_leak(live: Any, told: Any) -> None:
    world = live(loaded(lambda driver: with_device(driver, undo=False)))
    assert told(world, "unload-undo-all") == "device \\Device\\Bed of NdisMRegisterDevice is still held after the driver was unloaded"


@pytest.mark.breaks("device-no-pnp-power")
@pytest.mark.parametrize("request_code", [0x16, 0x1B])
def test_a_device_has_no_dispatch_routine_for_pnp_and_power(live: Any, broken: Any, request_code: int) -> None:
    device = (*DEVICE[:2], {request_code: print})
    assert broken(live(loaded(lambda driver: with_device(driver, undo=True, device=device)))) == ["device-no-pnp-power"]


@pytest.mark.breaks("device-deregister-once")
def test_a_device_is_deregistered_once(live: Any, hooked: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        device = adapter.register_device(*DEVICE)[1]
        assert adapter.deregister_device(device) == adapter.deregister_device(device) == NDIS_STATUS_SUCCESS

    assert broken(live(hooked(initialize=initialize))) == ["device-deregister-once"]


@pytest.mark.parametrize("names", [("Device", "\\DosDevices\\Two"), ("\\Device\\Two", ""), ("\\Device\\Bed", "\\DosDevices\\Two"),
                                   ("\\Device\\Two", "\\DosDevices\\Bed")])
def test_a_name_that_is_taken_or_no_path_is_refused(live: Any, hooked: Any, broken: Any, names: tuple[str, str]) -> None:
    def initialize(adapter: Any) -> None:
        device = adapter.register_device(*DEVICE)[1]
        assert adapter.register_device(*names, {}) == (NDIS_STATUS_FAILURE, None)
        adapter.deregister_device(device)

    assert broken(live(hooked(initialize=initialize))) == []


def test_a_device_that_could_not_be_had_is_none(live: Any, hooked: Any, broken: Any) -> None:
    got: list[Any] = []
    world = live(hooked(initialize=lambda adapter: got.append(adapter.register_device(*DEVICE))), faults=("NdisMRegisterDevice#1",))
    assert (broken(world), got) == ([], [(NDIS_STATUS_FAILURE, None)])
