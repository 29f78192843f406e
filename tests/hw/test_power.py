# SPDX-License-Identifier: Apache-2.0
"""Power states of a PCI card and messages in place of its line: the capabilities as declared, and what the card does in each state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw import pci_capabilities as cap
from hw.messages import MESSAGE_VECTOR
from hw.nic.isa_slave import IsaSlaveNic
from hw.pci import BAR0, COMMAND, STATUS, STATUS_CAPABILITIES, Bar, PciConfig, layout
from verifier.events import Kind

BARS = (Bar(0, 4096), Bar(1, 256, ports=True))
TX_ENABLE, RX_ENABLE = 1 << 1, 1 << 2
LINK_CHANGE = 1 << 3


def config(**options: Any) -> PciConfig:
    return PciConfig(0x0DBE, 0x0001, bars=BARS, **options)


def word(space: PciConfig, offset: int) -> int:
    return int.from_bytes(space.read(offset, 2), "little")


def put_state(space: PciConfig, state: int) -> None:
    space.write(cap.PMCSR_AT, state.to_bytes(2, "little"))


# Configuration space


@pytest.mark.parametrize("options, chain", [
    ({}, []), ({"power": True}, [cap.POWER_ID]), ({"message": True}, [cap.MESSAGE_ID]),
    ({"power": True, "message": True}, [cap.POWER_ID, cap.MESSAGE_ID])])
def test_the_list_of_capabilities_holds_what_the_function_has(options: dict[str, bool], chain: list[int]) -> None:
    space = config(**options)
    found, at = [], layout().parse(space.read(0, 256)).capabilities
    while at:
        found.append(space.read(at, 1)[0])
        at = space.read(at + 1, 1)[0]
    assert found == chain
    assert bool(word(space, STATUS) & STATUS_CAPABILITIES) == bool(chain)


def test_the_power_capability_reads_as_declared() -> None:
    space = config(power=True)
    pmc = word(space, cap.POWER + 2)
    assert pmc == cap.PMC.reset_value() == 0x0602
    fields = cap.PMC.VERSION, cap.PMC.D1_SUPPORT, cap.PMC.D2_SUPPORT, cap.PMC.PME_SUPPORT
    assert [field.get(pmc) for field in fields] == [2, 1, 1, 0]
    assert word(space, cap.PMCSR_AT) == 0


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("after", range(4))
def test_a_function_goes_down_by_any_step_and_up_to_d0_alone(before: int, after: int) -> None:
    space = config(power=True)
    put_state(space, before)
    put_state(space, after)
    assert space.power_state == (after if after == 0 or after >= before else before)


def test_from_d3hot_to_d0_everything_that_was_written_is_lost_and_from_d2_nothing() -> None:
    for state, kept in ((cap.D2, True), (cap.D3, False)):
        space = config(power=True, message=True)
        space.set_bar(0, 0xFEB0_0000)
        space.command = 7
        space.enable_messages(0xFEE0_0000, 0x31)
        space.write(0x0C, b"\x08")
        put_state(space, state)
        assert space.bar(0) == 0xFEB0_0000, "configuration cycles are answered in every state"
        put_state(space, cap.D0)
        assert (space.bar(0) != 0, space.command != 0, space.messages_enabled, space.read(0x0C, 1) != b"\0") == (kept,) * 4


def test_the_bus_driver_restores_what_is_the_systems_and_nothing_that_a_driver_wrote() -> None:
    space = config(power=True, message=True)
    space.set_bar(0, 0xFEB0_0000)
    space.set_bar(1, 0xC000)
    space.set_interrupt(11)
    space.enable_messages(0xFEE0_0000, 0x31)
    space.command = 7
    space.write(0x0C, b"\x08\x40")
    saved = space.saved()
    put_state(space, cap.D3)
    put_state(space, cap.D0)
    space.restore(saved)
    assert (space.bar(0), space.bar(1), space.command, space.read(0x3C, 1)) == (0xFEB0_0000, 0xC000, 7, b"\x0b")
    assert space.messages_enabled and space.read(cap.MESSAGE + 4, 6) == b"\0\0\xe0\xfe\x31\0"
    assert space.read(0x0C, 2) == b"\0\0"


@given(st.integers(0, 255), st.binary(min_size=1, max_size=8))
def test_a_write_changes_nothing_that_is_read_only(offset: int, data: bytes) -> None:
    space = config(power=True, message=True)
    before = space.read(0, 256)
    space.write(offset, data)
    space.write(cap.PMCSR_AT, b"\0\0")
    after = space.read(0, 256)
    free = {*range(COMMAND, STATUS + 2), *range(BAR0, BAR0 + 8), 0x0C, 0x0D, 0x3C, *range(cap.MESSAGE + 2, cap.MESSAGE + 10)}
    assert [at for at in range(256) if before[at] != after[at] and at not in free] == []


# The card


def states(machine: Any) -> list[str]:
    return [event[4] for event in machine.events.events if event[1] == Kind.POWER]


@pytest.mark.parametrize("state", [cap.D1, cap.D2, cap.D3])
def test_below_d0_a_card_decodes_nothing_masters_nothing_and_lets_go_of_its_line(rig: Any, state: int) -> None:
    nic = rig.nic
    rig.write("MASK", LINK_CHANGE)
    rig.settle()
    nic.link_changed(True)
    assert nic.interrupting
    nic.config.power_state = state
    assert not nic.interrupting and not nic.dma.bus_master and nic.answers == (False, False)
    assert rig.read("MASK") == 0xFFFF_FFFF
    rig.write("MASK", 0)
    rig.settle()
    nic.link_changed(True)
    assert not nic.interrupting
    nic.config.power_state = cap.D0
    if state == cap.D3:
        assert nic.answers == (False, False) and nic.values == list(type(nic).registers.reset_values)
    else:
        assert nic.answers == (True, True) and nic.dma.bus_master
        assert nic.interrupting and rig.read("MASK") == LINK_CHANGE, "D1 and D2 lose nothing, and writes vanished"
    assert states(rig.machine) == [cap.STATE_NAMES[state], "D0"]


def test_after_d3_a_card_answers_when_the_command_register_says_so(rig: Any) -> None:
    config = rig.nic.config
    saved = config.saved()
    config.power_state = cap.D3
    config.power_state = cap.D0
    assert rig.read("ID") == 0xFFFF_FFFF
    config.restore(saved)
    assert rig.read("ID") != 0xFFFF_FFFF and rig.nic.dma.bus_master


@pytest.mark.parametrize("command, answers", [(0, (False, False)), (1, (False, True)), (2, (True, False)), (3, (True, True))])
def test_a_card_decodes_the_spaces_that_the_command_register_names(rig: Any, command: int, answers: tuple[bool, bool]) -> None:
    nic, bus = rig.nic, rig.machine.bus
    nic.config.command = command
    assert nic.answers == answers
    assert (bus.read(nic, 0, 0, 4) != 0xFFFF_FFFF, bus.read(nic, 1, 0, 4, True) != 0xFFFF_FFFF) == answers


def test_without_power_configuration_space_answers_all_ones_and_is_empty_afterwards(rig: Any) -> None:
    nic = rig.nic
    saved = nic.config.saved()
    nic.power_off()
    assert nic.config.read(0, 4) == b"\xff" * 4
    nic.config.restore(saved)
    nic.power_on()
    assert (nic.config.command, nic.config.bar(0)) == (0, 0)
    assert states(rig.machine) == ["D3cold", "D0 after power-up"]


def test_a_card_that_was_pulled_out_does_not_come_back_with_the_power(rig: Any) -> None:
    rig.nic.remove()
    rig.nic.power_off()
    rig.nic.power_on()
    assert not rig.nic.awake and rig.nic.config.read(0, 2) == b"\xff\xff" and states(rig.machine) == []


def test_an_isa_card_loses_its_frames_with_its_power(build: Callable[..., Any]) -> None:
    machine = build()
    nic = machine.add_nic(IsaSlaveNic)
    nic.fifo.append(bytes(60))
    assert not nic.config.has_power
    nic.power_off()
    nic.power_on()
    assert not nic.fifo


def test_a_card_that_moves_answers_at_its_other_place_and_interrupts_by_the_other_line(rig: Any) -> None:
    nic, machine = rig.nic, rig.machine
    before = nic.config.bar(0), nic.config.bar(1)
    machine.move_nic(nic, 10)
    after = nic.config.bar(0), nic.config.bar(1)
    assert before[0] != after[0] and before[1] != after[1]
    assert [span.start for span, _ in nic.former] == list(before) and nic.former_vectors == [11]
    assert nic.interrupt_line.vector == 10 == nic.config.read(0x3C, 1)[0] and nic.answers == (True, True)
    machine.move_nic(nic, 11)
    assert (nic.config.bar(0), nic.config.bar(1)) == before


# Messages


def messages(make_rig: Callable[..., Any]) -> tuple[Any, list[int]]:
    rig = make_rig(messages=True)
    served: list[int] = []
    rig.nic.interrupt_line.services.append(lambda: bool(served.append(rig.machine.clock.now)) or True)
    rig.write("MASK", 0x3F)
    rig.settle()
    return rig, served


def test_a_message_is_sent_once_where_an_enabled_cause_rises(make_rig: Callable[..., Any]) -> None:
    rig, served = messages(make_rig)
    assert rig.nic.config.messages_enabled and rig.nic.interrupt_line.vector == MESSAGE_VECTOR
    rig.nic.link_changed(True)
    rig.settle()
    assert len(served) == 1
    rig.nic.link_changed(True)
    rig.settle()
    assert len(served) == 1, "the cause stays set: that is no edge"
    rig.write("CAUSE", LINK_CHANGE)
    rig.settle()
    rig.nic.link_changed(True)
    rig.settle()
    assert len(served) == 2


def test_unmasking_a_cause_that_is_set_sends_a_message(make_rig: Callable[..., Any]) -> None:
    rig, served = messages(make_rig)
    rig.write("MASK", 0)
    rig.settle()
    rig.nic.link_changed(True)
    rig.settle()
    assert served == []
    rig.write("MASK", 0x3F)
    rig.settle()
    assert len(served) == 1


def test_a_message_does_not_overtake_the_data_of_the_card(make_rig: Callable[..., Any]) -> None:
    rig, _ = messages(make_rig)
    rig.block("buffer", 0x30_0000, 0x1000)
    rig.nic.dma.write(0x30_0000, b"data", "received data")
    assert rig.nic.dma.in_flight
    rig.nic.link_changed(True)
    assert not rig.nic.dma.in_flight


@pytest.mark.parametrize("silence", ["bus master off", "message disabled"])
def test_no_message_leaves_a_card_that_may_not_write(make_rig: Callable[..., Any], silence: str) -> None:
    rig, served = messages(make_rig)
    if silence == "bus master off":
        rig.nic.config.command = 3
    else:
        rig.nic.config.write(cap.MESSAGE_CONTROL_AT, b"\0\0")
    rig.nic.link_changed(True)
    rig.settle()
    assert served == []


def test_each_card_has_a_vector_of_its_own(build: Callable[..., Any]) -> None:
    from hw.nic.reference import ReferenceNic
    machine = build(messages=True)
    assert [machine.add_nic(ReferenceNic).interrupt_line.vector for _ in range(3)] == [MESSAGE_VECTOR + n for n in range(3)]
