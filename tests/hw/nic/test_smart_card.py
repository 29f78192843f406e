# SPDX-License-Identifier: Apache-2.0
"""The smart NIC with its own program: what it does otherwise than the reference NIC, who answers for a transfer, and faults of the card."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from hw.clock import MS
from hw.inject import parse_fault
from hw.limits import PRESETS, custom
from hw.nic.reference_engines import BYTE_NS, FETCH_NS
from hw.nic.smart_registers import BootError, State
from hw.nic.smart_wire import FIFO_FRAMES
from tests.hw.nic.smart_rig import DMA, HOST, READY, REST, SYSTEM, SmartRig, program, put
from tests.hw.rv32.assembler import asm
from verifier.address import MIB
from verifier.where import line_of, place

OWN, END, ERROR = 1 << 31, 1 << 30, 1 << 29
TX_DONE, RX_DONE, RX_NO_DESCRIPTOR = 1, 2, 4
DMA_ERROR = 1 << 4
TX_BUFFERS = 0x20_0000
EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "firmware"


def frame(length: int = 60) -> bytes:
    return bytes((1 + i) % 251 for i in range(length))


@pytest.fixture
def rig() -> SmartRig:
    """A smart NIC that is ready."""
    return SmartRig()


# Where a program differs from wired logic


def test_it_says_that_it_is_another_card(rig: SmartRig) -> None:
    assert rig.nic.config.read(0, 4) == bytes.fromhex("be0d0200")
    assert rig.read("ID") == 0x0DBE_0002


def test_a_reset_gives_every_register_its_reset_value_and_drops_the_line(rig: SmartRig) -> None:
    rig.write("HASH_LO", 7)
    rig.write("MASK", 0x3F)
    rig.machine.wire.set_link(False)
    rig.settle()
    assert rig.nic.interrupting
    rig.write("CTRL", 1)
    rig.settle()
    assert not rig.nic.interrupting
    assert [rig.read(name) for name in ("HASH_LO", "MASK", "CAUSE", "STATUS", "BOOT_STATUS")] == [0, 0, 0, 0, State.ROM]


def test_the_link_that_changed_before_ready_is_told_afterwards() -> None:
    rig = SmartRig(boot=False)
    rig.machine.wire.set_link(False)
    rig.boot()
    assert rig.read("CAUSE") == 1 << 3


def test_the_next_frame_waits_for_the_wire_and_then_for_the_program(rig: SmartRig) -> None:
    ring = rig.start_tx()
    address = rig.fill(frame(1514))
    rig.descriptor(ring, 0, address, 1514, OWN | END)
    rig.descriptor(ring, 1, address, 60, OWN | END)
    rig.write("TX_TAIL", 2)
    rig.settle()
    first, second = [row["time_ns"] for row in rig.machine.events.as_dicts() if row["kind"] == "frame_out"]
    assert 1514 * BYTE_NS + FETCH_NS <= second - first < 1514 * BYTE_NS + FETCH_NS + 20_000


@pytest.mark.breaks("desc-own-last")
def test_a_length_stored_after_ownership_may_come_too_late(rig: SmartRig) -> None:
    ring = rig.start_tx()
    rig.machine.where.depth = 1
    address = rig.fill(frame(100))
    rig.processor.store(ring, 0, struct.pack("<QI", address, 60))
    rig.processor.store(ring, 12, struct.pack("<I", OWN | END))
    rig.processor.store(ring, 8, struct.pack("<I", 100))
    rig.write("TX_TAIL", 1)
    rig.settle()
    assert rig.rules == ["desc-own-last"]
    assert "may have taken the old content already" in rig.errors[0].message


@pytest.mark.breaks("desc-owner")
def test_a_change_after_the_doorbell_is_a_change_of_what_the_card_owns(rig: SmartRig) -> None:
    ring = rig.start_tx()
    rig.descriptor(ring, 0, rig.fill(frame(100)), 60, OWN | END)
    rig.write("TX_TAIL", 1)
    rig.machine.bus.drain()
    rig.processor.store(ring, 8, struct.pack("<I", 100))
    rig.settle()
    assert rig.rules == ["desc-owner"]


def test_a_program_that_is_busy_when_the_driver_stops_an_engine_and_starts_it_again_does_both(rig: SmartRig) -> None:
    rig.start_tx()
    rig.write("CTRL", 0)
    rig.write("CTRL", 2)
    rig.settle()
    rig.send(frame())
    assert rig.machine.wire.sent == [frame()]
    rig.write("CTRL", 2)
    rig.write("CTRL", 0)
    rig.settle()
    assert rig.read("STATUS") == 1


@pytest.mark.parametrize("frames, missed", [(FIFO_FRAMES - 1, 0), (FIFO_FRAMES, 0), (FIFO_FRAMES + 1, 1), (FIFO_FRAMES + 2, 2)])
def test_the_fifo_holds_64_frames_that_come_at_once(rig: SmartRig, frames: int, missed: int) -> None:
    rig.start_rx(128, size=0x400)
    for _ in range(frames):
        rig.nic.receive_frame(frame())
    rig.settle()
    assert (rig.read("STAT_RX"), rig.read("STAT_MISSED")) == (frames - missed, missed)
    assert rig.nic.lost_for_want_of_descriptors == missed


def test_an_engine_that_is_switched_off_forgets_the_frames_that_wait(rig: SmartRig) -> None:
    rig.start_rx()
    rig.nic.receive_frame(frame())
    rig.write("CTRL", 0)
    rig.machine.bus.drain()
    rig.settle()
    assert (rig.read("STAT_RX"), rig.read("CAUSE")) == (0, 0)
    assert rig.nic.state is State.READY


# Who answers for a transfer


def where(rig: SmartRig) -> str:
    return place(rig.errors[0].where) or ""


def related(rig: SmartRig) -> dict[str, str]:
    return {what: place(line) or "" for what, line in rig.errors[0].related}


@pytest.mark.breaks("dma-stray")
def test_an_address_that_the_driver_chose_stands_at_the_drivers_line_with_the_programs_beside_it(rig: SmartRig) -> None:
    ring = rig.start_tx()
    rig.machine.where.depth = 1
    rig.processor.store(ring, 0, struct.pack("<QI", 0x60_0000, 60))
    rig.processor.store(ring, 12, struct.pack("<I", OWN | END))
    rig.write("TX_TAIL", 1)
    rig.settle()
    assert rig.rules == ["dma-stray"]
    assert where(rig).startswith("tests/hw/nic/test_smart_card.py:")
    assert re.match(r"firmware/src/gather\.c:[0-9]+", related(rig)["the firmware starts the transfer in gather"])


@pytest.mark.breaks("dma-stray")
@pytest.mark.parametrize("address, rules", [(TX_BUFFERS, []), (0x60_0000, ["dma-stray"])])
def test_an_address_that_the_program_chose_stands_at_the_programs_line(address: int, rules: list[str]) -> None:
    words = [*READY, *put(SYSTEM + 0x0C, 1), *put(DMA, address), *put(DMA + 8, 0x1000_8000), *put(DMA + 12, 60), *put(DMA + 16, 1), *REST]
    rig = SmartRig(image=program(*words))
    rig.processor.store(rig.block("tx buffers", TX_BUFFERS, 0x1000), 0, bytes(0x1000))
    rig.machine.where.depth = 1
    rig.program("TX", 0x10_0000, 8)
    rig.write("CTRL", 2)
    rig.settle()
    assert rig.rules == rules
    if rules:
        assert where(rig) == f"mini.c:{len(words) - len(REST)}"
        assert list(related(rig)) == ["the firmware starts the transfer in mini", "the host's doorbell"]


@pytest.mark.breaks("contig-phys-64bit")
def test_a_program_that_drops_the_upper_half_of_an_address_is_named_with_the_block_that_was_meant() -> None:
    rig = SmartRig(custom(PRESETS["reference"], 64, 16 * MIB), ram=8 << 30, image=(EXAMPLES / "width.img").read_bytes())
    ring = rig.start_tx()
    high = rig.block("high buffer", 0x1_4000_0000, 0x1000)
    rig.machine.where.depth = 1
    rig.processor.store(high, 0, frame())
    rig.descriptor(ring, 0, 0x1_4000_0000, 60, OWN | END)
    rig.write("TX_TAIL", 1)
    rig.settle()
    assert rig.rules == ["contig-phys-64bit"]
    assert rig.errors[0].owner == "high buffer"
    assert where(rig) == f"examples/firmware/width/gather.c:{flaw('width')}"
    beside = related(rig)
    assert beside.pop("the firmware starts the transfer in gather") == where(rig)
    assert [what.partition(" (")[0] for what in beside] == [
        "the host's doorbell", "transmit descriptor 0 names 0x3c bytes at 0x0000000140000000, in high buffer"]
    assert all(line.startswith("tests/hw/") for line in beside.values())


@pytest.mark.breaks("dma-boundary")
@pytest.mark.parametrize("first, second, rules", [
    (16 * MIB - 14, 16 * MIB, ["dma-boundary"]), (16 * MIB - 14, 16 * MIB + 1, []), (16 * MIB - 15, 16 * MIB, []),
    (16 * MIB, 16 * MIB + 14, [])], ids=["adjoin", "gap behind", "gap before", "above"])
def test_a_program_that_joins_two_pieces_over_a_boundary_is_named_with_the_block(first: int, second: int, rules: list[str]) -> None:
    rig = SmartRig(ram=32 * MIB, image=(EXAMPLES / "boundary.img").read_bytes())
    ring = rig.start_tx()
    rig.processor.store(rig.block("two pieces", 16 * MIB - 0x1000, 0x2000), 0, frame(0x2000))
    rig.descriptor(ring, 0, first, 14, OWN)
    rig.descriptor(ring, 1, second, 60, OWN | END)
    rig.write("TX_TAIL", 2)
    rig.settle()
    assert rig.rules == rules
    if rules:
        assert rig.errors[0].owner == "two pieces"
        assert where(rig) == f"examples/firmware/boundary/gather.c:{flaw('boundary')}"


def flaw(name: str) -> int:
    """The line that is marked in the source of an example."""
    lines = (EXAMPLES / name / "gather.c").read_text("utf-8").splitlines()
    return next(number for number, text in enumerate(lines, 1) if text.endswith("// FLAW"))


@pytest.mark.keeps("dma-boundary", "contig-phys-64bit", "dma-stray")
def test_the_program_that_comes_with_the_card_does_the_same_and_nothing_is_wrong() -> None:
    rig = SmartRig(custom(PRESETS["reference"], 64, 16 * MIB), ram=8 << 30)
    ring = rig.start_tx()
    rig.processor.store(rig.block("two pieces", 0x1_4000_0000 - 0x1000, 0x2000), 0, frame(0x2000))
    rig.descriptor(ring, 0, 0x1_4000_0000 - 14, 14, OWN)
    rig.descriptor(ring, 1, 0x1_4000_0000, 60, OWN | END)
    rig.write("TX_TAIL", 2)
    rig.settle()
    assert rig.rules == []
    assert len(rig.machine.wire.sent[0]) == 74


def test_the_line_of_a_program_is_shown_from_its_file(rig: SmartRig) -> None:
    core = rig.nic.core
    assert core is not None
    found = core.source.where(core.engine.pc)
    assert Path(found[0].co_filename).is_file()
    assert "heartbeat" in Path(found[0].co_filename).read_text("utf-8").splitlines()[line_of(found) - 1]


# Faults of the card


@pytest.mark.parametrize("effect, reason", [("hang", BootError.HANG), ("assertion", BootError.ASSERTION)])
def test_a_program_that_dies_later_shows_it_in_registers_alone(effect: str, reason: BootError) -> None:
    rig = SmartRig(faults=(parse_fault(f"firmware#3={effect}"),))
    rig.start_tx()
    index = 0
    for _ in range(4):
        index = rig.send(frame(), first=index)
    rig.machine.clock.advance(2 * MS)
    assert (rig.nic.state, rig.read("BOOT_ERROR")) == (State.DEAD, reason)
    assert rig.read("STAT_TX") < 4
    assert rig.rules == []
    rig.write("CTRL", 1)
    rig.settle()
    assert rig.boot() is State.READY


def test_a_hung_program_is_ready_until_the_watchdog_expires() -> None:
    rig = SmartRig(faults=(parse_fault("firmware#1=hang"),))
    rig.write("CTRL", 4)
    rig.machine.bus.drain()
    rig.machine.clock.advance(MS - 1_000)
    assert (rig.nic.state, rig.read("WATCHDOG")) == (State.READY, 0)
    rig.machine.clock.advance(2_000)
    assert (rig.nic.state, rig.read("WATCHDOG")) == (State.DEAD, 1)


def test_a_transfer_to_a_wrong_address_ends_in_a_master_abort() -> None:
    rig = SmartRig(faults=(parse_fault("firmware-dma#2"),))
    ring = rig.start_tx()
    rig.send(frame())
    assert (rig.read("CAUSE"), rig.read("CTRL"), rig.read("DMA_ERROR_LO")) == (DMA_ERROR, 0, TX_BUFFERS)
    assert rig.control(ring, 0) == OWN | END
    assert int.from_bytes(rig.nic.config.read(6, 2), "little") & 1 << 13
    assert rig.rules == []


@pytest.mark.parametrize("fault", [f"firmware-dma#{number}=wrong-address" for number in range(2, 9)])
def test_a_failed_transfer_of_one_ring_finds_the_program_in_work_for_the_other(fault: str) -> None:
    rig = SmartRig(faults=(parse_fault(fault),))
    rig.start_rx(handed=5)
    ring = rig.start_tx()
    address = rig.fill(frame(1514))
    for index in range(4):
        rig.descriptor(ring, index, address, 1514, OWN | END)
    rig.rx_descriptor(5)
    rig.rx_descriptor(6)
    rig.nic.receive_frame(frame())
    rig.nic.receive_frame(frame())
    rig.write("TX_TAIL", 4)
    rig.write("RX_TAIL", 7)
    rig.settle()
    assert (rig.read("CTRL"), rig.read("CAUSE") & DMA_ERROR, rig.nic.state) == (0, DMA_ERROR, State.READY)
    assert rig.rules == []


def test_a_lost_doorbell_is_made_good_by_the_next_one() -> None:
    rig = SmartRig(faults=(parse_fault("doorbell#2=lost"),))  # the first one is written before the start
    rig.start_tx()
    index = rig.send(frame())
    assert (rig.machine.wire.sent, rig.read("TX_TAIL")) == ([], 1)
    rig.send(frame(61), first=index)
    assert rig.machine.wire.sent == [frame(), frame(61)]
    assert rig.rules == []


def test_an_underrun_refuses_the_frame_and_a_stopped_transmitter_tells_nothing() -> None:
    rig = SmartRig(faults=(parse_fault("frame-out#1=underrun"), parse_fault("frame-out#2=never")))
    ring = rig.start_tx()
    index = rig.send(frame())
    assert (rig.control(ring, 0), rig.read("STAT_TX_ERRORS")) == (END | ERROR, 1)
    index = rig.send(frame(), first=index)
    rig.send(frame(), first=index)
    assert (rig.control(ring, 1), rig.control(ring, 2), rig.read("TX_HEAD")) == (OWN | END, OWN | END, 1)
    assert rig.nic.state is State.READY


@pytest.mark.parametrize("fault, control", [("frame-out#1=bit-flip", OWN | END), ("frame-out#1=repeated", END)])
def test_a_transmit_descriptor_comes_back_spoiled(fault: str, control: int) -> None:
    rig = SmartRig(faults=(parse_fault(fault),))
    ring = rig.start_tx()
    rig.send(frame())
    assert rig.control(ring, 0) == control


@pytest.mark.parametrize("effect, control", [("bogus-length", END | 0xFFFF), ("bit-flip", OWN | END | 60), ("repeated", END | 60)])
def test_a_receive_descriptor_comes_back_spoiled(effect: str, control: int) -> None:
    rig = SmartRig(faults=(parse_fault(f"frame-in#1={effect}"),))
    ring = rig.start_rx()
    rig.machine.wire.deliver(frame())
    rig.settle()
    assert rig.control(ring, 0) == control


def test_a_fault_of_a_frame_that_the_program_does_not_keep_has_no_effect() -> None:
    rig = SmartRig(faults=(parse_fault("frame-in#1=bit-flip"),))
    rig.start_rx()
    rig.write("FILTER", 0)
    rig.settle()
    rig.machine.wire.deliver(frame())
    rig.settle()
    assert rig.machine.injector is not None
    assert [str(fault) for fault in rig.machine.injector.not_fired()] == ["frame-in#1=bit-flip"]


@pytest.mark.parametrize("effect", ["bad-crc", "runt", "overlong"])
def test_a_broken_frame_takes_a_descriptor(effect: str) -> None:
    rig = SmartRig(faults=(parse_fault(f"frame-in#1={effect}"),))
    ring = rig.start_rx()
    rig.machine.wire.deliver(frame())
    rig.settle()
    assert rig.control(ring, 0) == END | ERROR


# What the driver may do at any moment


def test_whatever_the_driver_does_no_assertion_of_the_program_fails() -> None:
    rig = SmartRig()
    rig.processor.store(rig.block("ring", 0x10_0000, 0x1000), 0, bytes(0x1000))
    seed = 12345
    for _ in range(2_000):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        name = ("CTRL", "TX_TAIL", "RX_TAIL", "TX_COUNT", "RX_COUNT", "TX_BASE_LO", "FILTER", "CTRL")[seed >> 16 & 7]
        value = {"CTRL": seed >> 8 & 0xE, "TX_BASE_LO": 0x10_0000, "FILTER": seed >> 8 & 0x1F}.get(name, seed >> 8 & 0xFF)
        rig.write(name, value)
        if seed >> 24 & 3 == 0:
            rig.nic.receive_frame(frame(60 + (seed & 0xFF)))
        if seed >> 26 & 3 == 0:
            rig.settle()
    rig.settle()
    assert rig.nic.state is State.READY
    assert not any(rule.startswith("firmware") for rule in rig.rules)


def test_a_trap_leaves_the_line_as_it_is_until_the_driver_clears_it() -> None:
    rig = SmartRig(image=program(*READY, *put(SYSTEM + 0x0C, 16), *put(HOST + 0x0C, 1), asm("ebreak")))
    rig.write("MASK", 1)
    rig.settle()
    rig.machine.wire.set_link(False)
    rig.settle()
    assert rig.nic.state is State.DEAD
    assert rig.nic.interrupting
    rig.write("CAUSE", 1)
    rig.settle()
    assert not rig.nic.interrupting
