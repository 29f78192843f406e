# SPDX-License-Identifier: Apache-2.0
"""The window of the 16-bit software style."""

from __future__ import annotations

import pytest

from tests.hw.nic.pcnet_rig import IDON, MISS, RINT, STRT, TDMD, TINT, Rig
from verifier.address import MIB

POISON = b"\xa5"
"""What fresh memory holds."""

@pytest.fixture(params=["pcnet", "pcnet-isa"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(request.param)


# Addresses


@pytest.mark.breaks("dma-window")
@pytest.mark.keeps("dma-window")
@pytest.mark.parametrize("window, broken", [(0, True), (1, False), (2, True)])
def test_in_the_16_bit_style_all_blocks_lie_in_the_window_of_csr2(window: int, broken: bool) -> None:
    rig = Rig("pcnet", 0, ram=64 * MIB, high=16 * MIB)
    rig.lay_out()
    rig.init()
    rig.set_csr(0, STRT)
    assert rig.rules == []
    other = rig.block("other buffer", 0x40_0000 + window * 16 * MIB, 0x1000)
    rig.store("other buffer", 0, bytes(range(64)))
    rig.descriptor("tx", 0, other.physical & 0xFFFFFF, 64, 0x8300)
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.rules == (["dma-window"] if broken else [])
    assert rig.sent == [bytes(range(64)) if not broken else POISON * 64]


def test_of_two_blocks_that_end_in_the_same_24_bits_the_one_in_the_window_is_meant() -> None:
    rig = Rig("pcnet", 0, ram=64 * MIB, high=16 * MIB)
    rig.lay_out()
    rig.init()
    rig.set_csr(0, STRT)
    for number in (0, 1):
        rig.block(f"buffer {number}", 0x40_0000 + number * 16 * MIB, 0x1000)
        rig.store(f"buffer {number}", 0, bytes([number]) * 64)
    rig.descriptor("tx", 0, 0x40_0000, 64, 0x8300)
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.sent == [b"\1" * 64] and rig.rules == []


@pytest.mark.breaks("dma-stray")
def test_an_address_that_is_nobodys_lies_in_the_window() -> None:
    rig = Rig("pcnet", 0, ram=64 * MIB, high=16 * MIB)
    rig.lay_out()
    rig.init()
    rig.set_csr(0, STRT)
    rig.descriptor("tx", 0, 0x80_0000, 64, 0x8300)
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.rules[0] == "dma-stray" and "0x01800000" in rig.machine.findings.errors[0].message


def test_without_checks_a_received_frame_lands_at_the_same_place_of_the_window() -> None:
    rig = Rig("pcnet", 0, ram=64 * MIB, high=16 * MIB, checks=False)
    rig.lay_out()
    rig.init()
    rig.set_csr(0, STRT)
    other = rig.block("other buffer", 0x240_0000, 0x1000)
    rig.descriptor("rx", 0, other.physical & 0xFFFFFF, 0x800, 0x8000)
    rig.receive(bytes(range(60)))
    assert rig.machine.ram.read(0x140_0000, 60) == bytes(range(60))
    assert rig.machine.ram.read(0x240_0000, 60) == POISON * 60
    assert (0x140_0000, 64) in [(corruption.physical, corruption.length) for corruption in rig.nic.dma.corrupted]


def test_in_a_32_bit_style_there_is_no_window() -> None:
    rig = Rig("pcnet", 2, ram=64 * MIB, high=16 * MIB)
    rig.lay_out()
    rig.init()
    rig.set_csr(0, STRT)
    other = rig.block("other buffer", 0x240_0000, 0x1000)
    rig.store("other buffer", 0, bytes(range(64)))
    rig.descriptor("tx", 0, other.physical, 64, 0x8300)
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.sent == [bytes(range(64))] and rig.rules == []


@pytest.mark.breaks("dma-boundary")
@pytest.mark.keeps("dma-boundary")
@pytest.mark.parametrize("start, broken", [(0x1FF_FFBF, False), (0x1FF_FFC0, False), (0x1FF_FFC1, True)])
def test_in_the_16_bit_style_no_buffer_crosses_its_window(start: int, broken: bool) -> None:
    rig = Rig("pcnet", 0, ram=64 * MIB, high=16 * MIB)
    rig.lay_out()
    rig.init()
    rig.set_csr(0, STRT)
    rig.block("other buffer", start, 64)
    rig.store("other buffer", 0, bytes(64))
    rig.descriptor("tx", 0, start & 0xFFFFFF, 64, 0x8300)
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.rules == (["dma-boundary"] if broken else [])


def test_causes_of_both_rings_are_told_apart(rig: Rig) -> None:
    rig.start()
    rig.set_csr(0, IDON)
    rig.give()
    rig.send(bytes(60))
    rig.receive(bytes(60))
    assert rig.csr(0) & (TINT | RINT | MISS) == TINT | RINT
    assert "TINT=1" in rig.nic.pending_causes() and "RINT=1" in rig.nic.pending_causes()
