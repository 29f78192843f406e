# SPDX-License-Identifier: Apache-2.0
"""What the Am79C960 has from its bus: a cascaded DMA channel, 24 address bits, an edge-triggered interrupt."""

from __future__ import annotations

import pytest

from hw.isa import EdgeLine
from hw.machine import Machine
from hw.nic import MODELS
from tests.hw.nic.pcnet_rig import IDON, IENA, INIT, MERR, PROM, RINT, RXON, STOP, STRT, TDMD, TINT, TXON, Rig
from verifier.address import MIB, Span
from verifier.errors import UsageError

FRAME = bytes(range(64))


def closed() -> Rig:
    rig = Rig("pcnet-isa")
    assert rig.nic.dma_channel is not None
    rig.machine.dma_controllers.device_channel(rig.nic.dma_channel).close()
    return rig


def test_without_its_channel_init_ends_in_merr_and_no_cycle() -> None:
    rig = closed()
    rig.lay_out()
    assert rig.init() & (MERR | IDON) == MERR
    rig.set_csr(0, STRT)
    assert rig.rules == ["pcnet-rings-first"], "the card knows no rings"
    assert not any(event[1] in (5, 6) and event[3] == "nic0" for event in rig.machine.events.events)


def test_a_channel_that_is_no_cascade_does_not_let_the_card_through() -> None:
    rig = closed()
    assert rig.nic.dma_channel is not None
    channel = rig.machine.dma_controllers.device_channel(rig.nic.dma_channel)
    channel.program(0x1000, 64, to_device=True)
    rig.lay_out()
    assert rig.init() & (MERR | IDON) == MERR


def test_a_channel_that_closes_later_ends_both_engines_with_merr() -> None:
    rig = Rig("pcnet-isa").start()
    assert rig.nic.dma_channel is not None
    rig.machine.dma_controllers.device_channel(rig.nic.dma_channel).close()
    rig.send(FRAME)
    assert rig.csr(0) & (MERR | TXON | RXON) == MERR
    rig.machine.dma_controllers.device_channel(rig.nic.dma_channel).open_cascade()
    rig.set_csr(0, STOP)
    rig.set_csr(0, INIT)
    rig.machine.settle()
    rig.set_csr(0, STRT)
    rig.give()
    rig.receive(FRAME)
    assert rig.csr(0) & RINT


@pytest.mark.breaks("dma-width")
@pytest.mark.keeps("dma-width")
@pytest.mark.parametrize("last, broken", [(0xFF_FFFF, []), (0x100_0000, ["dma-width"]), (0x100_0001, ["dma-width"])])
def test_the_last_byte_of_a_buffer_counts(last: int, broken: list[str]) -> None:
    rig = Rig("pcnet-isa", ram=64 * MIB).start()
    block = rig.block("high buffer", last - 63, 64)
    rig.store("high buffer", 0, FRAME)
    rig.descriptor("tx", 0, block.physical & 0xFFFFFF, 64, 0x8300)
    rig.set_csr(0, TDMD)
    rig.machine.settle()
    assert rig.rules == broken


@pytest.mark.breaks("dma-width")
@pytest.mark.parametrize("what", ["block", "rx ring", "rx buffers"])
def test_memory_above_16_mb_is_told_and_names_its_owner(what: str) -> None:
    rig = Rig("pcnet-isa", ram=64 * MIB, high=16 * MIB if what == "block" else 0)
    rig.lay_out()
    at = {}
    if what == "rx ring":
        rig.block("high", 0x140_0000, 64)
        rig.store("high", 0, bytes(32))
        at["rx"] = 0x140_0000
    rig.init(**at)
    if what != "block":
        rig.set_csr(0, STRT)
    if what == "rx buffers":
        rig.block("high", 0x140_0000, 0x1000)
        rig.descriptor("rx", 0, 0x40_0000, 0x800, 0x8000)
        rig.receive(FRAME)
    assert rig.rules[0] == "dma-width"
    name = "block" if what == "block" else "high"
    assert f"nic0: {name} " in rig.machine.findings.errors[0].message


def test_without_checks_a_frame_for_a_high_buffer_lands_at_the_truncated_address() -> None:
    rig = Rig("pcnet-isa", ram=64 * MIB, checks=False).start()
    victim = rig.block("victim", 0x40_0000, 0x1000)
    victim.device_reads = victim.device_writes = 0
    rig.block("high", 0x140_0000, 0x1000)
    rig.descriptor("rx", 0, 0x40_0000, 0x800, 0x8000)
    rig.receive(FRAME)
    assert rig.machine.ram.read(0x40_0000, 64) == FRAME
    assert any("victim" in corruption.owner for corruption in rig.nic.dma.corrupted)


@pytest.mark.breaks("dma-width")
def test_the_message_names_the_block_that_is_hit() -> None:
    rig = Rig("pcnet-isa", ram=64 * MIB).start()
    victim = rig.block("victim", 0x40_0000, 0x1000)
    victim.device_reads = victim.device_writes = 0
    rig.block("high", 0x140_0000, 0x1000)
    rig.descriptor("rx", 0, 0x40_0000, 0x800, 0x8000)
    rig.receive(FRAME)
    assert rig.rules == ["dma-width"]
    assert "victim" in rig.machine.findings.errors[0].message and "high" in rig.machine.findings.errors[0].message


def test_the_interrupt_is_an_edge() -> None:
    rig = Rig("pcnet-isa").start(PROM)
    line = rig.nic.interrupt_line
    assert isinstance(line, EdgeLine)
    rig.set_csr(0, IENA | IDON)
    rig.send(FRAME)
    assert line.asserting
    line.serve()
    rig.give()
    rig.receive(FRAME)
    assert not line.asserting, "the line was high all the time"
    rig.set_csr(0, 0)
    rig.set_csr(0, IENA)
    assert line.asserting, "and rises anew"
    rig.set_csr(0, IENA | TINT | RINT)
    assert not rig.nic.interrupting


@pytest.mark.parametrize("number, ports, irq, channel", [(0, 0x300, 5, 5), (1, 0x320, 9, 6), (2, 0x340, 3, 7), (3, 0x360, 4, 3)])
def test_jumpers_of_several_cards(number: int, ports: int, irq: int, channel: int) -> None:
    machine = Machine([Span(0, 16 * MIB)])
    nic = [machine.add_nic(MODELS["pcnet-isa"]) for _ in range(number + 1)][-1]
    assert (nic.config.bar(0), nic.interrupt_line.vector, nic.dma_channel) == (ports, irq, channel)


def test_a_fifth_card_has_no_jumpers() -> None:
    machine = Machine([Span(0, 16 * MIB)])
    for _ in range(4):
        machine.add_nic(MODELS["pcnet-isa"])
    with pytest.raises(UsageError, match="5 cards"):
        machine.add_nic(MODELS["pcnet-isa"])
