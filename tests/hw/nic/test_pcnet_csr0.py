# SPDX-License-Identifier: Apache-2.0
"""CSR0 of the PCnet cards and what interrupts; the software style."""

from __future__ import annotations

import pytest

from tests.hw.nic.pcnet_rig import IDON, IENA, INTR, RINT, STOP, TDMD, Rig


@pytest.fixture(params=["pcnet", "pcnet-isa"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(request.param)


def read(rig: Rig, name: str) -> int:
    number = int(name.lstrip("ABCIRS"))
    return rig.csr(number) if name.startswith("CSR") else rig.bcr(number)


def write(rig: Rig, name: str, value: int) -> None:
    number = int(name.lstrip("ABCIRS"))
    if name.startswith("CSR"):
        rig.set_csr(number, value)
    else:
        rig.set_bcr(number, value)


# CSR0


def test_csr0_after_power_up_says_stop(rig: Rig) -> None:
    assert rig.csr(0) == STOP


@pytest.mark.parametrize("bit", range(8, 15))
def test_writing_one_clears_one_cause_of_csr0(rig: Rig, bit: int) -> None:
    rig.start()
    rig.nic.cause(0x7F00)
    rig.set_csr(0, 1 << bit)
    assert rig.csr(0) & 0x7F00 == 0x7F00 & ~(1 << bit)


def test_writing_back_what_was_read_clears_all(rig: Rig) -> None:
    rig.start()
    rig.nic.cause(0x7F00)
    rig.set_csr(0, rig.csr(0))
    assert rig.csr(0) & 0xFF80 == 0


@pytest.mark.parametrize("bit, sums", [(14, True), (13, True), (12, True), (11, True), (10, False), (9, False), (8, False)])
def test_err_is_the_sum_of_four_causes(rig: Rig, bit: int, sums: bool) -> None:
    rig.start()
    rig.nic.cause(1 << bit)
    assert bool(rig.csr(0) & 0x8000) == sums


@pytest.mark.parametrize("bit, interrupts", [(14, True), (13, False), (12, True), (11, True), (10, True), (9, True), (8, True)])
def test_intr_is_the_sum_of_the_causes_that_csr3_does_not_mask(rig: Rig, bit: int, interrupts: bool) -> None:
    rig.start()
    rig.set_csr(0, IENA)
    rig.nic.cause(1 << bit)
    assert bool(rig.csr(0) & INTR) == interrupts == rig.nic.interrupting
    if interrupts:
        rig.set_csr(3, 1 << bit)
        assert not rig.csr(0) & INTR and not rig.nic.interrupting


def test_iena_is_a_plain_bit_that_every_write_says_anew(rig: Rig) -> None:
    rig.start()
    rig.set_csr(0, IENA)
    rig.nic.cause(RINT)
    assert rig.nic.interrupting
    rig.set_csr(0, TDMD)
    assert not rig.nic.interrupting and rig.csr(0) & (INTR | IENA) == INTR
    rig.set_csr(0, IENA | RINT)
    assert not rig.nic.interrupting and not rig.csr(0) & INTR


def test_stop_clears_everything_in_csr0(rig: Rig) -> None:
    rig.start()
    rig.set_csr(0, IENA)
    rig.nic.cause(0x7F00)
    rig.set_csr(0, STOP | 0x7F00 | IENA)
    assert rig.csr(0) == STOP and not rig.nic.interrupting


def test_a_demand_counts_only_while_the_transmitter_runs(rig: Rig) -> None:
    rig.set_csr(0, TDMD)
    assert rig.csr(0) == STOP
    rig.machine.settle()


@pytest.mark.parametrize("cause, mask", [(0x0200, 0x0100), (0x0020, 0x0010), (0x0008, 0x0004), (0x0002, 0x0001)])
def test_causes_of_csr4_interrupt_where_their_mask_is_clear(rig: Rig, cause: int, mask: int) -> None:
    rig.start()
    rig.set_csr(0, IENA | IDON)
    rig.nic.cause_4(cause)
    assert not rig.csr(0) & INTR
    rig.set_csr(4, 0x0115 & ~mask)
    assert rig.csr(0) & INTR
    rig.set_csr(4, 0x0115 & ~mask | cause)
    assert not rig.csr(0) & INTR and not rig.csr(4) & cause


def test_uintcmd_interrupts_by_itself() -> None:
    rig = Rig("pcnet").start()
    rig.set_csr(4, 0x0115 | 0x0080)
    assert rig.csr(4) == 0x0115 | 0x0040 and rig.csr(0) & INTR


@pytest.mark.parametrize("cause, enable", [(0x0800, 0x0400), (0x0200, 0x0100), (0x0080, 0x0040), (0x0010, 0x0008)])
def test_causes_of_csr5_interrupt_where_they_are_enabled(cause: int, enable: int) -> None:
    rig = Rig("pcnet").start()
    rig.nic.values[rig.nic.csr5] |= cause
    assert not rig.csr(0) & INTR
    rig.set_csr(5, enable)
    assert rig.csr(0) & INTR
    rig.set_csr(5, enable | cause)
    assert not rig.csr(0) & INTR and rig.csr(5) == enable


def test_csr124_takes_what_is_written_only_while_csr4_allows(rig: Rig) -> None:
    rig.set_csr(124, 0x0008)
    assert rig.csr(124) == 0
    rig.set_csr(4, 0x8115)
    rig.set_csr(124, 0x0008)
    assert rig.csr(124) == 0x0008


@pytest.mark.parametrize("number", [1, 2])
def test_csr16_and_csr17_are_csr1_and_csr2(rig: Rig, number: int) -> None:
    rig.set_csr(15 + number, 0x34)
    assert rig.csr(number) == rig.csr(15 + number) == 0x34


# Software style


@pytest.mark.keeps("pcnet-style")
@pytest.mark.parametrize("style, shown", [(0, 0x0200), (1, 0x0101), (2, 0x0302), (3, 0x0303)])
@pytest.mark.parametrize("name", ["BCR20", "CSR58"])
def test_the_style_sets_two_more_bits(name: str, style: int, shown: int) -> None:
    rig = Rig("pcnet")
    write(rig, name, style)
    assert rig.bcr(20) == rig.csr(58) == shown and rig.rules == []


@pytest.mark.breaks("pcnet-style")
@pytest.mark.parametrize("style", [4, 5, 255])
def test_another_style_is_told(style: int) -> None:
    rig = Rig("pcnet")
    rig.set_bcr(20, style)
    assert rig.rules == ["pcnet-style"] and rig.bcr(20) == 0x0200
