# SPDX-License-Identifier: Apache-2.0
"""The smart NIC from START to READY, and every way in which that ends otherwise."""

from __future__ import annotations

import pytest

from firmware.layout import MAX_IMAGE_BYTES
from hw.inject import parse_fault
from hw.limits import PRESETS, custom
from hw.nic.base import LivePointer
from hw.nic.smart_registers import BootError, State
from hw.pci import COMMAND_IO, COMMAND_MEMORY
from hw.pci_capabilities import D0, D1, D3
from tests.hw.nic.smart_rig import BOOT_OFFSETS, HOST, IMAGE, IMAGE_AT, READY, REST, START, STOP, SmartRig, copy, program, put
from verifier.address import KIB, MIB
from verifier.events import Kind

RESET = 1
PMCSR = 0x44


@pytest.fixture
def rig() -> SmartRig:
    """A smart NIC without a program."""
    return SmartRig(boot=False)


def error(rig: SmartRig) -> BootError:
    return BootError(rig.read("BOOT_ERROR"))


def states(rig: SmartRig) -> list[str]:
    return [event[4] for event in rig.machine.events.events if event[1] == Kind.FIRMWARE]


# The way to READY


def test_a_good_image_is_fetched_checked_and_started(rig: SmartRig) -> None:
    assert rig.read("BOOT_STATUS") == State.ROM
    assert rig.boot() is State.READY
    assert (rig.read("VERSION"), rig.read("CAPABILITIES"), error(rig)) == (1 << 16, 0x81F, BootError.NONE)
    assert states(rig) == ["FETCHING", "STARTING", "READY"]
    assert rig.rules == []


def test_the_image_is_read_once_in_bursts_of_4096_bytes(rig: SmartRig) -> None:
    rig.boot()
    reads = [(row["logical"], row["length"]) for row in rig.machine.events.as_dicts() if row["kind"] == "dma_read"]
    assert reads == [(IMAGE_AT + at, min(4096, len(IMAGE) - at)) for at in range(0, len(IMAGE), 4096)]


def test_the_memory_of_the_image_is_live_until_it_was_fetched(rig: SmartRig) -> None:
    assert list(rig.nic.live_pointers()) == []
    seen: list[list[LivePointer]] = []
    rig.machine.clock.at(1_000, lambda: seen.append(list(rig.nic.live_pointers())))
    rig.boot()
    assert seen == [[LivePointer("firmware image", IMAGE_AT, len(IMAGE))]]
    assert list(rig.nic.live_pointers()) == []


def test_while_the_image_is_fetched_only_a_reset_stops_the_card(rig: SmartRig) -> None:
    slot = rig.nic.slots[BOOT_OFFSETS["CTRL"]]
    assert rig.nic.stops_dma(slot, 0)
    rig.write("IMAGE_LENGTH", 4096)
    rig.write("BOOT_CTRL", START)
    rig.machine.bus.drain()
    assert rig.nic.state is State.FETCHING
    assert (rig.nic.stops_dma(slot, 0), rig.nic.stops_dma(slot, RESET)) == (False, True)
    assert rig.nic.running() == ("boot ROM",)


@pytest.mark.parametrize("offset", [0, 1, 3])
def test_an_image_may_lie_anywhere_in_reach(rig: SmartRig, offset: int) -> None:
    assert rig.boot(at=IMAGE_AT + offset) is State.READY


@pytest.mark.parametrize("bus_offset", [0, 0x80_0000])
def test_the_image_has_a_device_address(bus_offset: int) -> None:
    assert SmartRig(bus_offset=bus_offset).nic.state is State.READY


@pytest.mark.parametrize("asked, state", [(0, State.READY), (0x0001_0000, State.READY), (0x0001_0007, State.READY),
                                          (0x0002_0000, State.REFUSED), (0xFFFF_0000, State.REFUSED)])
def test_the_program_refuses_a_driver_of_another_major_version(rig: SmartRig, asked: int, state: State) -> None:
    assert rig.boot(version=asked) is state
    assert error(rig) is (BootError.NONE if state is State.READY else BootError.VERSION)


# Before READY


@pytest.mark.parametrize("name, value", [("CTRL", 6), ("MASK", 0x3F), ("FILTER", 0x1F), ("TX_BASE_LO", 0x1000), ("RX_TAIL", 1)])
def test_what_is_written_to_a_register_of_the_reference_nic_before_ready_is_lost(rig: SmartRig, name: str, value: int) -> None:
    rig.write(name, value)
    assert rig.read(name) == 0
    rig.boot()
    rig.write(name, value)
    assert rig.read(name) == value


def test_the_card_says_who_it_is_before_ready(rig: SmartRig) -> None:
    assert [rig.read(name) for name in ("ID", "STATUS", "LIMITS", "MAC_LO", "MAC_HI")] == [
        0x0DBE_0002, 1, 0x0004_181A, 0xD0BE_0D02, 0x0100]


def test_nothing_is_received_before_ready(rig: SmartRig) -> None:
    rig.receive(bytes(60))
    rig.boot()
    assert (rig.read("CAUSE"), rig.read("STAT_MISSED")) == (0, 0)


# Images that the ROM refuses


@pytest.mark.parametrize("length, reason", [
    (0, BootError.LENGTH), (35, BootError.LENGTH), (36, BootError.HEADER), (MAX_IMAGE_BYTES, BootError.HEADER),
    (MAX_IMAGE_BYTES + 1, BootError.LENGTH)])
def test_the_length_of_an_image_is_36_bytes_to_1_mib(rig: SmartRig, length: int, reason: BootError) -> None:
    rig.processor.store(rig.block("image", 0x80_0000, 2 * MIB), 0, bytes(2 * MIB))
    rig.write("IMAGE_LO", 0x80_0000)
    rig.write("IMAGE_LENGTH", length)
    rig.write("BOOT_CTRL", START)
    rig.settle()
    assert (rig.nic.state, error(rig)) == (State.REFUSED, reason)
    assert rig.rules == []


@pytest.mark.parametrize("image, reason", [
    (IMAGE[:-1], BootError.LENGTH), (IMAGE + b"\0", BootError.LENGTH), (b"\x7fELF" + IMAGE[4:], BootError.HEADER),
    (IMAGE[:-1] + bytes([IMAGE[-1] ^ 1]), BootError.CONTENT)], ids=["short", "long", "magic", "last bit"])
def test_an_image_that_is_no_good_is_refused_with_the_reason(rig: SmartRig, image: bytes, reason: BootError) -> None:
    assert rig.boot(image) is State.REFUSED
    assert error(rig) is reason
    assert rig.nic.core is None
    assert rig.rules == []


def test_after_a_refusal_the_next_start_works(rig: SmartRig) -> None:
    rig.boot(IMAGE[:-1])
    assert rig.boot() is State.READY
    assert error(rig) is BootError.NONE


@pytest.mark.parametrize("bus_master, reason", [(True, None), (False, BootError.BUS)])
def test_without_bus_mastering_the_image_cannot_be_fetched(rig: SmartRig, bus_master: bool, reason: BootError | None) -> None:
    if not bus_master:
        rig.nic.config.command = COMMAND_IO | COMMAND_MEMORY
    state = rig.boot()
    assert (state, error(rig)) == ((State.READY, BootError.NONE) if reason is None else (State.REFUSED, reason))


@pytest.mark.breaks("dma-width")
@pytest.mark.keeps("dma-width")
@pytest.mark.parametrize("beyond, rules", [(0, []), (1, ["dma-width"]), (2, ["dma-width"])])
def test_the_image_as_a_whole_has_to_be_in_reach(beyond: int, rules: list[str]) -> None:
    rig = SmartRig(ram=128 * MIB, boot=False)
    state = rig.boot(at=64 * MIB - len(IMAGE) + beyond)
    assert rig.rules == rules
    assert (state is State.READY) is (not rules)
    assert all(finding.owner == "image" for finding in rig.errors)


@pytest.mark.breaks("dma-boundary")
@pytest.mark.keeps("dma-boundary")
@pytest.mark.parametrize("beyond, rules", [(0, []), (1, ["dma-boundary"]), (2, ["dma-boundary"])])
def test_the_image_as_a_whole_must_not_cross_a_boundary(beyond: int, rules: list[str]) -> None:
    rig = SmartRig(custom(PRESETS["reference"], 26, 64 * KIB), boot=False)
    rig.boot(at=IMAGE_AT + 64 * KIB - len(IMAGE) + beyond)
    assert rig.rules == rules


@pytest.mark.breaks("dma-boundary")
def test_a_boundary_between_two_bursts_is_one_that_the_image_crosses() -> None:
    rig = SmartRig(custom(PRESETS["reference"], 26, 64 * KIB), boot=False)
    rig.boot(at=IMAGE_AT + 64 * KIB - 4096)
    assert rig.rules == ["dma-boundary"]


@pytest.mark.breaks("shared-init-value")
def test_an_image_that_was_not_stored_to_its_end_is_told(rig: SmartRig) -> None:
    block = rig.block("image", IMAGE_AT, len(IMAGE))
    rig.processor.store(block, 0, IMAGE[:-1])
    rig.write("IMAGE_LO", IMAGE_AT)
    rig.write("IMAGE_LENGTH", len(IMAGE))
    rig.write("BOOT_CTRL", START)
    rig.settle()
    assert rig.rules == ["shared-init-value"]
    assert "firmware image" in rig.errors[0].message


# Reset, stop, power


def test_a_reset_leads_back_to_the_boot_rom_at_any_time(rig: SmartRig) -> None:
    rig.boot()
    rig.write("CTRL", RESET)
    rig.settle()
    assert (rig.nic.state, rig.read("VERSION"), rig.read("IMAGE_LENGTH")) == (State.ROM, 0, 0)
    rig.write("IMAGE_LENGTH", 4096)
    rig.write("BOOT_CTRL", START)
    rig.machine.bus.drain()
    rig.write("CTRL", RESET)
    rig.settle()
    assert rig.nic.state is State.ROM
    assert rig.boot() is State.READY


def test_start_does_nothing_while_a_program_runs(rig: SmartRig) -> None:
    rig.boot()
    core = rig.nic.core
    rig.write("BOOT_CTRL", START)
    rig.settle()
    assert (rig.nic.state, rig.nic.core) == (State.READY, core)


def test_an_orderly_stop_ends_the_program_and_start_brings_it_back(rig: SmartRig) -> None:
    rig.boot()
    rig.write("BOOT_CTRL", STOP)
    rig.settle()
    assert (rig.nic.state, error(rig), rig.read("STATUS")) == (State.STOPPED, BootError.NONE, 1)
    assert rig.boot() is State.READY


def test_start_switches_the_engines_off(rig: SmartRig) -> None:
    rig.boot()
    rig.start_rx()
    rig.write("BOOT_CTRL", STOP)
    rig.settle()
    rig.write("CTRL", 6)
    rig.settle()
    assert rig.boot() is State.READY
    assert (rig.read("CTRL"), rig.read("STATUS"), list(rig.nic.live_pointers())) == (0, 1, [])


def test_the_error_log_is_kept_over_a_reset_and_cleared_by_start(rig: SmartRig) -> None:
    rig.boot(IMAGE[:-1])
    rig.write("CTRL", RESET)
    rig.settle()
    assert (rig.nic.state, error(rig)) == (State.ROM, BootError.LENGTH)
    rig.boot()
    assert error(rig) is BootError.NONE


def test_in_d1_the_program_stands_still_and_goes_on_in_d0(rig: SmartRig) -> None:
    rig.boot()
    rig.start_rx()
    rig.nic.config.write(PMCSR, D1.to_bytes(2, "little"))
    rig.receive(bytes(60))
    beats = rig.nic.core.heartbeats if rig.nic.core is not None else 0
    rig.machine.clock.advance(5_000_000)
    assert rig.nic.core is not None and rig.nic.core.heartbeats == beats
    rig.nic.config.write(PMCSR, D0.to_bytes(2, "little"))
    rig.receive(bytes(60))
    assert (rig.nic.state, rig.read("STAT_RX")) == (State.READY, 1)


def test_d1_in_the_middle_of_a_boot_only_delays_it(rig: SmartRig) -> None:
    rig.machine.clock.at(1_000, lambda: rig.nic.config.write(PMCSR, D1.to_bytes(2, "little")))
    rig.machine.clock.at(50_000, lambda: rig.nic.config.write(PMCSR, D0.to_bytes(2, "little")))
    rig.boot()
    rig.machine.clock.advance(200_000)
    assert rig.nic.state is State.READY


def test_d3_takes_the_program_away(rig: SmartRig) -> None:
    rig.boot()
    rig.nic.config.write(PMCSR, D3.to_bytes(2, "little"))
    rig.nic.config.write(PMCSR, D0.to_bytes(2, "little"))
    assert (rig.nic.state, rig.nic.core) == (State.ROM, None)


def test_a_card_that_is_pulled_out_runs_no_program(rig: SmartRig) -> None:
    rig.boot()
    rig.nic.remove()
    rig.settle()
    assert rig.nic.core is None


# What programs of another kind do


def test_a_program_says_which_version_it_speaks(rig: SmartRig) -> None:
    assert rig.boot(program(*put(HOST + 0xB8, 5 << 16), *READY, *REST)) is State.READY
    assert (rig.read("VERSION"), rig.read("CAPABILITIES")) == (5 << 16, 0)


def test_the_program_reads_what_the_host_reads(rig: SmartRig) -> None:
    rig.boot(program(*copy(HOST + 0xB4, HOST + 0x4C), *READY, *REST), version=0x0001_0042)
    assert rig.nic.tx.head == 0x0001_0042


# Faults


@pytest.mark.parametrize("fault, reason", [
    ("image#1", BootError.HEADER), ("image#1=corrupt-header", BootError.HEADER), ("image#1=corrupt-0", BootError.CONTENT),
    ("image#1=corrupt-1", BootError.CONTENT), ("image#1=corrupt-2", BootError.CONTENT), ("dma-read#1=abort", BootError.BUS)])
def test_an_image_that_is_spoiled_on_its_way_is_refused_and_good_the_next_time(fault: str, reason: BootError) -> None:
    rig = SmartRig(boot=False, faults=(parse_fault(fault),))
    assert rig.boot() is State.REFUSED
    assert error(rig) is reason
    assert rig.boot() is State.READY
    assert rig.rules == []


def test_a_segment_that_the_image_lacks_cannot_be_spoiled() -> None:
    rig = SmartRig(boot=False, faults=(parse_fault("image#1=corrupt-2"),))
    assert rig.boot(program(*READY, *REST)) is State.READY
    assert rig.machine.injector is not None and rig.machine.injector.not_fired()


@pytest.mark.parametrize("effect, state, reason, version", [
    ("hang", State.DEAD, BootError.HANG, 0), ("assertion", State.DEAD, BootError.ASSERTION, 0),
    ("wrong-version", State.READY, BootError.NONE, 2 << 16)])
def test_a_program_that_fails_at_boot_shows_it_in_registers_alone(effect: str, state: State, reason: BootError, version: int) -> None:
    rig = SmartRig(boot=False, faults=(parse_fault(f"boot#1={effect}"),))
    assert rig.boot() is state
    assert (error(rig), rig.read("VERSION")) == (reason, version)
    assert (rig.read("WATCHDOG"), rig.read("ASSERTION")) == (int(effect == "hang"), 0xFFFF_0000 if effect == "assertion" else 0)
    assert rig.rules == []
    rig.write("CTRL", RESET)
    rig.settle()
    assert rig.boot() is State.READY
    assert rig.read("VERSION") == 1 << 16
