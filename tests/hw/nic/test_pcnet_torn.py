# SPDX-License-Identifier: Apache-2.0
"""One RAP for everybody: who writes it and is interrupted before the access meets the register of somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hw.processor import DISPATCH_LEVEL, FIRST_DIRQL, PASSIVE_LEVEL
from tests.hw.nic.pcnet_rig import STOP, TXON, Rig

RDP, RAP, RESET, BDP = 0x10, 0x12, 0x14, 0x16
NICS = pytest.mark.parametrize("nic", ["pcnet", "pcnet-isa"])
ELSEWHERE = pytest.mark.parametrize(("processor", "irql"), [(0, DISPATCH_LEVEL), (0, FIRST_DIRQL), (1, PASSIVE_LEVEL), (1, FIRST_DIRQL)])


@contextmanager
def activity(rig: Rig, processor: int, irql: int) -> Iterator[None]:
    """What runs on a processor at an IRQL, in the middle of something else."""
    scheduler = rig.machine.scheduler
    before = scheduler.current
    scheduler.current = scheduler.processors[processor]
    level, scheduler.current.irql = scheduler.current.irql, irql
    try:
        yield
    finally:
        scheduler.current.irql = level
        scheduler.current = before


@NICS
@ELSEWHERE
@pytest.mark.breaks("pcnet-rap-torn")
def test_a_write_that_meets_the_register_of_somebody_else_is_told(nic: str, processor: int, irql: int) -> None:
    rig = Rig(nic).start()
    rig.outw(RAP, 0)
    with activity(rig, processor, irql):
        rig.outw(RAP, 5)
        rig.inw(BDP)
    rig.outw(RDP, STOP)
    assert rig.rules[0] == "pcnet-rap-torn"
    assert "CSR5 is written in place of CSR0" in rig.machine.findings.errors[0].message
    assert rig.csr(0) & TXON  # STOP went elsewhere


@pytest.mark.breaks("pcnet-rap-torn")
def test_a_bit_that_is_not_modelled_is_no_end_of_the_world_where_nobody_meant_it() -> None:
    rig = Rig("pcnet").start()
    rig.outw(RAP, 0)
    with activity(rig, 0, FIRST_DIRQL):
        rig.outw(RAP, 5)
    rig.outw(RDP, 0x0004)  # MPEN in CSR5, STOP in CSR0
    assert rig.rules == ["pcnet-rap-torn"]


@pytest.mark.breaks("pcnet-rap-torn")
def test_a_read_is_told_too_and_one_tear_once() -> None:
    rig = Rig("pcnet").start()
    rig.outw(RAP, 4)
    with activity(rig, 1, FIRST_DIRQL):
        rig.outw(RAP, 0)
    rig.inw(BDP)
    rig.inw(BDP)
    assert rig.rules == ["pcnet-rap-torn"]
    assert "BCR0 is read in place of BCR4" in rig.machine.findings.errors[0].message


@NICS
@ELSEWHERE
@pytest.mark.keeps("pcnet-rap-torn")
def test_who_restores_rap_disturbs_nobody(nic: str, processor: int, irql: int) -> None:
    rig = Rig(nic).start()
    rig.outw(RAP, 4)
    with activity(rig, processor, irql):
        before = rig.inw(RAP)
        rig.outw(RAP, 0)
        rig.inw(RDP)
        rig.outw(RAP, before)
    rig.inw(RDP)
    assert rig.rules == []


@pytest.mark.keeps("pcnet-rap-torn")
def test_behind_a_pair_that_is_complete_anybody_may_name_another_register() -> None:
    rig = Rig("pcnet").start()
    rig.outw(RAP, 0)
    rig.inw(RDP)
    with activity(rig, 1, FIRST_DIRQL):
        rig.outw(RAP, 4)
    rig.inw(BDP)  # whoever it was for: RAP was used after it was written
    assert rig.rules == []


@pytest.mark.keeps("pcnet-rap-torn")
def test_an_activity_that_has_ended_waits_for_nothing() -> None:
    rig = Rig("pcnet").start()
    with activity(rig, 0, DISPATCH_LEVEL):
        rig.outw(RAP, 0)
    rig.outw(RAP, 4)  # at PASSIVE_LEVEL: what ran above is over
    with activity(rig, 0, DISPATCH_LEVEL):
        rig.inw(BDP)
    assert rig.rules == []


@pytest.mark.keeps("pcnet-rap-torn")
def test_a_reset_names_csr0_for_everybody() -> None:
    rig = Rig("pcnet").start()
    rig.outw(RAP, 4)
    with activity(rig, 1, PASSIVE_LEVEL):
        rig.outw(RAP, 5)
        rig.inw(RESET)
    rig.inw(RDP)
    assert rig.rules == []


@pytest.mark.keeps("pcnet-rap-torn")
def test_a_write_of_rap_that_was_lost_was_torn_by_nobody() -> None:
    rig = Rig("pcnet").start()
    rig.outw(RAP, 4)
    rig.nic.values[rig.nic.rap] = 0  # it never arrived
    with activity(rig, 1, FIRST_DIRQL):
        rig.outw(RAP, 0)
        rig.inw(RDP)
    rig.inw(RDP)
    assert rig.rules == []
