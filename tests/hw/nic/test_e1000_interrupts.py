# SPDX-License-Identifier: Apache-2.0
"""Causes, masks, delays of the 82540EM, what its faults do, and what D3 takes away."""

from __future__ import annotations

import pytest

from hw.inject import parse_fault
from tests.hw.nic.e1000_rig import (
    DD,
    IDE,
    IFCS,
    LSC,
    RS,
    RXT0,
    SLU,
    SRPD,
    TXDW,
    Rig,
    frame,
)


@pytest.fixture
def rig() -> Rig:
    return Rig()


# Causes and delays


def test_reading_icr_clears_every_cause_masked_or_not_and_drops_the_line(rig: Rig) -> None:
    rig.set(IMS=RXT0)
    rig.set(ICS=RXT0 | LSC)
    assert rig.nic.interrupting
    assert rig.read("ICS") == RXT0 | LSC
    assert rig.read("ICR") == RXT0 | LSC
    assert (rig.read("ICR"), rig.nic.interrupting) == (0, False)


def test_writing_1_clears_one_cause(rig: Rig) -> None:
    rig.set(ICS=RXT0 | LSC)
    rig.set(ICR=LSC)
    assert rig.read("ICR") == RXT0


def test_a_masked_cause_waits_and_fires_when_the_mask_lets_it(rig: Rig) -> None:
    rig.set(ICS=RXT0)
    assert not rig.nic.interrupting
    rig.set(IMS=LSC | RXT0)
    assert (rig.nic.interrupting, rig.read("IMS"), rig.nic.pending_causes()) == (True, LSC | RXT0, "0x00000080 (RXT0=1)")
    rig.set(IMC=RXT0)
    assert (rig.nic.interrupting, rig.read("IMS"), rig.read("IMC"), rig.nic.interrupts_enabled) == (False, LSC, 0, True)


def test_itr_keeps_interrupts_apart(rig: Rig) -> None:
    rig.set(ITR=1000, IMS=RXT0)
    rig.set(ICS=RXT0)
    assert rig.nic.interrupting
    rig.read("ICR")
    rig.write("ICS", RXT0)
    rig.read("STATUS")
    assert not rig.nic.interrupting
    rig.passes(256_000)
    assert rig.nic.interrupting


def test_rdtr_tells_of_several_frames_at_once_and_fpd_tells_now(rig: Rig) -> None:
    rig.start_rx()
    rig.set(RDTR=100)
    rig.read("ICR")
    rig.nic.receive_frame(frame())
    rig.passes(90 * 1024)
    rig.nic.receive_frame(frame())
    rig.passes(90 * 1024)
    assert rig.read("ICR") == 0
    rig.passes(12 * 1024)
    assert rig.read("ICR") == RXT0
    rig.nic.receive_frame(frame())
    rig.write("RDTR", 1 << 31 | 100)
    assert (rig.read("RDTR"), rig.read("ICR") & RXT0) == (100, RXT0)


def test_radv_is_the_longest_delay(rig: Rig) -> None:
    rig.start_rx()
    rig.set(RDTR=100, RADV=150)
    rig.read("ICR")
    rig.nic.receive_frame(frame())
    rig.passes(90 * 1024)
    rig.nic.receive_frame(frame())
    rig.passes(59 * 1024)
    assert rig.read("ICR") == 0
    rig.passes(2 * 1024)
    assert rig.read("ICR") == RXT0


@pytest.mark.parametrize("length, cause", [(99, SRPD | RXT0), (100, SRPD | RXT0), (101, 0)])
def test_a_small_packet_is_told_at_once(rig: Rig, length: int, cause: int) -> None:
    rig.start_rx()
    rig.set(RDTR=100, RSRPD=100)
    rig.read("ICR")
    rig.nic.receive_frame(frame(length))
    assert rig.read("ICR") == cause


@pytest.mark.parametrize("delay, at_once", [(0, True), (100, False)])
def test_tidv_delays_what_has_ide(rig: Rig, delay: int, at_once: bool) -> None:
    rig.start_tx()
    rig.set(TIDV=delay)
    rig.read("ICR")
    rig.tx_descriptor(0, 0, 0, IFCS | RS | IDE | 1)
    rig.write("TDT", 1)
    rig.passes(5_000)
    assert bool(rig.read("ICR") & TXDW) is at_once
    rig.passes(110 * 1024)
    assert bool(rig.read("ICR") & TXDW) is not at_once


# Faults and power


def faulty(text: str) -> Rig:
    return Rig(faults=(parse_fault(text),))


@pytest.mark.parametrize("effect, status, counter", [("late-collision", 4, "LATECOL"), ("excess-collisions", 2, "ECOL")])
def test_a_frame_that_collides_comes_back_with_its_bit(effect: str, status: int, counter: str) -> None:
    rig = faulty(f"frame-out#1={effect}")
    rig.start_tx()
    rig.send(frame())
    assert (rig.machine.wire.sent, rig.sent(0), rig.read(counter), rig.read("GPTC")) == ([], DD | status, 1, 0)


def test_a_stuck_transmitter_is_free_again_after_a_reset() -> None:
    rig = faulty("frame-out#1=never")
    rig.start_tx()
    rig.send(frame())
    rig.set(CTRL=1 << 26)
    rig.passes(2_000)
    rig.set(CTRL=SLU, TDBAL=0x10_0000, TDLEN=128)
    rig.set(TCTL=2)
    rig.send(frame(61))
    assert rig.machine.wire.sent == [frame(61)]


def test_an_aborted_cycle_stops_both_engines_and_pci_says_so() -> None:
    rig = faulty("dma-read#2=target-abort")
    rig.start_rx(handed=0)
    rig.start_tx()
    rig.send(frame())
    rig.send(frame(), first=1)
    assert rig.machine.wire.sent == []
    assert int.from_bytes(rig.nic.config.read(6, 2), "little") & 0x1000
    assert rig.rules == []
    assert list(rig.nic.live_pointers()) == []


@pytest.mark.parametrize("effect, word", [("all-ones", 0xFFFF), ("bad-checksum", 0x0D02)])
def test_a_bad_eeprom_has_another_sum(effect: str, word: int) -> None:
    rig = faulty(f"eeprom#1={effect}")
    assert rig.nic.eeprom.words[0] == word
    assert sum(rig.nic.eeprom.words) & 0xFFFF != 0xBABA


def test_an_eeprom_that_never_answers_never_says_done() -> None:
    rig = faulty("eeprom#1=never")
    rig.write("EERD", 1)
    rig.passes(1_000_000)
    assert not rig.read("EERD") & 0x10


@pytest.mark.parametrize("effect, ready", [("error", 5), ("never", 0)])
def test_an_access_to_the_phy_may_fail_or_hang(effect: str, ready: int) -> None:
    rig = faulty(f"phy#1={effect}")
    rig.write("MDIC", 1 << 21 | 2 << 26)
    rig.passes(1_000_000)
    assert rig.read("MDIC") >> 28 == ready


@pytest.mark.parametrize("effect, later", [("down", 0x143), ("dead", 0)])
def test_the_link_may_be_down_after_a_reset(effect: str, later: int) -> None:
    rig = faulty(f"link#1={effect}")
    rig.set(CTRL=1 << 26)
    rig.write("CTRL", SLU)
    rig.passes(60_000_000)
    rig.read("STATUS")
    rig.passes(60_000_000)
    assert rig.read("STATUS") == later


def test_d3_forgets_everything_and_reads_the_eeprom_again(rig: Rig) -> None:
    rig.start_rx()
    rig.set(IMS=RXT0, MTA5=3)
    assert (rig.nic.running(), rig.nic.settings()) == (("receive engine", "interrupts"), ("packet filter", "multicast table"))
    rig.nic.config.power_state = 3
    rig.nic.receive_frame(frame())
    rig.nic.config.power_state = 0
    rig.nic.config.command = 7
    assert (rig.nic.running(), rig.nic.settings(), rig.read("RAH0")) == ((), (), 0)
    rig.passes(3_000_000)
    assert rig.read("RAH0") == 0x8000_0100
