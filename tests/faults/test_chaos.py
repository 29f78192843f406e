# SPDX-License-Identifier: Apache-2.0
"""What only broken hardware does: data may be lost, but nothing hangs, leaks or is written where it must not be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dmabed.world import World
from hw.pci import STATUS, STATUS_RECEIVED_MASTER_ABORT, STATUS_RECEIVED_TARGET_ABORT
from miniport.reference import ReferenceMiniport
from miniport.reference.serialized import SerializedReferenceMiniport
from verifier.events import Kind

Lived = Callable[..., World]
BOTH = pytest.mark.parametrize("miniport", [ReferenceMiniport, SerializedReferenceMiniport])


def clean(world: World) -> bool:
    return world.outcome == "ran" and not world.machine.findings.errors and not world.not_fired


@BOTH
@pytest.mark.parametrize("effect, bit", [("abort", STATUS_RECEIVED_TARGET_ABORT), ("master-abort", STATUS_RECEIVED_MASTER_ABORT)])
@pytest.mark.parametrize("point", ["dma-read#2", "dma-write#2"])
def test_aborted_cycle_stands_in_the_pci_status_and_the_card_is_reset(
        lived: Lived, miniport: Any, point: str, effect: str, bit: int) -> None:
    world = lived(f"{point}={effect}", miniport=miniport)
    assert clean(world)
    status = int.from_bytes(world.nic.config.read(STATUS, 2), "little")
    assert status & (STATUS_RECEIVED_TARGET_ABORT | STATUS_RECEIVED_MASTER_ABORT) == bit
    assert world.ndis.protocol.hang.resets == 1
    assert len(world.ndis.error_log) == 1


@BOTH
@pytest.mark.parametrize("point", ["frame-in", "frame-out"])
@pytest.mark.parametrize("effect", ["bit-flip", "repeated"])
@pytest.mark.parametrize("count", [1, 4])
def test_descriptor_that_comes_back_wrong_hurts_nobody(lived: Lived, miniport: Any, point: str, effect: str, count: int) -> None:
    assert clean(lived(f"{point}#{count}={effect}", miniport=miniport))


@BOTH
def test_length_beyond_the_buffer_is_not_believed(lived: Lived, miniport: Any) -> None:
    world = lived("frame-in#2=bogus-length", miniport=miniport)
    assert clean(world)
    assert world.lost == 1
    assert all(len(frame) <= 1514 for frame in world.ndis.protocol.received_frames)


def test_miniport_that_believes_it_is_found(lived: Lived) -> None:
    class Believes(ReferenceMiniport):
        def _receive(self, adapter: Any, context: Any) -> Any:
            from miniport.reference import core
            before, core.LARGEST_FRAME = core.LARGEST_FRAME, 0xFFFF  # type: ignore[misc]
            try:
                return super()._receive(adapter, context)
            finally:
                core.LARGEST_FRAME = before  # type: ignore[misc]

    world = lived("frame-in#2=bogus-length", miniport=Believes)
    assert world.outcome != "ran" or world.machine.findings.errors


@BOTH
def test_interrupt_that_is_lost_is_made_good_by_the_next_or_by_a_reset(lived: Lived, miniport: Any) -> None:
    recording = lived(record=True, miniport=miniport).machine.injector
    assert recording is not None
    for count in range(1, recording.counts["interrupt"] + 1):
        assert clean(lived(f"interrupt#{count}=lost", miniport=miniport))


@BOTH
@pytest.mark.parametrize("register", ["TX_BASE_LO", "TX_COUNT", "RX_BASE_LO", "RX_COUNT", "CTRL", "MASK"])
def test_write_that_is_lost_leads_to_no_stray_access(lived: Lived, miniport: Any, register: str) -> None:
    recording = lived(record=True, miniport=miniport).machine.injector
    assert recording is not None
    for count in range(1, recording.counts[f"register-write:{register}"] + 1):
        assert clean(lived(f"register-write:{register}#{count}=lost", miniport=miniport))


def test_torn_write_arrives_in_two_halves(lived: Lived) -> None:
    seen: list[int] = []

    class Looks(ReferenceMiniport):
        def _program(self, adapter: Any, context: Any) -> bool:
            nic = adapter.nic
            write = nic.write_register
            nic.write_register = lambda slot, value: (seen.append(value) if slot.name == "TX_BASE_LO" else None, write(slot, value))[1]
            return super()._program(adapter, context)

    plain = lived(miniport=Looks)
    [whole], seen[:] = list(seen), []
    assert clean(plain)
    assert clean(lived("register-write:TX_BASE_LO#1=torn", miniport=Looks))
    assert seen == [whole & 0xFFFF, whole]


def test_torn_write_whose_upper_half_stays_has_not_fired(lived: Lived) -> None:
    world = lived("register-write:TX_BASE_HI#1=torn")
    assert world.not_fired == ["register-write:TX_BASE_HI#1=torn"]


@BOTH
@pytest.mark.parametrize("register", ["STATUS", "CAUSE", "MASK", "LIMITS", "MAC_LO"])
def test_one_read_of_all_ones_hangs_nothing(lived: Lived, miniport: Any, register: str) -> None:
    recording = lived(record=True, miniport=miniport).machine.injector
    assert recording is not None
    for count in range(1, recording.counts[f"register-read:{register}"] + 1):
        world = lived(f"register-read:{register}#{count}=all-ones", miniport=miniport)
        assert clean(world)
        value = [event[6] for event in world.machine.events.events if event[1] == Kind.REGISTER_READ and event[4] == register][count - 1]
        assert value == 0xFFFF_FFFF


@BOTH
def test_a_card_that_does_not_stop_loses_the_bus_before_its_memory_is_freed(lived: Lived, miniport: Any) -> None:
    world = lived("register-write:CTRL#3+=lost", miniport=miniport)
    assert clean(world)
    assert any(event[1] == Kind.ROUTINE and event[3] == "NdisWritePciSlotInformation" for event in world.machine.events.events)


def test_memory_that_is_freed_under_a_card_that_runs_on_is_found(lived: Lived) -> None:
    class LeavesTheBus(ReferenceMiniport):
        def _take_bus_away(self, adapter: Any) -> None:
            assert adapter.context.runs_on

    world = lived("register-write:CTRL#3+=lost", miniport=LeavesTheBus)
    assert [finding.rule.id for finding in world.machine.findings.errors][:1] == ["shared-free-nic-stopped"]


@BOTH
def test_a_card_that_does_not_stop_is_given_up_in_reset_and_gets_no_descriptor_any_more(lived: Lived, miniport: Any) -> None:
    world = lived("register-read:CAUSE#1+=all-ones", "register-write:CTRL#6+=lost", miniport=miniport)
    rules = [finding.rule.id for finding in world.machine.findings.errors]
    assert world.outcome == "ran" and world.ndis.protocol.hang.given_up
    assert not {"desc-own-last", "shared-free-nic-stopped"} & set(rules)
